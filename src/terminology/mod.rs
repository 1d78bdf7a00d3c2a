//! Terminology: code systems, the value sets drawn from them, and maps between them.
//! <https://hl7.org/fhir/R4/terminology-module.html>
//!
//! ```text
//! ValueSet -> Library (what it draws on, read beforehand) -> Evaluation -> members, or
//!                                                                       membership of one code
//!             code systems: resources, parsed once (cache)              or a Selection that
//!                           excerpts of tables (tables)                 SQL asks of a table
//! ```
//!
//! Evaluation is free of I/O: [`library`] says what is to be read. Search (`:in`, `:above`,
//! `:below`) and the operations (`$expand`, `$validate-code`, `$lookup`, `$subsumes`,
//! `$translate`) evaluate by the same code. [`release`] reads the files by which code systems
//! are published into [`tables`]; [`remote`] is another server, asked last. Bindings of profiles ask
//! it too: of what is at hand at once, of the rest by the questions that validation leaves
//! open. The required bindings of R4's own `code` elements have the lists of
//! `definitions::value_set`, which the layer below makes.
//!
//! ## Decisions
//! - *What is not known is told, never guessed.* A system that is not here, or of which only
//!   a part is, makes a membership [`Membership::Unknown`]: neither a false error nor a false
//!   consent. An expansion that would need it is refused.
//! - *Circles and traps end*: value sets that contain themselves, hierarchies that lead back,
//!   and regular expressions that need too many steps are refused.
//! - *Large systems are loaded from files, small ones are resources*, and both are asked by one
//!   code: of a table an excerpt is read that has the concepts in question, as a
//!   [`CodeSystem`] like that of a resource. A CodeSystem that is stored is parsed once per
//!   version and kept, within a bound; it is not copied into the tables.
//! - *Systems with a grammar* (UCUM, post-coordinated SNOMED CT) are not known here.

pub mod cache;
pub mod code_system;
mod evaluation;
pub mod filter;
mod implicit;
pub mod language;
pub mod library;
pub mod release;
pub mod remote;
pub mod tables;
pub mod text;
pub mod translate;
pub mod version;

pub use code_system::CodeSystem;
pub use evaluation::{Evaluation, Member, Members, Selection};
pub use implicit::implicit;
pub use library::{Library, Part, Versions};

use std::fmt;
use std::ops::Not;

/// Whether a code is in a value set, as far as that is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    Yes,
    No,
    /// The answer needs a code system that is not known here, or not whole.
    Unknown,
}

impl Membership {
    pub fn or(self, other: Membership) -> Membership {
        match (self, other) {
            (Membership::Yes, _) | (_, Membership::Yes) => Membership::Yes,
            (Membership::No, Membership::No) => Membership::No,
            _ => Membership::Unknown,
        }
    }

    pub fn and(self, other: Membership) -> Membership {
        !(!self).or(!other)
    }
}

impl Not for Membership {
    type Output = Membership;

    fn not(self) -> Membership {
        match self {
            Membership::Yes => Membership::No,
            Membership::No => Membership::Yes,
            Membership::Unknown => Membership::Unknown,
        }
    }
}

impl From<bool> for Membership {
    fn from(holds: bool) -> Membership {
        match holds {
            true => Membership::Yes,
            false => Membership::No,
        }
    }
}

/// Why a value set cannot be evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub reason: Reason,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It names a value set that is not here.
    NotFound,
    /// It needs codes of a system that are not here.
    NotKnown,
    /// A filter or a circle.
    NotSupported,
    /// A filter that is none.
    Invalid,
    /// A code system of another version than the one that is asked for.
    Version,
    TooCostly,
}

impl Problem {
    pub fn new(reason: Reason, text: impl Into<String>) -> Problem {
        Problem {
            reason,
            text: text.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
