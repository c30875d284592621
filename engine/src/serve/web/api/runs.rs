//! Runs: which there were, what each did, what it said.

use axum::Json as Answer;
use axum::extract::Path;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use connectors::options::nearest;

use super::loads::Load;
use super::pipelines::{LiveRun, found};
use crate::serve::view::LogPart;
use crate::serve::web::app::App;
use crate::serve::web::described::described;
use crate::serve::web::given::Parameters;
use crate::serve::web::history;
use crate::serve::web::problem::Problem;
use crate::state::{EpochRecord, Page, RunRecord, RunStatus, Totals};

/// Runs of a page when nobody says how many.
const PAGE: u32 = 50;

/// Runs of the largest page.
const MAX_PAGE: u32 = 1_000;

/// No log is as long.
const MOST_BYTES: u64 = 1 << 53;

/// How runs stand, by name.
pub(in crate::serve::web) const STATUSES: [(&str, RunStatus); 5] = [
    ("running", RunStatus::Running),
    ("done", RunStatus::Done),
    ("failed", RunStatus::Failed),
    ("killed", RunStatus::Killed),
    ("canceled", RunStatus::Canceled),
];

described! {
    /// Some runs.
    pub(super) struct Runs as "Runs" {
        /// The newest first.
        runs: Vec<Run>,
        /// What `before` is to be for the next page; none when this was the last.
        next: Option<i64>,
    }
}

described! {
    /// A run.
    pub(super) struct Run as "Run" {
        /// The pipeline.
        pipeline: String,
        /// Its number among the pipeline's runs.
        run: i64,
        /// `running`, `done`, `failed`, `killed` (its process is gone) or `canceled`.
        status: String,
        /// Why it was begun; empty: by hand, from the command line.
        reason: String,
        /// From 1; more when an earlier attempt failed.
        attempt: u32,
        /// Its logical date.
        date: Option<DateTime<Utc>>,
        /// When what it reacts to happened.
        due: Option<DateTime<Utc>>,
        /// When it began.
        started_at: DateTime<Utc>,
        /// When it ended.
        ended_at: Option<DateTime<Utc>>,
        /// What it failed with.
        error: Option<String>,
        /// When it is tried again.
        again_at: Option<DateTime<Utc>>,
        /// Committed epochs.
        epochs: u64,
        /// What these brought.
        totals: Counts,
        /// The machine.
        host: String,
        /// The process.
        process: u32,
    }
}

described! {
    /// What epochs brought.
    struct Counts as "Totals" {
        /// Rows that flows read.
        rows_in: u64,
        /// Rows committed, over all sinks.
        rows_written: u64,
        /// Records put aside.
        bad_rows: u64,
        /// Files committed.
        files: u64,
        /// Their bytes.
        bytes: u64,
    }
}

described! {
    /// An epoch.
    struct Epoch as "Epoch" {
        /// Its number.
        epoch: u64,
        /// When it was staged and recorded.
        recorded_at: DateTime<Utc>,
        /// When every sink had committed it; none while it is pending.
        committed_at: Option<DateTime<Utc>>,
        /// Its logical date.
        date: Option<DateTime<Utc>>,
        /// What it brought.
        totals: Option<Counts>,
    }
}

described! {
    /// A run with all that is known of it.
    pub(super) struct RunDetail as "RunDetail" {
        ..run: Run;
        /// The newest first, a thousand at most.
        epoch_list: Vec<Epoch>,
        /// What it brought to each table, the newest first, a thousand at most.
        loads: Vec<Load>,
        /// What it does at this moment, if it is one of this process.
        live: Option<LiveRun>,
    }
}

impl From<Totals> for Counts {
    fn from(totals: Totals) -> Self {
        let Totals { rows_in, rows_written, bad_rows, files, bytes } = totals;
        Self { rows_in, rows_written, bad_rows, files, bytes }
    }
}

impl From<RunRecord> for Run {
    fn from(run: RunRecord) -> Self {
        Self {
            pipeline: run.pipeline,
            run: run.run,
            status: run.status.to_string(),
            reason: run.purpose.reason,
            attempt: run.purpose.attempt,
            date: run.purpose.date,
            due: run.purpose.due,
            started_at: run.started_at,
            ended_at: run.ended_at,
            error: run.error,
            again_at: run.again_at,
            epochs: run.epochs,
            totals: run.totals.into(),
            host: run.holder.host,
            process: run.holder.pid,
        }
    }
}

