//! The binary: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    engine::faults::arm();
    engine::cli::main()
}
