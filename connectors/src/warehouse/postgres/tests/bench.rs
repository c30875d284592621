//! A database, a lake, and batches on their way from one into the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, FieldRef, Schema};
use testkit::postgres::Postgres;

use crate::Result;
use crate::context::{Context, TableComments, TableSpec};
use crate::lake::testing::local_lake;
use crate::registry::Connector;
use crate::sink::{Batch, BatchId, Receipt, SinkPlan, WriteMode};
use crate::testing::stage;
use crate::warehouse::{Warehouse, WarehouseConfig};

/// The database of a [`Bench`].
pub(super) const DATABASE: &str = "shop";

/// Folders that were staged into.
static STAGES: AtomicU64 = AtomicU64::new(0);

/// What one test needs.
pub(super) struct Bench {
    pub(super) server: Postgres,
    pub(super) context: Context,
    _folder: tempfile::TempDir,
}

impl Bench {
    /// `None`, having said so, where there is no PostgreSQL.
    pub(super) fn start() -> Option<Self> {
        let server = Postgres::start_or_skip()?;
        let url = server.create_database(DATABASE).unwrap();
        let (folder, mut context) = local_lake();
        context.warehouse = WarehouseConfig { url: Some(url), ..WarehouseConfig::default() };
        Some(Self { server, context, _folder: folder })
    }

    /// What psql says.
    pub(super) fn sql(&self, statements: &str) -> String {
        self.server.sql(DATABASE, statements).unwrap()
    }

    pub(super) async fn plan(&self, table: &TableSpec, rows: &RecordBatch, mode: WriteMode) -> Result<SinkPlan> {
        Warehouse.sink(table, &self.context).await?.plan(&rows.schema(), mode).await
    }

    /// Rows staged as the engine does it.
    pub(super) async fn batch(&self, table: &TableSpec, epoch: u64, mode: WriteMode, rows: &RecordBatch) -> Result<Batch> {
        let plan = self.plan(table, rows, mode).await?;
        let cast = |(column, field): (&ArrayRef, &FieldRef)| arrow::compute::cast(column, field.data_type()).unwrap();
        let columns: Vec<ArrayRef> = rows.columns().iter().zip(plan.schema.fields()).map(cast).collect();
        let staged = RecordBatch::try_new(Arc::clone(&plan.schema), columns)?;
        // In pieces, so that there are several batches.
        let pieces = (0..staged.num_rows()).step_by(100).map(|at| staged.slice(at, 100.min(staged.num_rows() - at))).collect();
        let folder = STAGES.fetch_add(1, Ordering::Relaxed).to_string();
        let files = stage(&self.context, &folder, &plan.schema, &[], pieces).await?;
        let id = BatchId { pipeline: "p".into(), incarnation: "i".into(), flow: table.name.clone(), epoch };
        Ok(Batch { id, mode, schema: plan.schema, partition_by: Vec::new(), key: plan.key, files })
    }

    pub(super) async fn commit(&self, table: &TableSpec, batch: &Batch) -> Result<Receipt> {
        Warehouse.sink(table, &self.context).await?.commit(batch).await
    }

    /// Both of the above.
    pub(super) async fn write(&self, table: &TableSpec, epoch: u64, mode: WriteMode, rows: &RecordBatch) -> Result<Receipt> {
        let batch = self.batch(table, epoch, mode, rows).await?;
        self.commit(table, &batch).await
    }
}

/// A table that is called by the letters of its location.
pub(super) fn spec(location: &str, key: &str) -> TableSpec {
    TableSpec {
        name: location.chars().filter(|c| c.is_alphanumeric() || *c == '_').collect(),
        connector: "WAREHOUSE".into(),
        location: location.into(),
        series: None,
        partition_by: Vec::new(),
        columns: None,
        primary_key: Vec::new(),
        options: if key.is_empty() { Vec::new() } else { vec![("key".into(), key.into())] },
        comments: TableComments::default(),
    }
}

/// Rows of these columns.
pub(super) fn rows(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> = columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, array)| array).collect()).unwrap()
}
