//! `engine runs [PIPELINE]`, `engine runs show PIPELINE/RUN`.

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, Utc};
use connectors::options::nearest;
use indicatif::{HumanBytes, HumanCount, HumanDuration};

use super::Status;
use super::printer::Printer;
use crate::session::Session;
use crate::state::{self, EpochRecord, LoadPage, LoadRecord, Page, RunRecord, RunStatus, StateStore};

/// Arguments of `engine runs`.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  engine runs                           the last runs of all pipelines
  engine runs reddit --limit 100        the last hundred of one
  engine runs --failed                  those that failed
  engine runs show reddit/12            one run, with its epochs
  engine runs --json | jq '.[0].error'

The same is in the shell: SELECT * FROM system.runs."
)]
pub(super) struct RunsArguments {
    #[command(subcommand)]
    command: Option<RunsCommand>,

    /// Of this pipeline only
    #[arg(value_name = "PIPELINE")]
    pipeline: Option<String>,

    /// So many
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u32,

    /// Only those that failed
    #[arg(long)]
    failed: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum RunsCommand {
    /// One run, with its epochs
    Show {
        /// As `engine runs` prints it: reddit/12
        #[arg(value_name = "PIPELINE/RUN")]
        run: String,

        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn runs(arguments: RunsArguments, session: &Session, printer: &mut Printer) -> Result<Status> {
    let now = session.context.clock.now();
    let store = state::open_existing(session).await?;
    if let Some(RunsCommand::Show { run, json }) = &arguments.command {
        let store = store.with_context(|| format!("there is no run '{run}': nothing was run yet"))?;
        return show(store.as_ref(), run, *json, now, printer).await;
    }
    let page = Page {
        pipeline: arguments.pipeline.clone(),
        limit: arguments.limit,
        status: arguments.failed.then_some(RunStatus::Failed),
        ..Page::default()
    };
    let records = match &store {
        Some(store) => store.runs(&page, now).await?,
        None => Vec::new(),
    };
    if arguments.json {
        let records: Vec<_> = records.iter().map(json_of).collect();
        printer.data(&format!("{}\n", serde_json::to_string_pretty(&records)?));
    } else if records.is_empty() {
        printer.note(&nothing(store.as_deref(), &arguments, now).await?);
    } else {
        printer.data(&table(&records, now));
    }
    Ok(Status::Done)
}

/// What is said where there is nothing to show.
async fn nothing(store: Option<&dyn StateStore>, arguments: &RunsArguments, now: DateTime<Utc>) -> Result<String> {
    let Some(store) = store else {
        return Ok("nothing was run yet; `engine run FILE.sql` runs a pipeline, `engine serve` runs many".to_owned());
    };
    let Some(pipeline) = &arguments.pipeline else { return Ok("there is no such run".to_owned()) };
    let known = store.runs(&Page { limit: 1_000, ..Page::default() }, now).await?;
    if known.iter().any(|run| run.pipeline == *pipeline) {
        return Ok(format!("no run of pipeline '{pipeline}' failed"));
    }
    let near = nearest(pipeline, known.iter().map(|run| run.pipeline.as_str()));
    let hint = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
    Ok(format!("pipeline '{pipeline}' was never run{hint}"))
}

fn table(records: &[RunRecord], now: DateTime<Utc>) -> String {
    let names: Vec<String> = records.iter().map(|run| format!("{}/{}", run.pipeline, run.run)).collect();
    let width = names.iter().map(String::len).max().unwrap_or(0).max("run".len());
    let mut text = format!(
        "{:width$}  {:8}  {:19}  {:>9}  {:>6}  {:>12}  {:>8}  reason\n",
        "run", "status", "started (UTC)", "took", "epochs", "rows written", "bad rows"
    );
    for (name, run) in names.iter().zip(records) {
        let took = took(run, now);
        text.push_str(&format!(
            "{name:width$}  {:8}  {}  {took:>9}  {:>6}  {:>12}  {:>8}  {}\n",
            run.status.to_string(),
            run.started_at.format("%Y-%m-%d %H:%M:%S"),
            run.epochs,
            HumanCount(run.totals.rows_written).to_string(),
            HumanCount(run.totals.bad_rows).to_string(),
            reason(run),
        ));
        if let Some(error) = &run.error {
            text.push_str(&format!("{:width$}  {}\n", "", error.lines().next().unwrap_or_default()));
        }
    }
    text
}

fn reason(run: &RunRecord) -> String {
    let reason = if run.purpose.reason.is_empty() { "engine run" } else { &run.purpose.reason };
    if run.purpose.attempt > 1 { format!("{reason}, attempt {}", run.purpose.attempt) } else { reason.to_owned() }
}

fn took(run: &RunRecord, now: DateTime<Utc>) -> String {
    let end = match (run.ended_at, run.status) {
        (Some(end), _) => end,
        (None, RunStatus::Running) => now,
        (None, _) => return String::new(),
    };
    let span = (end - run.started_at).to_std().unwrap_or_default();
    if span.as_secs() < 60 { format!("{:.1} s", span.as_secs_f64()) } else { HumanDuration(span).to_string() }
}

/// Epochs of a run that are shown.
const MOST_EPOCHS: u32 = 1_000;

async fn show(store: &dyn StateStore, name: &str, json: bool, now: DateTime<Utc>, printer: &mut Printer) -> Result<Status> {
    let parts = name.rsplit_once('/').and_then(|(pipeline, run)| Some((pipeline, run.parse::<i64>().ok()?)));
    let Some((pipeline, number)) = parts else {
        bail!("'{name}' names no run; expected one as `engine runs` prints it: reddit/12")
    };
    let run = store.run(pipeline, number, now).await?;
    let run = run.with_context(|| format!("there is no run '{name}'; `engine runs {pipeline}` lists those there are"))?;
    let page = Page { pipeline: Some(pipeline.to_owned()), limit: MOST_EPOCHS, since: Some(run.started_at), ..Page::default() };
    let mut epochs = store.epochs(&page).await?;
    epochs.retain(|epoch| epoch.run == Some(number));
    epochs.reverse();
    let files = files(store, &run).await?;
    if json {
        let mut object = json_of(&run);
        object["committed"] = epochs.iter().map(json_of_epoch).collect();
        object["files"] = files.iter().filter_map(json_of_file).collect();
        printer.data(&format!("{}\n", serde_json::to_string_pretty(&object)?));
    } else {
        printer.data(&shown(&run, &epochs, now));
        printer.data(&shown_files(&files));
    }
    Ok(Status::Done)
}

fn shown(run: &RunRecord, epochs: &[EpochRecord], now: DateTime<Utc>) -> String {
    let time = |time: Option<DateTime<Utc>>| {
        time.map_or_else(|| "-".to_owned(), |time| time.format("%Y-%m-%d %H:%M:%S UTC").to_string())
    };
    let mut text = format!("run {}/{}: {}\n", run.pipeline, run.run, run.status);
    let mut line = |name: &str, value: String| text.push_str(&format!("  {name:12} {value}\n"));
    line("reason", reason(run));
    if run.purpose.date.is_some() {
        line("date", time(run.purpose.date));
    }
    line("started", time(Some(run.started_at)));
    line("ended", time(run.ended_at));
    line("took", took(run, now));
    line("process", run.holder.to_string());
    if let Some(again) = run.again_at {
        line("again", time(Some(again)));
    }
    line("rows in", HumanCount(run.totals.rows_in).to_string());
    line("rows written", HumanCount(run.totals.rows_written).to_string());
    line("bad rows", HumanCount(run.totals.bad_rows).to_string());
    line("bytes", HumanBytes(run.totals.bytes).to_string());
    if let Some(error) = &run.error {
        line("error", error.replace('\n', "\n               "));
    }
    if !epochs.is_empty() {
        text.push_str(&format!(
            "\n{:>8}  {:>12}  {:>12}  {:>8}  {:>6}  committed (UTC)\n",
            "epoch", "rows in", "rows written", "bad rows", "files"
        ));
    }
    for epoch in epochs {
        let totals = epoch.totals.unwrap_or_default();
        let committed = epoch.committed_at.map_or_else(|| "pending".to_owned(), |at| at.format("%Y-%m-%d %H:%M:%S").to_string());
        text.push_str(&format!(
            "{:>8}  {:>12}  {:>12}  {:>8}  {:>6}  {committed}\n",
            epoch.epoch,
            HumanCount(totals.rows_in).to_string(),
            HumanCount(totals.rows_written).to_string(),
            HumanCount(totals.bad_rows).to_string(),
            totals.files,
        ));
    }
    text
}

/// Pages of the load log that are looked through for the files of one run.
const FILE_PAGES: usize = 20;

/// The files that a run of a landing zone loaded and refused, the first one first.
async fn files(store: &dyn StateStore, run: &RunRecord) -> Result<Vec<LoadRecord>> {
    let mut page = LoadPage { limit: MOST_EPOCHS, ..LoadPage::default() };
    let mut found = Vec::new();
    for _ in 0..FILE_PAGES {
        let records = store.loads(&page).await?;
        let Some(last) = records.last() else { break };
        let is_last = last.recorded_at < run.started_at || records.len() < MOST_EPOCHS as usize;
        page.before = Some(last.position);
        let is_ours = |load: &LoadRecord| load.landed.is_some() && load.pipeline == run.pipeline && load.run == Some(run.run);
        found.extend(records.into_iter().filter(is_ours));
        if is_last {
            break;
        }
    }
    found.reverse();
    Ok(found)
}

fn shown_files(files: &[LoadRecord]) -> String {
    let mut text = String::new();
    for load in files {
        let Some(landed) = &load.landed else { continue };
        let line = match &landed.error {
            Some(error) => format!("refused  {}: {error}\n", landed.key),
            None => {
                let version = landed.schema_version.as_deref().unwrap_or("unknown");
                format!(
                    "loaded   {}: {} rows into {} ({}, schema version {version})\n",
                    landed.key,
                    HumanCount(load.rows),
                    load.table,
                    landed.action
                )
            }
        };
        text.push_str(&line);
    }
    if text.is_empty() { text } else { format!("\n{text}") }
}

fn json_of_file(load: &LoadRecord) -> Option<serde_json::Value> {
    let landed = load.landed.as_ref()?;
    Some(serde_json::json!({
        "key": landed.key,
        "table": load.table,
        "landed_at": landed.landed_at,
        "loaded_at": load.committed_at.filter(|_| landed.error.is_none()),
        "file_size": landed.size,
        "rows": load.rows,
        "schema_version": landed.schema_version.as_deref().unwrap_or("unknown"),
        "table_existed": landed.table_existed,
        "load_mode": landed.action,
        "status": if landed.error.is_some() { "FAILED" } else { "SUCCESS" },
        "error": landed.error,
    }))
}

fn json_of(run: &RunRecord) -> serde_json::Value {
    serde_json::json!({
        "run": format!("{}/{}", run.pipeline, run.run),
        "pipeline": run.pipeline,
        "number": run.run,
        "status": run.status.to_string(),
        "reason": run.purpose.reason,
        "attempt": run.purpose.attempt,
        "date": run.purpose.date,
        "due_at": run.purpose.due,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "again_at": run.again_at,
        "error": run.error,
        "epochs": run.epochs,
        "rows_in": run.totals.rows_in,
        "rows_written": run.totals.rows_written,
        "bad_rows": run.totals.bad_rows,
        "files": run.totals.files,
        "bytes": run.totals.bytes,
        "process": run.holder.to_string(),
    })
}

fn json_of_epoch(epoch: &EpochRecord) -> serde_json::Value {
    let totals = epoch.totals.unwrap_or_default();
    serde_json::json!({
        "epoch": epoch.epoch,
        "recorded_at": epoch.recorded_at,
        "committed_at": epoch.committed_at,
        "rows_in": totals.rows_in,
        "rows_written": totals.rows_written,
        "bad_rows": totals.bad_rows,
        "files": totals.files,
        "bytes": totals.bytes,
    })
}
