//! Who holds a lease: enough to tell a person, and to know that it is dead when it ran on this machine.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// A process that holds a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The machine's name.
    pub host: String,
    /// Changes when the machine starts anew; empty when it cannot be known.
    pub boot: String,
    /// The process.
    pub pid: u32,
    /// When the process started, in the machine's ticks; tells a process from a later one with the same number.
    pub started: String,
    /// The pipeline's file; not known of processes of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} on {}", self.pid, self.host)
    }
}

impl Holder {
    /// This process.
    pub fn current() -> Self {
        let pid = std::process::id();
        let read = |path: &str| std::fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
        Self {
            host: read("/proc/sys/kernel/hostname"),
            boot: read("/proc/sys/kernel/random/boot_id"),
            pid,
            started: start_of(pid).unwrap_or_default(),
            file: None,
        }
    }

    /// This process, which runs the pipeline in `file`.
    pub fn running(file: &Path) -> Self {
        let whole = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        Self { file: Some(whole.display().to_string()), ..Self::current() }
    }

    /// Whether this holder certainly runs no more, as seen from `here`: it ran on the same boot of the same machine and
    /// its process is gone. A holder elsewhere is never known to be dead; its lease has to expire.
    pub fn is_dead(&self, here: &Self) -> bool {
        let same_machine = !self.boot.is_empty() && self.boot == here.boot && self.host == here.host;
        same_machine && start_of(self.pid).is_none_or(|started| started != self.started)
    }
}

/// Field 22 of `/proc/<pid>/stat` (proc(5)); `None` when there is no such process, or when it is a zombie, which writes
/// nothing any more.
fn start_of(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    let mut fields = after_name.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive() {
        let me = Holder::current();
        assert!(!me.is_dead(&me));
        assert!(!me.started.is_empty());
    }

    #[test]
    fn a_reused_process_number_is_another_process() {
        let me = Holder::current();
        let earlier = Holder { started: "1".into(), ..me.clone() };
        assert!(earlier.is_dead(&me));
    }

    #[test]
    fn a_holder_elsewhere_is_not_known_to_be_dead() {
        let me = Holder::current();
        let elsewhere = Holder { host: "elsewhere".into(), boot: "other".into(), pid: 1, started: "1".into(), file: None };
        assert!(!elsewhere.is_dead(&me));
    }
}
