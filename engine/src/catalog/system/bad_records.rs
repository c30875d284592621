//! `system.bad_records`: all tables of bad records, as one.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use connectors::registry::connector;
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, lit};
use datafusion::prelude::col;
use datafusion::scalar::ScalarValue;

use crate::catalog::lake::{LakeIndex, LakeTable};
use crate::epoch::quarantine;

/// The union of what is in the lake now; filters and limits reach each of its tables.
pub(super) async fn table(index: &Arc<LakeIndex>) -> Result<Arc<dyn TableProvider>> {
    let schema = schema();
    let mut union: Option<LogicalPlanBuilder> = None;
    for table in index.tables().await?.iter().filter(|table| table.is_bad()) {
        let Some(provider) = written(index, table).await? else { continue };
        let rows = LogicalPlanBuilder::from(rows(table, provider, &schema)?);
        union = Some(match union {
            Some(before) => before.union(rows.build()?)?,
            None => rows,
        });
    }
    match union {
        Some(union) => Ok(Arc::new(ViewTable::new(union.build()?, None))),
        None => Ok(Arc::new(EmptyTable::new(Arc::new(schema)))),
    }
}

async fn written(index: &LakeIndex, table: &LakeTable) -> Result<Option<Arc<dyn TableProvider>>> {
    let mut spec = quarantine::table("", &table.name);
    spec.location = table.location();
    let found = connector(&spec.connector)?.table(&spec, index.context()).await?;
    Ok(found.map(|found| found.provider))
}

/// `pipeline`, `table`, and what every table of bad records has.
fn schema() -> Schema {
    let own = ["pipeline", "table"].map(|name| Field::new(name, DataType::Utf8, true));
    let epoch = Field::new("epoch", DataType::Int64, true);
    let recorded = quarantine::schema();
    let recorded = recorded.fields().iter().filter(|field| field.name() != "source").map(|field| field.as_ref().clone());
    Schema::new(own.into_iter().chain([epoch]).chain(recorded).collect::<Vec<_>>())
}

/// The rows of one table, in the columns of all: one that it lacks is NULL.
fn rows(table: &LakeTable, provider: Arc<dyn TableProvider>, schema: &Schema) -> Result<LogicalPlan> {
    let there = provider.schema();
    let pipeline = table.folder.trim_start_matches("bad/");
    let column = |field: &Arc<Field>| -> Result<Expr> {
        let value = match field.name().as_str() {
            "pipeline" => lit(pipeline),
            "table" => lit(table.name.as_str()),
            name if there.field_with_name(name).is_ok() => col(format!("\"{name}\"")),
            _ => lit(ScalarValue::try_from(field.data_type())?),
        };
        Ok(cast(value, field.data_type().clone()).alias(field.name()))
    };
    let columns = schema.fields().iter().map(column).collect::<Result<Vec<_>>>()?;
    let scan = LogicalPlanBuilder::scan(TableReference::bare(table.name.clone()), provider_as_source(provider), None)?;
    scan.project(columns)?.build()
}
