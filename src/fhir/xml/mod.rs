//! XML documents: read strictly, kept as a tree where they are edited, written back.
//! <https://www.w3.org/TR/xml/>, <https://www.w3.org/TR/xml-names/>,
//! <https://hl7.org/fhir/R4/xml.html>
//!
//! ```text
//! text ─▶ read::Reader ─▶ tokens ─▶ format (a resource's JSON)
//!         no DTD, no entities  └──▶ tree::Element ─▶ XML Patch ─▶ text
//! ```
//!
//! Tokens are `quick-xml`'s, held to what it leaves to its users: what may stand in a name or
//! a value, one root, declared prefixes, an encoding that is UTF-8. Of XML only what FHIR
//! allows: a document type, an entity of one's own or a processing instruction is refused, so
//! that nothing can be expanded and nothing outside be read. Errors say line and column.
//! Not done here: what an element means, which is up to the definitions (`format`).

pub mod escape;
pub mod read;
pub mod tree;

pub use read::{Attribute, Namespace, Reader, Start, Token};
pub use tree::{Element, Node};

/// The namespace of resources and of everything in them but narratives.
pub const FHIR: &str = "http://hl7.org/fhir";
/// The namespace of narratives.
pub const XHTML: &str = "http://www.w3.org/1999/xhtml";
/// Of `xsi:schemaLocation`, which says nothing of the resource and is read past.
pub const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// Of `xml:lang` and the like.
pub const XML: &str = "http://www.w3.org/XML/1998/namespace";
