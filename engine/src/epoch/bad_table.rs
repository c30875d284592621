//! A table of bad records being read, rows of it changed, and all of it staged as it will be.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{Int64Type, SchemaRef};
use connectors::lake::{Part, Parts};
use connectors::sink::WriteMode;
use connectors::source::BadRecord;
use connectors::stores::Location;
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, ScalarValue};
use datafusion::datasource::provider_as_source;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, lit};
use datafusion::physical_plan::execute_stream;

use super::quarantine::{self, EPOCH, FLOWS, INCARNATION, WHOLE};
use super::replay::Mark;
use super::stage::{Staged, configured, write_stage};
use super::{Scope, commit};
use crate::flow::plan;
use crate::state::{FlowCheckpoint, StageCheckpoint};

/// Rows that are read at once where records may be megabytes long.
const ROWS: usize = 64;

/// Rows that are read at once where records are short.
const MOST_ROWS: usize = 4_096;

/// Bytes of rows that are read at once, about.
const BYTES: u64 = 1 << 20;

/// By what the records are ordered: as they came. What stays of a record that was replayed lies between its bytes, whatever row it is.
const ORDER: [&str; 5] = [EPOCH, "file", "offset", "row", FLOWS];

/// The bad records of `source`, in the order in which they came; none when there is no table of them. Columns that an earlier version did
/// not write are NULL.
///
/// # Errors
/// When the table cannot be read.
pub(super) async fn records(scope: Scope<'_>, source: &str) -> Result<Option<SendableRecordBatchStream>> {
    match parts(scope, source).await? {
        Some(parts) => records_of(scope, &parts, parts.all()).await.map(Some),
        None => Ok(None),
    }
}

/// The files of the table of bad records of `source`; none when there is no such table.
///
/// # Errors
/// When its log cannot be read.
pub(super) async fn parts(scope: Scope<'_>, source: &str) -> Result<Option<Parts>> {
    let spec = scope.session.resolve(&quarantine::table(&scope.pipeline.name, source))?;
    Ok(Parts::open(&spec, &scope.session.context).await?)
}

/// The records of some files, as [`records`] has those of all.
///
/// # Errors
/// When the table cannot be read.
pub(super) async fn records_of(scope: Scope<'_>, parts: &Parts, some: &[Part]) -> Result<SendableRecordBatchStream> {
    let provider = parts.rows(some).await?;
    let there = provider.schema();
    let known = quarantine::columns();
    let column = |name: &str| Expr::Column(Column::from_name(name));
    let mut columns = Vec::new();
    for field in known.fields() {
        let value = match there.field_with_name(field.name()) {
            Ok(_) => cast(column(field.name()), field.data_type().clone()),
            Err(_) => lit(ScalarValue::try_from(field.data_type())?),
        };
        columns.push(value.alias(field.name()));
    }
    let others = there.fields().iter().filter(|field| known.field_with_name(field.name()).is_err());
    columns.extend(others.map(|field| column(field.name())));
    let order = ORDER.iter().map(|name| column(name).sort(true, true));
    let plan = LogicalPlanBuilder::scan("bad", provider_as_source(provider), None)?.project(columns)?.sort(order)?;
    let longest = parts.longest_rows(some).await?;
    let rows = longest.and_then(|bytes| usize::try_from(BYTES / bytes.max(1)).ok()).unwrap_or(ROWS);
    stream_of(scope, &plan.build()?, rows.clamp(ROWS, MOST_ROWS)).await
}

/// The rows of a plan over bad records, a few at a time.
///
/// # Errors
/// When they cannot be read.
pub(super) async fn stream(scope: Scope<'_>, plan: &LogicalPlan) -> Result<SendableRecordBatchStream> {
    stream_of(scope, plan, ROWS).await
}

