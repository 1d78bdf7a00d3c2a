//! definitions (under construction)
