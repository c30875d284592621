//! How the history's records are read from SQLite's rows.

use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{EpochRecord, Holder, Result, RunRecord, RunStatus, StateError, Totals};

/// A page of runs: pipeline, position before which, how many.
pub(super) const RUNS: &str = "SELECT r.position, r.pipeline, r.generation, r.holder, r.started_at, r.ended_at, r.error,
       l.generation AS leased, l.holder AS lease_holder, l.until,
       count(e.epoch) AS epochs, coalesce(sum(e.rows_in), 0) AS rows_in, coalesce(sum(e.rows_written), 0) AS rows_written,
       coalesce(sum(e.bad_rows), 0) AS bad_rows, coalesce(sum(e.files), 0) AS files, coalesce(sum(e.bytes), 0) AS bytes
  FROM (SELECT rowid AS position, * FROM runs WHERE (?1 IS NULL OR pipeline = ?1) AND (?2 IS NULL OR rowid < ?2)
         ORDER BY rowid DESC LIMIT ?3) r
  LEFT JOIN leases l ON l.pipeline = r.pipeline
  LEFT JOIN epochs e ON e.pipeline = r.pipeline AND e.generation = r.generation AND e.committed_at IS NOT NULL
 GROUP BY r.position
 ORDER BY r.position DESC";

/// A page of epochs: pipeline, position before which, how many.
pub(super) const EPOCHS: &str = "SELECT rowid AS position, pipeline, incarnation, epoch, generation, recorded_at, committed_at,
       rows_in, rows_written, bad_rows, files, bytes
  FROM epochs
 WHERE (?1 IS NULL OR pipeline = ?1) AND (?2 IS NULL OR rowid < ?2)
 ORDER BY rowid DESC LIMIT ?3";

pub(super) fn run_record(row: &SqliteRow, now: DateTime<Utc>, here: &Holder) -> Result<RunRecord> {
    let run: i64 = row.try_get("generation")?;
    let holder: Holder = serde_json::from_str(row.try_get("holder")?)?;
    let (ended_at, error) = (optional_time(row, "ended_at")?, row.try_get::<Option<String>, _>("error")?);
    let is_leased = row.try_get::<Option<i64>, _>("leased")? == Some(run)
        && row.try_get::<Option<String>, _>("lease_holder")?.is_some()
        && row.try_get::<Option<i64>, _>("until")?.is_some_and(|until| until > now.timestamp_millis());
    let status = match (ended_at, &error) {
        (Some(_), None) => RunStatus::Done,
        (Some(_), Some(_)) => RunStatus::Failed,
        (None, _) if is_leased && !holder.is_dead(here) => RunStatus::Running,
        (None, _) => RunStatus::Killed,
    };
    Ok(RunRecord {
        position: row.try_get("position")?,
        pipeline: row.try_get("pipeline")?,
        run,
        status,
        started_at: time(row.try_get("started_at")?)?,
        ended_at,
        error,
        holder,
        epochs: count(row, "epochs")?.unwrap_or_default(),
        totals: totals(row)?.unwrap_or_default(),
    })
}

pub(super) fn epoch_record(row: &SqliteRow) -> Result<EpochRecord> {
    Ok(EpochRecord {
        position: row.try_get("position")?,
        pipeline: row.try_get("pipeline")?,
        incarnation: row.try_get("incarnation")?,
        epoch: count(row, "epoch")?.unwrap_or_default(),
        run: row.try_get("generation")?,
        recorded_at: time(row.try_get("recorded_at")?)?,
        committed_at: optional_time(row, "committed_at")?,
        totals: totals(row)?,
    })
}

fn totals(row: &SqliteRow) -> Result<Option<Totals>> {
    let Some(rows_in) = count(row, "rows_in")? else { return Ok(None) };
    let number = |name| count(row, name).map(Option::unwrap_or_default);
    Ok(Some(Totals {
        rows_in,
        rows_written: number("rows_written")?,
        bad_rows: number("bad_rows")?,
        files: number("files")?,
        bytes: number("bytes")?,
    }))
}

fn count(row: &SqliteRow, column: &str) -> Result<Option<u64>> {
    Ok(row.try_get::<Option<i64>, _>(column)?.and_then(|number| u64::try_from(number).ok()))
}

fn optional_time(row: &SqliteRow, column: &str) -> Result<Option<DateTime<Utc>>> {
    row.try_get::<Option<i64>, _>(column)?.map(time).transpose()
}

fn time(millis: i64) -> Result<DateTime<Utc>> {
    let corrupt = || StateError::Corrupt { message: format!("time {millis} is out of range") };
    DateTime::from_timestamp_millis(millis).ok_or_else(corrupt)
}
