//! Progress and epochs: staged, recorded, committed everywhere.

use chrono::{DateTime, Utc};

use super::database::{Conditions, Row, Within, signed, values};
use super::leases::fence;
use super::loads;
use super::runs::totals;
use crate::state::progress::new_incarnation;
use crate::state::{Checkpoint, EpochRecord, FlowProgress, FlowRecord, Lease, Page, Progress, Result, StateError, Totals};

pub(super) async fn progress(transaction: Within<'_>, pipeline: &str) -> Result<Progress> {
    let found = transaction.rows("SELECT incarnation, next_epoch FROM pipelines WHERE name = $1", values![pipeline]).await?;
    let Some(row) = found.first() else { return Ok(Progress { next_epoch: 1, ..Progress::default() }) };
    let mut progress = Progress {
        incarnation: row.text("incarnation")?.to_owned(),
        next_epoch: row.count("next_epoch")?,
        ..Progress::default()
    };
    for row in transaction.rows("SELECT flow, progress FROM flows WHERE pipeline = $1", values![pipeline]).await? {
        progress.flows.insert(row.text("flow")?.to_owned(), row.json::<FlowProgress>("progress")?);
    }
    let pending = "SELECT checkpoint FROM epochs WHERE pipeline = $1 AND committed_at IS NULL";
    let pending = transaction.rows(pending, values![pipeline]).await?;
    progress.pending = pending.first().map(|row| row.json("checkpoint")).transpose()?;
    Ok(progress)
}

pub(super) async fn record(transaction: Within<'_>, lease: &Lease, checkpoint: &Checkpoint) -> Result<()> {
    fence(transaction, lease).await?;
    insert(transaction, lease, checkpoint).await
}

pub(super) async fn drop_pending(transaction: Within<'_>, lease: &Lease, kept: Option<&Checkpoint>) -> Result<()> {
    fence(transaction, lease).await?;
    forget_pending(transaction, &lease.pipeline).await?;
    match kept {
        Some(kept) => insert(transaction, lease, kept).await,
        None => Ok(()),
    }
}

/// Adds an epoch, which is pending then.
async fn insert(transaction: Within<'_>, lease: &Lease, checkpoint: &Checkpoint) -> Result<()> {
    let totals = Totals::of(checkpoint);
    transaction
        .execute(
            "INSERT INTO epochs (pipeline, incarnation, epoch, recorded_at, checkpoint, generation, rows_in, rows_written, bad_rows,
                                 files, bytes, logical_date)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            values![
                &checkpoint.pipeline,
                &checkpoint.incarnation,
                signed(checkpoint.epoch)?,
                checkpoint.recorded_at,
                serde_json::to_string(checkpoint)?,
                lease.generation,
                signed(totals.rows_in)?,
                signed(totals.rows_written)?,
                signed(totals.bad_rows)?,
                signed(totals.files)?,
                signed(totals.bytes)?,
                checkpoint.date,
            ],
        )
        .await?;
    loads::keep(transaction, lease, checkpoint).await?;
    let next = "UPDATE pipelines SET next_epoch = $2 WHERE name = $1";
    transaction.execute(next, values![&checkpoint.pipeline, signed(checkpoint.epoch + 1)?]).await?;
    Ok(())
}

async fn forget_pending(transaction: Within<'_>, pipeline: &str) -> Result<()> {
    loads::forget_pending(transaction, pipeline).await?;
    transaction.execute("DELETE FROM epochs WHERE pipeline = $1 AND committed_at IS NULL", values![pipeline]).await?;
    Ok(())
}

