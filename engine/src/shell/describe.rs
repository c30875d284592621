//! What there is: tables, and the statement that makes one.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{FieldRef, Schema};
use connectors::options::nearest;
use datafusion::catalog::SchemaProvider;
use datafusion::common::TableReference;
use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::ast::{
    Ident, ObjectName, ShowStatementFilter, ShowStatementFilterPosition, ShowStatementOptions,
};

use super::catalog::{FolderKind, LAKE, LakeTable, PUBLIC, looks_like_a_place};
use super::mistake;
use super::workspace::Workspace;
use crate::catalog::SYSTEM;
use crate::sql::{Diagnostic, script};

/// The tables whose name, or schema and name, fit `pattern` (`reddit.*`), or only the views.
pub(super) async fn tables(workspace: &Workspace, pattern: Option<&str>, only_views: bool) -> Result<DataFrame, Diagnostic> {
    let mut conditions = vec![match pattern {
        None => usual(),
        Some(pattern) => {
            let fits = format!("~ '^{}$'", as_regex(pattern));
            format!(
                "table_schema <> '{INFORMATION}' AND (table_name {fits} OR concat(table_schema, '.', table_name) {fits} \
                 OR concat(table_catalog, '.', table_schema, '.', table_name) {fits})"
            )
        }
    }];
    if only_views {
        conditions.push("table_type = 'VIEW'".to_owned());
    }
    listed(workspace, &conditions).await
}

/// What holds of the tables that are listed when nobody says where.
fn usual() -> String {
    format!("table_schema <> '{INFORMATION}' AND table_catalog <> '{SYSTEM}'")
}

/// The tables for which all conditions hold.
async fn listed(workspace: &Workspace, conditions: &[String]) -> Result<DataFrame, Diagnostic> {
    let query = format!(
        "SELECT table_catalog, table_schema, table_name, table_type FROM information_schema.tables WHERE {} ORDER BY 1, 2, 3",
        conditions.join(" AND ")
    );
    let planned = async {
        workspace.index.tables().await?;
        Box::pin(workspace.context.sql(&query)).await
    };
    planned.await.map_err(|error| Diagnostic::from_datafusion("", &(0..0), &error))
}

