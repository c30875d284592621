//! `engine catalog history`.

use std::fmt::Write as _;

use anyhow::Result;
use catalog::sql_type;
use catalog::store::{SchemaVersion, Table};
use serde_json::{Value, json};

use super::show::{shown, stamp};
use crate::catalog::names::lake_reference;

/// The newest version first.
pub(super) fn as_text(table: &Table, versions: &[SchemaVersion]) -> Result<String> {
    let mut text = format!("{}\n", lake_reference(table.name()));
    for version in versions.iter().rev() {
        let columns = version.schema.fields().len();
        writeln!(text, "  version {}, {}, {columns} columns: {}", version.version, shown(version.at), version.why)?;
        for change in &version.changes {
            writeln!(text, "    {change}")?;
        }
    }
    Ok(text)
}

pub(super) fn as_json(versions: &[SchemaVersion]) -> Value {
    let version = |version: &SchemaVersion| {
        let columns = version.schema.fields().iter();
        let columns: Vec<Value> =
            columns.map(|field| json!({"name": field.name(), "type": sql_type(field.data_type())})).collect();
        let changes: Vec<String> = version.changes.iter().map(ToString::to_string).collect();
        json!({
            "version": version.version,
            "at": stamp(version.at),
            "why": version.why,
            "changes": changes,
            "columns": columns,
        })
    };
    versions.iter().map(version).collect()
}
