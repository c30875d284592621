//! Step 3: every flow's rows as Parquet files that no reader sees.
//!
//! The plan is DataFusion's own and streams; flows whose queries and sinks want the same rows in the same form share a stage. Rows that
//! a sink refuses, and asks to be put aside, are kept beside it for [`super::quarantine`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use arrow::array::{Array, RecordBatch};
use arrow::error::ArrowError;
use connectors::faults::point;
use connectors::sink::{Gate, Preload, SinkPlan, WriteMode};
use connectors::staging::{StagingWriter, WriteBehind};
use connectors::stores::Location;
use datafusion::catalog::TableProvider;
use datafusion::error::DataFusionError;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::SessionConfig;
use futures::TryStreamExt;

use super::guard::{Guard, Refused};
use super::preload::Preloads;
use super::unique::KeyWatch;
use super::whole::{Found, WholeReads};
use super::{Scope, quarantine};
use crate::flow::plan::Rows;
use crate::flow::{Flow, plan};
use crate::state::{FlowCheckpoint, StageCheckpoint};

/// What was staged, and which stage each flow's rows are in.
#[derive(Debug, Default)]
pub struct Staged {
    /// The stages.
    pub stages: Vec<StageCheckpoint>,
    /// By flow.
    pub stage_of: BTreeMap<String, usize>,
    /// What the stages found bad in tables that they read whole, each with its stage.
    pub(super) whole: Vec<(usize, Found)>,
    /// What sinks refused, as it is committed with the epoch.
    pub(super) refused: Vec<FlowCheckpoint>,
    /// How many rows that is, by flow.
    refused_rows: BTreeMap<String, u64>,
}

impl Staged {
    /// Rows of a flow that its sink refused.
    pub(super) fn refused_rows(&self, flow: &str) -> u64 {
        self.refused_rows.get(flow).copied().unwrap_or_default()
    }
}

/// How many of their rows sinks may refuse, and put aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// Up to their `max_bad_ratio`.
    OfAnInput,
    /// Any: a few rows that were bad before say nothing of the share of an input.
    Any,
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
    allowed: Share,
    preloads: &mut Preloads,
) -> Result<Staged> {
    let mut staged = Staged::default();
    let (mut known, mut refused, mut gates) = (Vec::new(), Vec::new(), Vec::new());
    // All of them before the first load is begun.
    for flow in flows {
        gates.push(flow.sink.gate(&flow.sink_plan).await?);
    }
    for (flow, gate) in flows.iter().zip(gates) {
        // What one sink refuses, another may take.
        let key = (flow.stage_key(), gate.is_some().then(|| flow.id.clone()));
        let index = match known.iter().position(|other| *other == key) {
            Some(index) => index,
            None => {
                let place = folder.join(&format!("stage-{}", staged.stages.len()));
                let stage = Box::pin(stage_one(scope, flow, tables, place, gate, allowed, preloads)).await;
                let stage = stage.with_context(|| {
                    format!("{}:{}: {}", scope.pipeline.path.display(), scope.pipeline.line(&flow.span), flow.table.name)
                })?;
                let index = staged.stages.len();
                staged.stages.push(stage.rows);
                staged.whole.extend(stage.found.into_iter().map(|found| (index, found)));
                refused.extend(stage.refused);
                known.push(key);
                index
            }
        };
        staged.stage_of.insert(flow.id.clone(), index);
    }
    for refused in refused {
        Box::pin(quarantine::stage_refused(scope, &refused, folder, &mut staged)).await?;
        staged.refused_rows.insert(refused.flow, refused.rows.left_out());
    }
    preloads.taken().await?;
    point("staged");
    Ok(staged)
}

/// The rows of one flow, and what came to light while they were staged.
struct Stage {
    rows: StageCheckpoint,
    found: Vec<Found>,
    refused: Option<Refused>,
}

