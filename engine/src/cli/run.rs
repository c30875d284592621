//! `engine run FILE.sql`.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use connectors::reddit::replay_notice;
use datafusion::arrow::util::pretty::pretty_format_batches;

use super::Status;
use super::check::report;
use super::printer::Printer;
use super::signals::Interrupts;
use crate::cause::one_line;
use crate::run::summary::Summary;
use crate::run::{self, Observer, Outcome, RunOptions};
use crate::serve::control::dates;
use crate::serve::policy::{Policy, moment};
use crate::session::Session;
use crate::sql::Pipeline;
use crate::state::{self, StateStore};

/// Arguments of `engine run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  engine run queries/reddit.sql
  engine run queries/reddit.sql --follow
  engine run queries/reddit.sql --json | jq .sinks
  engine run queries/taxi.sql --from 2026-01-01 --to 2026-02-01

A run reads what is new since the run before, commits it, and exits; run it again as often as you \
like. Killed at any time, the next run goes on where it must: no row is lost, none is written twice.")]
pub(super) struct RunArguments {
    /// The pipeline
    #[arg(value_name = "FILE.sql")]
    file: PathBuf,

    /// Keep going: ask the sources again and again; Ctrl-C finishes the epoch and leaves
    #[arg(long)]
    follow: bool,

    /// Print one JSON object about the run on standard output instead of a table; of one that failed, with its error
    #[arg(long)]
    json: bool,

    /// Forget the pipeline's progress first: everything is read again (tables keep their rows; INSERT INTO adds them again)
    #[arg(long)]
    from_scratch: bool,

    /// Drop an epoch that was staged and cannot be committed: its rows are read again, with the query as it is now; tables that have it keep it
    #[arg(long, conflicts_with = "from_scratch")]
    discard_epoch: bool,

    /// Run once for each logical date from here on, which ${run.date} stands for: the times of pipeline.schedule, or days
    #[arg(long, value_name = "DATE", requires = "to", conflicts_with_all = ["follow", "from_scratch", "discard_epoch"])]
    from: Option<String>,

    /// Up to this date; dates of which an epoch is committed are passed over
    #[arg(long, value_name = "DATE", requires = "from")]
    to: Option<String>,

    /// Do not ask before --from-scratch
    #[arg(long)]
    yes: bool,

    /// Write the run's metrics to this file, in Prometheus' text form
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
}

impl RunArguments {
    pub(super) fn follows(&self) -> bool {
        self.follow
    }
}

pub(super) async fn run(arguments: RunArguments, session: &Session, printer: &mut Printer) -> Result<Status> {
    let now = session.context.clock.now();
    // What `${run.date}` stands for is the same from the beginning to the end of a run.
    let dated = session.dated(now, Tz::UTC);
    let Some(pipeline) = load(&arguments, &dated, printer).await? else { return Ok(Status::Failed) };
    if arguments.from_scratch && !arguments.yes && !confirmed(&pipeline.name)? {
        printer.note("nothing was changed");
        return Ok(Status::Failed);
    }
    if pipeline.tables.values().any(|table| table.spec.connector == "REDDIT")
        && let Some(notice) = replay_notice(&session.context.reddit)
    {
        printer.note(&notice);
    }
    let store = state::open(session).await?;
    let interrupts = Interrupts::default();
    let (Some(from), Some(to)) = (&arguments.from, &arguments.to) else {
        return one(&arguments, pipeline, None, &dated, &store, &interrupts, printer).await;
    };
    let policy = policy(&pipeline)?;
    let moment = |text: &str| moment(text, policy.zone).map_err(|error| anyhow!(error));
    let (from, to) = (moment(from)?, moment(to)?);
    let done = store.dates_done(&pipeline.name, from, to).await?;
    let dates = dates(&policy, from, to).map_err(|error| anyhow!(error))?;
    for date in dates {
        let shown = date.with_timezone(&policy.zone).format("%Y-%m-%d %H:%M %Z");
        if done.contains(&date) {
            printer.note(&format!("{shown}: done before"));
            continue;
        }
        printer.note(&format!("{shown}:"));
        let dated = session.dated(date, policy.zone);
        let Some(pipeline) = load(&arguments, &dated, printer).await? else { return Ok(Status::Failed) };
        let status = one(&arguments, pipeline, Some(date), &dated, &store, &interrupts, printer).await?;
        if status != Status::Done || interrupts.stop.is_cancelled() {
            return Ok(status);
        }
    }
    Ok(Status::Done)
}

