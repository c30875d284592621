//! The binary: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    engine::memory::return_early();
    #[cfg(feature = "failpoints")]
    engine::faults::arm();
    engine::cli::main()
}
