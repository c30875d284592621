//! Requests, cursors and pauses.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::database::{Conditions, Row, Within, values};
use super::leases::fence;
use super::transfer;
use crate::state::{Cursor, Ending, Lease, OpenRequest, Pause, Request, Result, StateError};

/// Nobody is asked for anything, nor told anything, in a place that the state was moved away from.
async fn check_here(transaction: Within<'_>) -> Result<()> {
    transfer::moved(transaction).await?.map_or(Ok(()), |to| Err(StateError::moved(&to)))
}

/// [`add`], where the state is.
pub(super) async fn ask(transaction: Within<'_>, request: &Request, now: DateTime<Utc>) -> Result<bool> {
    check_here(transaction).await?;
    add(transaction, request, now).await
}

pub(super) async fn add(transaction: Within<'_>, request: &Request, now: DateTime<Utc>) -> Result<bool> {
    // Nobody lets requests of the pipeline wait again meanwhile.
    transaction.lock(&request.pipeline).await?;
    let add = "INSERT INTO requests (pipeline, request_key, reason, due_at, logical_date, attempt, requested_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (pipeline, request_key) WHERE run IS NULL DO NOTHING";
    let values =
        values![&request.pipeline, &request.key, &request.reason, request.due, request.date, i64::from(request.attempt), now];
    Ok(transaction.execute(add, values).await? == 1)
}

pub(super) async fn open(transaction: Within<'_>, pipeline: Option<&str>) -> Result<Vec<OpenRequest>> {
    let mut conditions = Conditions::default();
    conditions.and_if("pipeline = ?", pipeline);
    let query = "SELECT id, pipeline, request_key, reason, due_at, logical_date, attempt, requested_at, run FROM requests {where} ORDER BY id";
    let (sql, values) = conditions.apply(query, None);
    transaction.rows(&sql, &values).await?.iter().map(open_request).collect()
}

fn open_request(row: &Row) -> Result<OpenRequest> {
    Ok(OpenRequest {
        id: row.int("id")?,
        request: Request {
            pipeline: row.text("pipeline")?.to_owned(),
            key: row.text("request_key")?.to_owned(),
            reason: row.text("reason")?.to_owned(),
            due: row.time("due_at")?,
            date: row.optional_time("logical_date")?,
            attempt: u32::try_from(row.int("attempt")?).unwrap_or(u32::MAX),
        },
        requested_at: row.time("requested_at")?,
        run: row.optional_int("run")?,
    })
}

pub(super) async fn take(transaction: Within<'_>, lease: &Lease, ids: &[i64]) -> Result<Vec<i64>> {
    fence(transaction, lease).await?;
    let mut waiting = Conditions::default();
    waiting.and("pipeline = ?", &lease.pipeline);
    waiting.and_plain("run IS NULL");
    waiting.and_one_of("id", ids.iter().copied());
    let (sql, values) = waiting.apply("SELECT id FROM requests {where} ORDER BY id", None);
    let rows = transaction.rows(&sql, &values).await?;
    let mut taken = Vec::with_capacity(rows.len());
    for row in rows {
        let id = row.int("id")?;
        transaction.execute("UPDATE requests SET run = $2 WHERE id = $1", values![id, lease.generation]).await?;
        taken.push(id);
    }
    Ok(taken)
}

pub(super) async fn end(transaction: Within<'_>, lease: &Lease, ending: &Ending) -> Result<()> {
    fence(transaction, lease).await?;
    match ending {
        Ending::Done => {
            let remove = "DELETE FROM requests WHERE pipeline = $1 AND run = $2";
            transaction.execute(remove, values![&lease.pipeline, lease.generation]).await?;
        }
        Ending::Again { due, attempt } => {
            let again = "UPDATE requests SET due_at = $3, attempt = $4 WHERE pipeline = $1 AND run = $2";
            let values = values![&lease.pipeline, lease.generation, *due, i64::from(*attempt)];
            transaction.execute(again, values).await?;
            free(transaction, &lease.pipeline).await?;
        }
    }
    Ok(())
}

