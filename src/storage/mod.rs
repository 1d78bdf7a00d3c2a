//! storage (under construction)

pub mod cluster;
