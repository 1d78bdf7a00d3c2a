//! The one integration-test binary: HTTP on the real router, a real PostgreSQL behind it.

mod api;
mod cli;
mod conformance;
mod graphql;
mod harness;
mod rest;
mod search;
mod storage;
mod terminology;
