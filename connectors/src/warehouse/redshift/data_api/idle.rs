//! Kept sessions that nobody uses just now, for whoever comes next.
//!
//! A sink is opened for each commit, and a session that is left alone stays until it expires: without this, a pipeline with epochs
//! of a second would reach the service's limit of 500 sessions a warehouse. What a session has besides (temporary tables) whoever
//! uses it makes anew.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use chrono::{DateTime, Utc};

/// The most that are kept for one warehouse; the others expire.
const MOST_IDLE: usize = 16;

/// Sessions of this process, by whose they are.
static IDLE: LazyLock<Mutex<HashMap<String, Vec<Kept>>>> = LazyLock::new(Mutex::default);

/// A session of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) id: String,
    /// When the service may have ended it.
    pub(super) until: DateTime<Utc>,
}

/// The session that was used last, if it still is one.
pub(super) fn take(of: &str, now: DateTime<Utc>) -> Option<Kept> {
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = idle.get_mut(of)?;
    kept.retain(|kept| kept.until > now);
    kept.pop()
}

/// Keeps a session that is at rest.
pub(super) fn keep(of: &str, session: Kept) {
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = idle.entry(of.to_owned()).or_default();
    if kept.len() < MOST_IDLE {
        kept.push(session);
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn session_is_used_again_until_it_expires() {
        let now = Utc::now();
        let kept = |id: &str, seconds| Kept { id: id.into(), until: now + TimeDelta::seconds(seconds) };
        keep("idle-test", kept("old", -1));
        keep("idle-test", kept("new", 5));
        assert_eq!(take("another", now), None);
        assert_eq!(take("idle-test", now).map(|kept| kept.id).as_deref(), Some("new"));
        assert_eq!(take("idle-test", now), None);
    }
}
