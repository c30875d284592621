//! The contract of every sink.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use async_trait::async_trait;
use datafusion::datasource::MemTable;

use super::bench::Bench;
use crate::Result;
use crate::context::{Context, TableSpec};
use crate::options::OptionSpec;
use crate::postgres::{Client, ConnectionConfig};
use crate::registry::{BoundedTable, Connector};
use crate::sink::{Sink, WriteMode};
use crate::testing::{SinkCase, sink_contract};
use crate::warehouse::{TableName, Warehouse};

/// The warehouse, with tables that can be read: every value as PostgreSQL writes it.
#[derive(Debug)]
struct Readable;

#[async_trait]
impl Connector for Readable {
    fn name(&self) -> &'static str {
        Warehouse.name()
    }

    fn options(&self) -> &'static [OptionSpec] {
        Warehouse.options()
    }

    fn is_sink(&self) -> bool {
        true
    }

    async fn sink(&self, table: &TableSpec, context: &Context) -> Result<Arc<dyn Sink>> {
        Warehouse.sink(table, context).await
    }

    async fn table(&self, table: &TableSpec, context: &Context) -> Result<Option<BoundedTable>> {
        let Some(described) = Warehouse.table(table, context).await? else { return Ok(None) };
        let TableName { schema, table } = TableName::parse(&table.location)?;
        let config = ConnectionConfig::parse(context.warehouse.url.as_deref().unwrap(), None)?;
        let client = Client::connect(&config).await?;
        let names: Vec<String> = described.provider.schema().fields().iter().map(|field| field.name().clone()).collect();
        let select = format!("SELECT {} FROM \"{schema}\".\"{table}\"", names.join(", "));
        let rows = client.rows(&select, "reading").await?;
        let column = |index: usize| Arc::new(rows.iter().map(|row| row[index].clone()).collect::<StringArray>()) as ArrayRef;
        let fields: Vec<Field> = names.iter().map(|name| Field::new(name, DataType::Utf8, true)).collect();
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(Arc::clone(&schema), (0..names.len()).map(column).collect())?;
        Ok(Some(BoundedTable { provider: Arc::new(MemTable::try_new(schema, vec![vec![batch]])?), version: String::new() }))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_the_sink_contract() {
    let Some(bench) = Bench::start() else { return };
    let modes = [WriteMode::Append, WriteMode::Overwrite, WriteMode::Upsert];
    let case = SinkCase {
        connector: &Readable,
        context: &bench.context,
        location: "contract".into(),
        separator: ".",
        modes: &modes,
        partitions: false,
    };
    sink_contract(&case).await.unwrap();
}
