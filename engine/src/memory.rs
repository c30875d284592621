//! Memory that is free goes back to the system at the end of a piece of work, not when the next one needs it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tikv_jemalloc_sys::mallctl;

/// All arenas, for jemalloc's `arena.<i>.purge`.
const PURGE: &std::ffi::CStr = c"arena.4096.purge";

/// In a process that does many things at once, memory is given back so often at most: each time, all of them find their code unmapped.
const SELDOM: Duration = Duration::from_secs(1);

static IS_SHARED: AtomicBool = AtomicBool::new(false);
static LAST: Mutex<Option<Instant>> = Mutex::new(None);

/// From now on, this process does many things at once.
pub(crate) fn share() {
    IS_SHARED.store(true, Ordering::Relaxed);
}

/// For the end of a part of some work: [`give_back`], unless somebody else would be kept waiting by it again and again.
pub(crate) fn give_back_part() {
    let last = *LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if !IS_SHARED.load(Ordering::Relaxed) || last.is_none_or(|last| last.elapsed() >= SELDOM) {
        give_back();
    }
}

/// For the end of a piece of work: gives back what is free of the heap (jemalloc(3)), and unmaps the executable's code and constants, most of which
/// the next piece does not need. What it needs is mapped again from the page cache, in a few milliseconds.
#[expect(unsafe_code, reason = "plain calls into libc and jemalloc")]
pub(crate) fn give_back() {
    *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    // SAFETY: the name is one that neither reads nor writes a value, and where jemalloc does not allocate, it has nothing to give back.
    let unknown = unsafe { mallctl(PURGE.as_ptr(), std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut(), 0) };
    debug_assert_eq!(unknown, 0, "jemalloc does not know {PURGE:?}");
    #[cfg(target_os = "linux")]
    for (start, length) in unwritten() {
        // SAFETY: nobody writes to these pages: one that is touched again is read from its file again.
        unsafe { libc::madvise(start as *mut libc::c_void, length, libc::MADV_DONTNEED) };
    }
}

/// Where parts of this executable's file are mapped that nobody ever writes to, and how long they are; nothing where the system does not
/// tell. They are its code, and what its file begins with; other parts that are read-only now were written to when the program was loaded.
#[cfg(target_os = "linux")]
fn unwritten() -> Vec<(usize, usize)> {
    let (Ok(maps), Ok(executable)) = (std::fs::read_to_string("/proc/self/maps"), std::env::current_exe()) else {
        return Vec::new();
    };
    let is_unwritten = |line: &&str| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (rights, offset) = (fields.next(), fields.next());
        rights == Some("r-xp") || (rights == Some("r--p") && offset == Some("00000000"))
    };
    let range = |line: &str| {
        let (start, end) = line.split_once(' ')?.0.split_once('-')?;
        let address = |text| usize::from_str_radix(text, 16).ok();
        let (start, end) = (address(start)?, address(end)?);
        Some((start, end.checked_sub(start)?))
    };
    let own = maps.lines().filter(|line| executable.to_str().is_some_and(|path| line.ends_with(path)));
    own.filter(is_unwritten).filter_map(range).collect()
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
        #[cfg(target_os = "linux")]
        assert!(unwritten().iter().any(|(start, length)| (*start..start + length).contains(&(give_back as *const () as usize))));
    }
}
