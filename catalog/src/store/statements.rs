//! The statements that the SQLite catalog's transactions are made of.

use chrono::{DateTime, Utc};
use sqlx::{Row, SqliteConnection};

use super::rows::{signed, table};
use super::{Registration, Statistics, Table, TableName, refusals};
use crate::drift::Change;
use crate::error::Result;

/// Tables with their current schema, statistics and comments.
pub(super) const TABLES: &str = "SELECT t.*, v.fields, s.rows, s.bytes, s.files,
    (SELECT json_group_object(c.column, c.comment) FROM column_comments c WHERE c.database = t.database AND c.name = t.name)
        AS column_comments
  FROM tables t
  JOIN schema_versions v ON v.database = t.database AND v.name = t.name AND v.version = t.version
  LEFT JOIN statistics s ON s.database = t.database AND s.name = t.name
 WHERE (?1 IS NULL OR t.database = ?1) AND (?2 IS NULL OR t.name = ?2)
 ORDER BY t.database, t.name";

pub(super) async fn find(connection: &mut SqliteConnection, name: &TableName) -> Result<Option<Table>> {
    let row = sqlx::query(TABLES).bind(&name.database).bind(&name.table).fetch_optional(connection).await?;
    row.as_ref().map(table).transpose()
}

/// The table, or an error that lists tables of the same name or database.
pub(super) async fn get(connection: &mut SqliteConnection, name: &TableName) -> Result<Table> {
    if let Some(table) = find(&mut *connection, name).await? {
        return Ok(table);
    }
    let rows = sqlx::query("SELECT database, name FROM tables ORDER BY database, name").fetch_all(connection).await?;
    let known =
        rows.iter().map(|row| Ok(TableName::new(row.try_get::<String, _>("database")?, row.try_get::<String, _>("name")?)));
    Err(refusals::missing(name, &known.collect::<Result<Vec<_>>>()?))
}

pub(super) async fn make_database(
    connection: &mut SqliteConnection,
    name: &str,
    comment: Option<&str>,
    now: DateTime<Utc>,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO databases (name, comment, created_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (name) DO UPDATE SET comment = coalesce(?2, comment)",
    )
    .bind(name)
    .bind(comment)
    .bind(now.timestamp_millis())
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn insert_version(
    connection: &mut SqliteConnection,
    name: &TableName,
    version: u32,
    fields: String,
    (why, changes): (&str, &[Change]),
    now: DateTime<Utc>,
) -> Result<()> {
    sqlx::query("INSERT INTO schema_versions (database, name, version, at, why, fields, changes) VALUES (?, ?, ?, ?, ?, ?, ?)")
        .bind(&name.database)
        .bind(&name.table)
        .bind(version)
        .bind(now.timestamp_millis())
        .bind(why)
        .bind(fields)
        .bind(serde_json::to_string(changes)?)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn insert_statistics(
    connection: &mut SqliteConnection,
    name: &TableName,
    statistics: &Statistics,
    now: DateTime<Utc>,
) -> Result<()> {
    sqlx::query("INSERT OR REPLACE INTO statistics (database, name, rows, bytes, files, measured_at) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(&name.database)
        .bind(&name.table)
        .bind(signed(statistics.rows))
        .bind(signed(statistics.bytes))
        .bind(signed(statistics.files))
        .bind(now.timestamp_millis())
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn comment_column(
    connection: &mut SqliteConnection,
    table: &Table,
    column: &str,
    comment: Option<&str>,
) -> Result<()> {
    refusals::check_column(table, column)?;
    let name = table.name();
    let query = match comment {
        Some(comment) => {
            sqlx::query("INSERT OR REPLACE INTO column_comments (database, name, column, comment) VALUES (?1, ?2, ?3, ?4)")
                .bind(&name.database)
                .bind(&name.table)
                .bind(column)
                .bind(comment)
        }
        None => sqlx::query("DELETE FROM column_comments WHERE database = ?1 AND name = ?2 AND column = ?3")
            .bind(&name.database)
            .bind(&name.table)
            .bind(column),
    };
    query.execute(connection).await?;
    Ok(())
}

/// Writes what a table is, but for its schema.
pub(super) async fn update(connection: &mut SqliteConnection, table: &Registration, now: DateTime<Utc>) -> Result<()> {
    sqlx::query(
        "UPDATE tables SET location = ?3, options = ?4, partitioning = ?5, key_columns = ?6, policy = ?7, comment = ?8,
                updated_at = ?9, connector = ?10
          WHERE database = ?1 AND name = ?2",
    )
    .bind(&table.name.database)
    .bind(&table.name.table)
    .bind(&table.location)
    .bind(serde_json::to_string(&table.options)?)
    .bind(serde_json::to_string(&table.partitioning)?)
    .bind(serde_json::to_string(&table.key)?)
    .bind(table.policy.to_string())
    .bind(&table.comment)
    .bind(now.timestamp_millis())
    .bind(&table.connector)
    .execute(connection)
    .await?;
    Ok(())
}
