//! `engine state`: where state is, and moving it.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::json;

use super::Status;
use super::printer::Printer;
use crate::session::Session;
use crate::state::{self, Facts};

/// Arguments of `engine state`.
#[derive(Debug, clap::Args)]
pub(super) struct StateArguments {
    #[command(subcommand)]
    command: StateCommand,
}

#[derive(Debug, clap::Subcommand)]
enum StateCommand {
    /// Say where the state is, and what is in it
    Show(ShowArguments),
    /// Move the state to another place
    Migrate(MigrateArguments),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  engine state show
  engine state show postgres://me@db.example.org/etl
  engine state show --json | jq .pipelines")]
struct ShowArguments {
    /// Another place than [state] url names
    url: Option<String>,

    /// Print one JSON object on standard output instead of lines
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  engine state migrate ./.engine 'postgres://me@db.example.org/etl?schema=engine'
  engine state migrate ./.engine s3://bucket/_engine
  engine state migrate s3://bucket/_engine ./.engine

Moves progress, requests and history of all pipelines, and the catalog. No pipeline may be running. The new place must have no \
state; the old one is kept and marked, so that an engine that still uses it says where the state is. Then set [state] url to \
the new place. What crawls have seen of files is not moved: the next crawl reads them again.")]
struct MigrateArguments {
    /// Where the state is: a folder, postgres://user@host/db or s3://bucket/prefix
    from: String,

    /// Where it is to be
    to: String,
}

pub(super) async fn state(arguments: StateArguments, session: &Session, printer: &mut Printer) -> Result<Status> {
    match arguments.command {
        StateCommand::Show(show) => self::show(&show, session, printer).await,
        StateCommand::Migrate(migrate) => self::migrate(&migrate, session, printer).await,
    }
}

async fn show(arguments: &ShowArguments, session: &Session, printer: &mut Printer) -> Result<Status> {
    let url = arguments.url.as_deref().map_or_else(|| session.settings.required("state.url"), Ok)?;
    let (place, facts) = state::facts(session, url).await?;
    let Some(facts) = facts else {
        printer.data(&if arguments.json {
            format!("{}\n", json!({ "place": place }))
        } else {
            format!("{place}: no state yet\n")
        });
        return Ok(Status::Done);
    };
    printer.data(&if arguments.json { format!("{}\n", as_json(&facts)) } else { as_text(&facts)? });
    Ok(Status::Done)
}

fn as_json(facts: &Facts) -> serde_json::Value {
    json!({
        "place": facts.place, "version": facts.version, "bytes": facts.bytes, "moved_to": facts.moved, "pipelines": facts.pipelines,
    })
}

fn as_text(facts: &Facts) -> Result<String> {
    let mut text = format!("{}\n", facts.place);
    if let Some(moved) = &facts.moved {
        writeln!(text, "  moved to   {moved}")?;
    }
    writeln!(text, "  version    {}", facts.version)?;
    writeln!(text, "  size       {} bytes", facts.bytes)?;
    let names = if facts.pipelines.is_empty() { "none".to_owned() } else { facts.pipelines.join(", ") };
    writeln!(text, "  pipelines  {names}")?;
    Ok(text)
}

async fn migrate(arguments: &MigrateArguments, session: &Session, printer: &mut Printer) -> Result<Status> {
    let moved = state::migrate(session, &arguments.from, &arguments.to, session.context.clock.now()).await?;
    let tables = crate::catalog::copy::copy(session, &arguments.from, &arguments.to).await?;
    printer.data(&format!(
        "moved from {} to {}: pipelines {}, tables of the catalog {tables}\nset [state] url (or ENGINE_STATE_URL) to the new place\n",
        moved.from,
        moved.to,
        moved.pipelines.len(),
    ));
    Ok(Status::Done)
}
