//! Sign-ins: kept in memory, ended by time, by signing out and with the process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Role;
use crate::serve::web::token;

/// Sign-ins that are kept; of more, the oldest ends.
const MAX: usize = 1_000;

/// A sign-in.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) role: Role,
    pub(super) proof: Arc<str>,
    ends_at: DateTime<Utc>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Sessions {
    lasts: Duration,
    by_id: Mutex<HashMap<String, Session>>,
}

impl Sessions {
    pub(super) fn new(lasts: Duration) -> Self {
        Self { lasts, by_id: Mutex::default() }
    }

    /// The id of a new one.
    pub(super) fn begin(&self, role: Role, now: DateTime<Utc>) -> String {
        let id = token::random();
        let session = Session { role, proof: token::random().into(), ends_at: now + self.lasts };
        let mut by_id = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        by_id.retain(|_, session| session.ends_at > now);
        if by_id.len() >= MAX
            && let Some(oldest) = by_id.iter().min_by_key(|(_, session)| session.ends_at).map(|(id, _)| id.clone())
        {
            by_id.remove(&oldest);
        }
        by_id.insert(id.clone(), session);
        id
    }

    /// The one with that id, while it lasts. Ids are too long for anybody to learn one from how long a look-up takes.
    pub(super) fn find(&self, id: &str, now: DateTime<Utc>) -> Option<Session> {
        let by_id = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        by_id.get(id).filter(|session| session.ends_at > now).cloned()
    }

    pub(super) fn end(&self, id: &str) {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_end_by_time_and_by_signing_out() {
        let sessions = Sessions::new(Duration::from_secs(60));
        let now = DateTime::UNIX_EPOCH;
        let (one, other) = (sessions.begin(Role::Read, now), sessions.begin(Role::Write, now));
        assert_eq!(sessions.find(&one, now).unwrap().role, Role::Read);
        assert_ne!(sessions.find(&one, now).unwrap().proof, sessions.find(&other, now).unwrap().proof);
        sessions.end(&one);
        assert!(sessions.find(&one, now).is_none());
        assert!(sessions.find(&other, now + Duration::from_secs(59)).is_some());
        assert!(sessions.find(&other, now + Duration::from_secs(60)).is_none());
        assert!(sessions.find("", now).is_none());
    }

    #[test]
    fn memory_is_bounded() {
        let sessions = Sessions::new(Duration::from_secs(60));
        let now = DateTime::UNIX_EPOCH;
        let first = sessions.begin(Role::Read, now);
        for second in 1..=u64::try_from(MAX).unwrap() {
            sessions.begin(Role::Read, now + Duration::from_millis(second));
        }
        assert_eq!(sessions.by_id.lock().unwrap().len(), MAX);
        assert!(sessions.find(&first, now).is_none());
    }
}
