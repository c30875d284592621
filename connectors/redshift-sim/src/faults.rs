//! Faults to order: what goes wrong once, at the next moment that fits.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::error::Error;

/// What is to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The connection is cut when COMMIT arrives; the transaction is rolled back.
    CutBeforeCommit,
    /// The transaction is committed, and the connection is cut before the client is told.
    CutAfterCommit,
    /// COMMIT fails with 1023, and the transaction is rolled back.
    ConflictOnCommit,
    /// The connection is cut in the middle of COPY.
    CutDuringCopy,
    /// COPY takes so much longer; it can be cancelled meanwhile.
    SlowCopy(Duration),
    /// The Data API does what a request says, and the connection ends without an answer.
    LoseAnswer,
    /// The Data API refuses a request because there were too many.
    Throttle,
}

/// Something that goes wrong once.
///
/// In SQL: `SET redshift_sim.fault TO 'cut_after_commit on posts'`; the kinds are `cut_before_commit`, `cut_after_commit`,
/// `conflict_on_commit`, `cut_during_copy`, `slow_copy 500ms`, and, of the Data API, `lose_answer` and `throttle`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    kind: FaultKind,
    table: Option<String>,
}

impl Fault {
    /// A fault of the next transaction or COPY.
    #[must_use]
    pub fn new(kind: FaultKind) -> Self {
        Self { kind, table: None }
    }

    /// Only of a transaction that wrote this table (its name without the schema).
    #[must_use]
    pub fn on(mut self, table: impl Into<String>) -> Self {
        self.table = Some(table.into());
        self
    }

    /// What goes wrong.
    #[must_use]
    pub fn kind(&self) -> FaultKind {
        self.kind
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            FaultKind::CutBeforeCommit => write!(formatter, "cut_before_commit")?,
            FaultKind::CutAfterCommit => write!(formatter, "cut_after_commit")?,
            FaultKind::ConflictOnCommit => write!(formatter, "conflict_on_commit")?,
            FaultKind::CutDuringCopy => write!(formatter, "cut_during_copy")?,
            FaultKind::SlowCopy(time) => write!(formatter, "slow_copy {}ms", time.as_millis())?,
            FaultKind::LoseAnswer => write!(formatter, "lose_answer")?,
            FaultKind::Throttle => write!(formatter, "throttle")?,
        }
        self.table.as_ref().map_or(Ok(()), |table| write!(formatter, " on {table}"))
    }
}

impl FromStr for Fault {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut words = text.split_whitespace();
        let unknown = || {
            let kinds = "cut_before_commit, cut_after_commit, conflict_on_commit, cut_during_copy, slow_copy TIMEms, lose_answer, throttle";
            Error::Config(format!("unknown fault \"{text}\", there are {kinds}, each with `on TABLE` if wanted"))
        };
        let kind = match words.next().unwrap_or_default() {
            "cut_before_commit" => FaultKind::CutBeforeCommit,
            "cut_after_commit" => FaultKind::CutAfterCommit,
            "conflict_on_commit" => FaultKind::ConflictOnCommit,
            "cut_during_copy" => FaultKind::CutDuringCopy,
            "lose_answer" => FaultKind::LoseAnswer,
            "throttle" => FaultKind::Throttle,
            "slow_copy" => {
                let time = words.next().and_then(|time| time.strip_suffix("ms")?.parse().ok()).ok_or_else(unknown)?;
                FaultKind::SlowCopy(Duration::from_millis(time))
            }
            _ => return Err(unknown()),
        };
        match (words.next(), words.next(), words.next()) {
            (None, None, None) => Ok(Self::new(kind)),
            (Some("on"), Some(table), None) => Ok(Self::new(kind).on(table)),
            _ => Err(unknown()),
        }
    }
}

/// The faults that were ordered, and those that came.
#[derive(Debug, Default)]
pub struct Faults {
    pending: Mutex<VecDeque<Fault>>,
    delivered: Mutex<Vec<Fault>>,
}

impl Faults {
    /// Orders a fault. Each comes once; those of one kind come in the order they were ordered.
    pub fn push(&self, fault: Fault) {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).push_back(fault);
    }

    /// Forgets what has not come yet.
    pub fn clear(&self) {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// How many have not come yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Those that came, in order.
    #[must_use]
    pub fn delivered(&self) -> Vec<Fault> {
        self.delivered.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The next fault of a kind that `fits` for a transaction that wrote `tables`.
    pub(crate) fn take(&self, tables: &[String], fits: impl Fn(FaultKind) -> bool) -> Option<FaultKind> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let written = |fault: &Fault| fault.table.as_ref().is_none_or(|table| tables.contains(table));
        let position = pending.iter().position(|fault| fits(fault.kind) && written(fault))?;
        let fault = pending.remove(position)?;
        let kind = fault.kind;
        tracing::info!(%fault, "a fault that was ordered");
        self.delivered.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
        Some(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read_as_it_is_written() {
        for text in [
            "cut_before_commit",
            "cut_after_commit on posts",
            "conflict_on_commit",
            "slow_copy 250ms on posts",
            "cut_during_copy",
            "lose_answer",
            "throttle",
        ] {
            assert_eq!(text.parse::<Fault>().unwrap().to_string(), text);
        }
        for text in ["", "cut", "slow_copy", "slow_copy 2s", "cut_after_commit posts", "conflict_on_commit on a b"] {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_fault_waits_for_its_table_and_comes_once() {
        let faults = Faults::default();
        faults.push(Fault::new(FaultKind::CutAfterCommit).on("posts"));
        let cut = |tables: &[&str]| {
            let tables: Vec<String> = tables.iter().map(|table| (*table).to_owned()).collect();
            faults.take(&tables, |kind| kind == FaultKind::CutAfterCommit)
        };
        assert_eq!(cut(&["comments"]), None);
        assert_eq!(cut(&["comments", "posts"]), Some(FaultKind::CutAfterCommit));
        assert_eq!((cut(&["posts"]), faults.pending(), faults.delivered().len()), (None, 0, 1));
    }
}
