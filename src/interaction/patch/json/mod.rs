//! JSON Patch: <https://www.rfc-editor.org/rfc/rfc6902>.
//!
//! `operations` reads a patch, `apply` carries it out within limits, `size` measures.

mod apply;
mod operations;
mod size;

pub use apply::apply;
pub use operations::read;
pub use size::measure;
