//! Leases, and the runs that begin and end with them.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::database::{Within, values};
use super::{requests, transfer};
use crate::state::progress::new_incarnation;
use crate::state::{Acquired, Holder, Lease, LeaseRecord, Purpose, Result, RunEnding, StateError};

pub(super) async fn acquire(
    transaction: Within<'_>,
    pipeline: &str,
    (holder, purpose): (&Holder, &Purpose),
    now: DateTime<Utc>,
    ttl: Duration,
) -> Result<Acquired> {
    if let Some(to) = transfer::moved(transaction).await? {
        return Err(StateError::moved(&to));
    }
    // There is a row to lock, whoever comes first.
    let free =
        "INSERT INTO leases (pipeline, generation, holder, until) VALUES ($1, 0, NULL, 0) ON CONFLICT (pipeline) DO NOTHING";
    transaction.execute(free, values![pipeline]).await?;
    transaction.lock(pipeline).await?;
    let found = transaction.rows("SELECT generation, holder, until FROM leases WHERE pipeline = $1", values![pipeline]).await?;
    let row = found.first().ok_or_else(|| StateError::Corrupt { message: format!("no lease of pipeline '{pipeline}'") })?;
    if row.optional_text("holder")?.is_some() {
        let (current, until): (Holder, _) = (row.json("holder")?, row.time("until")?);
        if until > now && !current.is_dead(holder) {
            return Ok(Acquired::Held { holder: current, until });
        }
    }
    let generation = row.int("generation")? + 1;
    let text = serde_json::to_string(holder)?;
    transaction
        .execute(
            "UPDATE leases SET generation = $2, holder = $3, until = $4 WHERE pipeline = $1",
            values![pipeline, generation, &text, now + ttl],
        )
        .await?;
    requests::free(transaction, pipeline).await?;
    transaction
        .execute(
            "INSERT INTO pipelines (name, incarnation, next_epoch) VALUES ($1, $2, 1) ON CONFLICT (name) DO NOTHING",
            values![pipeline, new_incarnation()],
        )
        .await?;
    transaction
        .execute(
            "INSERT INTO runs (pipeline, generation, holder, started_at, reason, attempt, logical_date, due_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            values![pipeline, generation, &text, now, &purpose.reason, i64::from(purpose.attempt), purpose.date, purpose.due],
        )
        .await?;
    Ok(Acquired::Granted(Lease { pipeline: pipeline.to_owned(), generation }))
}

/// Goes on if the lease is the pipeline's, and keeps it so until the end of the transaction.
///
/// # Errors
/// [`StateError::Fenced`].
pub(super) async fn fence(transaction: Within<'_>, lease: &Lease) -> Result<()> {
    transaction.lock(&lease.pipeline).await?;
    let query = "SELECT generation FROM leases WHERE pipeline = $1 AND holder IS NOT NULL";
    let found = transaction.rows(query, values![&lease.pipeline]).await?;
    match found.first().map(|row| row.int("generation")).transpose()? {
        Some(generation) if generation == lease.generation => Ok(()),
        _ => Err(fenced(lease)),
    }
}

fn fenced(lease: &Lease) -> StateError {
    StateError::Fenced { pipeline: lease.pipeline.clone(), generation: lease.generation }
}

pub(super) async fn renew(transaction: Within<'_>, lease: &Lease, until: DateTime<Utc>) -> Result<()> {
    let renew = "UPDATE leases SET until = $3 WHERE pipeline = $1 AND generation = $2 AND holder IS NOT NULL";
    let renewed = transaction.execute(renew, values![&lease.pipeline, lease.generation, until]).await?;
    if renewed == 1 { Ok(()) } else { Err(fenced(lease)) }
}

pub(super) async fn release(transaction: Within<'_>, lease: &Lease, ending: &RunEnding, now: DateTime<Utc>) -> Result<()> {
    transaction.lock(&lease.pipeline).await?;
    transaction
        .execute(
            "UPDATE runs SET ended_at = $3, error = $4, canceled = $5, again_at = $6 WHERE pipeline = $1 AND generation = $2",
            values![&lease.pipeline, lease.generation, now, ending.error.as_deref(), ending.canceled, ending.again_at],
        )
        .await?;
    let release = "UPDATE leases SET holder = NULL WHERE pipeline = $1 AND generation = $2 AND holder IS NOT NULL";
    if transaction.execute(release, values![&lease.pipeline, lease.generation]).await? == 1 {
        requests::free(transaction, &lease.pipeline).await?;
    }
    Ok(())
}

pub(super) async fn held(transaction: Within<'_>, now: DateTime<Utc>) -> Result<Vec<LeaseRecord>> {
    let query = "SELECT pipeline, generation, holder, until FROM leases WHERE holder IS NOT NULL ORDER BY pipeline";
    let rows = transaction.rows(query, &[]).await?;
    let record = |row: &super::database::Row| {
        let (pipeline, until) = (row.text("pipeline")?.to_owned(), row.time("until")?);
        Ok(LeaseRecord::seen(pipeline, row.int("generation")?, row.json("holder")?, until, now))
    };
    rows.iter().map(record).collect()
}