/// What the file says of when it is run; [`Pipeline::load`] has checked it.
fn policy(pipeline: &Pipeline) -> Result<Policy> {
    Policy::new(&pipeline.options)
        .map_err(|mistakes| anyhow!("{}", mistakes.iter().map(|mistake| mistake.message.as_str()).collect::<Vec<_>>().join("; ")))
}

/// The pipeline; none when something is wrong with it, which is told.
async fn load(arguments: &RunArguments, session: &Session, printer: &mut Printer) -> Result<Option<Pipeline>> {
    match Pipeline::load(&arguments.file, session).await? {
        Ok(pipeline) => Ok(Some(pipeline)),
        Err(errors) => {
            report(&arguments.file, &errors, printer)?;
            if arguments.json {
                let error = format!("{} has errors; nothing was run", arguments.file.display());
                printer.data(&format!("{}\n", serde_json::json!({ "error": error })));
            }
            Ok(None)
        }
    }
}

/// One run.
async fn one(
    arguments: &RunArguments,
    pipeline: Pipeline,
    date: Option<DateTime<Utc>>,
    session: &Session,
    store: &Arc<dyn StateStore>,
    interrupts: &Interrupts,
    printer: &mut Printer,
) -> Result<Status> {
    let observer = Observer::new(&pipeline.name, false)?.with_lines(printer.lines());
    let options = RunOptions {
        follow: arguments.follow,
        from_scratch: arguments.from_scratch,
        discard_epoch: arguments.discard_epoch,
        date,
    };
    let name = pipeline.name.clone();
    let work = run::run(pipeline, session, Arc::clone(store), options, &observer, &interrupts.stop);
    let outcome = tokio::select! {
        outcome = work => outcome,
        () = interrupts.abort.cancelled() => {
            printer.error("aborted; what was not committed will be done again by the next run");
            return Ok(Status::Aborted);
        }
        () = interrupts.listen(|text| tracing::warn!("{text}")) => return Ok(Status::Aborted),
    };
    observer.close();
    if let Some(path) = &arguments.metrics {
        std::fs::write(path, observer.metrics().text()?).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Err(error) = &outcome
        && arguments.json
    {
        let last_epoch = store.progress(&name).await.map_or(0, |progress| progress.next_epoch.saturating_sub(1));
        let summary = Summary { error: Some(one_line(error)), ..observer.summary(&name, last_epoch) };
        printer.data(&format!("{}\n", serde_json::to_string(&summary)?));
    }
    show(&outcome?, arguments.json, printer)?;
    Ok(Status::Done)
}

fn show(outcome: &Outcome, json: bool, printer: &mut Printer) -> Result<()> {
    for (_, batches) in &outcome.results {
        let table = format!("{}\n", pretty_format_batches(batches)?);
        if json {
            printer.note(&table)
        } else {
            printer.data(&table)
        }
        if batches.iter().map(datafusion::arrow::array::RecordBatch::num_rows).sum::<usize>() == run::SHOWN_ROWS {
            printer.note(&format!("(the first {} rows)", run::SHOWN_ROWS));
        }
    }
    let text = if json { format!("{}\n", serde_json::to_string(&outcome.summary)?) } else { outcome.summary.to_string() };
    printer.data(&text);
    Ok(())
}

fn confirmed(pipeline: &str) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("--from-scratch forgets the progress of pipeline '{pipeline}'; add --yes to do so without being asked");
    }
    write!(std::io::stderr(), "forget the progress of pipeline '{pipeline}' and read everything again? [y/N] ")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
