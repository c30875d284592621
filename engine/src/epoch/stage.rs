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
use futures::TryStreamExt;

use super::Scope;
use crate::flow::{Flow, plan};
use crate::state::StageCheckpoint;

/// What was staged, and which stage each flow's rows are in.
#[derive(Debug, Default)]
pub struct Staged {
    /// The stages.
    pub stages: Vec<StageCheckpoint>,
    /// By flow.
    pub stage_of: BTreeMap<String, usize>,
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
                staged.stages.push(stage.with_context(|| {
                    format!("{}:{}: {}", scope.pipeline.path.display(), scope.pipeline.line(&flow.span), flow.table.name)
                })?);
                known.push(key);
                known.len() - 1
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
) -> Result<StageCheckpoint> {
    let started = Instant::now();
    let upsert = flow.mode == WriteMode::Upsert;
    let query = plan::with_tables(flow.query.clone(), tables)?;
    let query = plan::staged(query, &flow.sink_plan, upsert)?;
    let stage = write_stage(scope, query, &flow.sink_plan, upsert, place, || scope.observer.staging(&flow.id)).await?;
    scope.observer.staged(&flow.id, started.elapsed());
    Ok(stage)
}

/// Runs `query`, whose columns are those of `sink_plan`, and stages its rows at `place`.
pub(super) async fn write_stage(
    scope: Scope<'_>,
    query: LogicalPlan,
    sink_plan: &SinkPlan,
    in_order: bool,
    place: Location,
    written: impl Fn(),
) -> Result<StageCheckpoint> {
    let state = session_state(scope, in_order);
    let physical = state.create_physical_plan(&query).await.map_err(connectors::Error::from)?;
    let mut rows = execute_stream(physical, state.task_ctx()).map_err(connectors::Error::from)?;
    let context = &scope.session.context;
    let schema = &sink_plan.schema;
    let mut writer = StagingWriter::new(place, Arc::clone(schema), &sink_plan.partition_by, context.sizes, &context.runtime)?;
    while let Some(batch) = rows.try_next().await.map_err(connectors::Error::from)? {
        // Nullability is the sink's to say; the columns and their types are the same.
        let batch =
            arrow::array::RecordBatch::try_new(Arc::clone(schema), batch.columns().to_vec()).map_err(connectors::Error::from)?;
        writer.write(batch).await?;
        written();
        point("stage-batch");
    }
    let files = writer.finish().await?;
    Ok(StageCheckpoint::new(schema, sink_plan.partition_by.clone(), files))
}

/// The order in which rows arrived decides between two rows of one key, so an upsert is computed in one partition.
fn session_state(scope: Scope<'_>, in_order: bool) -> SessionState {
    let state = scope.pipeline.context.state();
    if !in_order {
        return state;
    }
    let config = state.config().clone().with_target_partitions(1);
    SessionStateBuilder::new_from_existing(state).with_config(config).build()
}
