//! A Delta table as it stands, or as it once was, for queries.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use deltalake_core::DeltaTable;
use deltalake_core::errors::DeltaTableError;

use crate::context::{Context, TableSpec};
use crate::error::{Error, Result};
use crate::lake::delta::{log, schema};
use crate::registry::{BoundedTable, Moment, TableFacts};

/// The newest snapshot, or that of `moment`; its version is Delta's.
pub(crate) async fn open(table: &TableSpec, moment: Option<&Moment>, context: &Context) -> Result<Option<BoundedTable>> {
    let location = context.locate(&table.location)?;
    let log = log::open(&location)?;
    if !log.is_delta_table_location().await.map_err(log::error)? {
        return Ok(None);
    }
    let mut delta = DeltaTable::new(log);
    match moment {
        None => delta.load().await.map_err(log::error)?,
        Some(Moment::Version(version)) => load_version(&mut delta, table, *version).await?,
        Some(Moment::Time(time)) => load_time(&mut delta, table, *time).await?,
    }
    let version = delta.version().map_or_else(String::new, |version| version.to_string());
    let provider = delta.table_provider().build().await?;
    Ok(Some(BoundedTable { provider: Arc::new(provider), version }))
}

/// What the newest snapshot says of the table.
pub(crate) async fn facts(table: &TableSpec, context: &Context) -> Result<Option<TableFacts>> {
    let log = log::open(&context.locate(&table.location)?)?;
    let Some(snapshot) = log::snapshot(&log).await? else { return Ok(None) };
    let (mut rows, mut bytes, mut files) = (Some(0), 0, 0);
    for file in snapshot.log_data().iter() {
        rows = rows.zip(file.num_records()).map(|(rows, more)| rows + more as u64);
        bytes += u64::try_from(file.size()).unwrap_or_default();
        files += 1;
    }
    let partition_by = snapshot.metadata().partition_columns().to_vec();
    Ok(Some(TableFacts { schema: schema::columns(&snapshot)?, partition_by, rows, bytes: Some(bytes), files: Some(files) }))
}

async fn load_version(delta: &mut DeltaTable, table: &TableSpec, version: u64) -> Result<()> {
    let newest = delta.get_latest_version().await.map_err(log::error)?;
    if version > newest {
        return Err(Error::config(format!("table '{}' has no version {version}; its newest is {newest}", table.name)));
    }
    match delta.load_version(version).await {
        // What is older than the oldest checkpoint that was kept may be gone from the log.
        Err(DeltaTableError::InvalidVersion(_) | DeltaTableError::NotATable(_)) => Err(Error::config(format!(
            "version {version} of table '{}' is gone from its log; its newest is {newest}",
            table.name
        ))),
        other => other.map_err(log::error),
    }
}

async fn load_time(delta: &mut DeltaTable, table: &TableSpec, time: DateTime<Utc>) -> Result<()> {
    delta.load_with_datetime(time).await.map_err(log::error)?;
    // A time before the first version is answered with that version: rows that were not there yet.
    let Some(version) = delta.version() else { return Ok(()) };
    let written = delta.snapshot().map_err(log::error)?.version_timestamp(version).and_then(DateTime::from_timestamp_millis);
    match written.filter(|written| *written > time) {
        Some(first) => Err(Error::config(format!(
            "table '{}' was not there at {}; its first version is of {}",
            table.name,
            time.to_rfc3339(),
            first.to_rfc3339()
        ))),
        None => Ok(()),
    }
}
