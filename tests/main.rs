//! The one integration-test binary: HTTP on the real router, a real PostgreSQL behind it.

mod api;
mod harness;
mod rest;