async fn stage_one(
    scope: Scope<'_>,
    flow: &Flow,
    tables: &BTreeMap<String, Arc<dyn TableProvider>>,
    place: Location,
    gate: Option<Arc<dyn Gate>>,
    allowed: Share,
    preloads: &mut Preloads,
) -> Result<Stage> {
    let started = Instant::now();
    let sink = &flow.sink_plan;
    let is_upsert = flow.mode == WriteMode::Upsert;
    let guard = || gate.clone().map(|gate| Guard::new(scope, flow, gate)).transpose();
    // A key that is NULL equals nothing: a gate refuses each of its rows.
    let pool = &scope.session.context.runtime.memory_pool;
    let keys = is_upsert.then(|| KeyWatch::new(&sink.schema, &sink.key, gate.is_some(), pool));
    let filled = if is_upsert && gate.is_none() { sink.key.clone() } else { Vec::new() };
    let mut watches = Watches { filled: filled.clone(), keys: keys.transpose()?, guard: guard()?, preload: preloads.begin(flow) };
    let (query, mut reads) = reading(scope, flow, tables)?;
    let written = |rows| scope.observer.staging(&flow.id, rows);
    let plain = plan::staged(query, sink, Rows::All)?;
    let state = session_state(scope, sink.in_order);
    let mut rows = write(scope, state, plain, sink, place.clone(), &mut watches, written).await?;
    if rows.is_none() && is_upsert {
        place.clear(None).await?;
        watches.give_up().await;
        let query;
        (query, reads) = reading(scope, flow, tables)?;
        let last_rows = plan::staged(query, sink, Rows::LastOfKey { and_without: gate.is_some() })?;
        watches = Watches { filled, keys: None, guard: guard()?, preload: preloads.begin(flow) };
        rows = write(scope, session_state(scope, true), last_rows, sink, place, &mut watches, written).await?;
    }
    let found = reads.end().await?;
    preloads.keep(scope, flow, watches.preload);
    let refused = match watches.guard {
        Some(guard) => guard.finish(allowed).await?,
        None => None,
    };
    scope.observer.staged(&flow.id, started.elapsed());
    Ok(Stage { rows: rows.unwrap_or_else(|| empty(sink)), found, refused })
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
    let state = session_state(scope, false);
    let stage = write(scope, state, query, sink_plan, place, &mut Watches::default(), written).await?;
    Ok(stage.unwrap_or_else(|| empty(sink_plan)))
}

/// What rows pass on their way into the files.
#[derive(Debug, Default)]
struct Watches {
    /// Columns that are nowhere NULL.
    filled: Vec<String>,
    keys: Option<KeyWatch>,
    guard: Option<Guard>,
    /// Takes the rows too.
    preload: Option<Box<dyn Preload>>,
}

/// Bytes of rows that a gate looks at at a time: it keeps those that it refuses.
const PIECE: usize = 4 << 20;

impl Watches {
    fn pieces(&self, rows: RecordBatch) -> Vec<RecordBatch> {
        let (count, bytes) = (rows.num_rows(), rows.get_array_memory_size());
        if self.guard.is_none() || bytes <= PIECE {
            return vec![rows];
        }
        let each = (count * PIECE / bytes).max(1);
        (0..count).step_by(each).map(|start| rows.slice(start, each.min(count - start))).collect()
    }

    /// Before anything is recorded: a table that a key is NULL for can not be committed to later either.
    fn check_filled(&self, rows: &RecordBatch) -> Result<()> {
        let nulls = |name: &&String| rows.column_by_name(name).map_or(0, |column| column.null_count());
        let Some(name) = self.filled.iter().find(|name| nulls(name) > 0) else { return Ok(()) };
        let error = format!(
            "column '{name}' is part of the key and NULL in {} of {} rows; nothing was written. Leave them out with WHERE {name} IS NOT \
             NULL, or give them a value with coalesce",
            nulls(&name),
            rows.num_rows()
        );
        Err(connectors::Error::data(error).into())
    }

    /// The rows that are staged; `None` when a key may have come before.
    async fn pass(&mut self, rows: RecordBatch) -> Result<Option<RecordBatch>> {
        self.check_filled(&rows)?;
        // A row that its sink refuses still is the last of its key.
        if let Some(keys) = &mut self.keys
            && !keys.are_new(&rows)?
        {
            return Ok(None);
        }
        let rows = match &mut self.guard {
            Some(guard) => guard.pass(rows).await?,
            None => rows,
        };
        if let Some(preload) = &mut self.preload {
            preload.write(rows.clone()).await;
        }
        Ok(Some(rows))
    }

