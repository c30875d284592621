//! A table as the statement that registers it, to be reviewed and kept in git.

use std::fmt;

use arrow_schema::Field;

use super::plan::TablePlan;
use crate::infer::{FORM_KEY, Grouped};
use crate::{quoted, sql_type};

/// `CREATE EXTERNAL TABLE` for a table that was found; its [`Display`](fmt::Display) is the statement.
///
/// Forms of dates and timestamps that are not ISO 8601 become options `form.<column>`, folders that do not name their columns an
/// option `partitions`.
#[derive(Debug, Clone, Copy)]
pub struct Ddl<'a> {
    /// The table.
    pub table: &'a TablePlan,
    /// Its database, if the statement shall say so.
    pub database: Option<&'a str>,
    /// What the table's location is relative to, as in `s3://bucket/prefix`.
    pub location: &'a str,
    /// Further options, as given by the user or found while reading (a delimiter, say).
    pub options: &'a [(String, String)],
}

impl Ddl<'_> {
    fn options(&self) -> Vec<(String, String)> {
        let mut options = self.options.to_vec();
        let partitioning = &self.table.partitioning;
        if !partitioning.is_hive() {
            options.push(("partitions".to_owned(), partitioning.template()));
        }
        for field in self.table.schema.fields() {
            if let Some(form) = field.metadata().get(FORM_KEY) {
                options.push((format!("form.{}", field.name()), form.clone()));
            }
        }
        options
    }
}

impl fmt::Display for Ddl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.table;
        write!(f, "CREATE EXTERNAL TABLE ")?;
        if let Some(database) = self.database {
            write!(f, "{}.", quoted(database))?;
        }
        write!(f, "{}", quoted(&table.name))?;
        let columns: Vec<String> = table.schema.fields().iter().map(|field| column(field)).collect();
        if !columns.is_empty() {
            write!(f, " (\n    {}\n)", columns.join(",\n    "))?;
        }
        write!(f, "\nSTORED AS {}", table.format)?;
        let partitions: Vec<String> = table.partitioning.fields().iter().map(column).collect();
        if !partitions.is_empty() {
            write!(f, "\nPARTITIONED BY ({})", partitions.join(", "))?;
        }
        let location = format!("{}/{}", self.location.trim_end_matches('/'), table.location);
        write!(f, "\nLOCATION {}", literal(&location))?;
        let options: Vec<String> =
            self.options().iter().map(|(name, value)| format!("{} {}", literal(name), literal(value))).collect();
        if !options.is_empty() {
            write!(f, "\nOPTIONS ({})", options.join(", "))?;
        }
        write!(f, ";")
    }
}

impl TablePlan {
    /// The table in one line: `orders: 12,000 objects, 34,567 bytes, CSV`.
    pub fn summary(&self) -> String {
        let objects = if self.objects == 1 { "object" } else { "objects" };
        format!("{}: {} {objects}, {} bytes, {}", self.name, Grouped(self.objects), Grouped(self.bytes), self.format)
    }
}

fn column(field: &Field) -> String {
    format!("{} {}", quoted(field.name()), sql_type(field.data_type()))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
