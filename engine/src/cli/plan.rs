//! `engine plan FILE.sql`: what a run would read, create and alter; does nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use connectors::registry::connector;
use connectors::secrets::without_secrets;
use connectors::sink::Change;
use connectors::source::Offset;

use super::Status;
use super::check::report;
use super::printer::Printer;
use crate::epoch::quarantine;
use crate::flow::plan::{Wanted, wanted};
use crate::flow::{Class, Flow, assign};
use crate::run::absent::absences;
use crate::run::group::groups;
use crate::session::Session;
use crate::sql::Pipeline;
use crate::state::{self, Progress};

/// Arguments of `engine plan`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  engine plan queries/reddit.sql")]
pub(super) struct PlanArguments {
    /// The pipeline
    #[arg(value_name = "FILE.sql")]
    file: PathBuf,
}

pub(super) async fn plan(arguments: PlanArguments, session: &Session, printer: &mut Printer) -> Result<Status> {
    let mut pipeline = match Pipeline::load(&arguments.file, session).await? {
        Ok(pipeline) => pipeline,
        Err(errors) => {
            report(&arguments.file, &errors, printer)?;
            return Ok(Status::Failed);
        }
    };
    let progress = stored(session, &pipeline.name).await?;
    assign::assign(&mut pipeline, &progress, session).await?;
    printer.data(&describe(session, &pipeline, &progress)?);
    for absence in absences(&pipeline, &progress).await {
        printer.warning(&absence);
    }
    Ok(Status::Done)
}

/// Reads the state store if there is one; makes none.
pub(super) async fn stored(session: &Session, pipeline: &str) -> Result<Progress> {
    match state::open_existing(session).await? {
        Some(store) => Ok(store.progress(pipeline).await?),
        None => Ok(Progress::default()),
    }
}

fn describe(session: &Session, pipeline: &Pipeline, progress: &Progress) -> Result<String> {
    let mut text = format!("pipeline {}", pipeline.name);
    if let Some(schedule) = &pipeline.options.schedule {
        write!(text, ", schedule '{schedule}' (UTC)")?;
    }
    match progress.next_epoch.saturating_sub(1) {
        0 => writeln!(text, ", never run")?,
        last => writeln!(text, ", up to epoch {last}")?,
    }
    if let Some(pending) = &progress.pending {
        writeln!(text, "  epoch {} is staged and will be committed first", pending.epoch)?;
    }
    let wanted = wanted_by_flow(pipeline, progress)?;
    let nothing = BTreeMap::new();
    for flow in &pipeline.flows {
        describe_flow(&mut text, session, pipeline, progress, (flow, wanted.get(&flow.id).unwrap_or(&nothing)))?;
    }
    for query in &pipeline.queries {
        writeln!(text, "\nthen, line {}: {}", pipeline.line(&query.span), first_words(&pipeline.text[query.span.clone()]))?;
    }
    Ok(text)
}

/// What each flow asks of its sources. Flows that stand at one place share what is read.
fn wanted_by_flow(pipeline: &Pipeline, progress: &Progress) -> Result<BTreeMap<String, BTreeMap<String, Wanted>>> {
    let state = pipeline.context.state();
    let identity = |name: &str| pipeline.source(name).map(|source| source.identity()).unwrap_or_default();
    let mark = |name: &str, offset: &Offset| pipeline.source(name).map_or_else(String::new, |source| source.mark(offset));
    let streaming = pipeline.flows.iter().filter(|flow| flow.class == Class::Stateless);
    let together = groups(streaming, identity, mark, &progress.flows).into_iter().map(|group| group.flows);
    let alone = pipeline.flows.iter().filter(|flow| flow.class == Class::Complete).map(|flow| vec![flow]);
    let mut by_flow = BTreeMap::new();
    for flows in together.chain(alone) {
        let wanted = wanted(&flows, &state)?;
        by_flow.extend(flows.iter().map(|flow| (flow.id.clone(), wanted.clone())));
    }
    Ok(by_flow)
}

fn describe_request(text: &mut String, pipeline: &Pipeline, name: &str, wanted: &BTreeMap<String, Wanted>) -> Result<()> {
    let (Some(source), Some(wanted)) = (pipeline.source(name), wanted.get(name)) else { return Ok(()) };
    if let Some(request) = source.describe_request(wanted.columns.len(), &wanted.filters()) {
        writeln!(text, "    asks the server for {request}")?;
    }
    Ok(())
}

