//! Whether the tables of a pipeline hold what its epochs brought: the state's record, the ledger of each table, and the table's own
//! count, held against each other.
//!
//! Facts are read here; `judge` decides from them alone.

mod judge;
mod report;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use connectors::registry::connector;
use connectors::sink::Audit;

use crate::epoch::commit::open;
use crate::session::Session;
use crate::state::{self, EpochFlow, Page, Progress, StateStore};

pub use report::{EpochLine, SinkReport, Verification};

/// Pipelines that an error looks through for the one that was meant.
const KNOWN: u32 = 10_000;

/// A table and what the state says it was given.
struct Written {
    epochs: Vec<EpochFlow>,
    /// Where it is, if not where the settings say now.
    elsewhere: Option<String>,
}

/// Reads everything about the tables of `pipeline`, and judges.
///
/// # Errors
/// When the pipeline was never run, or the state or a table cannot be read.
pub async fn verify(session: &Session, pipeline: &str) -> Result<Verification> {
    let Some(store) = state::open_existing(session).await? else {
        bail!("no pipeline was run: there is no state in {}", state::Place::set(session)?.shown());
    };
    let progress = store.progress(pipeline).await?;
    let before = epochs(store.as_ref(), pipeline, &progress).await?;
    if before.is_empty() {
        return Err(never_run(store.as_ref(), pipeline).await?);
    }
    let mut audits = BTreeMap::new();
    for (key, written) in by_table(session, &before)? {
        let audit = match (&written.elsewhere, written.epochs.last()) {
            (None, Some(last)) => open(session, &last.sink).await?.audit().await?,
            _ => None,
        };
        audits.insert(key, audit);
    }
    // A run that goes on has committed more by now: what a ledger has is looked for in the later record.
    let after = epochs(store.as_ref(), pipeline, &progress).await?;
    let committed: BTreeSet<_> = before.iter().filter(|flow| flow.is_committed()).map(key).collect();
    let mut sinks = Vec::new();
    for ((name, location), written) in by_table(session, &after)? {
        let audit: Option<Audit> = audits.remove(&(name.clone(), location.clone())).flatten();
        let committed = |flow: &EpochFlow| committed.contains(&key(flow));
        let facts = judge::Facts { pipeline, epochs: &written.epochs, all_epochs: &after, committed: &committed, audit };
        sinks.push(judge::judge(name, location, written.elsewhere, &facts));
    }
    let pending = progress.pending.map(|checkpoint| checkpoint.epoch);
    Ok(Verification { pipeline: pipeline.to_owned(), pending, sinks })
}

/// The epochs of the pipeline since its progress was forgotten last: what was before may have been removed with good reason.
async fn epochs(store: &dyn StateStore, pipeline: &str, progress: &Progress) -> Result<Vec<EpochFlow>> {
    let mut epochs = store.epoch_flows(pipeline).await?;
    epochs.retain(|epoch| epoch.incarnation == progress.incarnation);
    Ok(epochs)
}

fn key(flow: &EpochFlow) -> (u64, &str) {
    (flow.epoch, &flow.flow)
}

/// The epochs of each table, by its name and location.
fn by_table(session: &Session, epochs: &[EpochFlow]) -> Result<BTreeMap<(String, String), Written>> {
    let mut tables: BTreeMap<(String, String), Written> = BTreeMap::new();
    for epoch in epochs {
        let table = session.resolve(&epoch.sink)?;
        let now = connector(&table.connector)?.place(&table, &session.context)?;
        let elsewhere = (now != epoch.place).then(|| called(epoch.place.as_deref()));
        let location = match &epoch.place {
            Some(place) => format!("{} in {place}", table.location),
            None => table.location.clone(),
        };
        let written = tables.entry((table.name, location)).or_insert_with(|| Written { epochs: Vec::new(), elsewhere });
        written.epochs.push(epoch.clone());
    }
    Ok(tables)
}

fn called(place: Option<&str>) -> String {
    place.unwrap_or("the lake").to_owned()
}

async fn never_run(store: &dyn StateStore, pipeline: &str) -> Result<anyhow::Error> {
    let runs = store.runs(&Page { limit: KNOWN, ..Page::default() }, chrono::Utc::now()).await?;
    let mut names: Vec<&str> = runs.iter().map(|run| run.pipeline.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    if names.contains(&pipeline) {
        return Ok(anyhow::anyhow!(
            "pipeline '{pipeline}' has no epoch that this version of engine recorded; what later epochs bring can be verified"
        ));
    }
    Ok(anyhow::anyhow!("pipeline '{pipeline}' was never run here; there are: {}", names.join(", ")))
}
