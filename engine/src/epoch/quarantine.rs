//! Bad records: kept beside the slices while they are read, staged like the rows of a flow, committed with the epoch.
//!
//! Each source has a Delta table of its own for them, `lake://bad/<pipeline>/<table>`, to which an epoch appends. A record
//! that is read again, by a flow that starts from the beginning, is in it again with the later epoch. Each says which flows wait for
//! it, of which incarnation of the pipeline: what [`super::replay`] has to know, so that a row gets into each sink once. What is bad of a
//! table that is read whole is in the same Delta table; [`super::whole`] has it say what is bad now.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use arrow::array::{ArrayRef, BinaryArray, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use connectors::context::{Context, TableSpec};
use connectors::sink::WriteMode;
use connectors::source::BadRecord;
use connectors::staging::StagingWriter;
use connectors::stores::Location;
use datafusion::catalog::TableProvider;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, lit};
use datafusion::prelude::col;

use super::guard::Refused;
use super::slice::{Slices, files_as_table};
use super::stage::{Staged, write_stage};
use super::{Scope, commit};
use crate::flow::source_table::too_many_bad;
use crate::flow::{Flow, plan};
use crate::state::{FlowCheckpoint, Progress};

/// The bad records of one read, kept in local files below `place`, which are made with the first of them.
#[derive(Debug)]
pub(super) struct BadRows {
    source: String,
    place: Location,
    context: Context,
    writer: Option<StagingWriter>,
    /// The first of them, for a message.
    first: Option<String>,
    /// How many of them are rows all the same.
    kept: u64,
}

impl BadRows {
    pub(super) fn new(context: &Context, source: &str, place: Location) -> Self {
        Self { source: source.to_owned(), place, context: context.clone(), writer: None, first: None, kept: 0 }
    }

    pub(super) async fn write(&mut self, records: Vec<BadRecord>) -> connectors::Result<()> {
        let Some(first) = records.first() else { return Ok(()) };
        self.first.get_or_insert_with(|| first.to_string());
        self.kept += records.iter().filter(|record| record.kept).count() as u64;
        let seen_at = self.context.clock.now().timestamp_micros();
        let texts = |of: fn(&BadRecord) -> Option<&str>| Arc::new(records.iter().map(of).collect::<StringArray>()) as ArrayRef;
        let numbers = |of: fn(&BadRecord) -> Option<u64>| {
            let signed = |record| of(record).and_then(|number| i64::try_from(number).ok());
            Arc::new(records.iter().map(signed).collect::<Int64Array>()) as ArrayRef
        };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(records.iter().map(|_| &self.source))),
            texts(|record| Some(&record.file)),
            numbers(|record| record.row),
            numbers(|record| record.line),
            numbers(|record| record.offset),
            texts(|record| record.column.as_deref()),
            texts(|record| Some(&record.reason)),
            Arc::new(records.iter().map(|record| Some(record.kept)).collect::<BooleanArray>()),
            Arc::new(BinaryArray::from_iter_values(records.iter().map(|record| &record.raw))),
            Arc::new(TimestampMicrosecondArray::from(vec![seen_at; records.len()]).with_timezone("UTC")),
            texts(|record| record.context.as_deref()),
        ];
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => {
                let (sizes, runtime) = (self.context.sizes, &self.context.runtime);
                self.writer.insert(StagingWriter::temporary(self.place.clone(), schema(), sizes, runtime)?)
            }
        };
        writer.write(RecordBatch::try_new(schema(), columns)?).await
    }

    /// The records as a table, and how many there are; none when there are none.
    ///
    /// # Errors
    /// When more than `max_ratio` of the `received` records are bad.
    pub(super) async fn finish(self, received: u64, max_ratio: f64) -> Result<Option<BadTable>> {
        let bad = self.writer.as_ref().map_or(0, StagingWriter::rows);
        match too_many_bad(bad, received, max_ratio, self.first.as_deref()) {
            Some(error) => Err(error.into()),
            None => self.table().await,
        }
    }

    /// The same of records that were counted before.
    ///
    /// # Errors
    /// When the local disk does not play along.
    pub(super) async fn table(self) -> Result<Option<BadTable>> {
        let Some(writer) = self.writer else { return Ok(None) };
        let records = writer.rows();
        writer.finish().await?;
        Ok(Some(BadTable { table: Arc::new(files_as_table(&schema(), &self.place)?), records, kept: self.kept }))
    }
}

/// Bad records.
#[derive(Debug, Clone)]
pub struct BadTable {
    /// What they say.
    pub(super) table: Arc<dyn TableProvider>,
    /// How many there are.
    pub(super) records: u64,
    /// How many of them are rows all the same.
    kept: u64,
}

impl BadTable {
    /// Those that are no rows.
    pub(super) fn left_out(&self) -> u64 {
        self.records - self.kept
    }
}

/// Stages the bad records of all slices, which `readers` have read.
///
/// # Errors
/// When their table cannot be read, or the store refuses.
pub async fn stage(
    scope: Scope<'_>,
    slices: &Slices,
    readers: &[&Flow],
    progress: &Progress,
    folder: &Location,
    staged: &mut Staged,
) -> Result<Vec<FlowCheckpoint>> {
    let mut flows = Vec::new();
    for (source, slice) in &slices.by_source {
        let Some(rows) = &slice.bad else { continue };
        let waiting = joined(readers.iter().filter(|flow| flow.sources.contains(source)).map(|flow| flow.id.as_str()));
        flows.push(stage_records(scope, (source, flow_id(source)), rows, waiting, progress, folder, staged).await?);
    }
    Ok(flows)
}

