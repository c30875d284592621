//! A source as a DataFusion table: what a pipeline's queries are planned against.
//!
//! In an epoch its scan is exchanged for the slice's rows ([`crate::epoch::slice`]). Scanned as it is, by a plain `SELECT`, it
//! reads the source from the beginning and records nothing.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use connectors::source::{SliceLimits, SliceRequest, Source};
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::stream;

/// A source, by the name it has in the pipeline.
#[derive(Debug)]
pub struct SourceTable {
    /// The table's name.
    pub name: String,
    /// Where the rows come from.
    pub source: Arc<dyn Source>,
}

#[async_trait]
impl TableProvider for SourceTable {
    fn schema(&self) -> SchemaRef {
        self.source.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        // A source takes columns in their order only; another order is made of all of them.
        let columns = projection.filter(|columns| columns.is_sorted()).cloned();
        let schema = match &columns {
            Some(columns) => Arc::new(self.source.schema().project(columns)?),
            None => self.source.schema(),
        };
        let left = projection.filter(|_| columns.is_none());
        let peek = Peek { schema: Arc::clone(&schema), source: Arc::clone(&self.source), columns };
        Ok(Arc::new(StreamingTableExec::try_new(schema, vec![Arc::new(peek)], left, None, false, limit)?))
    }
}

/// The whole source as one stream.
#[derive(Debug)]
struct Peek {
    schema: SchemaRef,
    source: Arc<dyn Source>,
    columns: Option<Vec<usize>>,
}

impl PartitionStream for Peek {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let source = Arc::clone(&self.source);
        let request = SliceRequest { limits: SliceLimits { rows: u64::MAX, bytes: u64::MAX }, columns: self.columns.clone() };
        let batches = stream::try_unfold((None, source, request, 0_u64), |(reader, source, request, mut all_bad)| async move {
            let mut reader = match reader {
                Some(reader) => reader,
                None => source.read(None, &request).await?,
            };
            let batch = reader.next_batch().await?;
            for bad in reader.take_bad() {
                all_bad += 1;
                tracing::warn!(record = %bad, kept = bad.kept, "a bad record of a table that is read whole");
            }
            #[expect(clippy::cast_precision_loss, reason = "a share of some million records")]
            let ratio = all_bad as f64 / reader.records().max(all_bad).max(1) as f64;
            match batch {
                Some(batch) => Ok(Some((batch, (Some(reader), source, request, all_bad)))),
                None if ratio > source.max_bad_ratio() => {
                    let records = reader.records();
                    let message = format!(
                        "{all_bad} of {records} records of {} are bad, more than max_bad_ratio allows",
                        source.identity()
                    );
                    Err(DataFusionError::from(connectors::Error::data(message)))
                }
                None => match reader.take_fault() {
                    Some(error) => Err(DataFusionError::from(error)),
                    None => Ok(None),
                },
            }
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches))
    }
}
