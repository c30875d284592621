//! `engine catalog export`: tables written to another catalog.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use catalog::store::Table;
use clap::Subcommand;
use connectors::glue::{Action, Glue, Outcome, PartitionCounts, plain_name};
use connectors::replay::Purpose;
use serde_json::{Value, json};

use super::super::Status;
use super::super::printer::Printer;
use super::{all, line, named};
use crate::catalog::names::lake_reference;
use crate::catalog::registered;
use crate::session::Session;

/// Where tables are exported to.
#[derive(Debug, Subcommand)]
pub(super) enum Target {
    /// Write tables to AWS Glue, so that Athena finds them: only what differs is written, nothing is deleted
    #[command(after_help = "\
Examples:
  engine catalog export glue --plan                       what would be written
  engine catalog export glue                              every table, by the databases they are in
  engine catalog export glue reddit.posts raw.toll --database analytics

Credentials and region are those of [s3]; [glue] endpoint is for another Glue than AWS' own. They need the rights \
glue:GetDatabase, CreateDatabase, GetTable, CreateTable, UpdateTable, GetPartitions, BatchCreatePartition and \
BatchUpdatePartition. Tables that are not on S3, and CSV files that Athena would read otherwise than they are, are \
left out, and said. A table that cannot be exported does not keep others from it; the exit code is 1 then.")]
    Glue(GlueArguments),
}

/// Arguments of `engine catalog export glue`.
#[derive(Debug, clap::Args)]
pub(super) struct GlueArguments {
    /// The tables, as in raw.toll; all of them when none is given
    tables: Vec<String>,
    /// The Glue database for all of them; by default each goes into one that is called like its own
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// Say what would be written, and write nothing
    #[arg(long)]
    plan: bool,
    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

pub(super) async fn export(target: Target, session: &Session, printer: &mut Printer) -> Result<Status> {
    let Target::Glue(arguments) = target;
    let (_, known) = all(session).await?;
    let wanted = if arguments.tables.is_empty() {
        known.iter().collect()
    } else {
        arguments.tables.iter().map(|name| named(&known, name)).collect::<Result<Vec<&Table>>>()?
    };
    let by_place = by_place(&wanted, arguments.database.as_deref())?;
    let purpose = if arguments.plan { Purpose::Look } else { Purpose::Commit };
    let glue = Glue::connect(&session.context, session.settings.text("glue.endpoint"), purpose)?;
    let mut status = Status::Done;
    let mut made = BTreeSet::new();
    let mut outcomes = Vec::new();
    for ((database, _), table) in by_place {
        if made.insert(database.clone()) && glue.make_database(&database).await? && !arguments.json {
            printer.data(&format!("{} database {database}\n", if arguments.plan { "would create" } else { "created" }));
        }
        let outcome = match session.resolve(&registered::spec(table, &lake_reference(table.name()))) {
            Ok(spec) => glue.export(table, &spec, &database, &session.context).await?,
            // An option of this table names what is not there: of others, none may.
            Err(error) => Outcome::failed(table, &database, &error),
        };
        if matches!(outcome.action, Action::Failed(_)) {
            status = Status::Failed;
        }
        if !arguments.json {
            printer.data(&as_text(table, &outcome, arguments.plan));
        }
        outcomes.push(as_json(table, &outcome));
    }
    if arguments.json {
        printer.data(&line(&Value::Array(outcomes)));
    }
    Ok(status)
}

/// The tables by the database and name that they get in Glue.
fn by_place<'a>(tables: &[&'a Table], database: Option<&str>) -> Result<BTreeMap<(String, String), &'a Table>> {
    let mut by_place: BTreeMap<(String, String), &Table> = BTreeMap::new();
    for table in tables {
        let place = (plain_name(database.unwrap_or(&table.name().database)), plain_name(&table.name().table));
        match by_place.insert(place.clone(), table) {
            Some(other) if other.name() != table.name() => bail!(
                "{} and {} would both be {}.{} in Glue, where names have lower-case letters, digits and _ only; export them one by \
                 one, with --database",
                other.name(),
                table.name(),
                place.0,
                place.1
            ),
            _ => {}
        }
    }
    Ok(by_place)
}

fn as_text(table: &Table, outcome: &Outcome, plan: bool) -> String {
    let name = &outcome.table;
    let columns = table.full_schema().fields().len();
    let mut text = match (&outcome.action, plan) {
        (Action::Create, false) => format!("created {name}: {columns} columns"),
        (Action::Create, true) => format!("would create {name}: {columns} columns"),
        (Action::Update(what), false) => format!("updated {name}: {}", what.join(", ")),
        (Action::Update(what), true) => format!("would update {name}: {}", what.join(", ")),
        (Action::Unchanged, _) => format!("{name} is as it is to be"),
        (Action::Skipped(why), _) => format!("left out {name}: {why}"),
        (Action::Failed(why), _) => format!("not exported {name}: {why}"),
    };
    if let Some(PartitionCounts { created, updated, unchanged, others }) = outcome.partitions {
        let counts = [(created, "new"), (updated, "changed"), (unchanged, "as they are to be"), (others, "in Glue only, kept")];
        let counts: Vec<String> =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        text.push_str(&format!("; partitions: {}", if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }));
    }
    text.push('\n');
    for note in &outcome.notes {
        text.push_str(&format!("  note: {note}\n"));
    }
    text
}

fn as_json(table: &Table, outcome: &Outcome) -> Value {
    let (action, detail) = match &outcome.action {
        Action::Create => ("create", json!(null)),
        Action::Update(what) => ("update", json!(what)),
        Action::Unchanged => ("none", json!(null)),
        Action::Skipped(why) => ("skip", json!(why)),
        Action::Failed(why) => ("failed", json!(why)),
    };
    let partitions = outcome.partitions.map(|counts| {
        let PartitionCounts { created, updated, unchanged, others } = counts;
        json!({"created": created, "updated": updated, "unchanged": unchanged, "others": others})
    });
    json!({
        "table": lake_reference(table.name()),
        "glue": outcome.table,
        "action": action,
        "detail": detail,
        "partitions": partitions,
        "notes": outcome.notes,
    })
}
