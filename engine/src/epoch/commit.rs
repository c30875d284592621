//! Step 5: every sink makes its staged rows visible, once.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use connectors::context::TableSpec;
use connectors::faults::point;
use connectors::registry::connector;
use connectors::sink::{Batch, Receipt, Sink, WriteMode};

use super::Scope;
use super::preload::Preloads;
use crate::session::Session;
use crate::state::{Checkpoint, FlowCheckpoint};

/// Commits the flows of `checkpoint`, in their order; a flow that is committed already stays as it is.
///
/// # Errors
/// Names the sink; what was committed stays so, and the rest is committed by the next run.
pub async fn commit(scope: Scope<'_>, checkpoint: &Checkpoint, mut preloads: Preloads) -> Result<Vec<(String, Receipt)>> {
    let mut receipts = Vec::new();
    for flow in &checkpoint.flows {
        point("commit-before");
        let started = Instant::now();
        let batch = checkpoint.batch(flow)?;
        // Nothing to add: the epoch only moves offsets. An overwrite by nothing empties its table.
        // A file that lands makes its table also when it has no rows; one that was refused, never.
        let is_nothing = batch.files.is_empty() && batch.mode != WriteMode::Overwrite && flow.landed.is_none();
        if is_nothing || flow.is_refusal() {
            preloads.abandon(&flow.flow).await;
            continue;
        }
        let receipt = match preloads.commit(&flow.flow, &batch).await {
            Some(receipt) => Ok(receipt),
            None => by_sink(scope.session, flow, &batch).await,
        };
        let receipt = receipt.with_context(|| format!("committing epoch {} to '{}'", checkpoint.epoch, flow.sink.name))?;
        point("commit-after");
        scope.observer.committed(flow, checkpoint.epoch, &receipt, started.elapsed());
        receipts.push((flow.flow.clone(), receipt));
    }
    Ok(receipts)
}

async fn by_sink(session: &Session, flow: &FlowCheckpoint, batch: &Batch) -> Result<Receipt> {
    let sink = open(session, &flow.sink).await?;
    Ok(match &flow.replaces {
        Some(files) => sink.commit_in_place_of(batch, files).await?,
        None => sink.commit(batch).await?,
    })
}

/// The sink that is `table`, as a checkpoint says, whatever the file says now.
///
/// # Errors
/// When it cannot be opened.
pub async fn open(session: &Session, table: &TableSpec) -> Result<Arc<dyn Sink>> {
    let table = session.resolve(table)?;
    let sink = connector(&table.connector)?.sink(&table, &session.context).await;
    sink.with_context(|| format!("opening sink '{}'", table.name))
}
