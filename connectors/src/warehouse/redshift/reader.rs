//! The rows of a table as they stand, for queries that read what was written: as text, a batch at a time, by a cursor or from the result
//! that the Data API has.
//!
//! Redshift has no binary COPY to the client, a cursor is held on its leader node ("DECLARE", `declare`), and a result of the Data API
//! has at most 500 MB (`data-api-troubleshooting`): this is for tables of the size that a person looks at, and UNLOAD for others.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::stream::try_unfold;

use crate::context::{Context, TableSpec};
use crate::error::Result;
use crate::registry::{BoundedTable, TableFacts};
use crate::warehouse::redshift::catalog::{self, TableColumn};
use crate::warehouse::redshift::config::RedshiftConfig;
use crate::warehouse::redshift::fault::Fault;
use crate::warehouse::redshift::names::{Relation, quoted_list};
use crate::warehouse::redshift::session::{Rows, TextRow};
use crate::warehouse::redshift::types::ColumnType;

/// The table; `None` when there is none.
///
/// # Errors
/// When it cannot be read.
pub(crate) async fn table(table: &TableSpec, url: &str, context: &Context) -> Result<Option<BoundedTable>> {
    let name = Relation::parse(&table.location)?;
    let config = RedshiftConfig::read(url, context)?;
    let Some(schema) = schema(&config, &name).await? else { return Ok(None) };
    let names = quoted_list(schema.fields().iter().map(|field| field.name().as_str()));
    let rows = TableRows {
        config: config.clone(),
        query: format!("SELECT {names} FROM {}", name.quoted()),
        name,
        schema: Arc::clone(&schema),
    };
    let provider = Arc::new(StreamingTable::try_new(schema, vec![Arc::new(rows) as _])?);
    // Others may write the table too, and nothing says when they last did.
    let version = context.clock.now().to_rfc3339();
    Ok(Some(BoundedTable { provider, version }))
}

/// Its columns; `None` when there is no such table. How many rows it has is shown to superusers only ("SVV_TABLE_INFO", `r_SVV_TABLE_INFO`).
///
/// # Errors
/// When it cannot be read.
pub(crate) async fn facts(table: &TableSpec, url: &str, context: &Context) -> Result<Option<TableFacts>> {
    let name = Relation::parse(&table.location)?;
    let schema = schema(&RedshiftConfig::read(url, context)?, &name).await?;
    Ok(schema.map(|schema| TableFacts { schema, partition_by: Vec::new(), rows: None, bytes: None, files: None }))
}

async fn schema(config: &RedshiftConfig, name: &Relation) -> Result<Option<SchemaRef>> {
    let session = config.session().await?;
    let columns = catalog::columns(&session, name).await.map_err(|fault| unread(fault, name))?;
    let field = |column: &TableColumn| Field::new(&column.name, read_type(&column.column_type), true);
    Ok(columns.map(|columns| Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))))
}

/// A VARBYTE is read as its hexadecimal digits, a SUPER as JSON.
fn read_type(column: &ColumnType) -> DataType {
    match column {
        ColumnType::Varbyte => DataType::Utf8,
        other => other.of_null(),
    }
}

fn unread(fault: Fault, name: &Relation) -> crate::Error {
    fault.into_error(&format!("reading '{name}' in Redshift"))
}

/// The rows of one query.
#[derive(Debug)]
struct TableRows {
    config: RedshiftConfig,
    name: Relation,
    query: String,
    schema: SchemaRef,
}

impl TableRows {
    async fn open(&self) -> Result<Rows> {
        self.config.session().await?.scan(&self.query).await.map_err(|fault| unread(fault, &self.name))
    }

    async fn fetch(&self, rows: &mut Rows) -> Result<Option<RecordBatch>> {
        let rows = rows.next().await.map_err(|fault| unread(fault, &self.name))?;
        if rows.is_empty() { Ok(None) } else { batch(&self.schema, &rows).map(Some) }
    }
}

fn batch(schema: &SchemaRef, rows: &[TextRow]) -> Result<RecordBatch> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let mut columns = Vec::with_capacity(schema.fields().len());
    for (index, field) in schema.fields().iter().enumerate() {
        let texts = rows.iter().map(|row| row.get(index).and_then(Option::as_deref));
        let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
        columns.push(cast_with_options(&texts, field.data_type(), &options)?);
    }
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

impl PartitionStream for TableRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let table = Self {
            config: self.config.clone(),
            name: self.name.clone(),
            query: self.query.clone(),
            schema: Arc::clone(&self.schema),
        };
        let batches = try_unfold((table, None), |(table, rows)| async move {
            let mut rows = match rows {
                Some(rows) => rows,
                None => table.open().await?,
            };
            let batch = table.fetch(&mut rows).await?;
            Ok::<_, DataFusionError>(batch.map(|batch| (batch, (table, Some(rows)))))
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_values() {
        let utc = DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into()));
        let schema = Arc::new(Schema::new(vec![
            Field::new("flag", DataType::Boolean, true),
            Field::new("n", DataType::Decimal128(10, 2), true),
            Field::new("at", utc, true),
        ]));
        let row: TextRow = vec![Some("t".into()), Some("-1.50".into()), Some("2026-11-21 19:00:00.25+00".into())];
        let batch = batch(&schema, &[row, vec![None, None, None]]).unwrap();
        let shown = arrow::util::pretty::pretty_format_batches(&[batch]).unwrap().to_string();
        assert!(shown.contains("| true | -1.50 | 2026-11-21T19:00:00.250Z |"), "{shown}");
    }
}
