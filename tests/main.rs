//! The one integration-test binary: HTTP on the real router, a real PostgreSQL behind it.

mod cli;
mod harness;
mod rest;
