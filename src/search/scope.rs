//! Where is searched: the context that the path of a search names.
//! <https://hl7.org/fhir/R4/http.html#search>
//!
//! What a compartment holds is told by [`compartment`].

use super::compartment;
use super::registry::Registry;
use crate::error::Result;
use crate::fhir::ResourceType;

/// Where is searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// `[base]?…`: all types, or those of `_type`.
    System,
    /// `[base]/Patient?…`
    Type(ResourceType),
    /// `[base]/Patient/1/Observation?…`, or `[base]/Patient/1/*?…` without a member: what
    /// belongs to one resource. <https://hl7.org/fhir/R4/http.html#vsearch>
    Compartment {
        focal: ResourceType,
        id: String,
        member: Option<ResourceType>,
    },
}

impl Scope {
    /// Whether `_type` says which types are searched.
    pub fn takes_types(&self) -> bool {
        matches!(
            self,
            Scope::System | Scope::Compartment { member: None, .. }
        )
    }

    /// The types that are searched without `_type`; empty means all.
    ///
    /// # Errors
    /// A compartment that there is none of, a type that is never in it.
    pub fn types(&self, registry: &Registry) -> Result<Vec<ResourceType>> {
        match self {
            Scope::System => Ok(Vec::new()),
            Scope::Type(one) => Ok(vec![*one]),
            Scope::Compartment {
                focal,
                member: None,
                ..
            } => compartment::member_types(registry, *focal),
            Scope::Compartment {
                focal,
                member: Some(member),
                ..
            } => {
                compartment::check_member(registry, *focal, *member)?;
                Ok(vec![*member])
            }
        }
    }
}
