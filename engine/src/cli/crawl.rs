//! `engine crawl LOCATION`.

use std::time::Instant;

use anyhow::{Result, bail};
use catalog::store::CatalogStore;
use connectors::files::crawl::{CrawlLocation, CrawlOptions, Progress};
use connectors::options::parse_bytes;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};

use super::Status;
use super::printer::Printer;
use crate::catalog::names::OTHERS;
use crate::crawl::choices::{OptionChoice, choose};
use crate::crawl::database::{DatabaseLocation, DatabaseRequest};
use crate::crawl::examine::{Request, examine, ledgers};
use crate::crawl::lock::DatabaseLock;
use crate::crawl::outcome::{Outcome, TableOutcome};
use crate::crawl::policies::{Policies, PolicyChoice};
use crate::crawl::report::{Place, Report};
use crate::crawl::{apply, database, explain};
use crate::session::Session;

/// Arguments of `engine crawl`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  engine crawl s3://bucket/raw --plan > tables.sql   what is there, as SQL for a pipeline
  engine crawl s3://bucket/raw                       register it; the next crawl reads what is new
  engine crawl s3://bucket/raw --explain orders.age  why a column has its type
  engine crawl ./data --into shop --policy freeze    tables whose schemas never change by themselves
  engine crawl 'postgres://me@db/shop/public/%'      tables of a database ($PGPASSWORD)
  engine crawl ./data --option t.on_error=quarantine what cannot be read of t is put aside

Of every Parquet file the footer is read, of text files the beginning, the middle and the end, small ones as a whole. \
% stands for any letters in the name of a table, as in LIKE. Exits with 1 if a table could not follow its files: its policy, or values that no type but text holds.")]
pub(super) struct CrawlArguments {
    /// A folder, a file, s3://bucket/prefix, or postgres://user@host/database/schema/table%
    location: String,

    /// The database that the tables are in
    #[arg(long, value_name = "DATABASE", default_value = "raw")]
    into: String,

    /// Print what would be registered, as SQL with the evidence, and change nothing
    #[arg(long)]
    plan: bool,

    /// Say why a column has its type, and change nothing
    #[arg(long, value_name = "TABLE.COLUMN", conflicts_with = "plan")]
    explain: Option<String>,

    /// Remove tables from the catalog that have lost all their objects, or are no more in their database
    #[arg(long)]
    prune: bool,

    /// Register a table as its files are now, and forget what it was: when it could not follow them, or its folders changed
    #[arg(long, value_name = "TABLE")]
    anew: Vec<String>,

    /// What tables do when their files change, kept in the catalog: 'evolve' adds columns and widens types (as new tables do), 'widen'
    /// widens types only, 'freeze' changes nothing. For all tables of the location, or for one
    #[arg(long, value_name = "[TABLE=]POLICY")]
    policy: Vec<PolicyChoice>,

    /// An option of a table, kept in the catalog as OPTIONS would say it: orders.on_error=quarantine; with nothing behind '=', none
    #[arg(long, value_name = "TABLE.NAME=VALUE")]
    option: Vec<OptionChoice>,

    /// Bytes of a text file that are read at most; a file of no more is read whole
    #[arg(long, value_name = "BYTES", default_value = "1MB", value_parser = sample_bytes)]
    sample: u64,

    /// Print one JSON object on standard output instead
    #[arg(long)]
    json: bool,
}

fn sample_bytes(text: &str) -> Result<u64, String> {
    let bytes = parse_bytes(text).ok_or_else(|| "expected a size, as in '4MB'".to_owned())?;
    if bytes < CrawlOptions::LEAST_SAMPLE_BYTES {
        return Err("less than 768KB does not tell how a file is written".to_owned());
    }
    Ok(bytes)
}

pub(super) async fn crawl(arguments: CrawlArguments, session: &Session, printer: &mut Printer) -> Result<Status> {
    let started = Instant::now();
    let is_database = |name: &str| !name.is_empty() && name.chars().all(|next| next.is_ascii_alphanumeric() || next == '_');
    if !is_database(&arguments.into) {
        bail!("--into '{}' is no name of a database; expected letters, digits and underscores", arguments.into);
    }
    if OTHERS.contains(&arguments.into.to_lowercase().as_str()) {
        bail!("--into '{}': that name is taken by a schema of engine's own; choose another, as in 'raw'", arguments.into);
    }
    let is_kept = arguments.is_kept();
    let waits = || printer.note(&format!("another crawl writes to database {}; waiting for it", arguments.into));
    let _lock = if is_kept { Some(DatabaseLock::take(session, &arguments.into.to_lowercase(), waits).await?) } else { None };
    // A look leaves nothing behind where nothing was.
    let store = if is_kept { Some(crate::catalog::open(session).await?) } else { crate::catalog::open_existing(session).await? };
    let store: Option<&dyn CatalogStore> = store.as_deref();
    match DatabaseLocation::parse(&arguments.location, session)? {
        Some(location) => crawl_database(arguments, location, session, store, printer, started).await,
        None => crawl_files(arguments, session, store, printer, started).await,
    }
}

