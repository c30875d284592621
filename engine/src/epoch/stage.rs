//! Step 3: every flow's rows as Parquet files that no reader sees.
//!
//! The plan is DataFusion's own and streams; flows whose queries and sinks want the same rows in the same form share a stage.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use connectors::faults::point;
use connectors::sink::{SinkPlan, WriteMode};
use connectors::staging::StagingWriter;
use connectors::stores::Location;
use datafusion::catalog::TableProvider;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::SessionConfig;
use futures::TryStreamExt;

use super::Scope;
use super::unique::KeyWatch;
use super::whole::{Found, WholeReads};
use crate::flow::{Flow, plan};
use crate::state::StageCheckpoint;

/// What was staged, and which stage each flow's rows are in.
#[derive(Debug, Default)]
pub struct Staged {
    /// The stages.
    pub stages: Vec<StageCheckpoint>,
    /// By flow.
    pub stage_of: BTreeMap<String, usize>,
    /// What the stages found bad in tables that they read whole, each with its stage.
    pub(super) whole: Vec<(usize, Found)>,
}

/// Runs the queries of `flows` over `tables` and stages their rows below `folder`.
///
/// # Errors
/// Names the flow's sink: a record that does not fit, memory or disk used up, a fault of the store.
pub async fn stage(
    scope: Scope<'_>,
    flows: &[&Flow],
    tables: &BTreeMap<String, Arc<dyn TableProvider>>,
    folder: &Location,
) -> Result<Staged> {
    let mut staged = Staged::default();
    let mut known = Vec::new();
    for flow in flows {
        let key = flow.stage_key();
        let index = match known.iter().position(|other| *other == key) {
            Some(index) => index,
            None => {
                let place = folder.join(&format!("stage-{}", staged.stages.len()));
                let stage = stage_one(scope, flow, tables, place).await;
                let (stage, found) = stage.with_context(|| {
                    format!("{}:{}: {}", scope.pipeline.path.display(), scope.pipeline.line(&flow.span), flow.table.name)
                })?;
                let index = staged.stages.len();
                staged.stages.push(stage);
                staged.whole.extend(found.into_iter().map(|found| (index, found)));
                known.push(key);
                index
            }
        };
        staged.stage_of.insert(flow.id.clone(), index);
    }
    point("staged");
    Ok(staged)
}

async fn stage_one(
    scope: Scope<'_>,
    flow: &Flow,
    tables: &BTreeMap<String, Arc<dyn TableProvider>>,
    place: Location,
) -> Result<(StageCheckpoint, Vec<Found>)> {
    let started = Instant::now();
    let sink = &flow.sink_plan;
    let (query, mut reads) = reading(scope, flow, tables)?;
    let written = |rows| scope.observer.staging(&flow.id, rows);
    let plain = plan::staged(query, sink, false)?;
    let stage = if flow.mode == WriteMode::Upsert {
        let keys = KeyWatch::new(&sink.schema, &sink.key, &scope.session.context.runtime.memory_pool)?;
        match write_unique(scope, plain, sink, place.clone(), keys, written).await? {
            Some(stage) => stage,
            None => {
                place.clear(None).await?;
                let query;
                (query, reads) = reading(scope, flow, tables)?;
                let last_rows = plan::staged(query, sink, true)?;
                write(scope, session_state(scope, true), last_rows, sink, place, None, written)
                    .await?
                    .unwrap_or_else(|| empty(sink))
            }
        }
    } else {
        write_stage(scope, plain, sink, place, written).await?
    };
    let found = reads.end().await?;
    scope.observer.staged(&flow.id, started.elapsed());
    Ok((stage, found))
}

/// The query of `flow` over `tables`, and the reads of those that it reads whole.
fn reading(
    scope: Scope<'_>,
    flow: &Flow,
    tables: &BTreeMap<String, Arc<dyn TableProvider>>,
) -> Result<(LogicalPlan, WholeReads)> {
    let mut tables = tables.clone();
    let reads = WholeReads::begin(scope, &mut tables)?;
    Ok((plan::with_tables(flow.query.clone(), &tables)?, reads))
}

/// Runs `query`, whose columns are those of `sink_plan`, and stages its rows at `place`.
pub(super) async fn write_stage(
    scope: Scope<'_>,
    query: LogicalPlan,
    sink_plan: &SinkPlan,
    place: Location,
    written: impl Fn(u64),
) -> Result<StageCheckpoint> {
    let stage = write(scope, session_state(scope, false), query, sink_plan, place, None, written).await?;
    Ok(stage.unwrap_or_else(|| empty(sink_plan)))
}

/// The same for rows that should be unique by a key; `None`, with files left at `place`, when they are not.
async fn write_unique(
    scope: Scope<'_>,
    query: LogicalPlan,
    sink_plan: &SinkPlan,
    place: Location,
    keys: KeyWatch,
    written: impl Fn(u64),
) -> Result<Option<StageCheckpoint>> {
    write(scope, session_state(scope, false), query, sink_plan, place, Some(keys), written).await
}

fn empty(sink_plan: &SinkPlan) -> StageCheckpoint {
    StageCheckpoint::new(&sink_plan.schema, sink_plan.partition_by.clone(), Vec::new())
}

async fn write(
    scope: Scope<'_>,
    state: SessionState,
    query: LogicalPlan,
    sink_plan: &SinkPlan,
    place: Location,
    mut keys: Option<KeyWatch>,
    written: impl Fn(u64),
) -> Result<Option<StageCheckpoint>> {
    let physical = state.create_physical_plan(&query).await.map_err(connectors::Error::from)?;
    let mut rows = execute_stream(physical, state.task_ctx()).map_err(connectors::Error::from)?;
    let context = &scope.session.context;
    let schema = &sink_plan.schema;
    let mut writer = StagingWriter::new(place, Arc::clone(schema), &sink_plan.partition_by, context.sizes, &context.runtime)?;
    while let Some(batch) = rows.try_next().await.map_err(connectors::Error::from)? {
        // Nullability is the sink's to say; the columns and their types are the same.
        let batch =
            arrow::array::RecordBatch::try_new(Arc::clone(schema), batch.columns().to_vec()).map_err(connectors::Error::from)?;
        if let Some(keys) = &mut keys
            && !keys.are_new(&batch)?
        {
            writer.abort().await?;
            return Ok(None);
        }
        writer.write(batch).await?;
        written(writer.rows());
        point("stage-batch");
    }
    let files = writer.finish().await?;
    Ok(Some(StageCheckpoint::new(schema, sink_plan.partition_by.clone(), files)))
}

/// The order in which rows arrived decides between two rows of one key, so an upsert is computed in one partition.
fn session_state(scope: Scope<'_>, in_order: bool) -> SessionState {
    let state = scope.pipeline.context.state();
    if in_order { configured(state, |config| config.with_target_partitions(1)) } else { state }
}

/// `state` with another configuration. It shares the catalogs, which stay what they are: a state that makes its default catalog would
/// make it in place of the pipeline's.
pub(super) fn configured(state: SessionState, change: impl FnOnce(SessionConfig) -> SessionConfig) -> SessionState {
    let config = change(state.config().clone()).with_create_default_catalog_and_schema(false);
    SessionStateBuilder::new_from_existing(state).with_config(config).build()
}
