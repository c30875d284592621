//! What tables there are, and what they are made of.
//!
//! Asked of `pg_catalog`, as `psql`'s `\d` does. Of a partitioned table the parent is the table; its partitions are not.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};

use super::client::{Client, TextRow};
use super::literal;
use super::query::Asked;
use super::types::{CatalogType, ColumnType, column_type};
use crate::context::TableComments;
use crate::error::{Error, Result};

/// Which tables are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// Exactly one.
    Table {
        /// Its schema.
        schema: String,
        /// Its name.
        table: String,
    },
    /// All whose names are like these, as `LIKE` has it: `%` for any text, `_` for one character. A schema that no name says are all
    /// but those of the system.
    Like {
        /// Of the schema; all that are not the system's, when there is none.
        schema: Option<String>,
        /// Of the table.
        table: String,
    },
}

/// A table, view or materialized view.
#[derive(Debug, Clone)]
pub struct TableDescription {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// `table`, `view`, `materialized view`, `partitioned table` or `foreign table`.
    pub kind: &'static str,
    /// What somebody says of it (`COMMENT ON`).
    pub comment: Option<String>,
    /// Rows, as the server estimates; unknown before the first `ANALYZE`, and of views.
    pub estimated_rows: Option<u64>,
    /// Bytes on the server's disk; unknown of views.
    pub bytes: Option<u64>,
    /// Whether we may read it.
    pub readable: bool,
    /// The columns, in their order.
    pub columns: Vec<ColumnDescription>,
    /// The columns of the primary key, in its order.
    pub primary_key: Vec<String>,
}

/// A column of a table.
#[derive(Debug, Clone)]
pub struct ColumnDescription {
    /// Its name.
    pub name: String,
    /// Its type, as the server writes it: `numeric(10,2)`.
    pub sql_type: String,
    /// What somebody says of it.
    pub comment: Option<String>,
    /// Whether it may be NULL.
    pub nullable: bool,
    pub(super) read_as: ColumnType,
    folds: bool,
}

impl TableDescription {
    /// The columns as they are read. All may be NULL: what the server promises of a table it need not keep in a view.
    pub fn arrow_schema(&self) -> SchemaRef {
        let field = |column: &ColumnDescription| Field::new(&column.name, column.read_as.wire.arrow(), true);
        Arc::new(Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()))
    }

    /// A column as it is asked for.
    pub(super) fn asked(&self, name: &str) -> Option<Asked> {
        let column = self.column(name)?;
        Some(Asked {
            name: column.name.clone(),
            read_as: column.read_as.clone(),
            sql_type: column.sql_type.clone(),
            nullable: column.nullable,
            folds: column.folds,
        })
    }

    /// What is said of it, and of its columns.
    pub(super) fn comments(&self) -> TableComments {
        let columns = self.columns.iter().filter_map(|column| Some((column.name.clone(), column.comment.clone()?)));
        TableComments { table: self.comment.clone(), columns: columns.collect() }
    }

    fn column(&self, name: &str) -> Option<&ColumnDescription> {
        let exact = self.columns.iter().find(|column| column.name == name);
        exact.or_else(|| self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name)))
    }

    /// `public.orders`.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }
}

/// Tables, ordered by schema and name: number, schema, name, kind, comment, rows, bytes, whether they may be read. A partitioned
/// table is as large as its partitions.
const TABLES: &str = "\
SELECT c.oid, n.nspname, c.relname, c.relkind, obj_description(c.oid, 'pg_class'),
       CASE c.relkind WHEN 'p' THEN (SELECT sum(nullif(greatest(leaf.reltuples, -1), -1))::bigint
                                     FROM pg_partition_tree(c.oid) tree JOIN pg_class leaf ON leaf.oid = tree.relid WHERE tree.isleaf)
                      WHEN 'v' THEN NULL ELSE nullif(greatest(c.reltuples, -1), -1)::bigint END,
       CASE c.relkind WHEN 'p' THEN (SELECT sum(pg_table_size(tree.relid)) FROM pg_partition_tree(c.oid) tree WHERE tree.isleaf)::bigint
                      WHEN 'r' THEN pg_table_size(c.oid) WHEN 'm' THEN pg_table_size(c.oid) END,
       has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND ";

/// Schemas of the server's own.
const NO_SYSTEM: &str = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

/// Columns of tables, in their order: table, name, type, modifier, type in words, whether it is never NULL, comment, whether its collation
/// takes texts for equal that differ.
const COLUMNS: &str = "\
SELECT a.attrelid, a.attname, a.atttypid, a.atttypmod, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       col_description(a.attrelid, a.attnum),
       EXISTS (SELECT FROM pg_collation l WHERE l.oid = a.attcollation AND NOT l.collisdeterministic)
FROM pg_attribute a WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid = ANY ('{TABLES}'::oid[]) ORDER BY a.attrelid, a.attnum";

/// Columns of primary keys, in the key's order.
const KEYS: &str = "\
SELECT i.indrelid, a.attname
FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
WHERE i.indisprimary AND k.place <= i.indnkeyatts AND i.indrelid = ANY ('{TABLES}'::oid[]) ORDER BY i.indrelid, k.place";

