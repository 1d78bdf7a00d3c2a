//! Values of FHIR: plain data, no I/O. What keeps precision is kept to the letter.

pub mod bundle;
pub mod date;
pub mod decimal;
pub mod draft;
pub mod id;
pub mod instant;
pub mod json;
pub mod outcome;
pub mod query;
pub mod reference;
pub mod resource_type;
pub mod ucum;
pub mod version;

pub use draft::Draft;
pub use id::Id;
pub use instant::Instant;
pub use resource_type::ResourceType;
pub use version::{Method, Version};
