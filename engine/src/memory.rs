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

/// For the end of a piece of work: gives back what is free in the middle of the heap too (malloc_trim(3)), and unmaps the code, most of which
/// the next piece does not run. What it runs is mapped again from the page cache, in a few milliseconds.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "plain calls into libc")]
    // SAFETY: malloc_trim has no preconditions. The ranges are code of this executable, which nobody writes to: a page of it that is touched
    // again is read from its file again.
    unsafe {
        libc::malloc_trim(0);
        for (start, length) in code() {
            libc::madvise(start as *mut libc::c_void, length, libc::MADV_DONTNEED);
        }
    }
}

/// Where this executable's code is mapped, and how long it is; nothing where the system does not tell.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn code() -> Vec<(usize, usize)> {
    let (Ok(maps), Ok(executable)) = (std::fs::read_to_string("/proc/self/maps"), std::env::current_exe()) else {
        return Vec::new();
    };
    let is_code = |line: &&str| line.contains(" r-xp ") && executable.to_str().is_some_and(|path| line.ends_with(path));
    let range = |line: &str| {
        let (start, end) = line.split_once(' ')?.0.split_once('-')?;
        let address = |text| usize::from_str_radix(text, 16).ok();
        let (start, end) = (address(start)?, address(end)?);
        Some((start, end.checked_sub(start)?))
    };
    maps.lines().filter(is_code).filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_back_is_there_when_it_is_needed() {
        let before: Vec<String> = (0..1_000).map(|number| number.to_string()).collect();
        give_back();
        let after: Vec<String> = (0..1_000).map(|number| number.to_string()).collect();
        assert_eq!(before, after);
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        assert!(code().iter().any(|(start, length)| (*start..start + length).contains(&(give_back as *const () as usize))));
    }
}
