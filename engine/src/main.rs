//! The binary: arguments in, exit code out.

use std::process::ExitCode;

/// Batches of text come and go in sizes that fragment the system's allocator; `benches/README.md` has the measurement.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    engine::faults::arm();
    engine::cli::main()
}
