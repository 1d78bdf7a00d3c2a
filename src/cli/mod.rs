//! cli (under construction)

pub mod compile_definitions;
