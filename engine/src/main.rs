//! The binary: arguments in, exit code out.

use std::ffi::c_char;
use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Batches of text come and go in sizes that fragment a heap. What is free is kept for a tenth of a second, for whoever needs it next, and then goes
/// back to the system; all threads share one arena, and keep only small pieces of their own. `benches/README.md` has what it comes to.
#[expect(unsafe_code, reason = "jemalloc reads its settings, jemalloc(3), from the symbol of this name before main begins")]
#[unsafe(export_name = "malloc_conf")]
static SETTINGS: Option<&'static c_char> = {
    const TEXT: &std::ffi::CStr = c"narenas:1,dirty_decay_ms:100,muzzy_decay_ms:0,lg_tcache_max:12";
    // SAFETY: it points at the first character of a static text that ends with a NUL.
    Some(unsafe { &*TEXT.as_ptr() })
};

fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    engine::faults::arm();
    engine::cli::main()
}
