//! A table as the statement that registers it, to be reviewed and kept in git.

use std::fmt;

use arrow_schema::{DataType, Field, Fields};

use super::format::Format;
use crate::infer::forms;
use crate::partitions::PartitionType;
use crate::store::{Registration, Table};
use crate::{quoted, sql_type};

/// `CREATE EXTERNAL TABLE` for a table; its [`Display`](fmt::Display) is the statement, which a pipeline takes as it is.
///
/// Forms of dates and timestamps that are not ISO 8601 become options `form.<column>`. A Delta table says itself what its columns
/// are. Columns of a type that SQL has no word for cannot be declared: then none are, and whoever reads finds them.
#[derive(Debug, Clone, Copy)]
pub struct Ddl<'a> {
    /// The table.
    pub table: &'a Registration,
    /// Whether the statement says which database it is in. A pipeline's tables are in none.
    pub qualified: bool,
    /// Where it is: the registered location, or the same place as the reader of the statement would call it.
    pub location: &'a str,
}

impl Ddl<'_> {
    fn options(&self) -> Vec<(String, String)> {
        let table = self.table;
        let mut options: Vec<(String, String)> =
            table.options.0.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        if !table.partitioning.is_hive() && !table.options.0.contains_key("partitions") {
            options.push(("partitions".to_owned(), table.partitioning.template()));
        }
        let columns = forms(table.schema.fields());
        options.extend(columns.into_iter().map(|(path, form)| (format!("form.{path}"), form)));
        for level in table.partitioning.levels() {
            if let (Some(name), PartitionType::Date(form)) = (&level.name, level.partition_type)
                && form != crate::values::DateForm::YearDash
            {
                options.push((format!("form.{name}"), form.to_string()));
            }
        }
        options
    }
}

impl fmt::Display for Ddl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.table;
        write!(f, "CREATE EXTERNAL TABLE ")?;
        if self.qualified {
            write!(f, "{}.", quoted(&table.name.database))?;
        }
        write!(f, "{}", quoted(&table.name.table))?;
        let declared = table.connector != Format::Delta.as_str() && is_declarable(table.schema.fields());
        let mut columns: Vec<String> = table.schema.fields().iter().map(|field| column(field)).collect();
        // The option `key` says the same.
        if !table.key.is_empty() && !table.options.0.contains_key("key") {
            let names: Vec<String> = table.key.iter().map(|name| quoted(name)).collect();
            columns.push(format!("PRIMARY KEY ({})", names.join(", ")));
        }
        if declared && !columns.is_empty() {
            write!(f, " (\n    {}\n)", columns.join(",\n    "))?;
        }
        write!(f, "\nSTORED AS {}", table.connector)?;
        let partitions = table.partitioning.fields();
        // Columns that are among the others are named only: DataFusion does not read both at once.
        let is_among = |field: &Field| table.schema.fields().find(field.name()).is_some();
        let is_typed = declared && !partitions.iter().any(is_among);
        let partitions: Vec<String> =
            partitions.iter().map(|field| if is_typed { column(field) } else { quoted(field.name()) }).collect();
        if !partitions.is_empty() {
            write!(f, "\nPARTITIONED BY ({})", partitions.join(", "))?;
        }
        write!(f, "\nLOCATION {}", literal(self.location))?;
        let options = self.options();
        let is_form = |name: &str| name.starts_with("form.");
        let options: Vec<String> = options
            .iter()
            .filter(|(name, _)| declared || !is_form(name))
            .map(|(name, value)| format!("{} {}", literal(name), literal(value)))
            .collect();
        match options.as_slice() {
            [] => {}
            [one] => write!(f, "\nOPTIONS ({one})")?,
            several => write!(f, "\nOPTIONS (\n    {}\n)", several.join(",\n    "))?,
        }
        write!(f, ";")
    }
}

impl Table {
    /// The statement that a pipeline takes for this table.
    pub fn ddl(&self) -> String {
        let table = &self.registration;
        Ddl { table, qualified: false, location: &table.location }.to_string()
    }
}

fn column(field: &Field) -> String {
    format!("{} {}", quoted(field.name()), sql_type(field.data_type()))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Whether SQL has a word for the types of all of them.
fn is_declarable(fields: &Fields) -> bool {
    fields.iter().all(|field| match field.data_type() {
        DataType::Struct(members) => !members.is_empty() && is_declarable(members),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            is_declarable(&Fields::from(vec![item.as_ref().clone()]))
        }
        DataType::Dictionary(_, value) => is_declarable(&Fields::from(vec![Field::new("value", value.as_ref().clone(), true)])),
        other => {
            (other.is_primitive() && !matches!(other, DataType::Duration(_) | DataType::Interval(_)))
                || matches!(other, DataType::Boolean | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
                || matches!(other, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
        }
    })
}
