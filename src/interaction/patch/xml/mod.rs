//! XML Patch: <https://www.rfc-editor.org/rfc/rfc5261>, on the XML form of what is stored.
//!
//! ```text
//! stored JSON ─▶ XML tree ─▶ add, replace, remove … ─▶ XML ─▶ JSON, validated as ever
//! ```
//!
//! `operations` reads a patch, `selector` finds what an operation is about, `apply` carries it
//! out. Prefixes that the patch declares hold in its selectors; `f` and `h` mean FHIR and XHTML
//! without being declared, and a name without a prefix is one of the patch's default namespace,
//! or FHIR's where it has none.
//!
//! Deliberately not done: `id()` and processing instructions, of which a resource has none. A
//! declaration of a namespace (`type="namespace::p"`) is read and has no effect: it says
//! nothing of a resource.

mod apply;
mod operations;
mod selector;
#[cfg(test)]
mod tests;

pub use apply::apply;
pub use operations::{Patch, read};
