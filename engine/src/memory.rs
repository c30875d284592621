//! Memory that is free goes back to the system. Batches of text come and go in sizes that fragment glibc's heap, which otherwise keeps what
//! is free of it; `benches/README.md` has the measurement.

/// To be called before any other thread runs: large pieces are mapped on their own, and the free end of the heap goes back soon (mallopt(3)).
pub fn return_early() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    set();
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn set() {
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

/// Gives back what is free in the middle of the heap too (malloc_trim(3)): for the end of a piece of work, when much is.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "a plain call into libc, which locks what it needs and touches no memory that is in use")]
    // SAFETY: malloc_trim has no preconditions.
    unsafe {
        libc::malloc_trim(0);
    }
}
