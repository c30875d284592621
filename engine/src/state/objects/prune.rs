//! Forgetting old runs, without what is still asked of the past.

use chrono::{DateTime, Utc};

use super::chunks::is_later;
use super::document::Document;
use crate::state::snapshot::{Entries, EpochEntry, LoadEntry, RunEntry};

impl Document {
    /// What of `all` is kept when what ended before `before` is forgotten; see [`crate::state::StateStore::prune`].
    pub(super) fn kept(&self, all: &Entries, before: DateTime<Utc>) -> Entries {
        let last = all.runs.iter().map(|run| run.run).max();
        let is_kept = |run: &&RunEntry| run.ended_at.unwrap_or(run.started_at) >= before || Some(run.run) == last;
        let runs: Vec<RunEntry> = all.runs.iter().filter(is_kept).cloned().collect();
        let last = all.epochs.iter().map(|epoch| epoch.position).max();
        let is_kept = |epoch: &&EpochEntry| {
            let has_run = runs.iter().any(|run| Some(run.run) == epoch.run);
            let is_old = epoch.committed_at.is_some_and(|at| at < before);
            !is_old || has_run || Some(epoch.position) == last || self.is_asked_for(epoch, all)
        };
        let epochs = all.epochs.iter().filter(is_kept).cloned().collect();
        Entries { runs, epochs }
    }

    /// Whether an epoch is the last of a flow and table that brought rows: whether a table that is gone had any is asked for
    /// (`epoch::gone`).
    fn is_asked_for(&self, epoch: &EpochEntry, all: &Entries) -> bool {
        let same = |one: &LoadEntry, other: &LoadEntry| {
            let table = |load: &LoadEntry| (load.sink.connector.clone(), load.sink.location.clone());
            one.flow == other.flow && one.place == other.place && table(one) == table(other)
        };
        let is_last = |load: &LoadEntry| {
            let mut later = all.epochs.iter().filter(|later| is_later(later, epoch)).flat_map(|later| &later.loads);
            load.rows > 0 && !later.any(|later| later.rows > 0 && same(load, later))
        };
        epoch.incarnation == self.content.incarnation && epoch.loads.iter().any(is_last)
    }
}
