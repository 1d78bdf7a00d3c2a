//! Resources in FHIR's other format: XML to the JSON that is stored, and back.
//! <https://hl7.org/fhir/R4/xml.html>, <https://hl7.org/fhir/R4/json.html>
//!
//! ```text
//!   <Patient xmlns="http://hl7.org/fhir">            {"resourceType":"Patient",
//!     <id value="p"/>                                  "id":"p",
//!     <active value="true"/>             to_json ─▶    "active":true,
//!     <name id="n">                                    "name":[{"id":"n",
//!       <given value="A"/>                               "given":["A",null],
//!       <given><extension url="u">…     ◀─ to_xml        "_given":[null,{"extension":[…]}]
//!     </name>                                          }]
//!   </Patient>                                       }
//! ```
//!
//! The names of elements and of members are the same, choices included, so that one table
//! ([`TypeInfo`]) drives both ways: it says what is a primitive, what repeats, in which order
//! elements stand, and which few are attributes. What is not said by XML itself is checked by
//! `validation` on the JSON, so that a resource meets the same rules in either format.
//!
//! | JSON | XML |
//! |---|---|
//! | numbers | the letters of the attribute, both ways: `1.00` and `1E-22` stay so |
//! | order of members | the order of the definition; another order of elements is refused |
//! | `null` where an item has only extensions | an element without `value` |
//! | a narrative's `div` | the element as it is spelt, comments and spaces included |
//! | nothing | comments and spaces outside of a `div`, `xsi:schemaLocation`: read past |
//! | a `div` that is no well-formed XML | a `div` with its source as text |
//! | members that R4 does not have, where validation is off | nothing |
//! | a character that XML cannot hold (FHIR forbids it too) | U+FFFD |
//!
//! Not done here: negotiation (`api`), rules beyond form (`validation`), other formats.
//!
//! ## Decisions
//! 2026-11-22: JSON stays the one stored form. XML is read straight into JSON text, without a
//! tree in between, and then takes the way of every body; on the way out the stored JSON is
//! parsed, since elements must come in the definition's order.
//!
//! 2026-11-22: a narrative is carried over as spelt, not serialised anew, so that XML -> JSON ->
//! XML gives back its letters and a signature over it still holds. A `div` whose names have
//! prefixes from outside of it cannot be cut out; it is written anew.

mod narrative;
mod to_json;
mod to_xml;

#[cfg(test)]
mod tests;

pub use to_json::to_json;
pub use to_xml::to_xml;

use crate::definitions::{TypeInfo, TypeKind};

/// What stands beside a primitive value: its id and extensions.
const COMPANION: &str = "Element";

/// True for the few members that are attributes in XML: the id of an element (not of a
/// resource) and the url of an extension. `value`, of primitives, is no member in JSON.
fn is_attribute(info: &TypeInfo, name: &str) -> bool {
    match name {
        "id" => info.kind != TypeKind::Resource,
        "url" => info.key == "Extension",
        _ => false,
    }
}
