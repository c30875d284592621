//! `CREATE EXTERNAL TABLE`: from the statement to a [`TableSpec`].

use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use connectors::context::{TableComments, TableSpec};
use connectors::registry::connector;
use datafusion::error::Result;
use datafusion::logical_expr::{DdlStatement, LogicalPlan};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::{CreateExternalTable, Statement};
use datafusion::sql::sqlparser::ast::{Expr, TableConstraint, Value};

use super::Diagnostic;
use crate::session::Session;

/// What the statement says, `${...}` unresolved.
///
/// # Errors
/// A column type that DataFusion does not know, a form of the statement that no connector takes.
pub(super) async fn spec(statement: &CreateExternalTable, context: &SessionContext) -> Result<TableSpec> {
    let columns = if statement.columns.is_empty() { None } else { Some(columns(statement, context).await?) };
    let [location] = statement.locations.as_slice() else {
        return datafusion::common::plan_err!("table '{}': expected one LOCATION", statement.name);
    };
    Ok(TableSpec {
        name: table_name(&statement.name.to_string()),
        connector: statement.file_type.to_uppercase(),
        location: location.clone(),
        series: None,
        partition_by: statement.table_partition_cols.iter().map(|name| table_name(name)).collect(),
        columns,
        primary_key: primary_key(statement),
        options: statement.options.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        comments: TableComments::default(),
    })
}

/// What `error` says of `table` in the statement at `span`, with what to check if the table could not be reached.
pub(super) fn not_reached(
    text: &str,
    span: &Range<usize>,
    table: &TableSpec,
    session: &Session,
    error: &connectors::Error,
) -> Diagnostic {
    let stands_for = connector(&table.connector).and_then(|connector| connector.stands_for(table, &session.context));
    let TableSpec { connector, location, .. } = stands_for.ok().flatten().unwrap_or_else(|| table.clone());
    Diagnostic::from_connector(text, span, error).reaching(&connector, &location, error)
}

/// The declared columns, as DataFusion's planner reads them.
async fn columns(statement: &CreateExternalTable, context: &SessionContext) -> Result<SchemaRef> {
    let bare = CreateExternalTable {
        options: Vec::new(),
        table_partition_cols: Vec::new(),
        constraints: Vec::new(),
        ..statement.clone()
    };
    // Without a zone of the session's, DataFusion would make a time without zone of TIMESTAMP WITH TIME ZONE.
    let mut state = context.state();
    state.config_mut().options_mut().execution.time_zone.get_or_insert_with(|| "UTC".to_owned());
    match state.statement_to_plan(Statement::CreateExternalTable(bare)).await? {
        LogicalPlan::Ddl(DdlStatement::CreateExternalTable(table)) => Ok(Arc::clone(table.schema.inner())),
        _ => datafusion::common::internal_err!("CREATE EXTERNAL TABLE was planned as something else"),
    }
}

/// Unquoted names are lower case, as everywhere in DataFusion; a quoted one is what it is.
pub(super) fn table_name(name: &str) -> String {
    match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => name.to_lowercase(),
    }
}

fn primary_key(statement: &CreateExternalTable) -> Vec<String> {
    statement
        .constraints
        .iter()
        .filter_map(|constraint| match constraint {
            TableConstraint::PrimaryKey(key) => Some(&key.columns),
            _ => None,
        })
        .flatten()
        .map(|column| match &column.column.expr {
            Expr::Identifier(name) => table_name(&name.to_string()),
            other => other.to_string(),
        })
        .collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) | Value::EscapedStringLiteral(text) => text.clone(),
        other => other.to_string(),
    }
}
