//! Whether the state store can be written and read, and what it says of the pipelines' last runs.

use std::collections::BTreeMap;

use chrono::Utc;
use connectors::finding::{Finding, Level};
use connectors::probe;

use super::folder;
use crate::session::Session;
use crate::state::{self, Page, Place, RunRecord, RunStatus, StateError};

const CHECK: &str = "state";
/// Runs that are looked through for the last one of each pipeline.
const RUNS: u32 = 1_000;

pub(super) async fn examine(session: &Session) -> Vec<Finding> {
    let place = match Place::set(session) {
        Ok(place) => place,
        Err(error) => return vec![Finding::problem(CHECK, error.to_string(), "correct [state] url in engine.toml")],
    };
    let mut findings = match &place {
        Place::Folder(path) => vec![folder::examine(CHECK, path, "[state] url")],
        // Two engines that change one object must not both succeed.
        Place::Bucket(location) => probe::store(CHECK, location, true, &session.context).await,
        Place::Database(_) => vec![Finding::ok(CHECK, place.shown())],
    };
    if findings.iter().all(|finding| finding.level == Level::Ok)
        && let Some(first) = findings.first_mut()
    {
        *first = of_runs(session, &place, &first.found).await;
    }
    findings
}

/// What the store says of the last runs.
async fn of_runs(session: &Session, place: &Place, writable: &str) -> Finding {
    let broken = |error: &StateError| {
        let fix = match place {
            Place::Folder(path) => {
                format!("restore {} from a backup, or move it away: the sources are then read from the beginning", path.display())
            }
            Place::Database(_) => "check [state] url and password, and that the user may make a schema, or has one".to_owned(),
            Place::Bucket(_) => "check [state] url and [s3]".to_owned(),
        };
        Finding::problem(CHECK, error.to_string(), fix)
    };
    let store = match state::open_existing(session).await {
        Ok(Some(store)) => store,
        Ok(None) => return of_none(place, writable).await.unwrap_or_else(|error| broken(&error)),
        Err(error) => return broken(&error),
    };
    let page = Page { limit: RUNS, ..Page::default() };
    match store.runs(&page, Utc::now()).await {
        Ok(runs) => last_runs(writable, &runs),
        Err(error) => broken(&error),
    }
}

/// Of a place where there is no store yet: whether one can be made.
async fn of_none(place: &Place, writable: &str) -> state::Result<Finding> {
    if place.may_be_made().await? {
        return Ok(Finding::ok(CHECK, format!("{writable}; no pipeline was run")));
    }
    let found = format!("{writable}: there are no tables of state yet, and the user may not make any");
    Ok(Finding::problem(
        CHECK,
        found,
        "GRANT CREATE ON DATABASE .. TO the user, or make a schema that belongs to it and name it with ?schema=",
    ))
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
