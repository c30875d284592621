//! How far a listing has been read, as it is stored: JSON, bounded in size, the same text for the same progress.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::source::Offset;

/// Where a post stands in a listing sorted by time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// `created_utc`.
    pub(super) at: f64,
    /// Base 36, growing; breaks ties.
    pub(super) id: String,
}

impl Mark {
    /// By time, then by id.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let id = |mark: &Self| mark.id.len();
        self.at.total_cmp(&other.at).then(id(self).cmp(&id(other))).then_with(|| self.id.cmp(&other.id))
    }

    /// Whether it is older than, or is, `other`.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.order(other) != Ordering::Greater
    }
}

/// Keeps the newer of two.
pub(super) fn raise(mark: &mut Option<Mark>, to: &Mark) {
    if mark.as_ref().is_none_or(|mark| mark.is_within(to)) {
        *mark = Some(to.clone());
    }
}

/// A post that was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Which.
    #[serde(flatten)]
    pub(super) mark: Mark,
    /// What it looked like; only with the `refresh` option.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hash: Option<String>,
}

/// All posts of a listing sorted by time from one down to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Span {
    /// The upper end.
    pub(super) newest: Mark,
    /// The lower end.
    pub(super) oldest: Mark,
}

impl Span {
    /// Of one post.
    pub(super) fn of(mark: &Mark) -> Self {
        Self { newest: mark.clone(), oldest: mark.clone() }
    }

    /// Whether a post lies between the ends or is one of them.
    pub(super) fn holds(&self, mark: &Mark) -> bool {
        self.oldest.is_within(mark) && mark.is_within(&self.newest)
    }

    /// Grows to hold `mark`.
    pub(super) fn reach(&mut self, mark: &Mark) {
        if self.newest.is_within(mark) {
            self.newest = mark.clone();
        }
        if mark.is_within(&self.oldest) {
            self.oldest = mark.clone();
        }
    }
}

/// A walk down a listing that is not at its end.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Walk {
    /// Cursor of the next page; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<String>,
    /// Cursors to fall back on, nearest first, when the one above leads nowhere because its post was deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) back: Vec<String>,
    /// What this walk has read: the newest of it, or all of a ranked listing.
    pub(super) fresh: Vec<Entry>,
    /// The newest of what did not fit into `fresh`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) evicted: Option<Mark>,
    /// The ids last read: what a moving listing may repeat.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) recent: Vec<String>,
    /// The newest and the oldest post walked past since it last started over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) span: Option<Span>,
    /// The same of the times before: a walk that lost all its cursors starts over, and what lies in these is read already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) passed: Vec<Span>,
    /// Posts walked past, for the `limit` option.
    pub(super) walked: u64,
}

/// Progress in a listing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Posts read in all.
    pub(super) posts: u64,
    /// The posts read last. Of a listing sorted by time the newest, newest first.
    pub(super) seen: Vec<Entry>,
    /// The newest post that no longer fits into `seen`: what is not newer counts as read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) floor: Option<Mark>,
    /// Fingerprints of the bad children that were handed over last, oldest first: each is handed over once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) bad: Vec<String>,
    /// The walk that goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) walk: Option<Walk>,
}

impl Progress {
    /// Reads an offset; none is the beginning.
    ///
    /// # Errors
    /// [`Error::Config`] for a text that this connector did not write.
    pub(super) fn load(offset: Option<&Offset>) -> Result<Self> {
        let Some(offset) = offset else { return Ok(Self::default()) };
        serde_json::from_str(&offset.0).map_err(|error| {
            Error::config(format!(
                "the stored offset is not one of REDDIT ({error}); was the table's connector changed? run with --from-scratch"
            ))
        })
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`Error::Internal`] when it cannot be written as JSON.
    pub(super) fn store(&self) -> Result<Offset> {
        serde_json::to_string(self)
            .map(Offset)
            .map_err(|error| Error::internal(format!("a REDDIT offset cannot be written: {error}")))
    }

    /// The newest post read.
    pub(super) fn newest(&self) -> Option<&Mark> {
        let fresh = self.walk.iter().flat_map(|walk| &walk.fresh);
        self.seen.iter().chain(fresh).map(|entry| &entry.mark).max_by(|a, b| a.order(b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(at: f64, id: &str) -> Mark {
        Mark { at, id: id.to_owned() }
    }

    #[test]
    fn marks_are_ordered_by_time_then_by_base_36_id() {
        assert!(mark(1.0, "zz").is_within(&mark(2.0, "a")));
        assert!(mark(1.0, "zz").is_within(&mark(1.0, "100")));
        assert!(mark(1.0, "a1").is_within(&mark(1.0, "a1")));
        assert!(!mark(1.0, "a2").is_within(&mark(1.0, "a1")));
    }

    #[test]
    fn stored_progress_is_read_back_and_written_the_same() {
        let entry = Entry { mark: mark(1_456_821_458.0, "48fbm9"), hash: Some("ab".into()) };
        let walk = Walk { after: Some("t3_48fbm9".into()), fresh: vec![entry.clone()], walked: 1, ..Walk::default() };
        let progress =
            Progress { posts: 1, seen: vec![entry], floor: Some(mark(1.5, "a")), bad: vec!["b".into()], walk: Some(walk) };
        let text = progress.store().unwrap();
        let again = Progress::load(Some(&text)).unwrap();
        assert_eq!(again, progress);
        assert_eq!(again.store().unwrap(), text);
        assert_eq!(Progress::load(None).unwrap().store().unwrap().0, r#"{"posts":0,"seen":[]}"#);
        assert!(matches!(Progress::load(Some(&Offset("x".into()))).unwrap_err(), Error::Config { .. }));
    }
}
