//! A source as a DataFusion table: what a pipeline's queries are planned against.
//!
//! In an epoch its scan is exchanged for the slice's rows ([`crate::epoch::slice`]). Scanned as it is, it reads the source as a
//! whole, and records nothing of it; its bad records go to whoever put them [`Aside`]. A plain `SELECT` has nobody, and logs them.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use connectors::source::{BadRecord, SliceLimits, SliceRead, SliceRequest, Source};
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::stream;

/// Bad records of one read that are logged each, where nobody puts them aside.
const LOGGED: u64 = 20;

/// Takes the bad records of a table that is read whole.
#[async_trait]
pub trait Aside: Send + Sync + std::fmt::Debug {
    /// The table begins to be read; a query may read it more than once.
    fn begins(&self);

    /// Takes records of a read that goes on.
    ///
    /// # Errors
    /// When they cannot be kept.
    async fn put(&self, records: Vec<BadRecord>) -> connectors::Result<()>;

    /// The table was read to its end. A query may stop before that.
    fn ends(&self);
}

/// A source, by the name it has in the pipeline.
#[derive(Debug)]
pub struct SourceTable {
    /// The table's name.
    pub name: String,
    /// Where the rows come from.
    pub source: Arc<dyn Source>,
    aside: Option<Arc<dyn Aside>>,
}

impl SourceTable {
    /// A table whose bad records are logged.
    pub fn new(name: String, source: Arc<dyn Source>) -> Self {
        Self { name, source, aside: None }
    }

    /// The same, with who takes its bad records.
    #[must_use]
    pub fn with_aside(self, aside: Arc<dyn Aside>) -> Self {
        Self { aside: Some(aside), ..self }
    }
}

#[async_trait]
impl TableProvider for SourceTable {
    fn schema(&self) -> SchemaRef {
        self.source.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Inexact: what comes is filtered once more, and whoever asks which columns a plan needs is told of those of its filters.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| {
            if self.source.uses_filter(filter) {
                TableProviderFilterPushDown::Inexact
            } else {
                TableProviderFilterPushDown::Unsupported
            }
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        // A source takes columns in their order only; another order is made of all of them.
        let columns = projection.filter(|columns| columns.is_sorted()).cloned();
        let schema = match &columns {
            Some(columns) => Arc::new(self.source.schema().project(columns)?),
            None => self.source.schema(),
        };
        let left = projection.filter(|_| columns.is_none());
        // Rows that come may be ruled out: how many make a limit is not known before.
        let enough = limit.filter(|_| filters.is_empty()).map(|limit| limit as u64);
        let limits = SliceLimits { rows: u64::MAX, bytes: u64::MAX };
        let request = SliceRequest { filters: filters.to_vec(), enough, ..SliceRequest::new(limits, columns) };
        let (source, aside) = (Arc::clone(&self.source), self.aside.clone());
        let whole = Whole { schema: Arc::clone(&schema), source, request, aside };
        Ok(Arc::new(StreamingTableExec::try_new(schema, vec![Arc::new(whole)], left, None, false, limit)?))
    }
}

/// The whole source as one stream.
#[derive(Debug)]
struct Whole {
    schema: SchemaRef,
    source: Arc<dyn Source>,
    request: SliceRequest,
    aside: Option<Arc<dyn Aside>>,
}

impl PartitionStream for Whole {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let read = Read {
            source: Arc::clone(&self.source),
            request: self.request.clone(),
            aside: self.aside.clone(),
            reader: None,
            bad: 0,
            first: None,
        };
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), stream::try_unfold(read, Read::next)))
    }
}

/// A source being read from its beginning to its end.
struct Read {
    source: Arc<dyn Source>,
    request: SliceRequest,
    aside: Option<Arc<dyn Aside>>,
    reader: Option<Box<dyn SliceRead>>,
    bad: u64,
    /// The first bad record, for a message.
    first: Option<String>,
}

impl Read {
    async fn next(mut self) -> Result<Option<(RecordBatch, Self)>> {
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => {
                if let Some(aside) = &self.aside {
                    aside.begins();
                }
                self.source.read_whole(&self.request).await?
            }
        };
        let batch = reader.next_batch().await?;
        self.note(reader.take_bad()).await?;
        match batch {
            Some(batch) => {
                self.reader = Some(reader);
                Ok(Some((batch, self)))
            }
            None => self.end(reader.as_mut()),
        }
    }

    async fn note(&mut self, records: Vec<BadRecord>) -> Result<()> {
        let Some(first) = records.first() else { return Ok(()) };
        self.first.get_or_insert_with(|| first.to_string());
        let before = self.bad;
        self.bad += records.len() as u64;
        match &self.aside {
            Some(aside) => aside.put(records).await?,
            None => {
                for (record, _) in records.iter().zip(before..LOGGED) {
                    tracing::warn!(%record, kept = record.kept, "a bad record of a table that is read whole");
                }
            }
        }
        Ok(())
    }

    fn end(self, reader: &mut dyn SliceRead) -> Result<Option<(RecordBatch, Self)>> {
        if let Some(error) = reader.take_fault() {
            return Err(DataFusionError::from(error));
        }
        if let Some(error) = too_many_bad(self.bad, reader.records(), self.source.max_bad_ratio(), self.first.as_deref()) {
            return Err(DataFusionError::from(error.context(self.source.identity())));
        }
        match &self.aside {
            Some(aside) if self.request.enough.is_none() => aside.ends(),
            None if self.bad > LOGGED => {
                tracing::warn!(table = self.source.identity(), bad = self.bad, "more bad records than are logged");
            }
            _ => {}
        }
        Ok(None)
    }
}

/// The error of a read that had more bad records than its table allows; `first` is one of them.
pub fn too_many_bad(bad: u64, received: u64, max_ratio: f64, first: Option<&str>) -> Option<connectors::Error> {
    let received = received.max(bad);
    #[expect(clippy::cast_precision_loss, reason = "a share of some million records")]
    let ratio = bad as f64 / received.max(1) as f64;
    (ratio > max_ratio).then(|| {
        connectors::Error::data(format!(
            "{bad} of {received} records are bad, more than max_bad_ratio {max_ratio} allows, the first being {}; nothing was \
             written; raise 'max_bad_ratio' if that is to be expected",
            first.unwrap_or_default()
        ))
    })
}