pub(super) async fn advance(transaction: Within<'_>, lease: &Lease, epoch: u64, now: DateTime<Utc>) -> Result<()> {
    fence(transaction, lease).await?;
    let pending = "SELECT checkpoint FROM epochs WHERE pipeline = $1 AND epoch = $2 AND committed_at IS NULL";
    let rows = transaction.rows(pending, values![&lease.pipeline, signed(epoch)?]).await?;
    let row = rows.first().ok_or_else(|| StateError::Corrupt { message: format!("epoch {epoch} is not pending") })?;
    let checkpoint: Checkpoint = row.json("checkpoint")?;
    for (flow, progress) in checkpoint.progress() {
        let advance = "INSERT INTO flows (pipeline, flow, progress) VALUES ($1, $2, $3)
                       ON CONFLICT (pipeline, flow) DO UPDATE SET progress = $3";
        transaction.execute(advance, values![&lease.pipeline, flow, serde_json::to_string(&progress)?]).await?;
    }
    if let Some(date) = checkpoint.date {
        let done = "INSERT INTO dates_done (pipeline, incarnation, logical_date) VALUES ($1, $2, $3)
                    ON CONFLICT (pipeline, incarnation, logical_date) DO NOTHING";
        transaction.execute(done, values![&lease.pipeline, &checkpoint.incarnation, date]).await?;
    }
    let committed =
        "UPDATE epochs SET committed_at = $3, checkpoint = NULL WHERE pipeline = $1 AND epoch = $2 AND committed_at IS NULL";
    transaction.execute(committed, values![&lease.pipeline, signed(epoch)?, now]).await?;
    Ok(())
}

pub(super) async fn forget(transaction: Within<'_>, lease: &Lease) -> Result<()> {
    fence(transaction, lease).await?;
    transaction.execute("DELETE FROM flows WHERE pipeline = $1", values![&lease.pipeline]).await?;
    transaction.execute("DELETE FROM dates_done WHERE pipeline = $1", values![&lease.pipeline]).await?;
    forget_pending(transaction, &lease.pipeline).await?;
    let anew = "UPDATE pipelines SET incarnation = $2, next_epoch = 1 WHERE name = $1";
    transaction.execute(anew, values![&lease.pipeline, new_incarnation()]).await?;
    Ok(())
}

pub(super) async fn flows(transaction: Within<'_>, pipeline: Option<&str>) -> Result<Vec<FlowRecord>> {
    let mut conditions = Conditions::default();
    conditions.and_if("pipeline = ?", pipeline);
    let (sql, values) = conditions.apply("SELECT pipeline, flow, progress FROM flows {where} ORDER BY pipeline, flow", None);
    let record = |row: &Row| {
        let (pipeline, flow) = (row.text("pipeline")?.to_owned(), row.text("flow")?.to_owned());
        Ok(FlowRecord { pipeline, flow, progress: row.json("progress")? })
    };
    transaction.rows(&sql, &values).await?.iter().map(record).collect()
}

pub(super) async fn dates_done(
    transaction: Within<'_>,
    pipeline: &str,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Vec<DateTime<Utc>>> {
    let query =
        "SELECT d.logical_date FROM dates_done d JOIN pipelines p ON p.name = d.pipeline AND p.incarnation = d.incarnation
                  WHERE d.pipeline = $1 AND d.logical_date >= $2 AND d.logical_date <= $3
                  ORDER BY d.logical_date";
    let rows = transaction.rows(query, values![pipeline, from, to]).await?;
    rows.iter().map(|row| row.time("logical_date")).collect()
}

pub(super) async fn page(transaction: Within<'_>, page: &Page) -> Result<Vec<EpochRecord>> {
    let mut conditions = Conditions::default();
    conditions.and_if("pipeline = ?", page.pipeline.as_deref());
    conditions.and_if("rowid < ?", page.before);
    conditions.and_if("recorded_at >= ?", page.since);
    let query = "SELECT rowid AS position, pipeline, incarnation, epoch, generation, recorded_at, committed_at, logical_date,
                        rows_in, rows_written, bad_rows, files, bytes
                   FROM epochs {where} ORDER BY rowid DESC {limit}";
    let (sql, values) = conditions.apply(query, Some(page.limit));
    transaction.rows(&sql, &values).await?.iter().map(epoch_record).collect()
}

fn epoch_record(row: &Row) -> Result<EpochRecord> {
    Ok(EpochRecord {
        position: row.int("position")?,
        pipeline: row.text("pipeline")?.to_owned(),
        incarnation: row.text("incarnation")?.to_owned(),
        epoch: row.count("epoch")?,
        run: row.optional_int("generation")?,
        recorded_at: row.time("recorded_at")?,
        committed_at: row.optional_time("committed_at")?,
        date: row.optional_time("logical_date")?,
        totals: totals(row)?,
    })
}
