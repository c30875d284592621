//! `engine catalog show`.

use std::fmt::Write as _;

use anyhow::Result;
use catalog::sql_type;
use catalog::store::Table;
use chrono::{DateTime, SecondsFormat, Utc};
use indicatif::{HumanBytes, HumanCount};
use serde_json::{Value, json};

use super::table::{aligned, row};
use crate::catalog::names::lake_reference;

/// A time for a person.
pub(super) fn shown(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// A time for a machine.
pub(super) fn stamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

pub(super) fn as_text(table: &Table) -> Result<String> {
    let registration = &table.registration;
    let mut text = format!("{}\n", lake_reference(table.name()));
    if let Some(comment) = &registration.comment {
        writeln!(text, "  {comment}")?;
    }
    writeln!(text, "  {} at {}", registration.connector, registration.location)?;
    writeln!(text, "  registered by {}, {}", registration.registered_by, shown(table.created_at))?;
    writeln!(text, "  schema version {}, policy {}", table.version, registration.policy)?;
    let statistics = table.statistics;
    let sizes = [
        statistics.rows.map(|rows| format!("{} rows", HumanCount(rows))),
        statistics.files.map(|files| format!("{} files", HumanCount(files))),
        statistics.bytes.map(|bytes| HumanBytes(bytes).to_string()),
    ];
    let sizes: Vec<String> = sizes.into_iter().flatten().collect();
    if !sizes.is_empty() {
        writeln!(text, "  {}", sizes.join(", "))?;
    }
    if !registration.key.is_empty() {
        writeln!(text, "  key: {}", registration.key.join(", "))?;
    }
    if !registration.partitioning.levels().is_empty() {
        writeln!(text, "  folders: {}", registration.partitioning.template())?;
    }
    for (name, value) in &registration.options.0 {
        writeln!(text, "  option {name}: '{value}'")?;
    }
    let partitions = registration.partitioning.fields();
    let mut rows = vec![row(["column", "type", "", "comment"])];
    for field in table.full_schema().fields() {
        let is_partition = partitions.iter().any(|partition| partition.name() == field.name());
        let role = match (is_partition, field.is_nullable()) {
            (true, _) => "partition",
            (false, false) => "not null",
            (false, true) => "",
        };
        let comment = table.column_comments.get(field.name()).map_or("", String::as_str);
        rows.push(row([field.name(), &sql_type(field.data_type()), role, comment]));
    }
    text.push('\n');
    text.push_str(&aligned(&rows, "  "));
    Ok(text)
}

pub(super) fn as_json(table: &Table) -> Value {
    let registration = &table.registration;
    let partitions = registration.partitioning.fields();
    let columns: Vec<Value> = table
        .full_schema()
        .fields()
        .iter()
        .map(|field| {
            json!({
                "name": field.name(),
                "type": sql_type(field.data_type()),
                "nullable": field.is_nullable(),
                "partition": partitions.iter().any(|partition| partition.name() == field.name()),
                "comment": table.column_comments.get(field.name()),
            })
        })
        .collect();
    json!({
        "table": lake_reference(table.name()),
        "database": table.name().database,
        "name": table.name().table,
        "connector": registration.connector,
        "location": registration.location,
        "options": registration.options.0,
        "folders": registration.partitioning.template(),
        "key": registration.key,
        "policy": registration.policy.to_string(),
        "comment": registration.comment,
        "registered_by": registration.registered_by,
        "created_at": stamp(table.created_at),
        "updated_at": stamp(table.updated_at),
        "schema_version": table.version,
        "rows": table.statistics.rows,
        "files": table.statistics.files,
        "bytes": table.statistics.bytes,
        "columns": columns,
    })
}