async fn stream_of(scope: Scope<'_>, plan: &LogicalPlan, rows: usize) -> Result<SendableRecordBatchStream> {
    let state = scope.pipeline.context.state();
    let state = configured(state, |config| config.with_batch_size(rows).with_target_partitions(1));
    let physical = state.create_physical_plan(plan).await.map_err(connectors::Error::from)?;
    Ok(execute_stream(physical, state.task_ctx()).map_err(connectors::Error::from)?)
}

/// What a table of bad records will hold, all of it or in place of some files.
#[derive(Debug)]
pub(super) struct Contents<'a> {
    /// Whose bad records they are.
    pub(super) source: &'a str,
    /// The id under which they are committed.
    pub(super) flow: String,
    /// The records: those of each table are in files of their own, in this order.
    pub(super) tables: Vec<Arc<dyn TableProvider>>,
    /// How many there are.
    pub(super) rows: u64,
    /// How many of them are newly put aside.
    pub(super) new: u64,
    /// The files of the table whose place they take; none when it is all of them.
    pub(super) replaces: Option<Vec<String>>,
}

/// Stages what a table of bad records will hold. Beside it: how many files each of the tables made.
///
/// # Errors
/// When the table cannot be opened or the store refuses.
pub(super) async fn stage(
    scope: Scope<'_>,
    contents: Contents<'_>,
    folder: &Location,
    staged: &mut Staged,
) -> Result<(FlowCheckpoint, Vec<usize>)> {
    let Contents { source, flow, tables, rows, new, replaces } = contents;
    let what = || format!("bad records of '{source}'");
    let spec = quarantine::table(&scope.pipeline.name, source);
    let sink = commit::open(scope.session, &spec).await.with_context(what)?;
    let place = folder.join(&format!("stage-{}", staged.stages.len()));
    let (mut stage, mut files): (Option<StageCheckpoint>, Vec<usize>) = (None, Vec::new());
    for table in tables {
        let query = LogicalPlanBuilder::scan("bad", provider_as_source(table), None)?.build()?;
        let sink_plan = sink.plan(&plan::query_schema(&query), WriteMode::Overwrite).await.with_context(what)?;
        let query = plan::staged(query, &sink_plan, plan::Rows::All)?;
        let place = place.join(&files.len().to_string());
        let next = write_stage(scope, query, &sink_plan, place, |_| {}).await.with_context(what)?;
        files.push(next.files.len());
        match &mut stage {
            Some(stage) => stage.files.extend(next.files),
            None => stage = Some(next),
        }
    }
    staged.stages.push(stage.context("a table of bad records without columns")?);
    let checkpoint = FlowCheckpoint {
        flow,
        sink: spec,
        mode: WriteMode::Overwrite,
        key: Vec::new(),
        stage: staged.stages.len() - 1,
        rows_in: rows,
        bad_rows: new,
        landed_at: None,
        landed: None,
        replaces,
        progress: None,
    };
    Ok((checkpoint, files))
}

/// Some rows of the table.
pub(super) struct Records<'a> {
    batch: &'a RecordBatch,
}

impl<'a> Records<'a> {
    pub(super) fn new(batch: &'a RecordBatch) -> Self {
        Self { batch }
    }

    /// The record at `index`.
    ///
    /// # Errors
    /// When a column is missing, which is a bug.
    pub(super) fn record(&self, index: usize) -> Result<BadRecord> {
        Ok(BadRecord {
            raw: self.bytes("raw", index)?,
            file: self.text("file", index)?.unwrap_or_default(),
            row: self.number("row", index)?,
            line: self.number("line", index)?,
            offset: self.number("offset", index)?,
            column: self.text("column", index)?,
            reason: self.text("reason", index)?.unwrap_or_default(),
            kept: self.flag("kept", index)?,
            context: self.text("context", index)?,
        })
    }

    /// What decides where the record at `index` goes.
    ///
    /// # Errors
    /// When a column is missing, which is a bug.
    pub(super) fn mark(&self, index: usize) -> Result<Mark> {
        Ok(Mark {
            incarnation: self.text(INCARNATION, index)?,
            flows: self.text(FLOWS, index)?,
            kept: self.flag("kept", index)?,
            whole: self.flag(WHOLE, index)?,
        })
    }

