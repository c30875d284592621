//! `engine shell`: SQL over the lake and over files, typed or from a script.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::Status;
use super::printer::Printer;
use crate::session::Session;
use crate::shell::{Console, Ending, Format};
use crate::sql::script;

/// Arguments of `engine shell`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  engine shell                            type SQL; \\? helps, Tab completes
  engine shell -c 'SHOW TABLES'
  engine shell -c 'SELECT * FROM reddit.posts' --format csv > posts.csv
  engine shell -c \"SUMMARIZE 's3://bucket/folder/*.parquet'\"
  engine shell -c 'SELECT count(*) FROM reddit.posts VERSION AS OF 3'
  engine shell -f report.sql --format markdown
  echo 'SELECT 1' | engine shell --format ndjson

Names: lake.<folder>.<table>, <folder>.<table>, or <table> when there is one only; \"posts$bad\" are the bad records \
of a source; what was run and what is registered is in system.runs, epochs, loads, flows, objects, crawled_objects, \
tables, columns, schema_changes and bad_records. Files: 'x.csv', 'x.ndjson.gz', 's3://bucket/x/*.parquet'.
CREATE EXTERNAL TABLE, CREATE VIEW, SET, EXPLAIN, COPY work as in a pipeline. Nothing is written to the lake. A script \
ends with its first mistake, and exit code 1.")]
pub(super) struct ShellArguments {
    /// Run these statements and leave; may be given several times
    // A statement may begin with a comment.
    #[arg(short, long, value_name = "SQL", allow_hyphen_values = true)]
    command: Vec<String>,

    /// Run the statements of this file and leave; after those of -c
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// How rows are printed
    #[arg(long, value_enum, default_value = "table", value_name = "FORMAT", ignore_case = true)]
    format: Format,

    /// Rows that a table shows at most, because it has to hold them; 0 for all. The other formats show all
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    max_rows: usize,
}

/// Threads of a shell: a query may keep as many busy as there are cores, for seconds without a break, and Ctrl-C and the next
/// statement are heard all the same.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get) + 2
}

pub(super) async fn shell(arguments: ShellArguments, session: &Session, printer: &mut Printer) -> Result<Status> {
    let mut console = Console::new(session, printer, arguments.format, arguments.max_rows);
    if arguments.command.is_empty() && arguments.file.is_none() && std::io::stdin().is_terminal() {
        console.interact().await?;
        return Ok(Status::Done);
    }
    for (name, text) in scripts(&arguments)? {
        match Box::pin(console.run(&name, &text)).await? {
            Ending::Done => {}
            Ending::Quit => break,
            Ending::Failed => return Ok(Status::Failed),
            Ending::Interrupted => return Ok(Status::Aborted),
        }
    }
    Ok(Status::Done)
}

/// What is to be run, by the name that errors call it.
fn scripts(arguments: &ShellArguments) -> Result<Vec<(String, String)>> {
    let mut scripts: Vec<_> = arguments.command.iter().map(|text| ("-c".to_owned(), text.clone())).collect();
    if let Some(file) = &arguments.file {
        scripts.push((file.display().to_string(), script::read(file)?));
    }
    if scripts.is_empty() {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text).context("cannot read standard input")?;
        scripts.push(("stdin".to_owned(), text));
    }
    Ok(scripts)
}