fn describe_flow(
    text: &mut String,
    session: &Session,
    pipeline: &Pipeline,
    progress: &Progress,
    (flow, wanted): (&Flow, &BTreeMap<String, Wanted>),
) -> Result<()> {
    let stored = progress.flows.get(&flow.id);
    writeln!(text, "\nflow {} (line {}): {}, {}", flow.id, pipeline.line(&flow.span), flow.class, flow.mode)?;
    for name in &flow.sources {
        let place = pipeline
            .tables
            .get(name)
            .map(|table| format!("{} {}", table.spec.connector, without_secrets(&table.spec.location)))
            .unwrap_or_default();
        let source = pipeline.source(name);
        let offset = source.and_then(|source| Some((source, stored?.offset(name, &source.identity())?)));
        let described = offset
            .map_or_else(|| "from the beginning".to_owned(), |(source, offset)| format!("after {}", source.describe(offset)));
        writeln!(text, "  source {name}: {place}, {described}")?;
        describe_request(text, pipeline, name, wanted)?;
        if let Some(news) = source.and_then(|source| source.describe_news()) {
            writeln!(text, "    new files: with --follow, {news}")?;
        }
        describe_bad(text, pipeline, name, "an epoch")?;
    }
    for name in &flow.bounded {
        writeln!(text, "  table {name}: read whole{}", if flow.class == Class::Complete { ", when it has changed" } else { "" })?;
        describe_request(text, pipeline, name, wanted)?;
        describe_bad(text, pipeline, name, "the table")?;
    }
    let place = without_secrets(&flow.table.location);
    writeln!(text, "  sink {}: {} {place}{}", flow.table.name, flow.table.connector, meant(session, flow)?)?;
    let table = session.resolve(&flow.table)?;
    if let Some(how) = connector(&table.connector)?.explain(&table, flow.mode, &session.context)? {
        writeln!(text, "    {how}")?;
    }
    if !flow.sink_plan.key.is_empty() {
        writeln!(text, "    key: {}", flow.sink_plan.key.join(", "))?;
    }
    if !flow.sink_plan.partition_by.is_empty() {
        writeln!(text, "    partitioned by: {}", flow.sink_plan.partition_by.join(", "))?;
    }
    for change in &flow.sink_plan.changes {
        match change {
            Change::Create => {
                writeln!(text, "    to be created, with columns:")?;
                for field in flow.sink_plan.schema.fields() {
                    let null = if field.is_nullable() { "" } else { " NOT NULL" };
                    writeln!(text, "      {} {}{null}", field.name(), field.data_type())?;
                }
            }
            Change::AddColumn { name, data_type } => writeln!(text, "    column to be added: {name} {data_type}")?,
            Change::WidenColumn { name, from, to } => writeln!(text, "    column to be widened: {name} from {from} to {to}")?,
        }
    }
    if stored.is_some_and(|stored| stored.fingerprint != flow.fingerprint) {
        match flow.class {
            Class::Complete => writeln!(text, "  the query was edited: the table will be computed anew")?,
            Class::Stateless => writeln!(
                text,
                "  the query was edited: it applies to rows from now on; --from-scratch reads the earlier ones again"
            )?,
        }
    }
    Ok(())
}

/// What the settings make of a table that they have a say in.
fn meant(session: &Session, flow: &Flow) -> Result<String> {
    if let Some(place) = &flow.place {
        return Ok(format!(" in {place}"));
    }
    let table = session.resolve(&flow.table)?;
    let other = connector(&table.connector)?.stands_for(&table, &session.context)?;
    Ok(other.map_or_else(String::new, |other| format!(", which is {} {}", other.connector, other.location)))
}

fn describe_bad(text: &mut String, pipeline: &Pipeline, name: &str, whole: &str) -> Result<()> {
    let ratio = pipeline.source(name).map(|source| source.max_bad_ratio());
    let Some(ratio) = ratio.filter(|ratio| *ratio > 0.0) else { return Ok(()) };
    let aside = quarantine::table(&pipeline.name, name).location;
    writeln!(text, "    bad records: put aside in {aside}, up to {} of {whole}", percent(ratio))?;
    Ok(())
}

fn first_words(statement: &str) -> String {
    let line: Vec<&str> = statement.split_whitespace().collect();
    let line = without_secrets(&line.join(" "));
    match line.char_indices().nth(70) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

/// As it was given, `0.001` as `0.1 %`.
fn percent(ratio: f64) -> String {
    let text = format!("{:.6}", ratio * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}
