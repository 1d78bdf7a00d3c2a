//! The one integration-test binary: HTTP on the real router, a real PostgreSQL behind it.

mod harness;
mod rest;
mod search;
