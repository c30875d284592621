//! `engine doctor`: whether the setup works, and what would repair it.

use std::path::PathBuf;

use anyhow::Result;
use connectors::finding::{Finding, Level};
use serde_json::json;

use super::Status;
use super::printer::Printer;
use crate::doctor;
use crate::session::Session;

/// Arguments of `engine doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  engine doctor
  engine doctor queries/reddit.sql          with the tables and schemas that it writes
  engine doctor --json | jq '.findings[] | select(.level == \"problem\")'

Looks at settings, state, lake and warehouse by using them: it writes and removes an object, and rolls a COPY of one \
row back; nothing stays. For Redshift: password, TLS, staging bucket, role, regions, rights, clocks, isolation level, \
slices, case of names. Each finding that is not ok has its fix. Exits with 1 if there is a problem; a warning is none.")]
pub(super) struct DoctorArguments {
    /// Pipelines whose tables of the warehouse are examined too
    #[arg(value_name = "FILE.sql")]
    files: Vec<PathBuf>,

    /// Print one JSON object on standard output instead of lines
    #[arg(long)]
    json: bool,
}

pub(super) async fn doctor(arguments: DoctorArguments, session: &Session, printer: &mut Printer) -> Result<Status> {
    let findings = doctor::examine(session, &arguments.files).await;
    let count = |level: Level| findings.iter().filter(|finding| finding.level == level).count();
    let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
    if arguments.json {
        let report = json!({"findings": findings, "problems": problems, "warnings": warnings});
        printer.data(&format!("{}\n", serde_json::to_string_pretty(&report)?));
    } else {
        printer.data(&lines(&findings));
        printer.data(&format!("{}, {}\n", counted(problems, "problem"), counted(warnings, "warning")));
    }
    Ok(if problems == 0 { Status::Done } else { Status::Failed })
}

fn lines(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.check.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for finding in findings {
        let (check, level, found) = (&finding.check, finding.level, &finding.found);
        text.push_str(&format!("{check:width$}  {level:7}  {found}\n"));
        if let Some(fix) = &finding.fix {
            let fix = fix.replace('\n', &format!("\n{:1$}", "", width + 16));
            text.push_str(&format!("{:width$}  {:7}    fix: {fix}\n", "", ""));
        }
    }
    text
}

fn counted(count: usize, thing: &str) -> String {
    match count {
        0 => format!("no {thing}s"),
        1 => format!("1 {thing}"),
        _ => format!("{count} {thing}s"),
    }
}
