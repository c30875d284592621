//! Whether pipelines can run, and which tables of the warehouse they write.

use std::path::{Path, PathBuf};

use connectors::context::TableSpec;
use connectors::finding::Finding;

use crate::cause::one_line;
use crate::session::Session;
use crate::sql::Pipeline;

/// The findings, and the tables of the warehouse.
pub(super) async fn examine(session: &Session, files: &[PathBuf]) -> (Vec<Finding>, Vec<TableSpec>) {
    let (mut findings, mut tables) = (Vec::new(), Vec::new());
    for file in files {
        let check = format!("pipeline {}", file.file_stem().unwrap_or_default().to_string_lossy());
        match load(session, file).await {
            Ok(pipeline) => {
                findings.push(Finding::ok(check, format!("nothing wrong; flows: {}", pipeline.flows.len())));
                tables.extend(of_the_warehouse(session, &pipeline));
            }
            Err(wrong) => {
                let fix = format!("`engine check {}` points at it", file.display());
                findings.push(Finding::problem(check, wrong, fix));
            }
        }
    }
    (findings, tables)
}

async fn load(session: &Session, file: &Path) -> Result<Pipeline, String> {
    match Pipeline::load(file, session).await {
        Ok(Ok(pipeline)) => Ok(pipeline),
        Ok(Err(errors)) => Err(match errors.as_slice() {
            [only] => only.message.clone(),
            [first, ..] => format!("{} (and {} more)", first.message, errors.len() - 1),
            [] => "it cannot run".to_owned(),
        }),
        Err(error) => Err(one_line(&error)),
    }
}

fn of_the_warehouse(session: &Session, pipeline: &Pipeline) -> Vec<TableSpec> {
    let sinks = pipeline.flows.iter().map(|flow| &flow.table).filter(|table| table.connector == "WAREHOUSE");
    sinks.filter_map(|table| session.resolve(table).ok()).collect()
}
