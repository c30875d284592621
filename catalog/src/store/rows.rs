//! How the catalog's values are written in rows, and read back.

use arrow_schema::{FieldRef, Fields, Schema};
use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::table::{Database, Registration, SchemaVersion, Statistics, Table, TableName};
use crate::error::{Error, Result};

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Store { message: format!("catalog: {error}"), source: Some(Box::new(error)) }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Store {
            message: format!(
                "catalog: a row was written by another version of engine: {error}; use that version, or crawl again"
            ),
            source: Some(Box::new(error)),
        }
    }
}

/// The columns of a schema, as JSON.
pub(super) fn fields_to_text(schema: &Schema) -> Result<String> {
    let fields: Vec<&FieldRef> = schema.fields().iter().collect();
    Ok(serde_json::to_string(&fields)?)
}

fn fields_from_text(text: &str) -> Result<Schema> {
    let fields: Vec<FieldRef> = serde_json::from_str(text)?;
    Ok(Schema::new(Fields::from(fields)))
}

pub(super) fn database(row: &SqliteRow) -> Result<Database> {
    Ok(Database { name: row.try_get("name")?, comment: row.try_get("comment")?, created_at: time(row.try_get("created_at")?)? })
}

/// A row of the tables, joined with its current schema and its statistics; comments of columns are added by the caller.
pub(super) fn table(row: &SqliteRow) -> Result<Table> {
    let registration = Registration {
        name: TableName::new(row.try_get::<String, _>("database")?, row.try_get::<String, _>("name")?),
        connector: row.try_get("connector")?,
        location: row.try_get("location")?,
        options: serde_json::from_str(row.try_get("options")?)?,
        schema: fields_from_text(row.try_get("fields")?)?,
        partitioning: serde_json::from_str(row.try_get("partitioning")?)?,
        key: serde_json::from_str(row.try_get("key_columns")?)?,
        policy: row.try_get::<&str, _>("policy")?.parse()?,
        comment: row.try_get("comment")?,
        registered_by: row.try_get("registered_by")?,
    };
    let statistics = Statistics { rows: count(row, "rows")?, bytes: count(row, "bytes")?, files: count(row, "files")? };
    Ok(Table {
        registration,
        version: version(row)?,
        column_comments: serde_json::from_str(row.try_get("column_comments")?)?,
        statistics,
        created_at: time(row.try_get("created_at")?)?,
        updated_at: time(row.try_get("updated_at")?)?,
    })
}

pub(super) fn schema_version(row: &SqliteRow) -> Result<SchemaVersion> {
    Ok(SchemaVersion {
        version: version(row)?,
        at: time(row.try_get("at")?)?,
        why: row.try_get("why")?,
        schema: fields_from_text(row.try_get("fields")?)?,
        changes: serde_json::from_str(row.try_get("changes")?)?,
    })
}

pub(super) fn version(row: &SqliteRow) -> Result<u32> {
    let version: i64 = row.try_get("version")?;
    u32::try_from(version).map_err(|_| Error::internal(format!("schema version {version} is out of range")))
}

pub(super) fn time(millis: i64) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp_millis(millis).ok_or_else(|| Error::internal(format!("time {millis} is out of range")))
}

/// As SQLite keeps it; more than its greatest number is as good as that.
pub(super) fn signed(count: Option<u64>) -> Option<i64> {
    count.map(|count| i64::try_from(count).unwrap_or(i64::MAX))
}

fn count(row: &SqliteRow, column: &str) -> Result<Option<u64>> {
    Ok(row.try_get::<Option<i64>, _>(column)?.and_then(|count| u64::try_from(count).ok()))
}
