//! Makes the tables, and brings older ones up to date: by one of those that come at once.

use super::Place;
use super::pool::Pooled;
use super::unavailable;
use crate::state::{Result, StateError};

/// The steps, in order; the number of the last one is the version.
const STEPS: [&str; 2] = [include_str!("0001_state.sql"), include_str!("0002_landed.sql")];

/// Keeps those that come at once apart: `engine` in ASCII.
const LOCK: i64 = 0x656e_6769_6e65;

/// The version of the tables; `None` when there are none.
///
/// # Errors
/// [`StateError::Unavailable`].
pub(super) async fn version(connection: &Pooled, place: &Place) -> Result<Option<usize>> {
    let client = connection.client();
    let there = client
        .rows(&format!("SELECT to_regclass('\"{}\".versions')::text", place.schema), "looking for the state's tables")
        .await;
    if there.map_err(unavailable)?.into_iter().flatten().next().flatten().is_none() {
        return Ok(None);
    }
    let rows =
        client.rows(&format!("SELECT max(version) FROM \"{}\".versions", place.schema), "reading the state's version").await;
    let version = rows.map_err(unavailable)?.into_iter().flatten().next().flatten();
    Ok(Some(version.and_then(|version| version.parse().ok()).unwrap_or(0)))
}

/// Whether the user may make the tables.
///
/// # Errors
/// [`StateError::Unavailable`].
pub(super) async fn may_make(connection: &Pooled, place: &Place) -> Result<bool> {
    let query = format!(
        "SELECT 1 WHERE has_database_privilege(current_database(), 'CREATE') OR EXISTS (
             SELECT 1 FROM pg_catalog.pg_namespace n WHERE n.nspname = '{}' AND has_schema_privilege(n.oid, 'CREATE'))",
        place.schema
    );
    Ok(!connection.client().rows(&query, "asking for rights").await.map_err(unavailable)?.is_empty())
}

/// Brings the tables to the version of this engine.
///
/// # Errors
/// [`StateError::Unavailable`], also when they are of a newer engine.
pub(super) async fn migrate(connection: &Pooled, place: &Place) -> Result<()> {
    if is_current(version(connection, place).await?, place)? {
        return Ok(());
    }
    let schema = &place.schema;
    // The lock goes with the transaction: a pool of connections may stand between.
    run(connection, schema, &format!("BEGIN; SELECT pg_advisory_xact_lock({LOCK})")).await?;
    // Where the schema is there, no right to make one is needed.
    let there = format!("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = '{schema}'");
    if connection.client().rows(&there, "looking for the schema").await.map_err(unavailable)?.is_empty() {
        run(connection, schema, &format!("CREATE SCHEMA \"{schema}\"")).await?;
    }
    let versions = format!(
        "SET LOCAL search_path TO \"{schema}\"; \
         CREATE TABLE IF NOT EXISTS versions (version BIGINT PRIMARY KEY, made_at TIMESTAMPTZ NOT NULL DEFAULT now())"
    );
    run(connection, schema, &versions).await?;
    // Somebody may have been faster.
    let have = version(connection, place).await?.unwrap_or(0);
    for (number, step) in (1..).zip(STEPS).skip(have) {
        run(connection, schema, &format!("{step}; INSERT INTO versions (version) VALUES ({number})")).await?;
    }
    run(connection, schema, "COMMIT").await
}

async fn run(connection: &Pooled, schema: &str, statements: &str) -> Result<()> {
    connection.client().execute(statements).await.map_err(|error| {
        unavailable(error.context(format!(
            "making the tables of the state store; the user needs CREATE on the database, or a schema '{schema}' of its own"
        )))
    })
}

fn is_current(version: Option<usize>, place: &Place) -> Result<bool> {
    match version {
        Some(version) if version > STEPS.len() => Err(StateError::Unavailable {
            message: format!(
                "state store: {} is of a newer engine (version {version}, and this one knows up to {}); run that version",
                place.shown(),
                STEPS.len()
            ),
            source: None,
        }),
        version => Ok(version == Some(STEPS.len())),
    }
}
