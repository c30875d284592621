//! Which flows a bad record goes to, if it is a row now.
//!
//! A record says which flows wait for it: those of the epoch that put it aside. So a flow that was added later, and read the record's
//! file when the table was repaired already, does not get the row a second time.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::epoch::quarantine::{joined, split};

/// A flow that may take records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taker {
    /// Its id.
    pub(super) flow: String,
    /// It replaces rows by their key.
    pub(super) upserts: bool,
}

/// What of a record decides where it goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::epoch) struct Mark {
    /// The incarnation of the pipeline that put it aside; none where that was not written down.
    pub(in crate::epoch) incarnation: Option<String>,
    /// The flows that wait for it; none where that was not written down, and all do.
    pub(in crate::epoch) flows: Option<String>,
    /// It is among their rows, with a NULL.
    pub(in crate::epoch) kept: bool,
    /// It was found where the table was read whole.
    pub(in crate::epoch) whole: bool,
}

/// Flows that take a record, by their places among the takers, ascending.
pub type Takers = Vec<usize>;

/// Why a record is not tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Left {
    /// It is a row with a NULL in tables that are appended to: its row would be there twice.
    Kept,
    /// The pipeline's progress was forgotten since, so that its file was read again.
    Forgotten,
    /// No flow waits for it that is in the file.
    NoFlow,
    /// Its table is read whole: the next run that reads it meets the record again.
    Whole,
}

/// What is done with a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is decoded, and its rows go to these.
    Tried(Takers),
    /// It stays as it is.
    Left(Left),
}

/// Decides where records go.
#[derive(Debug)]
pub(super) struct Triage {
    takers: Vec<Taker>,
    incarnation: String,
    decided: BTreeMap<Mark, Fate>,
}

impl Triage {
    /// Between `takers`, in this incarnation of the pipeline.
    pub(super) fn new(takers: Vec<Taker>, incarnation: String) -> Self {
        Self { takers, incarnation, decided: BTreeMap::new() }
    }

    /// What is done with records of `mark`. There are few different marks.
    pub(super) fn fate(&mut self, mark: &Mark) -> Fate {
        if let Some(fate) = self.decided.get(mark) {
            return fate.clone();
        }
        let fate = self.decide(mark);
        self.decided.insert(mark.clone(), fate.clone());
        fate
    }

    fn decide(&self, mark: &Mark) -> Fate {
        if mark.whole {
            return Fate::Left(Left::Whole);
        }
        if mark.incarnation.as_ref().is_some_and(|incarnation| *incarnation != self.incarnation) {
            return Fate::Left(Left::Forgotten);
        }
        let waiting = self.waiting(mark);
        let waits = |taker: &Taker| waiting.contains(&taker.flow.as_str());
        let all: Vec<(usize, &Taker)> = self.takers.iter().enumerate().filter(|(_, taker)| waits(taker)).collect();
        let chosen: Takers = all.iter().filter(|(_, taker)| !mark.kept || taker.upserts).map(|(index, _)| *index).collect();
        match (chosen.is_empty(), all.is_empty()) {
            (false, _) => Fate::Tried(chosen),
            (true, false) => Fate::Left(Left::Kept),
            (true, true) => Fate::Left(Left::NoFlow),
        }
    }

    fn waiting<'a>(&'a self, mark: &'a Mark) -> Vec<&'a str> {
        match &mark.flows {
            Some(flows) => split(flows).collect(),
            None => self.takers.iter().map(|taker| taker.flow.as_str()).collect(),
        }
    }

    /// The flows of `takers`, as the table has them.
    pub(super) fn names(&self, takers: &Takers) -> String {
        joined(takers.iter().filter_map(|index| self.takers.get(*index)).map(|taker| taker.flow.as_str()))
    }

    /// The flows that still wait when `takers` have had their row; none when no flow does.
    pub(super) fn others(&self, mark: &Mark, takers: &Takers) -> Option<String> {
        let served = |flow: &&str| takers.iter().any(|index| self.takers.get(*index).is_some_and(|taker| taker.flow == *flow));
        let others = joined(self.waiting(mark).into_iter().filter(|flow| !served(flow)));
        Some(others).filter(|others| !others.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn triage() -> Triage {
        let taker = |flow: &str, upserts| Taker { flow: flow.into(), upserts };
        Triage::new(vec![taker("added", false), taker("latest", true), taker("later", false)], "now".into())
    }

    fn mark(incarnation: Option<&str>, flows: Option<&str>, kept: bool) -> Mark {
        Mark { incarnation: incarnation.map(Into::into), flows: flows.map(Into::into), kept, whole: false }
    }

    #[test]
    fn a_record_goes_to_the_flows_that_wait_for_it_and_no_other() {
        let mut triage = triage();
        for (flows, fate) in [
            (Some("added, latest"), Fate::Tried(vec![0, 1])),
            (Some("later"), Fate::Tried(vec![2])),
            (Some("latest, gone"), Fate::Tried(vec![1])),
            (Some("gone"), Fate::Left(Left::NoFlow)),
            (None, Fate::Tried(vec![0, 1, 2])),
        ] {
            assert_eq!(triage.fate(&mark(Some("now"), flows, false)), fate, "{flows:?}");
            assert_eq!(triage.fate(&mark(None, flows, false)), fate, "{flows:?}, of an earlier version");
            assert_eq!(triage.fate(&mark(Some("before"), flows, false)), Fate::Left(Left::Forgotten), "{flows:?}");
        }
    }

    #[test]
    fn a_record_that_is_a_row_goes_only_where_its_row_is_replaced() {
        let mut triage = triage();
        let kept = mark(Some("now"), Some("added, latest"), true);
        assert_eq!(triage.fate(&kept), Fate::Tried(vec![1]));
        assert_eq!(triage.others(&kept, &vec![1]).as_deref(), Some("added"));
        assert_eq!(triage.fate(&mark(Some("now"), Some("added"), true)), Fate::Left(Left::Kept));
    }

    #[test]
    fn a_record_of_a_table_that_is_read_whole_waits_for_nobody() {
        let whole = Mark { whole: true, ..mark(Some("now"), Some("latest"), false) };
        assert_eq!(triage().fate(&whole), Fate::Left(Left::Whole));
    }

    #[test]
    fn a_record_waits_for_the_flows_that_did_not_take_it() {
        let triage = triage();
        let record = mark(Some("now"), Some("latest, gone, added"), false);
        assert_eq!(triage.others(&record, &vec![0, 1]).as_deref(), Some("gone"));
        assert_eq!(triage.others(&mark(None, None, false), &vec![0, 1, 2]), None);
        assert_eq!(triage.names(&vec![0, 2]), "added, later");
    }
}
