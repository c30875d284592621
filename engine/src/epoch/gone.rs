//! Tables that somebody dropped between two runs. Made anew, such a table would have new rows only, and nobody would be told.

use anyhow::{Result, bail};
use connectors::context::TableSpec;
use connectors::sink::Change;

use crate::flow::{Class, Flow};
use crate::sql::Pipeline;
use crate::state::{Declared, Progress, StateStore};

/// What the pipeline has committed to a table that is not there.
#[derive(Debug)]
struct Lost {
    rows: u64,
    epoch: u64,
}

/// Refuses to go on where a table is gone that flows of `pipeline` add to. To be asked before anything else is done: what a flow knows of
/// its table is what was there when the file was read.
///
/// # Errors
/// Names the table and what there is to do; when a sink or the state cannot be asked.
pub async fn check_all(pipeline: &Pipeline, store: &dyn StateStore, progress: &Progress) -> Result<()> {
    // What lands makes its table where there is none.
    let flows = pipeline.flows.iter().filter(|_| pipeline.landed.is_none());
    for flow in flows.filter(|flow| flow.sink_plan.changes.contains(&Change::Create)) {
        check(store, &pipeline.name, progress, flow).await?;
    }
    Ok(())
}

/// The same of the table of one flow. A flow that computes all of its table anew makes good what is missing.
///
/// # Errors
/// As [`check_all`].
pub(super) async fn check(store: &dyn StateStore, pipeline: &str, progress: &Progress, flow: &Flow) -> Result<()> {
    if flow.class == Class::Complete {
        return Ok(());
    }
    let Some(Lost { rows, epoch }) = lost(store, pipeline, progress, flow).await? else { return Ok(()) };
    let rows = if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
    bail!(
        "table '{}' ({}) is gone: {rows} of pipeline '{pipeline}' were committed to it, up to epoch {epoch}, and made anew it would have only \
         those that come from now on. Nothing was written. Restore it; or read everything again with --from-scratch, once the other tables \
         that the pipeline appends to are empty",
        flow.table.name,
        flow.table.location
    )
}

/// Whether the table of a flow that computes all of it is gone, so that it is due although nothing that it reads has changed.
///
/// # Errors
/// When the sink or the state cannot be asked.
pub async fn is_due(store: &dyn StateStore, pipeline: &str, progress: &Progress, flow: &Flow) -> Result<bool> {
    if !flow.sink_plan.changes.contains(&Change::Create) {
        return Ok(false);
    }
    Ok(lost(store, pipeline, progress, flow).await?.is_some())
}

async fn lost(store: &dyn StateStore, pipeline: &str, progress: &Progress, flow: &Flow) -> Result<Option<Lost>> {
    if !progress.flows.contains_key(&flow.id) || flow.sink.exists().await? != Some(false) {
        return Ok(None);
    }
    // A flow that writes elsewhere now has lost nothing there; one whose table was moved has the rows that were where it was.
    let then = progress.flows.get(&flow.id).and_then(|progress| progress.declared.clone());
    let places: Vec<Declared> = then.into_iter().chain([flow.declared()]).collect();
    let is_there = |sink: &TableSpec| {
        places.iter().any(|place| sink.connector.eq_ignore_ascii_case(&place.connector) && sink.location == place.location)
    };
    let epochs = store.epoch_flows(pipeline).await?;
    let own = epochs.iter().filter(|epoch| {
        let is_own = epoch.flow == flow.id && epoch.incarnation == progress.incarnation && epoch.is_committed();
        is_own && epoch.place == flow.place && is_there(&epoch.sink)
    });
    let lost = own.fold(Lost { rows: 0, epoch: 0 }, |lost, epoch| Lost { rows: lost.rows + epoch.rows, epoch: epoch.epoch });
    Ok((lost.rows > 0).then_some(lost))
}
