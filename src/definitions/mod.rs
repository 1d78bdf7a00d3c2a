//! The definitions of FHIR: what types, elements, search parameters, compartments, operations
//! and codes there are. The router, the index, validation and the CapabilityStatement are
//! derived from this module and from nothing else.
//!
//! Spec: <https://hl7.org/fhir/R4/conformance-module.html>, terminology included
//! (<https://hl7.org/fhir/R4/terminology-module.html>). Nothing here does I/O, except the
//! compiler, which runs in a developer's command. The operations on terminology are not done
//! here.
//!
//! ```text
//!   package directory ── compile: restore, trim ──▶ container ──▶ Package ─┐
//!   (HL7's JSON)           (andiron compile-definitions)  (profiles/)      ├─▶ Definitions
//!                                                 another Package ─────────┘       │
//!            Structure   TypeInfo   SearchParameter   Compartment   Operation   CodeSet
//! ```
//!
//! Snapshots of profiles that come without one are generated in [`snapshot`].
//!
//! # The container
//!
//! ```text
//!   0   8 bytes   "andiron" 1A
//!   8   u32       format, 1             all u32 little endian
//!  12   u32       length of the index as it stands here
//!  16   u32       length of the index once inflated
//!  20   ...       the index, one zstd frame with a checksum
//!       ...       the blocks, each one zstd frame with a checksum, about 256 KB of JSON each
//!
//!   index      package name, version, FHIR version
//!              count, then per block: length here, length inflated
//!              count, then per artifact, ordered by resource type, URL, version and id:
//!                 resource type, URL, version, id, name, status, kind, type, derivation, base
//!                 abstract (0, 1), block, offset in the block, length
//!   text       length in bytes, UTF-8          number   LEB128
//! ```
//!
//! Opening a container inflates the index only. An artifact costs one block the first time,
//! and is then kept in its typed form. Artifacts that are used together (all search
//! parameters, say) are neighbours, since they share a resource type.
//!
//! # Walking an instance
//!
//! ```text
//!   type_info("Patient")          contact  ─▶ Field { type_code: BackboneElement, type_key: Patient.contact }
//!   type_info("Patient.contact")  name     ─▶ Field { type_code: HumanName, type_key: HumanName }
//!   type_info("HumanName")        family   ─▶ Field { type_code: string, is_primitive }
//!   type_info("Observation")      valueQuantity ─▶ Field { name: value, is_choice, type_code: Quantity }
//!   type_info("Questionnaire.item") item   ─▶ Field { type_key: Questionnaire.item }
//! ```
//!
//! ## Decisions
//!
//! **2026-11-21: a container of our own, with JSON in it.** The published JSON is 90 MB; trimmed
//! to facts it is still FHIR JSON, which any reader of definitions understands and which lets
//! a later version read more of it without a new format. Kept as one file inside the program,
//! so that a server needs no file at run time. Cost: an artifact is parsed when first used.
//! Measured: 11.7 MB of trimmed JSON in 0.83 MB; opened in 8.6 ms by an unoptimised build on
//! two cores (the target is 50 ms); US Core 6.1.0 takes 65 KB. The tests print these times.
//!
//! **2026-11-21: the published release, not the carrier's.** The npm package that carries HL7's
//! JSON bears edits of its publisher: `SubscriptionStatus` of R4B, three search parameters and
//! a value set that R4 has not, eleven types with elements, targets or bindings of R5 in their
//! snapshots (`Meta.project`, `Binary.url`, most of EvidenceVariable and ResearchStudy). With
//! them a server would accept what is no R4, and refuse R4's own EvidenceVariable examples.
//! The compiler undoes them from the differentials, which were left as published, by the rules
//! in `restore`, and reports what it did. What is left agrees with the JSON schema of R4 type
//! by type, and with the counts of the release: 146 resource types, 1,375 search parameters.
//!
//! **2026-11-21: `Resource.id` is an `id`.** The R4 snapshots say `string`; R4's own JSON
//! schema and its text say `id`, and an id with a slash in it could never be read back.
//!
//! **2026-11-21: a pinned canonical is met by that version only.** `ValueSet|2.0` is not
//! answered with 3.0: refusing a good code is worse than not checking it.

mod compartment;
mod compile;
mod operation;
mod package;
mod registry;
mod restore;
mod search_parameter;
pub mod snapshot;
mod structure;
mod trim;
mod type_info;
mod value_set;

pub use compartment::Compartment;
pub use compile::{CompileSummary, compile};
pub use operation::Operation;
pub use package::{Artifact, Package};
pub use registry::Definitions;
pub use search_parameter::{SearchComponent, SearchParameter, SearchParameterType};
pub use structure::{
    Binding, Constraint, Derivation, Element, ElementType, Max, Slicing, Strength, Structure,
    StructureKind, TypedValue,
};
pub use type_info::{Field, TypeInfo, TypeKind};
pub use value_set::CodeSet;

/// The compiled definitions of R4.
static R4: &[u8] = include_bytes!("../../profiles/r4.andiron");

#[cfg(test)]
mod tests;
