//! A statement that grows by fixed text and by binds and by nothing else, so that text of the
//! user can only ever become a `$n`.

use crate::access::Access;
use crate::fhir::Instant;
use std::collections::BTreeSet;

/// A value that is sent beside the text.
#[derive(Clone, Debug, PartialEq)]
pub enum Bind {
    Small(i16),
    Int(i32),
    Big(i64),
    Text(String),
    Smalls(Vec<i16>),
    Ints(Vec<i32>),
    Bigs(Vec<i64>),
    Texts(Vec<String>),
}

/// A statement and its binds, `$1` first.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub sql: String,
    pub binds: Vec<Bind>,
    /// How many steps of chains the conditions are inside of.
    depth: usize,
    /// Those of them where the conditions are about a row of `contained`.
    contained: BTreeSet<usize>,
    /// Whether conditions are written so that none of them invites an index: the shape of
    /// the statement says what drives it, and they only filter.
    pub(super) pinned: bool,
}

impl Statement {
    /// Begins with the tenant as `$1`.
    pub(super) fn new(access: &Access) -> Statement {
        Statement {
            sql: String::with_capacity(512),
            binds: vec![Bind::Int(access.tenant.0)],
            depth: 0,
            contained: BTreeSet::new(),
            pinned: false,
        }
    }

    /// A column of the resource that conditions are about: of `r`, or of `r1`, `r2` … within
    /// the steps of a chain.
    pub(super) fn own(&mut self, column: &'static str) -> &mut Statement {
        self.alias().push(".").push(column)
    }

    /// The text of the resource that conditions are about; its container holds that of a
    /// contained one.
    pub(super) fn body(&mut self) -> &mut Statement {
        if !self.contained.contains(&self.depth) {
            return self.own("body");
        }
        self.push("(SELECT (b.body::json #> ").own("path::text[])");
        self.push("::text FROM resource b WHERE b.tenant = ");
        self.own("tenant AND b.type = ").own("container_type");
        self.push(" AND b.key = ").own("container_key)")
    }

    /// Whether conditions that follow at this depth are about a row of `contained`.
    pub(super) fn about_contained(&mut self, is_contained: bool) {
        match is_contained {
            true => self.contained.insert(self.depth),
            false => self.contained.remove(&self.depth),
        };
    }

    /// The name of the resource that conditions are about.
    pub(super) fn alias(&mut self) -> &mut Statement {
        self.sql.push('r');
        if self.depth > 0 {
            self.sql.push_str(&self.depth.to_string());
        }
        self
    }

    /// Conditions that follow are about the resource one step further on.
    pub(super) fn enter(&mut self) -> &mut Statement {
        self.depth += 1;
        self
    }

    /// Back from [`Statement::enter`].
    pub(super) fn leave(&mut self) -> &mut Statement {
        self.about_contained(false);
        self.depth -= 1;
        self
    }

    pub(super) fn push(&mut self, fixed: &'static str) -> &mut Statement {
        self.sql.push_str(fixed);
        self
    }

    /// A number of ours as a literal, so that the planner knows it.
    pub(super) fn number(&mut self, number: usize) -> &mut Statement {
        self.sql.push_str(&number.to_string());
        self
    }

    pub(super) fn bind(&mut self, bind: Bind) -> &mut Statement {
        self.binds.push(bind);
        self.sql.push('$');
        self.sql.push_str(&self.binds.len().to_string());
        self
    }

    pub(super) fn instant(&mut self, instant: Instant) -> &mut Statement {
        // Text, because a float of seconds cannot hold every millisecond; years that four
        // digits cannot show lie beyond anything stored, and are shown as the nearest that can.
        self.bind(Bind::Text(instant.to_string()))
            .push("::text::timestamptz")
    }

    pub(super) fn numeric(&mut self, decimal: &str) -> &mut Statement {
        self.bind(Bind::Text(decimal.to_owned()))
            .push("::text::numeric")
    }
}

/// A limit as the database takes it.
pub(super) fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