    async fn end(&mut self) {
        if let Some(preload) = &mut self.preload {
            preload.end().await;
        }
    }

    /// The rows were not the right ones.
    async fn give_up(&mut self) {
        if let Some(preload) = self.preload.take() {
            preload.abandon().await;
        }
    }
}

fn empty(sink_plan: &SinkPlan) -> StageCheckpoint {
    StageCheckpoint::new(&sink_plan.schema, sink_plan.partition_by.clone(), Vec::new())
}

/// Stages the rows of `query` at `place`; `None`, with files left there, when `watches` find that a key may have come before.
async fn write(
    scope: Scope<'_>,
    state: SessionState,
    query: LogicalPlan,
    sink_plan: &SinkPlan,
    place: Location,
    watches: &mut Watches,
    written: impl Fn(u64),
) -> Result<Option<StageCheckpoint>> {
    let physical = state.create_physical_plan(&query).await.map_err(connectors::Error::from)?;
    let mut rows = execute_stream(physical, state.task_ctx()).map_err(connectors::Error::from)?;
    let context = &scope.session.context;
    let schema = &sink_plan.schema;
    let (columns, folders, sizes) = (Arc::clone(schema), &sink_plan.partition_by, context.sizes);
    let writer = match watches.guard.as_ref().and_then(Guard::form) {
        Some(form) => StagingWriter::formed(form, place, columns, folders, sizes, &context.runtime)?,
        None => StagingWriter::new(place, columns, folders, sizes, &context.runtime)?,
    };
    let mut writer = WriteBehind::new(writer);
    while let Some(batch) = rows.try_next().await.map_err(|error| computing(error, watches.guard.is_some()))? {
        // Nullability is the sink's to say; the columns and their types are the same.
        let batch = RecordBatch::try_new(Arc::clone(schema), batch.columns().to_vec()).map_err(connectors::Error::from)?;
        for piece in watches.pieces(batch) {
            let Some(piece) = watches.pass(piece).await? else {
                writer.abort().await?;
                return Ok(None);
            };
            writer.write(piece).await?;
        }
        written(writer.rows());
        point("stage-batch");
    }
    watches.end().await;
    let files = writer.finish().await?;
    Ok(Some(StageCheckpoint::new(schema, sink_plan.partition_by.clone(), files)))
}

/// A query that failed; one whose cast met a value of another kind is told what else it can do. `is_looked_at`: the sink looks at each value.
fn computing(error: DataFusionError, is_looked_at: bool) -> connectors::Error {
    let is_cast = match error.find_root() {
        DataFusionError::ArrowError(cause, _) => match cause.as_ref() {
            ArrowError::CastError(_) | ArrowError::ParseError(_) => true,
            // What a number is that has more digits than the decimal it is cast to.
            ArrowError::InvalidArgumentError(said) => said.contains(" to store in a Decimal"),
            _ => false,
        },
        _ => false,
    };
    match connectors::Error::from(error) {
        connectors::Error::Data { message } if is_cast => {
            let other = if is_looked_at {
                "; where the table's column has that type, the query needs no CAST: then the table's on_error says what becomes of the row"
            } else {
                ""
            };
            connectors::Error::data(format!(
                "{message}; where a CAST of the query fails on this value, TRY_CAST in its place makes NULL of it{other}"
            ))
        }
        other => other,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cast_that_fails_is_told_what_else_there_is() {
        let told = |error, is_looked_at| computing(DataFusionError::ArrowError(Box::new(error), None), is_looked_at).to_string();
        let large = || ArrowError::InvalidArgumentError("7.5 is too large to store in a Decimal128 of precision 6".into());
        let text = ArrowError::CastError("Cannot cast string 'x' to value of Int64 type".into());
        assert!(told(text, false).ends_with("TRY_CAST in its place makes NULL of it"));
        let looked_at = told(large(), true);
        assert!(
            looked_at.contains("TRY_CAST") && looked_at.ends_with("the table's on_error says what becomes of the row"),
            "{looked_at}"
        );
        assert!(!told(ArrowError::InvalidArgumentError("another".into()), true).contains("TRY_CAST"));
        assert!(!told(ArrowError::DivideByZero, true).contains("TRY_CAST"));
    }
}
