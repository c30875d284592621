//! Runs, as they are shown.

use chrono::{DateTime, Utc};

use super::database::{Conditions, Row, Within};
use crate::state::{Holder, Page, Purpose, Result, RunEnding, RunRecord, RunStatus, Totals};

/// Runs with what their epochs brought; `{where}` and `{limit}` say which.
const RUNS: &str =
    "SELECT r.position, r.pipeline, r.generation, r.holder, r.started_at, r.ended_at, r.error, r.canceled, r.again_at,
       r.reason, r.attempt, r.logical_date, r.due_at, l.generation AS leased, l.holder AS lease_holder, l.until,
       count(e.epoch) AS epochs, CAST(coalesce(sum(e.rows_in), 0) AS BIGINT) AS rows_in,
       CAST(coalesce(sum(e.rows_written), 0) AS BIGINT) AS rows_written,
       CAST(coalesce(sum(e.bad_rows), 0) AS BIGINT) AS bad_rows, CAST(coalesce(sum(e.files), 0) AS BIGINT) AS files,
       CAST(coalesce(sum(e.bytes), 0) AS BIGINT) AS bytes
  FROM (SELECT rowid AS position, pipeline, generation, holder, started_at, ended_at, error, canceled, again_at, reason, attempt,
               logical_date, due_at
          FROM runs {where} ORDER BY rowid DESC {limit}) r
  LEFT JOIN leases l ON l.pipeline = r.pipeline
  LEFT JOIN epochs e ON e.pipeline = r.pipeline AND e.generation = r.generation AND e.committed_at IS NOT NULL
 GROUP BY r.position, r.pipeline, r.generation, r.holder, r.started_at, r.ended_at, r.error, r.canceled, r.again_at, r.reason,
          r.attempt, r.logical_date, r.due_at, l.generation, l.holder, l.until
 ORDER BY r.position DESC";

pub(super) async fn page(transaction: Within<'_>, page: &Page, now: DateTime<Utc>) -> Result<Vec<RunRecord>> {
    let (mut found, mut before) = (Vec::new(), page.before);
    loop {
        let (sql, values) = conditions(page, before).apply(RUNS, Some(page.limit));
        let records = records(transaction.rows(&sql, &values).await?, now)?;
        let is_last = u64::try_from(records.len()).is_ok_and(|count| count < u64::from(page.limit));
        before = records.last().map(|record| record.position);
        // Whether a run that has not ended still runs is not for the database to say.
        found.extend(records.into_iter().filter(|record| page.status.is_none_or(|status| record.status == status)));
        if is_last || found.len() >= page.limit as usize {
            found.truncate(page.limit as usize);
            return Ok(found);
        }
    }
}

fn conditions(page: &Page, before: Option<i64>) -> Conditions {
    let mut conditions = Conditions::default();
    conditions.and_if("pipeline = ?", page.pipeline.as_deref());
    conditions.and_if("rowid < ?", before);
    conditions.and_if("started_at >= ?", page.since);
    if let Some(status) = page.status {
        conditions.and_plain(match status {
            RunStatus::Running | RunStatus::Killed => "ended_at IS NULL",
            RunStatus::Canceled => "ended_at IS NOT NULL AND canceled = 1",
            RunStatus::Failed => "ended_at IS NOT NULL AND canceled = 0 AND error IS NOT NULL",
            RunStatus::Done => "ended_at IS NOT NULL AND canceled = 0 AND error IS NULL",
        });
    }
    conditions
}

pub(super) async fn one(transaction: Within<'_>, pipeline: &str, run: i64, now: DateTime<Utc>) -> Result<Option<RunRecord>> {
    let mut conditions = Conditions::default();
    conditions.and("pipeline = ?", pipeline);
    conditions.and("generation = ?", run);
    let (sql, values) = conditions.apply(RUNS, Some(1));
    Ok(records(transaction.rows(&sql, &values).await?, now)?.pop())
}

fn records(rows: Vec<Row>, now: DateTime<Utc>) -> Result<Vec<RunRecord>> {
    let here = Holder::current();
    rows.iter().map(|row| record(row, now, &here)).collect()
}

fn record(row: &Row, now: DateTime<Utc>, here: &Holder) -> Result<RunRecord> {
    let (run, holder): (i64, Holder) = (row.int("generation")?, row.json("holder")?);
    let ending = RunEnding {
        error: row.optional_text("error")?.map(str::to_owned),
        canceled: row.int("canceled")? != 0,
        again_at: row.optional_time("again_at")?,
    };
    let is_leased = row.optional_int("leased")? == Some(run)
        && row.optional_text("lease_holder")?.is_some()
        && row.optional_time("until")?.is_some_and(|until| until > now);
    let ended_at = row.optional_time("ended_at")?;
    Ok(RunRecord {
        position: row.int("position")?,
        pipeline: row.text("pipeline")?.to_owned(),
        run,
        status: RunStatus::of(ended_at, &ending, is_leased && !holder.is_dead(here)),
        started_at: row.time("started_at")?,
        ended_at,
        error: ending.error,
        again_at: ending.again_at,
        purpose: Purpose {
            reason: row.text("reason")?.to_owned(),
            attempt: u32::try_from(row.int("attempt")?).unwrap_or(u32::MAX),
            date: row.optional_time("logical_date")?,
            due: row.optional_time("due_at")?,
        },
        holder,
        epochs: row.count("epochs")?,
        totals: totals(row)?.unwrap_or_default(),
    })
}

/// What epochs brought; `None` of one that an earlier version of engine recorded.
pub(super) fn totals(row: &Row) -> Result<Option<Totals>> {
    let Some(rows_in) = row.optional_count("rows_in")? else { return Ok(None) };
    let number = |name| row.optional_count(name).map(Option::unwrap_or_default);
    Ok(Some(Totals {
        rows_in,
        rows_written: number("rows_written")?,
        bad_rows: number("bad_rows")?,
        files: number("files")?,
        bytes: number("bytes")?,
    }))
}