impl From<EpochRecord> for Epoch {
    fn from(epoch: EpochRecord) -> Self {
        Self {
            epoch: epoch.epoch,
            recorded_at: epoch.recorded_at,
            committed_at: epoch.committed_at,
            date: epoch.date,
            totals: epoch.totals.map(Counts::from),
        }
    }
}

/// Runs, the newest first.
pub(super) async fn list(app: App, parameters: Parameters) -> Result<Answer<Runs>, Problem> {
    parameters.only(&["pipeline", "status", "since", "limit", "before"])?;
    let limit = parameters.number("limit", 1, MAX_PAGE)?.unwrap_or(PAGE);
    let page = Page {
        pipeline: parameters.text("pipeline").map(str::to_owned),
        before: parameters.number("before", 1, i64::MAX)?,
        limit,
        status: parameters.text("status").map(status).transpose()?,
        since: parameters.time("since")?,
    };
    let records = app.control.store().runs(&page, app.control.session().context.clock.now()).await?;
    if records.is_empty()
        && let Some(name) = &page.pipeline
        && page.before.is_none()
    {
        // Nothing of a pipeline that is not there is a mistake in its name, unless it was there once.
        let all =
            app.control.store().runs(&Page { pipeline: Some(name.clone()), limit: 1, ..Page::default() }, page_now(&app)).await?;
        if all.is_empty() {
            found(&app, name).await?;
        }
    }
    let next = records.last().filter(|_| records.len() == limit as usize).map(|record| record.position);
    Ok(Answer(Runs { runs: records.into_iter().map(Run::from).collect(), next }))
}

fn page_now(app: &App) -> DateTime<Utc> {
    app.control.session().context.clock.now()
}

/// How runs stand that are called so.
///
/// # Errors
/// When none are, with the nearest.
pub(in crate::serve::web) fn status(name: &str) -> Result<RunStatus, Problem> {
    let found = STATUSES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, status)| *status).ok_or_else(|| {
        let problem = Problem::bad_request(format!("parameter 'status' is '{name}', which no run is"));
        let names = STATUSES.map(|(name, _)| name);
        problem.help(match nearest(name, names) {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!("there are: {}", names.join(", ")),
        })
    })
}

/// One run, with its epochs and loads.
pub(super) async fn show(app: App, Path((name, run)): Path<(String, String)>) -> Result<Answer<RunDetail>, Problem> {
    let run = history::run(&app, &name, &run).await?;
    let epochs = history::epochs(&app, &run).await?;
    let loads = history::loads(&app, &run).await?;
    let live = app.control.live(&name).filter(|live| live.run == run.run).map(LiveRun::from);
    Ok(Answer(RunDetail {
        run: run.into(),
        epoch_list: epochs.into_iter().map(Epoch::from).collect(),
        loads: loads.into_iter().map(Load::from).collect(),
        live,
    }))
}

/// End a run that this process has begun: its epoch is abandoned, what is committed stays.
pub(super) async fn cancel(app: App, Path((name, run)): Path<(String, String)>) -> Result<StatusCode, Problem> {
    let run = history::run(&app, &name, &run).await?;
    history::cancel(&app, &run, super::BY).await?;
    Ok(StatusCode::ACCEPTED)
}

described! {
    /// Lines of a run's log.
    pub(super) struct Log as "LogPart" {
        /// The oldest first.
        lines: Vec<Line>,
        /// What `from` is to be to go on.
        next: u64,
        /// The run has ended, and this is all.
        is_end: bool,
    }
}

described! {
    /// A line of a log.
    struct Line as "LogLine" {
        /// When.
        at: DateTime<Utc>,
        /// `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`.
        level: String,
        /// What happened.
        message: String,
        /// To what.
        fields: serde_json::Map<String, serde_json::Value>,
    }
}

impl From<LogPart> for Log {
    fn from(part: LogPart) -> Self {
        let line = |line: crate::serve::view::LogLine| Line {
            at: line.at,
            level: line.level,
            message: line.message,
            fields: line.fields.into_iter().collect(),
        };
        Self { lines: part.lines.into_iter().map(line).collect(), next: part.next, is_end: part.is_end }
    }
}

/// What a run has said, from a place on.
pub(super) async fn log(
    app: App,
    Path((name, run)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Answer<Log>, Problem> {
    parameters.only(&["from"])?;
    let run = history::run(&app, &name, &run).await?;
    let from = parameters.number("from", 0, MOST_BYTES)?.unwrap_or(0);
    Ok(Answer(app.control.log(&run.pipeline, run.run, from).await?.into()))
}
