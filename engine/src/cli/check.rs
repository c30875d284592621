//! `engine check FILE.sql`: everything that is wrong, with file, line and column; moves no data.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::Status;
use super::plan::stored;
use super::printer::Printer;
use crate::flow::assign;
use crate::run::absent::absences;
use crate::session::Session;
use crate::sql::{Diagnostic, Pipeline, script};

/// Arguments of `engine check`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  engine check queries/reddit.sql
  engine check queries/

Exits with 1 if anything is wrong.")]
pub(super) struct CheckArguments {
    /// Pipelines, or folders of them
    #[arg(value_name = "FILE.sql", required = true)]
    paths: Vec<PathBuf>,
}

pub(super) async fn check(arguments: CheckArguments, session: &Session, printer: &mut Printer) -> Result<Status> {
    let mut status = Status::Done;
    for file in files(&arguments.paths)? {
        match Pipeline::load(&file, session).await {
            Ok(Ok(mut pipeline)) => {
                printer.data(&describe(&file, &pipeline));
                match warn(&mut pipeline, session, printer).await {
                    Ok(()) => continue,
                    Err(error) => printer.error(&crate::cause::one_line(&error)),
                }
            }
            Ok(Err(errors)) => report(&file, &errors, printer)?,
            // The other files are checked all the same.
            Err(error) => printer.error(&crate::cause::one_line(&error)),
        }
        status = Status::Failed;
    }
    Ok(status)
}

/// Warns of what may be meant, and probably is not.
async fn warn(pipeline: &mut Pipeline, session: &Session, printer: &mut Printer) -> Result<()> {
    let progress = stored(session, &pipeline.name).await?;
    assign::assign(pipeline, &progress, session).await?;
    for absence in absences(pipeline, &progress).await {
        printer.warning(&absence);
    }
    Ok(())
}

fn describe(file: &Path, pipeline: &Pipeline) -> String {
    let mut text = format!("{}: ok\n", file.display());
    for flow in &pipeline.flows {
        text.push_str(&format!("  {} ({}, {}, line {})\n", flow.table.name, flow.mode, flow.class, pipeline.line(&flow.span)));
    }
    text
}

/// Prints what is wrong with `file`.
pub(super) fn report(file: &Path, errors: &[Diagnostic], printer: &mut Printer) -> Result<()> {
    let text = script::read(file)?;
    let name = file.display().to_string();
    for error in errors {
        printer.error(&format!("{}\n", error.render(&name, &text)));
    }
    let things = if errors.len() == 1 { "error" } else { "errors" };
    printer.note(&format!("{name}: {} {things}; no data was moved", errors.len()));
    Ok(())
}

/// The files, and of folders the `.sql` files in them, sorted.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry?.path();
            if entry.extension().is_some_and(|extension| extension == "sql") {
                found.push(entry);
            }
        }
        if found.is_empty() {
            bail!("there is no .sql file in {}", path.display());
        }
        found.sort();
        files.extend(found);
    }
    Ok(files)
}
