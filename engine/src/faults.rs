//! Test builds only: kills this process, as `kill -9` does, at the point that `ENGINE_KILL_AT` names.
//!
//! `ENGINE_KILL_AT=store-after=5` kills at the fifth change of an object store, after it was made. `ENGINE_COUNT_POINTS=FILE`
//! writes how often each point was passed, when the process ends by itself. `ENGINE_PANIC_AT=staged` panics there.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Every point there is.
pub const POINTS: &[&str] = &[
    connectors::faults::BEFORE_EFFECT,
    connectors::faults::AFTER_EFFECT,
    connectors::faults::BEFORE_STATE,
    connectors::faults::AFTER_STATE,
    connectors::faults::FILES_COPIED,
    connectors::faults::BEFORE_TABLE_COMMIT,
    connectors::faults::AFTER_TABLE_COMMIT,
    connectors::faults::BEFORE_REPLACED_REMOVED,
    connectors::faults::MESSAGES_RECEIVED,
    connectors::faults::BEFORE_MESSAGES_DELETED,
    connectors::faults::AFTER_MESSAGES_DELETED,
    "leased",
    "slice-batch",
    "sliced",
    "stage-batch",
    "staged",
    "recorded",
    "commit-before",
    "commit-after",
    "advanced",
    "recover-decided",
    "landing-loaded",
    "landing-schema-kept",
    "landing-kept",
    "landing-refusing",
    "landing-aside",
    "landing-recorded",
    "landing-noted",
    "landing-removed",
];

static COUNTS: Mutex<BTreeMap<&str, u64>> = Mutex::new(BTreeMap::new());

/// Sets the points as the environment says.
pub fn arm() {
    if let Ok(wanted) = std::env::var("ENGINE_KILL_AT")
        && let Some((name, hit)) = wanted.split_once('=')
        && let Ok(hit) = hit.parse::<u64>()
    {
        let passed = AtomicU64::new(0);
        let set = fail::cfg_callback(name.to_owned(), move || {
            if passed.fetch_add(1, Ordering::SeqCst) + 1 == hit {
                kill();
            }
        });
        assert!(set.is_ok(), "fail point {name}");
    }
    if let Ok(name) = std::env::var("ENGINE_PANIC_AT") {
        let set = fail::cfg(name.clone(), "panic(a panic that was asked for)");
        assert!(set.is_ok(), "fail point {name}");
    }
    if std::env::var_os("ENGINE_COUNT_POINTS").is_some() {
        for name in POINTS {
            let set = fail::cfg_callback(*name, move || {
                *COUNTS.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += 1;
            });
            assert!(set.is_ok(), "fail point {name}");
        }
    }
}

/// Writes the counts where `ENGINE_COUNT_POINTS` says.
///
/// # Errors
/// When the file cannot be written.
pub fn write_counts() -> std::io::Result<()> {
    let Some(path) = std::env::var_os("ENGINE_COUNT_POINTS") else { return Ok(()) };
    let counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
    let lines: String = counts.iter().map(|(name, count)| format!("{name}={count}\n")).collect();
    std::fs::write(path, lines)
}

/// SIGKILL cannot be caught, and this thread goes no further. The program `kill` sends it, not a crate: a feature of rustix that
/// only test builds turn on would have DataFusion compiled twice, because tempfile depends on it.
fn kill() {
    let sent = std::process::Command::new("kill").args(["-KILL", &std::process::id().to_string()]).status();
    assert!(sent.is_ok(), "cannot run kill: {sent:?}");
    loop {
        std::thread::park();
    }
}