/// Lets those that a run has taken wait again. Of several with one key, the newest answers for all.
pub(super) async fn free(transaction: Within<'_>, pipeline: &str) -> Result<()> {
    let doubled = "DELETE FROM requests WHERE pipeline = $1 AND run IS NOT NULL AND EXISTS (
                       SELECT 1 FROM requests other
                        WHERE other.pipeline = requests.pipeline AND other.request_key = requests.request_key AND other.id > requests.id)";
    transaction.execute(doubled, values![pipeline]).await?;
    transaction.execute("UPDATE requests SET run = NULL WHERE pipeline = $1 AND run IS NOT NULL", values![pipeline]).await?;
    Ok(())
}

pub(super) async fn move_cursor(
    transaction: Within<'_>,
    Cursor { pipeline, name, value }: &Cursor,
    from: Option<&str>,
    requests: &[Request],
    now: DateTime<Utc>,
) -> Result<bool> {
    check_here(transaction).await?;
    let moved = match from {
        None => {
            let begin = "INSERT INTO cursors (pipeline, name, value) VALUES ($1, $2, $3) ON CONFLICT (pipeline, name) DO NOTHING";
            transaction.execute(begin, values![pipeline, name, value]).await?
        }
        Some(from) => {
            let go_on = "UPDATE cursors SET value = $3 WHERE pipeline = $1 AND name = $2 AND value = $4";
            transaction.execute(go_on, values![pipeline, name, value, from]).await?
        }
    };
    if moved == 0 {
        return Ok(false);
    }
    // In an order in which two that do so do not wait for each other.
    let mut ordered: Vec<&Request> = requests.iter().collect();
    ordered.sort_by(|one, other| one.pipeline.cmp(&other.pipeline));
    for request in ordered {
        add(transaction, request, now).await?;
    }
    Ok(true)
}

pub(super) async fn cursors(transaction: Within<'_>) -> Result<Vec<Cursor>> {
    let rows = transaction.rows("SELECT pipeline, name, value FROM cursors ORDER BY pipeline, name", &[]).await?;
    let cursor = |row: &Row| {
        let text = |name| row.text(name).map(str::to_owned);
        Ok(Cursor { pipeline: text("pipeline")?, name: text("name")?, value: text("value")? })
    };
    rows.iter().map(cursor).collect()
}

/// [`pause`], where the state is.
pub(super) async fn hold(transaction: Within<'_>, pipeline: &str, held: Option<&Pause>) -> Result<()> {
    check_here(transaction).await?;
    pause(transaction, pipeline, held).await
}

pub(super) async fn pause(transaction: Within<'_>, pipeline: &str, pause: Option<&Pause>) -> Result<()> {
    match pause {
        None => transaction.execute("DELETE FROM pauses WHERE pipeline = $1", values![pipeline]).await?,
        Some(Pause { at, by }) => {
            let pause = "INSERT INTO pauses (pipeline, paused_at, paused_by) VALUES ($1, $2, $3)
                         ON CONFLICT (pipeline) DO UPDATE SET paused_at = $2, paused_by = $3";
            transaction.execute(pause, values![pipeline, *at, by]).await?
        }
    };
    Ok(())
}

/// [`pauses`], where the state is.
pub(super) async fn held(transaction: Within<'_>) -> Result<BTreeMap<String, Pause>> {
    check_here(transaction).await?;
    pauses(transaction).await
}

pub(super) async fn pauses(transaction: Within<'_>) -> Result<BTreeMap<String, Pause>> {
    let rows = transaction.rows("SELECT pipeline, paused_at, paused_by FROM pauses", &[]).await?;
    let pause = |row: &Row| {
        Ok((row.text("pipeline")?.to_owned(), Pause { at: row.time("paused_at")?, by: row.text("paused_by")?.to_owned() }))
    };
    rows.iter().map(pause).collect()
}
