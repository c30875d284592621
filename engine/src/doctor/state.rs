//! Whether the state store can be written and read, and what it says of the pipelines' last runs.

use std::collections::BTreeMap;

use chrono::Utc;
use connectors::finding::{Finding, Level};

use super::folder;
use crate::session::Session;
use crate::state::{self, Page, RunRecord, RunStatus};

const CHECK: &str = "state";
/// Runs that are looked through for the last one of each pipeline.
const RUNS: u32 = 1_000;

pub(super) async fn examine(session: &Session) -> Finding {
    let path = &session.state_folder;
    let writable = folder::examine(CHECK, path, "[state] url");
    if writable.level != Level::Ok {
        return writable;
    }
    let broken = |error: &crate::state::StateError| {
        let fix =
            format!("restore {} from a backup, or move it away: the sources are then read from the beginning", path.display());
        Finding::problem(CHECK, error.to_string(), fix)
    };
    let store = match state::open_existing(session).await {
        Ok(Some(store)) => store,
        Ok(None) => return Finding::ok(CHECK, format!("{}; no pipeline was run", writable.found)),
        Err(error) => return broken(&error),
    };
    let page = Page { limit: RUNS, ..Page::default() };
    match store.runs(&page, Utc::now()).await {
        Ok(runs) => last_runs(&writable.found, &runs),
        Err(error) => broken(&error),
    }
}

/// The last run of each pipeline; `runs` has the newest first.
fn last_runs(writable: &str, runs: &[RunRecord]) -> Finding {
    let mut last = BTreeMap::new();
    for run in runs {
        last.entry(run.pipeline.as_str()).or_insert(run);
    }
    let bad: Vec<&&RunRecord> = last.values().filter(|run| matches!(run.status, RunStatus::Failed | RunStatus::Killed)).collect();
    let found = format!("{writable}; pipelines that were run: {}", last.len());
    let Some(first) = bad.first() else { return Finding::ok(CHECK, found) };
    let names: Vec<&str> = bad.iter().map(|run| run.pipeline.as_str()).collect();
    let why = first.error.as_deref().map(|error| format!(" ({}: {error})", first.pipeline)).unwrap_or_default();
    let found = format!("{found}, of which the last run did not end well: {}{why}", names.join(", "));
    Finding::warning(CHECK, found, format!("`engine run` of {} goes on where it must", names.join(", ")))
}