    fn column(&self, name: &str) -> Result<&'a ArrayRef> {
        self.batch.column_by_name(name).with_context(|| format!("a table of bad records without column '{name}'"))
    }

    fn text(&self, name: &str, index: usize) -> Result<Option<String>> {
        let column = self.column(name)?;
        Ok(column.as_string_opt::<i32>().filter(|_| column.is_valid(index)).map(|texts| texts.value(index).to_owned()))
    }

    fn number(&self, name: &str, index: usize) -> Result<Option<u64>> {
        let column = self.column(name)?;
        let numbers = column.as_primitive_opt::<Int64Type>().filter(|_| column.is_valid(index));
        Ok(numbers.and_then(|numbers| u64::try_from(numbers.value(index)).ok()))
    }

    fn bytes(&self, name: &str, index: usize) -> Result<Vec<u8>> {
        let column = self.column(name)?;
        Ok(column
            .as_binary_opt::<i32>()
            .filter(|_| column.is_valid(index))
            .map(|bytes| bytes.value(index).to_vec())
            .unwrap_or_default())
    }

    fn flag(&self, name: &str, index: usize) -> Result<bool> {
        let column = self.column(name)?;
        Ok(column.as_boolean_opt().is_some_and(|flags| column.is_valid(index) && flags.value(index)))
    }
}

/// A row of the table as it will be.
#[derive(Debug)]
pub(super) struct Changed {
    /// The row of the batch that it comes of: what a record does not say is taken over.
    pub(super) index: usize,
    /// What it says.
    pub(super) record: BadRecord,
    /// The flows that wait for it.
    pub(super) flows: Option<String>,
}

/// The rows of `batch` at `rows`.
///
/// # Errors
/// None that is known.
pub(super) fn taken(batch: &RecordBatch, rows: impl Iterator<Item = usize>) -> Result<RecordBatch> {
    let rows = rows.map(u32::try_from).collect::<Result<Vec<_>, _>>()?;
    Ok(take_record_batch(batch, &UInt32Array::from(rows))?)
}

/// Rows of `batch` as they will be.
///
/// # Errors
/// None that is known.
pub(super) fn changed(batch: &RecordBatch, rows: &[Changed]) -> Result<RecordBatch> {
    let before = taken(batch, rows.iter().map(|row| row.index))?;
    let texts = |of: fn(&Changed) -> Option<&str>| Arc::new(rows.iter().map(of).collect::<StringArray>()) as ArrayRef;
    let numbers = |of: fn(&BadRecord) -> Option<u64>| {
        let signed = |row: &Changed| of(&row.record).and_then(|number| i64::try_from(number).ok());
        Arc::new(rows.iter().map(signed).collect::<Int64Array>()) as ArrayRef
    };
    let schema: SchemaRef = before.schema();
    let column = |name: &str, before: &ArrayRef| match name {
        "row" => numbers(|record| record.row),
        "line" => numbers(|record| record.line),
        "offset" => numbers(|record| record.offset),
        "column" => texts(|row| row.record.column.as_deref()),
        "reason" => texts(|row| Some(&row.record.reason)),
        "kept" => Arc::new(rows.iter().map(|row| Some(row.record.kept)).collect::<BooleanArray>()),
        "raw" => Arc::new(BinaryArray::from_iter_values(rows.iter().map(|row| &row.record.raw))),
        "context" => texts(|row| row.record.context.as_deref()),
        FLOWS => texts(|row| row.flows.as_deref()),
        _ => Arc::clone(before),
    };
    let columns = schema.fields().iter().zip(before.columns()).map(|(field, array)| column(field.name(), array)).collect();
    Ok(RecordBatch::try_new(schema, columns)?)
}
