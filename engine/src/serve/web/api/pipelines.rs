//! Pipelines: what there is, how it stands, and what it is to do.

use axum::Json as Answer;
use axum::extract::Path;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};

use crate::serve::view::{FileError, Live, PipelineState, PipelineView};
use crate::serve::web::app::App;
use crate::serve::web::described::described;
use crate::serve::web::given::{Json, Parameters, not_a_time};
use crate::serve::web::problem::Problem;
use crate::serve::web::times;
use crate::state::OpenRequest;

described! {
    /// Every pipeline.
    pub(super) struct Pipelines as "Pipelines" {
        /// By name.
        pipelines: Vec<Summary>,
    }
}

described! {
    /// A pipeline.
    pub(super) struct Summary as "PipelineSummary" {
        /// The file's name, without its ending.
        name: String,
        /// Where its file is.
        file: String,
        /// `idle`, `running` (here or in another process), `paused` (runs only when it is told to) or `broken` (no version of its file was
        /// ever good).
        state: &'static str,
        /// The run that is going on.
        run: Option<i64>,
        /// When it runs by itself: a cron expression.
        schedule: Option<String>,
        /// The zone that the schedule is in.
        time_zone: String,
        /// What it reacts to.
        triggers: Vec<String>,
        /// When it is next due.
        next_run: Option<DateTime<Utc>>,
        /// Since when it is paused.
        paused_at: Option<DateTime<Utc>>,
        /// Who paused it.
        paused_by: Option<String>,
        /// What it is asked to run for, and has not begun.
        waiting: Vec<Waiting>,
        /// What is wrong with its file as it is now; its last good version runs on.
        errors: Vec<Wrong>,
    }
}

described! {
    /// A request that waits.
    struct Waiting as "Waiting" {
        /// Why.
        reason: String,
        /// Not begun before.
        due: DateTime<Utc>,
        /// Its logical date.
        date: Option<DateTime<Utc>>,
        /// From 1; more when an earlier attempt failed.
        attempt: u32,
    }
}

described! {
    /// Something wrong with a file.
    struct Wrong as "FileError" {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What.
        message: String,
        /// With the line and a mark under the place.
        rendered: String,
    }
}

described! {
    /// A pipeline with all that is known of it.
    pub(super) struct Detail as "Pipeline" {
        ..summary: Summary;
        /// Its file, with `${...}` as written.
        text: String,
        /// Sources, views, flows and sinks.
        nodes: Vec<Node>,
        /// From node to node, as rows go.
        edges: Vec<Edge>,
        /// What its run does at this moment, if it is one of this process.
        live: Option<LiveRun>,
    }
}

described! {
    /// A part of a pipeline.
    struct Node as "Node" {
        /// Tells it from the others.
        id: String,
        /// `source`, `view`, `flow` or `sink`.
        kind: String,
        /// As the file calls it.
        name: String,
        /// As `STORED AS` has it.
        connector: Option<String>,
        /// As `LOCATION` has it.
        location: Option<String>,
        /// Where the file has it, from 1.
        line: usize,
        /// Of a flow: how its sink is written.
        verb: Option<String>,
    }
}

described! {
    /// Rows go from one part to another.
    struct Edge as "Edge" {
        /// The id of a node.
        from: String,
        /// The id of a node.
        to: String,
    }
}

described! {
    /// A run at this moment.
    pub(super) struct LiveRun as "LiveRun" {
        /// Its number.
        run: i64,
        /// Since when.
        started_at: DateTime<Utc>,
        /// Why.
        reason: String,
        /// What its flows do.
        flows: Vec<LiveFlow>,
    }
}

described! {
    /// A flow at this moment.
    struct LiveFlow as "LiveFlow" {
        /// Its name.
        flow: String,
        /// The table that it feeds.
        sink: String,
        /// The tables that it reads.
        sources: Vec<String>,
        /// What it does.
        step: String,
        /// The epoch it is in.
        epoch: u64,
        /// Rows so far.
        rows: u64,
        /// Bytes so far.
        bytes: u64,
        /// Records put aside so far.
        bad_rows: u64,
        /// Over the last moments.
        rows_per_second: f64,
    }
}

impl From<Live> for LiveRun {
    fn from(live: Live) -> Self {
        let flow = |flow: crate::serve::view::LiveFlow| LiveFlow {
            flow: flow.flow,
            sink: flow.sink,
            sources: flow.sources,
            step: flow.step,
            epoch: flow.epoch,
            rows: flow.rows,
            bytes: flow.bytes,
            bad_rows: flow.bad_rows,
            rows_per_second: flow.rows_per_second,
        };
        Self {
            run: live.run,
            started_at: live.started_at,
            reason: live.reason,
            flows: live.flows.into_iter().map(flow).collect(),
        }
    }
}

