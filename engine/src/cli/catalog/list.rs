//! `engine catalog list`.

use anyhow::{Result, bail};
use catalog::store::Table;
use connectors::options::nearest;
use indicatif::{HumanBytes, HumanCount};

use super::super::Status;
use super::super::printer::Printer;
use super::table::{aligned, row};
use super::{line, show};
use crate::catalog::open_existing;
use crate::session::Session;

pub(super) async fn list(database: Option<&str>, json: bool, session: &Session, printer: &mut Printer) -> Result<Status> {
    let all = match open_existing(session).await? {
        Some(store) => store.list(None).await?,
        None => Vec::new(),
    };
    let tables: Vec<&Table> =
        all.iter().filter(|table| database.is_none_or(|database| table.name().database == database)).collect();
    if let (true, Some(database)) = (tables.is_empty(), database) {
        let near = nearest(database, all.iter().map(|table| table.name().database.as_str()));
        let help = near.map_or("`engine catalog list` lists all".to_owned(), |near| format!("did you mean '{near}'?"));
        bail!("there is no table in a database '{database}'; {help}");
    }
    if json {
        printer.data(&line(&tables.iter().map(|table| show::as_json(table)).collect()));
    } else if tables.is_empty() {
        printer.note("the catalog is empty: run a pipeline, or `engine crawl` a location");
    } else {
        printer.data(&as_text(&tables));
    }
    Ok(Status::Done)
}

fn as_text(tables: &[&Table]) -> String {
    let unknown = || "?".to_owned();
    let mut rows = vec![row(["table", "format", "columns", "rows", "files", "size", "location"])];
    for table in tables {
        let statistics = table.statistics;
        let count = |count: Option<u64>| count.map_or_else(unknown, |count| HumanCount(count).to_string());
        rows.push(vec![
            table.name().to_string(),
            table.registration.connector.clone(),
            table.full_schema().fields().len().to_string(),
            count(statistics.rows),
            count(statistics.files),
            statistics.bytes.map_or_else(unknown, |bytes| HumanBytes(bytes).to_string()),
            table.registration.location.clone(),
        ]);
    }
    aligned(&rows, "")
}
