//! `engine catalog`: what tables there are, what they were, and the statements that make them.

mod export;
mod history;
mod list;
mod show;
mod table;

use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use catalog::store::{CatalogStore, Table};
use clap::Subcommand;
use connectors::options::nearest;
use connectors::warehouse::LAKE_FOLDER;
use datafusion::common::TableReference;

use super::Status;
use super::printer::Printer;
use crate::catalog::lake::{LAKE, PUBLIC};
use crate::catalog::{WAREHOUSE, names::lake_reference, open_existing};
use crate::session::Session;
use crate::state::Place;

/// Arguments of `engine catalog`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  engine catalog list                       every table, by database
  engine catalog list raw --json | jq '.[].location'
  engine catalog show raw.toll              columns, partitions, key, size, who writes it
  engine catalog history raw.toll           every schema it has had, since when and why
  engine catalog ddl raw.toll >> toll.sql   the statement that a pipeline file takes
  engine catalog forget raw.toll            takes it out; its data stays
  engine catalog export glue --plan         what Athena's users would see change

Tables get into the catalog by `engine crawl`, and when a pipeline writes them. The shell shows the same as \
system.tables, system.columns and system.schema_changes.")]
pub(super) struct CatalogArguments {
    #[command(subcommand)]
    command: CatalogCommand,
}

#[derive(Debug, Subcommand)]
enum CatalogCommand {
    /// List the tables of a database, or of all
    #[command(after_help = "Examples:\n  engine catalog list\n  engine catalog list raw\n  engine catalog list --json")]
    List {
        /// Only this database
        database: Option<String>,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Show a table: its columns, partitions, key, size, and where it comes from
    #[command(after_help = "Examples:\n  engine catalog show raw.toll\n  engine catalog show lake.raw.toll --json")]
    Show {
        /// The table, as in raw.toll
        table: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show every schema that a table has had, since when and why
    #[command(after_help = "Examples:\n  engine catalog history raw.toll\n  engine catalog history raw.toll --json")]
    History {
        /// The table, as in raw.toll
        table: String,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Print the CREATE EXTERNAL TABLE that a pipeline file takes
    #[command(after_help = "Examples:\n  engine catalog ddl raw.toll\n  engine catalog ddl raw.toll >> toll.sql")]
    Ddl {
        /// The table, as in raw.toll
        table: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Take a table out of the catalog; its data stays
    #[command(after_help = "\
Examples:
  engine catalog forget raw.toll

What a pipeline writes, and what a crawl finds, is registered again by the next run or crawl: forget a table whose \
data is gone, or whose name another table is to have.")]
    Forget {
        /// The table, as in raw.toll
        table: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Write tables to another catalog
    #[command(subcommand)]
    Export(export::Target),
}

pub(super) async fn catalog(arguments: CatalogArguments, session: &Session, printer: &mut Printer) -> Result<Status> {
    match arguments.command {
        CatalogCommand::List { database, json } => list::list(database.as_deref(), json, session, printer).await,
        CatalogCommand::Show { table, json } => {
            let (_, table) = find(session, &table).await?;
            printer.data(&if json { line(&show::as_json(&table)) } else { show::as_text(&table)? });
            Ok(Status::Done)
        }
        CatalogCommand::History { table, json } => {
            let (store, table) = find(session, &table).await?;
            let versions = store.history(table.name()).await?;
            printer.data(&if json { line(&history::as_json(&versions)) } else { history::as_text(&table, &versions)? });
            Ok(Status::Done)
        }
        CatalogCommand::Ddl { table, json } => {
            let (_, table) = find(session, &table).await?;
            let ddl = table.ddl();
            let object = || serde_json::json!({"table": lake_reference(table.name()), "ddl": ddl});
            printer.data(&if json { line(&object()) } else { format!("{ddl}\n") });
            Ok(Status::Done)
        }
        CatalogCommand::Forget { table, json } => {
            let (store, table) = find(session, &table).await?;
            store.remove(table.name()).await?;
            let (name, location) = (lake_reference(table.name()), &table.registration.location);
            let object = || serde_json::json!({"table": name, "location": location});
            let text = || format!("{name} is no longer in the catalog; its data stays at {location}\n");
            printer.data(&if json { line(&object()) } else { text() });
            Ok(Status::Done)
        }
        CatalogCommand::Export(target) => Box::pin(export::export(target, session, printer)).await,
    }
}

fn line(value: &serde_json::Value) -> String {
    format!("{value}\n")
}

/// The catalog, which must be there, and every table in it.
async fn all(session: &Session) -> Result<(Arc<dyn CatalogStore>, Vec<Table>)> {
    let Some(store) = open_existing(session).await? else {
        bail!("there is no catalog in {} yet: run a pipeline, or `engine crawl` a location", Place::set(session)?.shown());
    };
    let tables = store.list(None).await?;
    Ok((store, tables))
}

/// The catalog, and the table that `text` names.
async fn find(session: &Session, text: &str) -> Result<(Arc<dyn CatalogStore>, Table)> {
    let (store, tables) = all(session).await?;
    let table = named(&tables, text)?.clone();
    Ok((store, table))
}

/// The table that `text` names: `raw.toll`, `lake.raw.toll`, or `toll` where there is one only.
fn named<'a>(tables: &'a [Table], text: &str) -> Result<&'a Table> {
    let short = text.strip_prefix(LAKE).and_then(|rest| rest.strip_prefix('.')).unwrap_or(text);
    let reference = TableReference::parse_str(short);
    // A table of the warehouse that is in the lake is registered by its folders.
    let database = match (reference.catalog(), reference.schema()) {
        (Some(WAREHOUSE), Some(schema)) => Some(format!("{LAKE_FOLDER}/{schema}")),
        (_, schema) => schema.map(str::to_owned),
    };
    let is_meant = |table: &&Table| {
        let name = table.name();
        let exact = format!("{}.{}", name.database, name.table) == short;
        exact || (database.as_deref() == Some(name.database.as_str()) && reference.table() == name.table)
    };
    if let Some(table) = tables.iter().find(is_meant) {
        return Ok(table);
    }
    let bare: Vec<&Table> = tables.iter().filter(|table| table.name().table == short).collect();
    match bare.as_slice() {
        [table] => Ok(table),
        [] => Err(not_there(tables, text)),
        several => {
            let root = several.iter().find(|table| table.name().database == PUBLIC);
            let names: Vec<String> = several.iter().map(|table| table.name().to_string()).collect();
            root.copied().ok_or_else(|| anyhow!("'{text}' may be one of several tables: {}", names.join(", ")))
        }
    }
}

fn not_there(tables: &[Table], text: &str) -> anyhow::Error {
    let whole: Vec<String> = tables.iter().map(|table| table.name().to_string()).collect();
    let short = text.strip_prefix("lake.").unwrap_or(text);
    let bare = short.rsplit('.').next().unwrap_or(short);
    let by_whole = nearest(short, whole.iter().map(String::as_str)).map(str::to_owned);
    let by_name = || {
        let near = nearest(bare, tables.iter().map(|table| table.name().table.as_str()))?;
        tables.iter().find(|table| table.name().table == near).map(|table| table.name().to_string())
    };
    match by_whole.or_else(by_name) {
        Some(near) => anyhow!("there is no table '{text}' in the catalog; did you mean {near}?"),
        None if tables.is_empty() => anyhow!("the catalog is empty: run a pipeline, or `engine crawl` a location"),
        None => anyhow!("there is no table '{text}' in the catalog; `engine catalog list` lists what there is"),
    }
}
