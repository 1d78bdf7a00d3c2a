//! The program `andiron`: parses the command line and runs a subcommand, no more.

use std::process::ExitCode;

/// Requests allocate many small pieces on many threads, which this allocator is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    andiron::cli::run(std::env::args_os())
}