/// Stages rows that a sink refused. No flow waits for them: a replay has nothing to feed them through but the sink.
///
/// # Errors
/// As [`stage`].
pub(super) async fn stage_refused(scope: Scope<'_>, refused: &Refused, folder: &Location, staged: &mut Staged) -> Result<()> {
    let progress = scope.store.progress(&scope.pipeline.name).await?;
    // Two flows may feed one table. No flow has such an id: theirs end in a name or in `-<number>`.
    let id = format!("{}-refused", refused.flow);
    let flow = stage_records(scope, (&refused.table, id), &refused.rows, String::new(), &progress, folder, staged).await?;
    staged.refused.push(flow);
    Ok(())
}

/// Stages bad records of `source`, which the flows `waiting` have not had as rows, to be committed as `flow`.
async fn stage_records(
    scope: Scope<'_>,
    (source, flow): (&str, String),
    records: &BadTable,
    waiting: String,
    progress: &Progress,
    folder: &Location,
    staged: &mut Staged,
) -> Result<FlowCheckpoint> {
    let table = table(&scope.pipeline.name, source);
    let what = || format!("bad records of '{source}'");
    let sink = commit::open(scope.session, &table).await.with_context(what)?;
    let epoch = lit(i64::try_from(progress.next_epoch).unwrap_or(i64::MAX)).alias(EPOCH);
    let incarnation = lit(&progress.incarnation).alias(INCARNATION);
    let marks = [incarnation, lit(waiting).alias(FLOWS), lit(false).alias(WHOLE)];
    let columns = schema();
    let columns = columns.fields().iter().map(|field| col(field.name()));
    let columns: Vec<Expr> = std::iter::once(epoch).chain(columns).chain(marks).collect();
    let query =
        LogicalPlanBuilder::scan("bad", provider_as_source(Arc::clone(&records.table)), None)?.project(columns)?.build()?;
    let sink_plan = sink.plan(&plan::query_schema(&query), WriteMode::Append).await.with_context(what)?;
    let query = plan::staged(query, &sink_plan, plan::Rows::All)?;
    let place = folder.join(&format!("stage-{}", staged.stages.len()));
    staged.stages.push(write_stage(scope, query, &sink_plan, place, |_| {}).await.with_context(what)?);
    Ok(FlowCheckpoint {
        flow,
        sink: table,
        mode: WriteMode::Append,
        key: Vec::new(),
        stage: staged.stages.len() - 1,
        rows_in: records.records,
        bad_rows: records.left_out(),
        landed_at: None,
        landed: None,
        replaces: None,
        progress: None,
    })
}

/// Where the bad records of a source go.
pub fn table(pipeline: &str, source: &str) -> TableSpec {
    // What no place of the lake has in its name.
    let place = |name: &str| if matches!(name, "." | "..") { "_".to_owned() } else { name.replace('%', "_") };
    TableSpec::new(format!("{source}$bad"), "DELTA", format!("lake://bad/{}/{}", place(pipeline), place(source)))
}

/// The column of the epoch that put a record aside.
pub(super) const EPOCH: &str = "epoch";
/// The column of the incarnation of the pipeline that the epoch belongs to.
pub(super) const INCARNATION: &str = "incarnation";
/// The column of the flows that have not had the record as a row.
pub(super) const FLOWS: &str = "flows";
/// The column that says whether the record is of a table that is read whole, see [`super::whole`].
pub(super) const WHOLE: &str = "whole";

/// Between the ids of flows, which are letters, digits, `_` and `-`.
const SEPARATOR: &str = ", ";

/// Flows as the table has them.
pub(super) fn joined<'a>(flows: impl Iterator<Item = &'a str>) -> String {
    flows.collect::<Vec<_>>().join(SEPARATOR)
}

/// The flows that [`joined`] made `text` of.
pub(super) fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(SEPARATOR).filter(|flow| !flow.is_empty())
}

/// All columns of the table.
pub(super) fn columns() -> SchemaRef {
    let epoch = Field::new(EPOCH, DataType::Int64, true);
    let marks = [INCARNATION, FLOWS].map(|name| Field::new(name, DataType::Utf8, true));
    let whole = Field::new(WHOLE, DataType::Boolean, true);
    let records = schema();
    let records = records.fields().iter().map(|field| field.as_ref().clone());
    Arc::new(Schema::new(std::iter::once(epoch).chain(records).chain(marks).chain([whole]).collect::<Vec<_>>()))
}

/// The id under which bad records of slices are committed. No flow has such an id: theirs end in a name or in `-<number>`.
pub(super) fn flow_id(source: &str) -> String {
    format!("{}-bad", safe(source))
}

/// The same of what is found bad where the table is read whole.
pub(super) fn whole_flow_id(source: &str) -> String {
    format!("{}-whole", safe(source))
}

fn safe(source: &str) -> String {
    source.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
}

/// The columns of bad records; the epoch comes before them.
pub fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("source", DataType::Utf8, true),
        Field::new("file", DataType::Utf8, true),
        Field::new("row", DataType::Int64, true),
        Field::new("line", DataType::Int64, true),
        Field::new("offset", DataType::Int64, true),
        Field::new("column", DataType::Utf8, true),
        Field::new("reason", DataType::Utf8, true),
        Field::new("kept", DataType::Boolean, true),
        Field::new("raw", DataType::Binary, true),
        Field::new("seen_at", time, true),
        Field::new("context", DataType::Utf8, true),
    ]))
}
