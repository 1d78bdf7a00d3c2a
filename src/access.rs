//! Who asks, and what they may see: a value that every query takes.
//!
//! Until the security issue lands there is one tenant and every caller may do everything;
//! the value is threaded through already so that no statement can be written without it.

/// A tenant: first in every key of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tenant(pub i32);

impl Tenant {
    /// The tenant of a single-tenant installation.
    pub const DEFAULT: Tenant = Tenant(1);
}

/// The caller of one request.
#[derive(Clone, Debug)]
pub struct Access {
    pub tenant: Tenant,
}

impl Access {
    /// Full access to the default tenant: `--auth off`, the command line and the demo.
    pub fn unrestricted() -> Access {
        Access {
            tenant: Tenant::DEFAULT,
        }
    }
}