async fn crawl_files(
    arguments: CrawlArguments,
    session: &Session,
    store: Option<&dyn CatalogStore>,
    printer: &mut Printer,
    started: Instant,
) -> Result<Status> {
    let request = Request {
        location: CrawlLocation::open(&session.context.stores, &arguments.location).await?,
        database: arguments.into.to_lowercase(),
        policies: Policies::new(&arguments.policy),
        options: arguments.option.clone(),
        sample_bytes: arguments.sample,
        prune: arguments.prune,
        anew: arguments.anew.clone(),
        is_kept: arguments.is_kept(),
    };
    let line = Line::new(printer, &arguments.location);
    let outcome = Box::pin(examine(session, store, &request, |progress| line.show(progress))).await;
    line.bar.finish_and_clear();
    let mut outcome = outcome?;
    choose(session, &arguments.option, &mut outcome.tables).await?.iter().for_each(|line| printer.note(line));
    if let Some(path) = &arguments.explain {
        arguments.explained(path, &explain::explain(store, &outcome, path).await?, printer);
        return Ok(Status::Done);
    }
    if let Some(store) = store.filter(|_| request.is_kept) {
        let called = request.location.called(&request.location.registered(""));
        let ledgers = ledgers(session, &request)?;
        apply::apply(store, &outcome, Some(&ledgers), &called, session.context.clock.now()).await?;
    }
    Ok(arguments.report(&outcome, Place::Files(&request.location), started, printer))
}

async fn crawl_database(
    arguments: CrawlArguments,
    location: DatabaseLocation,
    session: &Session,
    store: Option<&dyn CatalogStore>,
    printer: &mut Printer,
    started: Instant,
) -> Result<Status> {
    let request = DatabaseRequest {
        location,
        database: arguments.into.to_lowercase(),
        policies: Policies::new(&arguments.policy),
        prune: arguments.prune,
        anew: arguments.anew.clone(),
    };
    let known = match store {
        Some(store) => store.list(Some(&request.database)).await?,
        None => Vec::new(),
    };
    let mut outcome = Box::pin(database::examine(session, &known, &request)).await?;
    choose(session, &arguments.option, &mut outcome.tables).await?.iter().for_each(|line| printer.note(line));
    if let Some(path) = &arguments.explain {
        arguments.explained(path, &database::explain(&outcome, path)?, printer);
        return Ok(Status::Done);
    }
    if let Some(store) = store.filter(|_| arguments.is_kept()) {
        apply::apply(store, &outcome, None, request.location.shown(), session.context.clock.now()).await?;
    }
    Ok(arguments.report(&outcome, Place::Database(&request.location), started, printer))
}

impl CrawlArguments {
    /// Whether what is found is written to the catalog.
    fn is_kept(&self) -> bool {
        !self.plan && self.explain.is_none()
    }

    fn explained(&self, path: &str, lines: &[String], printer: &mut Printer) {
        let text = if self.json { serde_json::json!({"column": path, "lines": lines}).to_string() } else { lines.join("\n") };
        printer.data(&format!("{text}\n"));
    }

    fn report(&self, outcome: &Outcome, place: Place<'_>, started: Instant, printer: &mut Printer) -> Status {
        let database = self.into.to_lowercase();
        let report = Report { outcome, place, database: &database, seconds: started.elapsed().as_secs_f64() };
        printer.data(&match (self.json, self.plan) {
            (true, is_plan) => format!("{}\n", report.json(is_plan)),
            (false, true) => report.script(),
            (false, false) => report.table(),
        });
        for refusal in outcome.tables.iter().flat_map(TableOutcome::refusals) {
            printer.error(refusal);
        }
        if !outcome.is_refused() {
            return Status::Done;
        }
        let now = match place {
            Place::Files(_) => "its files are",
            Place::Database(_) => "it is",
        };
        printer.note(&format!("such tables stay as they were; --anew TABLE registers one as {now} now"));
        Status::Failed
    }
}

/// The progress line, while a person looks at standard error.
struct Line {
    bar: ProgressBar,
    location: String,
}

impl Line {
    fn new(printer: &Printer, location: &str) -> Self {
        let bar = printer.lines().add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        Self { bar, location: location.to_owned() }
    }

    fn show(&self, progress: &Progress) {
        // A listing is long, and a line is for people.
        if self.bar.is_hidden() || !progress.listed.is_multiple_of(64) {
            return;
        }
        let (listed, read, bytes) = (HumanCount(progress.listed), HumanCount(progress.read), HumanBytes(progress.read_bytes));
        self.bar.set_message(format!("{}: {listed} objects listed, {read} new or changed, {bytes}", self.location));
        self.bar.tick();
    }
}