impl From<&PipelineView> for Summary {
    fn from(view: &PipelineView) -> Self {
        let (state, run) = match &view.state {
            PipelineState::Idle => ("idle", None),
            PipelineState::Running { run, .. } => ("running", Some(*run)),
            PipelineState::Paused => ("paused", None),
            PipelineState::Broken => ("broken", None),
        };
        let waiting = |open: &OpenRequest| Waiting {
            reason: open.request.reason.clone(),
            due: open.request.due,
            date: open.request.date,
            attempt: open.request.attempt,
        };
        let wrong = |error: &FileError| Wrong {
            line: error.line,
            column: error.column,
            message: error.message.clone(),
            rendered: error.rendered.clone(),
        };
        Self {
            name: view.name.clone(),
            file: view.file.clone(),
            state,
            run,
            schedule: view.schedule.clone(),
            time_zone: view.time_zone.clone(),
            triggers: view.triggers.clone(),
            next_run: view.next_run,
            paused_at: view.paused.as_ref().map(|pause| pause.at),
            paused_by: view.paused.as_ref().map(|pause| pause.by.clone()),
            waiting: view.waiting.iter().map(waiting).collect(),
            errors: view.errors.iter().map(wrong).collect(),
        }
    }
}

/// Every pipeline.
pub(super) async fn list(app: App, parameters: Parameters) -> Result<Answer<Pipelines>, Problem> {
    parameters.only(&[])?;
    let views = app.control.pipelines().await?;
    Ok(Answer(Pipelines { pipelines: views.iter().map(Summary::from).collect() }))
}

/// One pipeline.
pub(super) async fn show(app: App, Path(name): Path<String>) -> Result<Answer<Detail>, Problem> {
    let view = found(&app, &name).await?;
    let nodes = view.graph.nodes.iter().map(|node| Node {
        id: node.id.clone(),
        kind: format!("{:?}", node.kind).to_lowercase(),
        name: node.name.clone(),
        connector: node.connector.clone(),
        location: node.location.clone(),
        line: node.line,
        verb: node.verb.clone(),
    });
    let edges = view.graph.edges.iter().map(|(from, to)| Edge { from: from.clone(), to: to.clone() });
    let live = app.control.live(&name).map(LiveRun::from);
    Ok(Answer(Detail { summary: Summary::from(&view), nodes: nodes.collect(), edges: edges.collect(), text: view.text, live }))
}

/// The pipeline of that name.
///
/// # Errors
/// When there is none, with the nearest.
pub(in crate::serve::web) async fn found(app: &App, name: &str) -> Result<PipelineView, Problem> {
    if let Some(view) = app.control.pipeline(name).await? {
        return Ok(view);
    }
    let known = app.control.names();
    Err(Problem::unknown("pipeline", name, known.iter().map(String::as_str)))
}

described! {
    /// The answer to a request to run.
    pub(super) struct Requested as "Requested" {
        /// False: a request by hand waits already, and one run answers both.
        added: bool,
    }
}

/// Ask for a run now.
pub(super) async fn run(app: App, Path(name): Path<String>) -> Result<(StatusCode, Answer<Requested>), Problem> {
    let added = app.control.run_now(&name, super::BY).await?;
    Ok((StatusCode::ACCEPTED, Answer(Requested { added })))
}

/// Pause: nothing but a person begins a run.
pub(super) async fn pause(app: App, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    app.control.pause(&name, super::BY).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End a pause.
pub(super) async fn resume(app: App, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    app.control.resume(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

described! {
    /// Which logical dates to run.
    pub(super) input struct Backfill as "BackfillRequest" {
        /// The first: a day, a time, or epoch seconds.
        from: String,
        /// The end, as `engine run --to` has it.
        to: String,
    }
}

described! {
    /// The answer to a backfill.
    pub(super) struct Backfilled as "Backfilled" {
        /// How many dates were asked for.
        dates: u64,
    }
}

/// Run for logical dates of the past.
pub(super) async fn backfill(
    app: App,
    Path(name): Path<String>,
    Json(range): Json<Backfill>,
) -> Result<(StatusCode, Answer<Backfilled>), Problem> {
    let (from, to) = span(&range.from, &range.to)?;
    let dates = app.control.backfill(&name, from, to, super::BY).await?;
    Ok((StatusCode::ACCEPTED, Answer(Backfilled { dates })))
}

/// Two times, the first before the second.
///
/// # Errors
/// When they are none.
pub(in crate::serve::web) fn span(from: &str, to: &str) -> Result<(DateTime<Utc>, DateTime<Utc>), Problem> {
    let time = |name: &str, text: &str| times::parse(text).map_err(|expected| not_a_time("field", name, text, &expected));
    let (start, end) = (time("from", from)?, time("to", to)?);
    if start > end {
        return Err(Problem::bad_request(format!("'from' is {from}, which is after 'to', {to}")));
    }
    Ok((start, end))
}
