//! A table whose rows are made while they are read.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::stream::BoxStream;

/// Makes the rows of one table.
pub(super) trait Rows: Debug + Send + Sync {
    /// A batch without rows.
    fn empty(&self) -> Result<RecordBatch>;

    /// Columns of text by one value of which rows are looked up, which costs less than to read all of them.
    fn keys(&self) -> &'static [&'static str];

    /// The rows. There may be more than are wanted: what they are filtered by is applied to them again.
    fn stream(&self, wanted: Wanted) -> BoxStream<'static, Result<RecordBatch>>;
}

/// Which rows are wanted.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    equal: BTreeMap<&'static str, String>,
    /// At most so many.
    pub(super) limit: Option<usize>,
}

impl Wanted {
    /// The one value of a key that is wanted.
    pub(super) fn key(&self, name: &str) -> Option<&str> {
        self.equal.get(name).map(String::as_str)
    }
}

/// The table.
#[derive(Debug)]
pub(super) struct SystemTable {
    schema: SchemaRef,
    rows: Arc<dyn Rows>,
}

impl SystemTable {
    pub(super) fn new(rows: Arc<dyn Rows>) -> Result<Self> {
        Ok(Self { schema: rows.empty()?.schema(), rows })
    }

    /// The key and the value of `key = 'value'`.
    fn key(&self, filter: &Expr) -> Option<(&'static str, String)> {
        let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = filter else { return None };
        let (column, value) = match (left.as_ref(), right.as_ref()) {
            (Expr::Column(column), Expr::Literal(value, _)) | (Expr::Literal(value, _), Expr::Column(column)) => (column, value),
            _ => return None,
        };
        let key = self.rows.keys().iter().copied().find(|key| *key == column.name)?;
        Some((key, value.try_as_str().flatten()?.to_owned()))
    }
}

#[async_trait]
impl TableProvider for SystemTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let supported = |filter: &&Expr| match self.key(filter) {
            Some(_) => TableProviderFilterPushDown::Inexact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(supported).collect())
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let wanted = Wanted { equal: filters.iter().filter_map(|filter| self.key(filter)).collect(), limit };
        let scan = Scan { schema: Arc::clone(&self.schema), rows: Arc::clone(&self.rows), wanted };
        let schema = Arc::clone(&self.schema);
        Ok(Arc::new(StreamingTableExec::try_new(schema, vec![Arc::new(scan)], projection, None, false, limit)?))
    }
}

#[derive(Debug)]
struct Scan {
    schema: SchemaRef,
    rows: Arc<dyn Rows>,
    wanted: Wanted,
}

impl PartitionStream for Scan {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), self.rows.stream(self.wanted.clone())))
    }
}
