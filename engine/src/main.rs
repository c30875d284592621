//! The binary: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    return_memory_early();
    #[cfg(feature = "failpoints")]
    engine::faults::arm();
    engine::cli::main()
}

/// Batches of text come and go in sizes that fragment glibc's heap, which then keeps what is free: large ones are mapped on
/// their own, and free memory goes back soon (mallopt(3)). `benches/README.md` has the measurement.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn return_memory_early() {
    const LARGE: libc::c_int = 64 << 10;
    const KEPT: libc::c_int = 128 << 10;
    const ARENAS: libc::c_int = 2;
    for (parameter, value) in [(libc::M_MMAP_THRESHOLD, LARGE), (libc::M_TRIM_THRESHOLD, KEPT), (libc::M_ARENA_MAX, ARENAS)] {
        #[expect(
            unsafe_code,
            reason = "a plain call into libc; it takes two numbers, touches no memory of ours, and no other thread runs yet"
        )]
        // SAFETY: mallopt has no preconditions, and a value it refuses changes nothing.
        unsafe {
            libc::mallopt(parameter, value);
        }
    }
}
