//! `engine verify PIPELINE`: whether its tables hold what its epochs brought.

use anyhow::Result;
use serde_json::json;

use super::Status;
use super::printer::Printer;
use crate::session::Session;
use crate::verify;

/// Arguments of `engine verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  engine verify queries/reddit.sql
  engine verify reddit --all
  engine verify reddit --json | jq '.sinks[].differences'

Epoch by epoch: the rows that were read of the sources, that were staged, that the ledger in the warehouse (of a Delta \
table: its log) has, and that were in the table then; and at last how many are in the table now. In a database every \
row is counted, which costs it a scan; of a Delta table, what its log says of its files. Exits with 1 if anything \
differs. The pipeline's file is not read: what was written is known by the state.")]
pub(super) struct VerifyArguments {
    /// The pipeline: its file, or its name
    #[arg(value_name = "PIPELINE")]
    pipeline: String,

    /// Show all epochs, not only the last ones and those that differ
    #[arg(long)]
    all: bool,

    /// Print one JSON object on standard output instead of a table
    #[arg(long)]
    json: bool,
}

pub(super) async fn verify(arguments: VerifyArguments, session: &Session, printer: &mut Printer) -> Result<Status> {
    let found = verify::verify(session, name(&arguments.pipeline)).await?;
    if arguments.json {
        let mut report = serde_json::to_value(&found)?;
        report["agrees"] = json!(found.agrees());
        printer.data(&format!("{}\n", serde_json::to_string_pretty(&report)?));
    } else {
        printer.data(&found.text(arguments.all));
    }
    Ok(if found.agrees() { Status::Done } else { Status::Failed })
}

/// The name of a pipeline is its file's stem.
fn name(pipeline: &str) -> &str {
    let file = pipeline.rsplit('/').next().unwrap_or(pipeline);
    file.strip_suffix(".sql").unwrap_or(file)
}
