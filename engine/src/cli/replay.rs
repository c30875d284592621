//! `engine replay FILE.sql TABLE`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use connectors::options::unknown;

use super::Status;
use super::check::report;
use super::printer::Printer;
use super::signals::Interrupts;
use crate::run::Observer;
use crate::run::replay::{look, replay as replay_table};
use crate::run::replay_summary::ReplaySummary;
use crate::session::Session;
use crate::sql::Pipeline;
use crate::state;

/// Arguments of `engine replay`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  engine shell -c 'SELECT file, line, \"column\", reason FROM \"transactions$bad\"'
  engine replay queries/toll.sql transactions --plan
  engine replay queries/toll.sql transactions

Records that a run puts aside (OPTIONS ('on_error' 'quarantine')) wait in the Delta table \
lake://bad/<pipeline>/<table>. Repair the table in the pipeline file (another type, 'mode' 'lenient', 'ragged' 'true', \
...), then replay: what is a row now goes through the queries into the sinks that wait for it, once, and leaves the \
bad records in the same step; the rest stays, with what is wrong with it now. The files need not be there any more. \
Killed at any time, do it again.

A replayed row is the newest of its key to a table that REPLACE INTO writes. Records that 'on_error' 'null' made rows \
with a NULL of are replaced in such tables, and left where rows are appended.")]
pub(super) struct ReplayArguments {
    /// The pipeline
    #[arg(value_name = "FILE.sql")]
    file: PathBuf,

    /// The table whose records were bad: a source of the pipeline
    #[arg(value_name = "TABLE")]
    table: String,

    /// Show what would become of the records, without doing it
    #[arg(long)]
    plan: bool,

    /// Print one JSON object about the replay on standard output instead of a text
    #[arg(long)]
    json: bool,
}

impl ReplayArguments {
    pub(super) fn only_looks(&self) -> bool {
        self.plan
    }
}

pub(super) async fn replay(arguments: ReplayArguments, session: &Session, printer: &mut Printer) -> Result<Status> {
    let pipeline = match Pipeline::load(&arguments.file, session).await? {
        Ok(pipeline) => pipeline,
        Err(errors) => {
            report(&arguments.file, &errors, printer)?;
            return Ok(Status::Failed);
        }
    };
    let source = source(&pipeline, &arguments.table)?;
    let observer = Observer::new(&pipeline.name, false)?.with_lines(printer.lines());
    let summary = if arguments.plan {
        look(pipeline, &source, session, state::open_existing(session).await?, &observer).await?
    } else {
        let store = state::open(session).await?;
        let interrupts = Interrupts::default();
        let work = replay_table(pipeline, &source, session, store, &observer, &interrupts.stop);
        tokio::select! {
            summary = work => summary?,
            () = interrupts.abort.cancelled() => {
                printer.error("aborted; what was not committed will be done again by the next replay");
                return Ok(Status::Aborted);
            }
            () = interrupts.listen(|text| tracing::warn!("{text}")) => return Ok(Status::Aborted),
        }
    };
    observer.close();
    show(&summary, arguments.json, printer);
    Ok(Status::Done)
}

/// The source that `given` is the name of, or of whose bad records.
fn source(pipeline: &Pipeline, given: &str) -> Result<String> {
    let name = given.strip_suffix("$bad").unwrap_or(given);
    if pipeline.source(name).is_some() {
        return Ok(name.to_owned());
    }
    let sources: Vec<&str> = pipeline.tables.keys().map(String::as_str).filter(|name| pipeline.source(name).is_some()).collect();
    if sources.is_empty() {
        bail!("pipeline '{}' has no source, so it has no bad records", pipeline.name);
    }
    if pipeline.tables.contains_key(name) {
        let there = sources.join(", ");
        bail!(
            "table '{name}' is written and not read by pipeline '{}': bad records are those of its sources, {there}",
            pipeline.name
        );
    }
    bail!("{}", unknown("source", name, &format!("pipeline '{}'", pipeline.name), sources))
}

fn show(summary: &ReplaySummary, json: bool, printer: &mut Printer) {
    printer.data(&if json { format!("{}\n", summary.json()) } else { summary.to_string() });
}
