//! The last runs of every pipeline, read once for all who look at the same moment.
//!
//! Reading them costs more than anything else that is asked for often, and pages ask whenever something has changed. What was read is
//! shown again until something changes in this process, and for a second at most: other processes run pipelines as well.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use tokio::sync::Mutex;

use super::problem::Problem;
use crate::serve::Control;
use crate::serve::view::PipelineView;
use crate::state::{Page, RunRecord};

/// Runs that are read for all pipelines together; of those that have none among them, the last ones are asked for one by one.
const RUNS: u32 = 2_000;

/// How long what was read is good.
const FRESH: Duration = Duration::from_secs(1);

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
    at: Instant,
    version: u64,
    each: usize,
}

impl Recent {
    /// All pipelines, with `each` runs of every one at most.
    pub(super) async fn look(&self, control: &Control, each: usize) -> Result<Arc<Seen>, Problem> {
        // Who comes while it is read waits, and is told the same.
        let mut kept = self.0.lock().await;
        // Before it is read: what changes meanwhile is read next time.
        let version = *control.changes().borrow();
        if let Some(last) = kept.as_ref()
            && last.version == version
            && last.each == each
            && last.at.elapsed() < FRESH
        {
            return Ok(Arc::clone(&last.seen));
        }
        let at = Instant::now();
        let seen = Arc::new(read(control, each).await?);
        *kept = Some(Kept { seen: Arc::clone(&seen), at, version, each });
        Ok(seen)
    }
}

async fn read(control: &Control, each: usize) -> Result<Seen, Problem> {
    let now = control.session().context.clock.now();
    let views = control.pipelines().await?;
    let store = control.store();
    let all = store.runs(&Page { limit: RUNS, ..Page::default() }, now).await?;
    let is_all = all.len() < RUNS as usize;
    let day = now - TimeDelta::days(1);
    let oldest = all.last().filter(|_| !is_all).map(|run| run.started_at);
    let since = oldest.map_or(day, |oldest| oldest.max(day));
    let written = all.iter().filter(|run| run.started_at >= since).map(|run| run.totals.rows_written).sum();
    let mut runs: BTreeMap<String, Vec<RunRecord>> = BTreeMap::new();
    for run in all {
        let of_it = runs.entry(run.pipeline.clone()).or_default();
        if of_it.len() < each {
            of_it.push(run);
        }
    }
    if !is_all {
        let limit = u32::try_from(each).unwrap_or(u32::MAX);
        for view in &views {
            if runs.get(&view.name).is_some_and(|runs| runs.len() >= each) {
                continue;
            }
            let page = Page { pipeline: Some(view.name.clone()), limit, ..Page::default() };
            let found = store.runs(&page, now).await?;
            runs.insert(view.name.clone(), found);
        }
    }
    Ok(Seen { views, runs, written, over: now - since })
}
