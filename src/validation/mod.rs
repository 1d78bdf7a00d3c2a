//! validation (under construction)