/// `SHOW TABLES [FROM database] [LIKE 'pattern' | WHERE condition]`. A database is a schema, a catalog, or `catalog.schema`.
pub(super) async fn shown_tables(
    workspace: &Workspace,
    text: &str,
    span: &Range<usize>,
    options: &ShowStatementOptions,
) -> Result<DataFrame, Diagnostic> {
    let ShowStatementOptions { show_in, starts_with, limit, limit_from, filter_position } = options;
    if starts_with.is_some() || limit.is_some() || limit_from.is_some() {
        let help = "SELECT ... FROM information_schema.tables takes any condition";
        return Err(Diagnostic::new("SHOW TABLES takes FROM, LIKE and WHERE", Some(span.clone())).help(help));
    }
    let database = show_in.as_ref().and_then(|show_in| show_in.parent_name.as_ref());
    let mut conditions = vec![match database {
        Some(name) => in_database(workspace, text, span, name).await?,
        None => usual(),
    }];
    if let Some(ShowStatementFilterPosition::Infix(filter) | ShowStatementFilterPosition::Suffix(filter)) = filter_position {
        conditions.push(match filter {
            ShowStatementFilter::Like(pattern) | ShowStatementFilter::NoKeyword(pattern) => {
                format!("table_name LIKE {}", literal(pattern))
            }
            ShowStatementFilter::ILike(pattern) => format!("table_name ILIKE {}", literal(pattern)),
            ShowStatementFilter::Where(condition) => format!("({condition})"),
        });
    }
    listed(workspace, &conditions).await
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// What holds of the tables of a database.
///
/// # Errors
/// When there is none of the name, with the nearest.
async fn in_database(workspace: &Workspace, text: &str, span: &Range<usize>, name: &ObjectName) -> Result<String, Diagnostic> {
    let wrong = |error: DataFusionError| Diagnostic::from_datafusion(text, span, &error);
    workspace.index.tables().await.map_err(|error| wrong(error.into()))?;
    let mut schemas: Vec<(String, String)> = Vec::new();
    for catalog in workspace.context.catalog_names() {
        let names = workspace.context.catalog(&catalog).map(|catalog| catalog.schema_names()).unwrap_or_default();
        schemas.extend(names.into_iter().chain([INFORMATION.to_owned()]).map(|schema| (catalog.clone(), schema)));
    }
    let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(normalized).collect();
    let has_schema =
        |name: &str, system: bool| schemas.iter().any(|(catalog, schema)| schema == name && (catalog == SYSTEM) == system);
    match parts.as_slice() {
        [schema] if has_schema(schema, false) => {
            return Ok(format!("table_schema = {} AND table_catalog <> '{SYSTEM}'", literal(schema)));
        }
        [catalog] if schemas.iter().any(|(known, _)| known == catalog) => {
            return Ok(format!("table_catalog = {} AND table_schema <> '{INFORMATION}'", literal(catalog)));
        }
        [catalog, schema] if schemas.iter().any(|(known, other)| known == catalog && other == schema) => {
            return Ok(format!("table_catalog = {} AND table_schema = {}", literal(catalog), literal(schema)));
        }
        _ => {}
    }
    let wanted = parts.join(".");
    let whole: Vec<String> = schemas.iter().map(|(catalog, schema)| format!("{catalog}.{schema}")).collect();
    let short = schemas.iter().flat_map(|(catalog, schema)| [schema.as_str(), catalog.as_str()]);
    let near = nearest(&wanted, short.chain(whole.iter().map(String::as_str)));
    let at = name.0.last().and_then(|part| part.as_ident()).and_then(|last| script::find_word(text, span, &last.value));
    let help = near.map_or_else(|| "SHOW TABLES lists the tables of all".to_owned(), |near| format!("did you mean '{near}'?"));
    Err(Diagnostic::new(format!("there is no database '{wanted}'"), at).help(help))
}

/// The schema of DataFusion's own lists, which each catalog has.
const INFORMATION: &str = "information_schema";

/// A name as the catalogs have it.
fn normalized(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// `*` and `?` of a pattern as a regular expression in a text of SQL.
fn as_regex(pattern: &str) -> String {
    let mut regex = String::new();
    for c in pattern.trim_matches('"').chars() {
        match c {
            '*' => regex.push_str(".*"),
            '?' => regex.push('.'),
            '\'' => regex.push_str("''"),
            c if c.is_alphanumeric() || c == '_' => regex.push(c),
            c => regex.extend(['\\', c]),
        }
    }
    regex
}

/// The query behind `\d NAME`; a path need not be quoted.
pub(super) fn describe(name: &str) -> String {
    format!("DESCRIBE {}", as_table(name))
}

/// What a table's columns are, by the names of types that a statement has for them.
pub(super) fn columns(workspace: &Workspace, schema: &Schema) -> datafusion::error::Result<DataFrame> {
    let texts = |texts: Vec<String>| Arc::new(StringArray::from(texts)) as ArrayRef;
    let fields = schema.fields();
    let nullable = |field: &FieldRef| if field.is_nullable() { "YES" } else { "NO" }.to_owned();
    let batch = RecordBatch::try_from_iter([
        ("column_name", texts(fields.iter().map(|field| field.name().clone()).collect())),
        ("data_type", texts(fields.iter().map(|field| ::catalog::sql_type(field.data_type())).collect())),
        ("is_nullable", texts(fields.iter().map(nullable).collect())),
    ])?;
    workspace.context.read_batch(batch)
}

/// The query behind `\summarize NAME`.
pub(super) fn summarize(name: &str) -> String {
    format!("SUMMARIZE {}", as_table(name))
}

fn as_table(name: &str) -> String {
    let quoted = name.starts_with(['\'', '"']);
    let is_query = name.contains(char::is_whitespace);
    if quoted || is_query || !looks_like_a_place(name) { name.to_owned() } else { format!("'{}'", name.replace('\'', "''")) }
}

/// The statement that declares a table.
pub(super) async fn definition(
    workspace: &Workspace,
    text: &str,
    span: &Range<usize>,
    name: &ObjectName,
) -> Result<DataFrame, Diagnostic> {
    let reference = TableReference::parse_str(&name.to_string());
    let found = match (reference.schema(), workspace.names.declared(reference.table())) {
        (None, Some(declared)) => Ok(Some(declared.sql().to_owned())),
        _ => lake_definition(workspace, &reference).await,
    };
    let wrong = match found {
        Ok(Some(sql)) => {
            let column = |value: String| Arc::new(StringArray::from(vec![value])) as ArrayRef;
            let batch =
                RecordBatch::try_from_iter([("table", column(reference.to_string())), ("definition", column(format!("{sql};")))]);
            match batch.map_err(DataFusionError::from).and_then(|batch| workspace.context.read_batch(batch)) {
                Ok(frame) => return Ok(frame),
                Err(error) => error,
            }
        }
        Ok(None) if workspace.names.owns(reference.table()) => {
            return Err(Diagnostic::new(
                format!("'{reference}' holds rows of this session, and has no statement that makes them"),
                None,
            ));
        }
        Ok(None) => DataFusionError::Plan(format!("table '{reference}' not found")),
        Err(error) => error,
    };
    let mut diagnostic = mistake::of_datafusion(workspace, text, span, &wrong).await;
    diagnostic.span = crate::sql::script::find_word(text, span, reference.table()).or(diagnostic.span);
    Err(diagnostic)
}

async fn lake_definition(workspace: &Workspace, reference: &TableReference) -> datafusion::error::Result<Option<String>> {
    let tables = workspace.index.tables().await?;
    let is_meant = |table: &&LakeTable| {
        let schema = match reference.schema() {
            Some(LAKE) => Some(PUBLIC),
            other => other,
        };
        table.name == reference.table() && schema.is_none_or(|schema| table.schema() == schema)
    };
    let mut found = tables.iter().filter(is_meant);
    let Some(table) = found.next() else { return Ok(None) };
    if found.next().is_some() {
        // The error that a query would give names them all.
        workspace.names.table(reference.table()).await?;
    }
    if let Some(registered) = workspace.index.registered(table).await {
        return Ok(Some(on_one_line(registered.ddl().trim_end_matches(';'))));
    }
    let stored_as = if table.kind == FolderKind::Delta { "DELTA" } else { "PARQUET" };
    let name = super::catalog::quoted(&table.name);
    Ok(Some(format!("CREATE EXTERNAL TABLE {name} STORED AS {stored_as} LOCATION '{}'", table.location())))
}

/// A statement that a cell can hold. One with a line break in a text stays as it is.
fn on_one_line(statement: &str) -> String {
    let lines: Vec<&str> = statement.lines().map(str::trim).collect();
    let is_in_text = |line: &&str| line.matches('\'').count() % 2 == 1;
    if lines.iter().any(is_in_text) { statement.to_owned() } else { lines.join(" ").replace("( ", "(").replace(" )", ")") }
}
