//! interaction (under construction)
