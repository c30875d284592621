//! A table of the database in a query: described, and not read.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::plan_err;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::target::Target;
use crate::context::TableSpec;
use crate::error::Result;
use crate::postgres::{Client, ConnectionConfig};
use crate::registry::{BoundedTable, TableFacts};
use crate::warehouse::TableName;

/// The table, if it is there. A query that reads it is refused when it runs.
///
/// # Errors
/// When the database cannot be asked.
pub(crate) async fn table(table: &TableSpec, config: &ConnectionConfig) -> Result<Option<BoundedTable>> {
    let name = TableName::parse(&table.location)?;
    let mut client = Client::connect(config).await?;
    let found = Target::find(client.driver(), &name).await?;
    Ok(found.map(|target| {
        let provider = Unreadable { table: table.name.clone(), location: table.location.clone(), schema: target.schema() };
        BoundedTable { provider: Arc::new(provider), version: String::new() }
    }))
}

/// Its columns, if it is there.
///
/// # Errors
/// When the database cannot be asked.
pub(crate) async fn facts(table: &TableSpec, config: &ConnectionConfig) -> Result<Option<TableFacts>> {
    let name = TableName::parse(&table.location)?;
    let mut client = Client::connect(config).await?;
    let found = Target::find(client.driver(), &name).await?;
    let facts =
        |target: Target| TableFacts { schema: target.schema(), partition_by: Vec::new(), rows: None, bytes: None, files: None };
    Ok(found.map(facts))
}

#[derive(Debug)]
struct Unreadable {
    table: String,
    location: String,
    schema: SchemaRef,
}

#[async_trait]
impl TableProvider for Unreadable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        _projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        plan_err!(
            "table '{}' is in the warehouse, which is only written; read it as a source, with STORED AS POSTGRES LOCATION '{}', or collect the \
             rows in a table of the lake as well",
            self.table,
            self.location
        )
    }
}
