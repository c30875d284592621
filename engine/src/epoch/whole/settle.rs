//! What was found bad, held against the table of bad records: that table staged as it will be, if it changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, new_null_array};
use arrow::datatypes::SchemaRef;
use connectors::staging::StagingWriter;
use connectors::stores::Location;
use datafusion::catalog::TableProvider;
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::LogicalPlanBuilder;
use futures::TryStreamExt;
use tempfile::TempDir;

use super::identity::{Flows, Identities, Identity, Met};
use super::read::{Found, folder as temporary_folder};
use crate::epoch::Scope;
use crate::epoch::bad_table::{self, Contents, Records};
use crate::epoch::quarantine::{self, EPOCH, FLOWS, INCARNATION, WHOLE, joined, split};
use crate::epoch::slice::files_as_table;
use crate::epoch::stage::Staged;
use crate::state::{FlowCheckpoint, Progress};

/// What the whole reads of an epoch change in tables of bad records.
#[derive(Debug, Default)]
pub struct Settled {
    /// What is committed with the epoch, before the bad records of its slices.
    pub flows: Vec<FlowCheckpoint>,
    new: BTreeMap<String, u64>,
}

impl Settled {
    /// Records that `flow` met, that are no rows, and that were not in the table.
    pub fn put_aside(&self, flow: &str) -> u64 {
        self.new.get(flow).copied().unwrap_or_default()
    }
}

/// Stages the tables of bad records that change by what the stages of an epoch found in tables that they read whole.
///
/// # Errors
/// When a table of bad records cannot be read, the store refuses, or memory is used up.
pub async fn settle(scope: Scope<'_>, progress: &Progress, folder: &Location, staged: &mut Staged) -> Result<Settled> {
    let mut by_source: BTreeMap<String, Vec<(Flows, Found)>> = BTreeMap::new();
    for (stage, found) in std::mem::take(&mut staged.whole) {
        let flows = staged.stage_of.iter().filter(|(_, index)| **index == stage).map(|(flow, _)| flow.clone()).collect();
        by_source.entry(found.source.clone()).or_default().push((flows, found));
    }
    let mut settled = Settled::default();
    for (source, reads) in by_source {
        let what = || format!("bad records of '{source}'");
        let Some(change) = change(scope, progress, &source, &reads).await.with_context(what)? else { continue };
        let flow = quarantine::whole_flow_id(&source);
        let (tables, rows, new) = (vec![change.table], change.rows, change.new_records);
        let contents = Contents { source: &source, flow, tables, rows, new, replaces: None };
        settled.flows.push(bad_table::stage(scope, contents, folder, staged).await?.0);
        for (flow, new) in change.new {
            *settled.new.entry(flow).or_default() += new;
        }
    }
    Ok(settled)
}

/// A table of bad records as it will be.
struct Change {
    table: Arc<dyn TableProvider>,
    rows: u64,
    new_records: u64,
    /// Those, by the flows that met them.
    new: BTreeMap<String, u64>,
    _folder: TempDir,
}

/// The table of bad records of `source` as it will be; `None` when it stays as it is.
async fn change(scope: Scope<'_>, progress: &Progress, source: &str, reads: &[(Flows, Found)]) -> Result<Option<Change>> {
    let there = bad_table::records(scope, source).await?;
    if there.is_none() && reads.iter().all(|(_, found)| found.records.is_none()) {
        return Ok(None);
    }
    let context = &scope.session.context;
    let folder = temporary_folder(scope)?;
    let place = context.locate(&folder.path().to_string_lossy())?;
    let schema = there.as_ref().map_or_else(quarantine::columns, |there| there.schema());
    let writer = StagingWriter::temporary(place.clone(), Arc::clone(&schema), context.sizes, &context.runtime)?;
    let identities = Identities::new()?;
    let mut merge = Merge {
        epoch: i64::try_from(progress.next_epoch).unwrap_or(i64::MAX),
        incarnation: &progress.incarnation,
        readers: scope.pipeline.flows.iter().filter(|flow| flow.bounded.contains(source)).map(|flow| flow.id.clone()).collect(),
        told: reads.iter().filter(|(_, found)| found.is_all).flat_map(|(flows, _)| flows.clone()).collect(),
        met: met(scope, &identities, reads).await?,
        identities,
        schema: Arc::clone(&schema),
        writer,
        is_changed: false,
        new_records: 0,
        new: BTreeMap::new(),
    };
    if let Some(mut there) = there {
        while let Some(batch) = there.try_next().await.map_err(connectors::Error::from)? {
            merge.keep(&batch).await?;
        }
    }
    for (_, found) in reads {
        each_batch(scope, found, async |batch| merge.add(&batch).await).await?;
    }
    let Merge { writer, is_changed, new_records, new, .. } = merge;
    if !is_changed && new_records == 0 {
        return Ok(None);
    }
    let rows = writer.rows();
    let table: Arc<dyn TableProvider> = if writer.finish().await?.is_empty() {
        Arc::new(EmptyTable::new(schema))
    } else {
        Arc::new(files_as_table(&schema, &place)?)
    };
    Ok(Some(Change { table, rows, new_records, new, _folder: folder }))
}

