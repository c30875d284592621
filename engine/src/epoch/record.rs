//! Step 4: the checkpoint. From here on the epoch will be committed, whatever happens to this process.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use chrono::{DateTime, Utc};
use connectors::faults::point;
use connectors::sink::BatchId;
use connectors::source::Offset;

use super::preload::Preloads;
use super::stage::Staged;
use super::{Scope, gone};
use crate::flow::Flow;
use crate::state::{Checkpoint, FlowCheckpoint, FlowProgress, LandedFile, Progress};

/// One flow's part of the record.
#[derive(Debug)]
pub struct FlowRecord<'a> {
    /// The flow.
    pub flow: &'a Flow,
    /// Rows it read.
    pub rows_in: u64,
    /// Records of its sources that are no rows.
    pub bad_rows: u64,
    /// When the newest of what it read was written, where its sources know it.
    pub landed_at: Option<DateTime<Utc>>,
    /// Where it stands once the epoch is committed.
    pub offsets: BTreeMap<String, Offset>,
    /// What its sources are.
    pub identities: BTreeMap<String, String>,
}

/// Stores the epoch.
///
/// # Errors
/// When the lease was lost or the store cannot be written; then nothing was recorded.
pub async fn record(
    scope: Scope<'_>,
    progress: &Progress,
    folder: &str,
    mut staged: Staged,
    flows: Vec<FlowRecord<'_>>,
    quarantined: Vec<FlowCheckpoint>,
    preloads: &Preloads,
) -> Result<Checkpoint> {
    // Those that are loaded already hold their tables, and look for the epoch themselves.
    check_tables(scope, progress, flows.iter().map(|record| record.flow).filter(|flow| !preloads.has(&flow.id))).await?;
    let refused = std::mem::take(&mut staged.refused);
    let is_dated = |source: &str| scope.pipeline.tables.get(source).is_some_and(|table| table.spec.has_run_date());
    let dated = |flow: &Flow, identities: &BTreeMap<String, String>| {
        progress.flows.get(&flow.id).map(|before| before.dated_after(identities, is_dated)).unwrap_or_default()
    };
    let flows = flows
        .into_iter()
        .map(|FlowRecord { flow, rows_in, bad_rows, landed_at, offsets, identities }| FlowCheckpoint {
            flow: flow.id.clone(),
            sink: flow.table.clone(),
            mode: flow.mode,
            key: flow.sink_plan.key.clone(),
            stage: staged.stage_of.get(&flow.id).copied().unwrap_or_default(),
            rows_in,
            bad_rows: bad_rows + staged.refused_rows(&flow.id),
            landed_at: scope.pipeline.landed.as_ref().map(|landed| landed.landed_at).or(landed_at),
            landed: scope.pipeline.landed.clone(),
            replaces: None,
            progress: Some(FlowProgress {
                fingerprint: flow.fingerprint.clone(),
                sink: flow.table.name.clone(),
                place: flow.place.clone(),
                declared: Some(flow.declared()),
                offsets: with_landed(scope.pipeline.landed.as_ref(), offsets),
                dated: dated(flow, &identities),
                identities,
            }),
        })
        .chain(quarantined)
        .chain(refused)
        .collect();
    let checkpoint = Checkpoint {
        pipeline: scope.pipeline.name.clone(),
        incarnation: progress.incarnation.clone(),
        epoch: progress.next_epoch,
        recorded_at: scope.session.context.clock.now(),
        date: scope.session.date(),
        folder: folder.to_owned(),
        stages: staged.stages,
        flows,
    };
    scope.store.record(scope.lease, &checkpoint).await?;
    point("recorded");
    Ok(checkpoint)
}

/// Under which name the progress of a flow of a landing zone says which file it was that it loaded last.
pub const LANDED: &str = "landed";

/// The offsets, with the file that was loaded: it is known to be done from the moment on from which the epoch is committed everywhere.
fn with_landed(landed: Option<&LandedFile>, mut offsets: BTreeMap<String, Offset>) -> BTreeMap<String, Offset> {
    offsets.extend(landed.map(|landed| (LANDED.to_owned(), Offset(landed.mark()))));
    offsets
}

/// Whether the tables of `flows` are those that the state knows; to be asked before rows are staged, and again before they are recorded.
///
/// An epoch is committed once: a table that has one of this number, or a later one, would pass these rows over. Only a state that is older than
/// the table comes to that, as a backup that was restored, or a copy that another machine ran on.
///
/// # Errors
/// When a table of `flows` has; when it cannot be asked.
pub async fn check_tables<'a>(scope: Scope<'_>, progress: &Progress, flows: impl IntoIterator<Item = &'a Flow>) -> Result<()> {
    for flow in flows {
        // What lands makes its table where there is none.
        if scope.pipeline.landed.is_none() {
            gone::check(scope.store, &scope.pipeline.name, progress, flow).await?;
        }
        let id = BatchId {
            pipeline: scope.pipeline.name.clone(),
            incarnation: progress.incarnation.clone(),
            flow: flow.id.clone(),
            epoch: progress.next_epoch,
        };
        if flow.sink.committed(&id).await? {
            bail!(
                "table '{}' has epoch {} of pipeline '{}' already, or a later one, of which this state knows nothing: the state is an older \
                 copy of the one that the table was written with. Nothing was written. Go on with the newer state; if it is lost, empty the \
                 tables that the pipeline appends to and run with --from-scratch",
                flow.table.name,
                progress.next_epoch,
                scope.pipeline.name
            )
        }
    }
    Ok(())
}
