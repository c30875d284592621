//! One run of a pipeline by a server: its lease, its requests, its epochs, and who is told how it ended.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use chrono::{DateTime, TimeDelta, Utc};
use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use super::decide::Start;
use super::entry::Entry;
use super::log::RunLog;
use super::shared::{Here, Shared};
use crate::cause::one_line;
use crate::epoch::lease::HeldLease;
use crate::landing::Landings;
use crate::memory;
use crate::run::{self, Observer, RunOptions};
use crate::sql::Pipeline;
use crate::state::{Ending, Lease, Purpose, RunEnding};

/// How a run of a server came to its end.
enum End {
    /// By itself.
    Itself(Result<()>),
    /// A person ended it.
    Canceled,
    /// It took too long.
    TimedOut,
    /// The server goes.
    Leaving,
    /// Another process has taken over.
    Lost,
}

/// Runs a pipeline for what `start` says. Says whether it was run: somebody else may have been quicker.
///
/// # Errors
/// When the state store cannot be read or written. What becomes of the run itself is in its record.
pub(super) async fn attempt(shared: &Arc<Shared>, entry: &Entry, start: &Start) -> Result<bool> {
    let Some(good) = &entry.good else { return Ok(false) };
    let Some(first) = start.requests.first().map(|open| &open.request) else { return Ok(false) };
    let clock = &shared.session.context.clock;
    let purpose = Purpose {
        reason: first.reason.clone(),
        attempt: start.requests.iter().map(|open| open.request.attempt).max().unwrap_or(1),
        date: start.requests.iter().find_map(|open| open.request.date),
        due: Some(first.due),
    };
    let store = Arc::clone(&shared.store);
    let held = HeldLease::acquire(store, (&entry.name, &entry.path), &purpose, Arc::clone(clock)).await?;
    let lease = held.lease().clone();
    let ids: Vec<i64> = start.requests.iter().map(|open| open.id).collect();
    if shared.store.take_requests(&lease, &ids).await?.is_empty() {
        held.release(&RunEnding::of(None)).await?;
        return Ok(false);
    }
    let log = RunLog::begin(&shared.logs, &entry.name, lease.generation)?;
    let observer = Arc::new(Observer::new(&entry.name, false)?.with_metrics(shared.metrics.clone()));
    let (cancel, started_at) = (CancellationToken::new(), clock.now());
    shared.begin(
        &entry.name,
        Here {
            run: lease.generation,
            started_at,
            reason: purpose.reason.clone(),
            observer: Arc::clone(&observer),
            cancel: cancel.clone(),
        },
    );
    let date = purpose.date.unwrap_or_else(|| clock.now());
    let work = Box::pin(work(shared, date, entry, &lease, &observer));
    let timeout = async {
        match good.policy.timeout {
            Some(timeout) => clock.sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    let end = log
        .scope(async {
            tracing::info!(pipeline = entry.name, run = lease.generation, reason = purpose.reason, attempt = purpose.attempt, "run begins");
            tokio::select! {
                result = AssertUnwindSafe(work).catch_unwind() => {
                    End::Itself(result.unwrap_or_else(|panic| Err(anyhow!("{} (this is a bug in engine; please report it)", said(&*panic)))))
                }
                () = held.lost().cancelled() => End::Lost,
                () = cancel.cancelled() => End::Canceled,
                () = timeout => End::TimedOut,
                () = shared.abort.cancelled() => End::Leaving,
            }
        })
        .await;
    if shared.running().len() > 1 {
        memory::give_back_part();
    } else {
        memory::give_back();
    }
    let (ending, record) = endings(shared, entry, &purpose, end);
    log.scope(async { tell(&entry.name, lease.generation, &record, clock.now() - started_at) }).await;
    count(shared, &entry.name, &record, started_at);
    shared.end(&entry.name);
    let Some(ending) = ending else {
        drop(held);
        return Ok(true);
    };
    shared.store.end_requests(&lease, &ending).await?;
    held.release(&record).await?;
    Ok(true)
}

/// The run itself.
async fn work(shared: &Shared, date: DateTime<Utc>, entry: &Entry, lease: &Lease, observer: &Observer) -> Result<()> {
    let good = entry.good.as_ref().context("a file without a good version")?;
    let session = shared.session.clone();
    let session = &tokio::task::spawn_blocking(move || session.renewed()).await??.dated(date, good.policy.zone);
    if let Some(zone) = &good.zone {
        let (store, stop) = (Some(shared.store.as_ref()), &shared.stop);
        return Box::pin(Landings { zone, session, store, observer, stop, tell: &|_| {} }.run(lease)).await;
    }
    let parsed = Pipeline::parse(&entry.path, good.text.clone(), session).await;
    let mut pipeline = parsed.map_err(|errors| {
        let place = entry.path.display().to_string();
        let errors: Vec<String> = errors.iter().map(|error| error.render(&place, &good.text)).collect();
        anyhow!("{}", errors.join("\n"))
    })?;
    // The server tries the whole run again, and says so.
    pipeline.options.set_retries(0);
    let options = RunOptions::default();
    let run = run::held(&mut pipeline, session, shared.store.as_ref(), lease, options, observer, &shared.stop);
    let outcome = Box::pin(run).await?;
    for (sink, totals) in &outcome.summary.sinks {
        tracing::info!(
            sink,
            rows_in = totals.rows_in,
            rows_written = totals.rows_written,
            bad_rows = totals.bad_rows,
            epochs = totals.epochs,
            "done"
        );
    }
    if outcome.summary.sinks.values().all(|totals| totals.epochs == 0) {
        tracing::info!("nothing new");
    }
    Ok(())
}

/// What becomes of the requests, and of the run's record. No ending of the requests: they are another process's.
fn endings(shared: &Shared, entry: &Entry, purpose: &Purpose, end: End) -> (Option<Ending>, RunEnding) {
    let now = shared.session.context.clock.now();
    let again = |error: Option<String>| {
        // It did not fail for good: nobody is to be told.
        let again_at = error.as_ref().map(|_| now);
        (Some(Ending::Again { due: now, attempt: purpose.attempt }), RunEnding { again_at, ..RunEnding::of(error) })
    };
    let error = match end {
        End::Lost => return (None, RunEnding::of(Some("another process has taken over".to_owned()))),
        // What was committed stays, and the next server goes on.
        End::Leaving => return again(Some("the server was stopped; what was not committed is done by the next run".to_owned())),
        End::Canceled => {
            let record = RunEnding { canceled: true, ..RunEnding::of(Some("canceled by a person".to_owned())) };
            return (Some(Ending::Done), record);
        }
        End::Itself(Ok(())) if shared.stop.is_cancelled() => return again(None),
        End::Itself(Ok(())) => return (Some(Ending::Done), RunEnding::of(None)),
        End::Itself(Err(error)) => one_line(&error),
        End::TimedOut => {
            let limit = entry.good.as_ref().and_then(|good| good.policy.timeout).unwrap_or_default();
            format!("it took longer than pipeline.timeout allows ({} s); what was committed stays", limit.as_secs())
        }
    };
    let delay = entry.good.as_ref().and_then(|good| good.policy.delay_after(purpose.attempt));
    let Some(due) = delay.map(|delay| now + delay) else { return (Some(Ending::Done), RunEnding::of(Some(error))) };
    let record = RunEnding { again_at: Some(due), ..RunEnding::of(Some(error)) };
    (Some(Ending::Again { due, attempt: purpose.attempt + 1 }), record)
}

fn count(shared: &Shared, pipeline: &str, record: &RunEnding, started_at: DateTime<Utc>) {
    let now = shared.session.context.clock.now();
    let status = match (record.canceled, &record.error) {
        (true, _) => "canceled",
        (false, Some(_)) => "failed",
        (false, None) => "done",
    };
    let labels = [pipeline, status];
    shared.metrics.runs.with_label_values(&labels).inc();
    shared.metrics.run_seconds.with_label_values(&labels).observe((now - started_at).as_seconds_f64());
    shared.metrics.run_ended.with_label_values(&labels).set(now.timestamp());
}

/// Says how the run ended.
fn tell(pipeline: &str, run: i64, record: &RunEnding, took: TimeDelta) {
    let seconds = took.as_seconds_f64();
    match (&record.error, record.again_at) {
        (None, _) => tracing::info!(pipeline, run, seconds, "run ended"),
        (Some(error), Some(again)) => {
            tracing::warn!(pipeline, run, seconds, error, again_at = again.to_rfc3339(), "run failed, it is tried again");
        }
        (Some(error), None) if record.canceled => tracing::warn!(pipeline, run, seconds, error, "run ended early"),
        (Some(error), None) => tracing::error!(pipeline, run, seconds, error, "run failed"),
    }
}

/// What a panic said.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked").to_owned()
}