async fn met(scope: Scope<'_>, identities: &Identities, reads: &[(Flows, Found)]) -> Result<Met> {
    let mut met = Met::new(&scope.session.context.runtime.memory_pool);
    for (flows, found) in reads {
        each_batch(scope, found, async |batch| {
            identities.of(&batch)?.into_iter().try_for_each(|identity| met.add(identity, flows))
        })
        .await?;
    }
    Ok(met)
}

async fn each_batch(scope: Scope<'_>, found: &Found, mut each: impl AsyncFnMut(RecordBatch) -> Result<()>) -> Result<()> {
    let Some(records) = &found.records else { return Ok(()) };
    let plan = LogicalPlanBuilder::scan("found", provider_as_source(Arc::clone(&records.table)), None)?.build()?;
    let mut records = bad_table::stream(scope, &plan).await?;
    while let Some(batch) = records.try_next().await.map_err(connectors::Error::from)? {
        each(batch).await?;
    }
    Ok(())
}

/// A table of bad records being written as it will be.
struct Merge<'a> {
    epoch: i64,
    incarnation: &'a str,
    /// The flows of the pipeline that read the table whole. What others met once is nobody's any more.
    readers: Flows,
    /// Those of this epoch that read it to its end: what they did not meet is not bad.
    told: Flows,
    met: Met,
    identities: Identities,
    schema: SchemaRef,
    writer: StagingWriter,
    is_changed: bool,
    new_records: u64,
    new: BTreeMap<String, u64>,
}

impl Merge<'_> {
    /// Takes over what stays of the table as it is.
    async fn keep(&mut self, batch: &RecordBatch) -> Result<()> {
        let records = Records::new(batch);
        let (mut rows, mut flows) = (Vec::new(), Vec::new());
        for (index, identity) in self.identities.of(batch)?.into_iter().enumerate() {
            let mark = records.mark(index)?;
            if !mark.whole {
                rows.push(index);
                flows.push(mark.flows);
                continue;
            }
            let before: Flows = mark.flows.iter().flat_map(|flows| split(flows)).map(str::to_owned).collect();
            let now = self.now(&before, &identity);
            let is_double = self.met.flows(&identity).is_some() && !self.met.write(&identity);
            self.is_changed |= now != before || is_double;
            if !now.is_empty() && !is_double {
                rows.push(index);
                flows.push(Some(joined(now.iter().map(String::as_str))));
            }
        }
        let kept = bad_table::taken(batch, rows.into_iter())?;
        let column = |(index, array): (usize, &ArrayRef)| match self.schema.field(index).name().as_str() {
            FLOWS => Arc::new(StringArray::from(flows.clone())) as ArrayRef,
            _ => Arc::clone(array),
        };
        let columns = kept.columns().iter().enumerate().map(column).collect();
        self.write(columns).await
    }

    /// The flows to which a record is bad now that was bad to those of `before`.
    fn now(&self, before: &Flows, identity: &Identity) -> Flows {
        let mut now: Flows =
            before.iter().filter(|flow| self.readers.contains(*flow) && !self.told.contains(*flow)).cloned().collect();
        now.extend(self.met.flows(identity).into_iter().flatten().cloned());
        now
    }

    /// Adds what is not in the table yet.
    async fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let (records, mut rows, mut flows) = (Records::new(batch), Vec::new(), Vec::new());
        for (index, identity) in self.identities.of(batch)?.into_iter().enumerate() {
            if !self.met.write(&identity) {
                continue;
            }
            let by = self.met.flows(&identity).cloned().unwrap_or_default();
            rows.push(index);
            flows.push(joined(by.iter().map(String::as_str)));
            let is_left_out = !records.record(index)?.kept;
            for flow in by.into_iter().filter(|_| is_left_out) {
                *self.new.entry(flow).or_default() += 1;
            }
        }
        let count = rows.len();
        self.new_records += count as u64;
        let found = bad_table::taken(batch, rows.into_iter())?;
        let column = |name: &str| match name {
            EPOCH => Some(Arc::new(Int64Array::from(vec![self.epoch; count])) as ArrayRef),
            INCARNATION => Some(Arc::new(StringArray::from(vec![self.incarnation; count])) as ArrayRef),
            FLOWS => Some(Arc::new(StringArray::from(flows.clone())) as ArrayRef),
            WHOLE => Some(Arc::new(BooleanArray::from(vec![true; count])) as ArrayRef),
            name => found.column_by_name(name).cloned(),
        };
        let fields = self.schema.fields().iter();
        let columns = fields.map(|field| column(field.name()).unwrap_or_else(|| new_null_array(field.data_type(), count)));
        let columns = columns.collect();
        self.write(columns).await
    }

    async fn write(&mut self, columns: Vec<ArrayRef>) -> Result<()> {
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        if batch.num_rows() == 0 {
            return Ok(());
        }
        Ok(self.writer.write(batch).await?)
    }
}