/// Types of columns, and all that those are made of. An array is what is subscripted as one, not what has a fixed number of parts.
const TYPES: &str = "\
WITH RECURSIVE used AS (
    SELECT DISTINCT a.atttypid AS oid FROM pg_attribute a WHERE a.attnum > 0 AND a.attrelid = ANY ('{TABLES}'::oid[])
    UNION
    SELECT part.oid FROM used JOIN pg_type t ON t.oid = used.oid
    CROSS JOIN LATERAL (VALUES (t.typbasetype), (CASE WHEN t.typlen = -1 THEN t.typelem ELSE 0 END)) AS part (oid) WHERE part.oid <> 0
)
SELECT t.oid, t.typname, t.typtype, t.typbasetype, t.typtypmod, CASE WHEN t.typlen = -1 THEN t.typelem ELSE 0 END,
       n.nspname = 'pg_catalog'
FROM used JOIN pg_type t ON t.oid = used.oid JOIN pg_namespace n ON n.oid = t.typnamespace";

/// The tables of `pattern` that there are.
///
/// # Errors
/// As the server says.
pub async fn describe(client: &Client, pattern: &Pattern) -> Result<Vec<TableDescription>> {
    let doing = "describing tables";
    let condition = match pattern {
        Pattern::Table { schema, table } => {
            format!("n.nspname = {} AND c.relname = {}", literal::text(schema), literal::text(table))
        }
        Pattern::Like { schema: Some(schema), table } => {
            format!("n.nspname LIKE {} AND c.relname LIKE {}", literal::text(schema), literal::text(table))
        }
        Pattern::Like { schema: None, table } => format!("{NO_SYSTEM} AND c.relname LIKE {}", literal::text(table)),
    };
    let found = client.rows(&format!("{TABLES}{condition} ORDER BY n.nspname, c.relname"), doing).await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let numbers: Vec<&str> = found.iter().map(|row| cell(row, 0)).collect::<Result<_>>()?;
    let of_these = |statement: &str| statement.replace("TABLES", &numbers.join(","));
    let mut types = BTreeMap::new();
    for row in client.rows(&of_these(TYPES), doing).await? {
        types.insert(number(&row, 0)?, catalog_type(&row)?);
    }
    let mut columns: BTreeMap<u32, Vec<ColumnDescription>> = BTreeMap::new();
    for row in client.rows(&of_these(COLUMNS), doing).await? {
        columns.entry(number(&row, 0)?).or_default().push(column(&row, &types)?);
    }
    let mut keys: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for row in client.rows(&of_these(KEYS), doing).await? {
        keys.entry(number(&row, 0)?).or_default().push(cell(&row, 1)?.to_owned());
    }
    found
        .iter()
        .map(|row| {
            let number = number(row, 0)?;
            let (columns, key) = (columns.remove(&number).unwrap_or_default(), keys.remove(&number).unwrap_or_default());
            table(row, columns, key)
        })
        .collect()
}

fn table(row: &TextRow, columns: Vec<ColumnDescription>, primary_key: Vec<String>) -> Result<TableDescription> {
    let kind = match cell(row, 3)? {
        "p" => "partitioned table",
        "v" => "view",
        "m" => "materialized view",
        "f" => "foreign table",
        _ => "table",
    };
    let count = |at: usize| row.get(at).and_then(Option::as_ref).and_then(|text| text.parse().ok());
    Ok(TableDescription {
        schema: cell(row, 1)?.to_owned(),
        name: cell(row, 2)?.to_owned(),
        kind,
        comment: row.get(4).cloned().flatten(),
        estimated_rows: count(5),
        bytes: count(6),
        readable: row.get(7).and_then(Option::as_deref) == Some("t"),
        columns,
        primary_key,
    })
}

fn column(row: &TextRow, types: &BTreeMap<u32, CatalogType>) -> Result<ColumnDescription> {
    let modifier = cell(row, 3)?.parse().map_err(|_| unexpected())?;
    Ok(ColumnDescription {
        name: cell(row, 1)?.to_owned(),
        sql_type: cell(row, 4)?.to_owned(),
        comment: row.get(6).cloned().flatten(),
        nullable: cell(row, 5)? != "t",
        read_as: column_type(number(row, 2)?, modifier, &|oid| types.get(&oid)),
        folds: cell(row, 7)? == "t",
    })
}

fn catalog_type(row: &TextRow) -> Result<CatalogType> {
    let element = number(row, 5)?;
    let is_known = cell(row, 6)? == "t";
    Ok(CatalogType {
        // A type of somebody's own that is called as one of the server's is not that one.
        name: if is_known { cell(row, 1)?.to_owned() } else { format!("own {}", cell(row, 1)?) },
        kind: cell(row, 2)?.chars().next().unwrap_or('b'),
        base: number(row, 3)?,
        base_modifier: cell(row, 4)?.parse().map_err(|_| unexpected())?,
        element: (element != 0).then_some(element),
    })
}

fn cell(row: &TextRow, at: usize) -> Result<&str> {
    row.get(at).and_then(Option::as_deref).ok_or_else(unexpected)
}

fn number(row: &TextRow, at: usize) -> Result<u32> {
    cell(row, at)?.parse().map_err(|_| unexpected())
}

fn unexpected() -> Error {
    Error::internal("the server's catalog answered in a form that is not known")
}
