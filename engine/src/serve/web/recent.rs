//! The last runs of every pipeline, read once for all who look at the same moment.
//!
//! Reading them costs more than anything else that is asked for often, and pages ask whenever something has changed. What was read is
//! shown again until something changes in this process, and for a second at most: other processes run pipelines as well. Then what is new
//! is read, and all of it once a minute.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;

use super::problem::Problem;
use crate::serve::Control;
use crate::serve::view::PipelineView;
use crate::state::{Page, RunRecord, RunStatus};

/// Runs that are read for all pipelines together; of those that have too few among them, the last ones are asked for one by one.
const RUNS: u32 = 2_000;

/// Runs that are read when others are known: more that are new at once are rare.
const NEW: u32 = 50;

/// How long what was read is good.
const FRESH: Duration = Duration::from_secs(1);

/// How long until everything is read anew: what was removed, and what is not among the newest.
const WHOLE: Duration = Duration::from_secs(60);

/// Pipelines with their last runs.
#[derive(Debug)]
pub(super) struct Seen {
    /// By name.
    pub(super) views: Vec<PipelineView>,
    /// By pipeline, the newest first.
    pub(super) runs: BTreeMap<String, Vec<RunRecord>>,
    /// Rows that runs wrote that began within [`Self::over`].
    pub(super) written: u64,
    /// A day, or less when not all runs of a day were read.
    pub(super) over: TimeDelta,
}

/// What was seen last.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Option<Kept>>);

#[derive(Debug)]
struct Kept {
    seen: Arc<Seen>,
    known: Known,
    at: Instant,
    version: u64,
}

impl Recent {
    /// All pipelines, with `each` runs of every one at most.
    pub(super) async fn look(&self, control: &Control, each: usize) -> Result<Arc<Seen>, Problem> {
        // Who comes while it is read waits. What was begun to be read after somebody had asked is an answer, whatever has changed meanwhile:
        // when much changes at once, those that wait would otherwise read it one after the other.
        let asked = Instant::now();
        let mut kept = self.0.lock().await;
        // Before it is read: what changes meanwhile is read next time.
        let (version, at) = (*control.changes().borrow(), Instant::now());
        if let Some(last) = kept.as_ref()
            && last.known.each == each
            && (last.at >= asked || (last.version == version && last.at.elapsed() < FRESH))
        {
            return Ok(Arc::clone(&last.seen));
        }
        let now = control.session().context.clock.now();
        let views = control.pipelines().await?;
        let before = kept.take().map(|kept| kept.known).filter(|known| known.each == each && known.whole_at.elapsed() < WHOLE);
        let known = match before {
            Some(known) => known.renewed(control, now).await?,
            None => None,
        };
        let known = match known {
            Some(known) => known,
            None => Known::read(control, &views, each, now).await?,
        };
        let seen = Arc::new(known.seen(views, now));
        *kept = Some(Kept { seen: Arc::clone(&seen), known, at, version });
        Ok(seen)
    }
}

/// Runs as they were read.
#[derive(Debug)]
struct Known {
    /// The newest first.
    all: Vec<RunRecord>,
    /// There are no others.
    is_all: bool,
    /// The last ones of pipelines that have too few among these, the newest first.
    older: BTreeMap<String, Vec<RunRecord>>,
    /// How many are wanted of every pipeline.
    each: usize,
    whole_at: Instant,
}

impl Known {
    async fn read(control: &Control, views: &[PipelineView], each: usize, now: DateTime<Utc>) -> Result<Self, Problem> {
        let (store, whole_at) = (control.store(), Instant::now());
        let all = store.runs(&Page { limit: RUNS, ..Page::default() }, now).await?;
        let is_all = all.len() < RUNS as usize;
        let mut older = BTreeMap::new();
        if !is_all {
            let limit = u32::try_from(each).unwrap_or(u32::MAX);
            for view in views {
                if all.iter().filter(|run| run.pipeline == view.name).nth(each.saturating_sub(1)).is_none() {
                    let page = Page { pipeline: Some(view.name.clone()), limit, ..Page::default() };
                    older.insert(view.name.clone(), store.runs(&page, now).await?);
                }
            }
        }
        Ok(Self { all, is_all, older, each, whole_at })
    }

    /// With what is new, and what has become of those that ran; none when so much is new that not all of it was read.
    async fn renewed(mut self, control: &Control, now: DateTime<Utc>) -> Result<Option<Self>, Problem> {
        let store = control.store();
        let mut newest = store.runs(&Page { limit: NEW, ..Page::default() }, now).await?;
        let (Some(known), Some(oldest)) = (self.all.first(), newest.last().map(|run| run.position)) else { return Ok(None) };
        if oldest > known.position {
            return Ok(None);
        }
        self.all.retain(|run| run.position < oldest);
        for run in self.all.iter_mut().filter(|run| run.status == RunStatus::Running) {
            if let Some(found) = store.run(&run.pipeline, run.run, now).await? {
                *run = found;
            }
        }
        newest.append(&mut self.all);
        self.is_all &= newest.len() < RUNS as usize;
        newest.truncate(RUNS as usize);
        Ok(Some(Self { all: newest, ..self }))
    }

    fn seen(&self, views: Vec<PipelineView>, now: DateTime<Utc>) -> Seen {
        let day = now - TimeDelta::days(1);
        let oldest = self.all.last().filter(|_| !self.is_all).map(|run| run.started_at);
        let since = oldest.map_or(day, |oldest| oldest.max(day));
        let written = self.all.iter().filter(|run| run.started_at >= since).map(|run| run.totals.rows_written).sum();
        let mut runs: BTreeMap<String, Vec<RunRecord>> = BTreeMap::new();
        for run in self.all.iter().chain(self.older.values().flatten()) {
            let of_it = runs.entry(run.pipeline.clone()).or_default();
            // Those that are older may be among the others as well.
            if of_it.len() < self.each && of_it.last().is_none_or(|last| run.position < last.position) {
                of_it.push(run.clone());
            }
        }
        Seen { views, runs, written, over: now - since }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Holder, Purpose, Totals};

    fn run(position: i64, pipeline: &str) -> RunRecord {
        let at = DateTime::UNIX_EPOCH + TimeDelta::hours(position);
        RunRecord {
            position,
            pipeline: pipeline.to_owned(),
            run: position,
            status: RunStatus::Done,
            started_at: at,
            ended_at: Some(at),
            error: None,
            purpose: Purpose::default(),
            again_at: None,
            holder: Holder::current(),
            epochs: 1,
            totals: Totals { rows_written: 10, ..Totals::default() },
        }
    }

    #[test]
    fn every_pipeline_has_its_last_runs_wherever_they_were_read() {
        let older = BTreeMap::from([("b".to_owned(), vec![run(47, "b"), run(3, "b"), run(2, "b")])]);
        let all = vec![run(49, "a"), run(48, "a"), run(47, "b"), run(46, "a")];
        let known = Known { all, is_all: false, older, each: 2, whole_at: Instant::now() };
        let seen = known.seen(Vec::new(), DateTime::UNIX_EPOCH + TimeDelta::hours(50));
        let positions = |name: &str| seen.runs[name].iter().map(|run| run.position).collect::<Vec<_>>();
        assert_eq!((positions("a"), positions("b")), (vec![49, 48], vec![47, 3]));
        // Of the hours before the oldest of those that were read for all, nobody knows.
        assert_eq!((seen.written, seen.over), (40, TimeDelta::hours(4)));
    }
}
