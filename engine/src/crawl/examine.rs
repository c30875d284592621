//! Looking at a location, and deciding.

use anyhow::{Result, bail};
use catalog::crawl::{Format, PlacedTable, Skipped, Skips, overlaps};
use catalog::drift::Policy;
use catalog::store::{CatalogStore, Statistics, Table};
use connectors::files::crawl::{CrawlLocation, CrawlOptions, Crawled, KnownTable, Ledgers, Progress, crawl};

use connectors::options::{nearest, unknown};
use connectors::stores::Location;

use super::choices::OptionChoice;
use super::decide::{Chosen, decide, leave};
use super::outcome::{Decision, Outcome, TableOutcome, Touched};
use super::policies::Policies;
use crate::catalog::taken;
use crate::session::Session;
use crate::state::Place;

/// Who registers what crawls find.
pub const CRAWL: &str = "crawl";

/// The folder of the lists of objects, in the state folder.
const FOLDER: &str = "crawl";

/// What is asked for.
#[derive(Debug)]
pub struct Request {
    /// Where to look.
    pub location: CrawlLocation,
    /// The database of the tables.
    pub database: String,
    /// What tables may do.
    pub policies: Policies,
    /// What tables say beside what was found, as far as it decides on what changed.
    pub options: Vec<OptionChoice>,
    /// Bytes of a text file that are read at most.
    pub sample_bytes: u64,
    /// Tables that have lost their objects go.
    pub prune: bool,
    /// Tables that are registered anew, as their files are now.
    pub anew: Vec<String>,
    /// It will be applied.
    pub is_kept: bool,
}

/// Where the lists of objects of a request are kept.
///
/// # Errors
/// When the state folder is no place.
pub fn ledgers(session: &Session, request: &Request) -> Result<Ledgers> {
    Ok(Ledgers::new(ledger_folder(session)?, &request.location, &request.database))
}

/// Where all lists of objects are kept.
///
/// # Errors
/// When the state folder is no place.
pub fn ledger_folder(session: &Session) -> Result<Location> {
    match Place::set(session)? {
        Place::Folder(folder) => Ok(session.context.stores.locate(&folder.join(FOLDER).to_string_lossy())?),
        Place::Bucket(bucket) => Ok(bucket.join(FOLDER)),
        // A database keeps no files; the lake does, where readers do not look.
        Place::Database(_) => Ok(session.context.stores.lake()?.join(&format!(".engine/{FOLDER}"))),
    }
}

/// Crawls and decides. Writes nothing but the list of objects, and that only if the request is kept.
///
/// # Errors
/// When the location cannot be read or the catalog cannot; when nothing is at the location; for a policy of a table that is not
/// there.
pub async fn examine(
    session: &Session,
    store: Option<&dyn CatalogStore>,
    request: &Request,
    tell: impl Fn(&Progress),
) -> Result<Outcome> {
    let all = match store {
        Some(store) => store.list(Some(&request.database)).await?,
        None => Vec::new(),
    };
    let (forgotten, all): (Vec<Table>, Vec<Table>) =
        all.into_iter().partition(|table| request.anew.contains(&table.name().table));
    let below = below(&all, request)?;
    check_forgotten(request, &forgotten, below.iter().map(|(table, _)| table.name().table.as_str()))?;
    check_policies(request, below.iter().map(|(table, _)| table.name().table.as_str())).await?;
    let mut known = Vec::with_capacity(below.len());
    for (table, location) in &below {
        known.push(known_table(table, location, store).await?);
    }
    let in_catalog = all.iter().map(|table| (table.name().table.clone(), format(&table.registration.connector)));
    let in_lake = written(session, request).await.into_iter().map(|name| (name, None));
    let options = CrawlOptions {
        sample_bytes: request.sample_bytes,
        taken: in_lake.chain(in_catalog).collect(),
        anew: forgotten.iter().filter_map(|table| placed(table, request)).collect(),
        is_kept: request.is_kept,
        ..CrawlOptions::default()
    };
    let crawled = crawl(&request.location, &known, &ledgers(session, request)?, &options, tell).await?;
    if crawled.progress.listed == 0 {
        let keeps =
            if below.is_empty() { "" } else { "; its tables stay, and are pruned only while the location holds something" };
        bail!("there is no object at '{}'{keeps}", request.location.called(&request.location.registered("")));
    }
    let outcome = decided(request, &below, &known, &forgotten, crawled);
    request.policies.check(outcome.tables.iter().map(|table| table.name().table.as_str()))?;
    Ok(outcome)
}

/// Where a table is below the location, and its format.
fn placed(table: &Table, request: &Request) -> Option<(String, Option<Format>)> {
    let registration = &table.registration;
    Some((request.location.relative(&registration.location)?.to_owned(), format(&registration.connector)))
}

/// The tables below the location, and where.
fn below<'a>(all: &'a [Table], request: &Request) -> Result<Vec<(&'a Table, String)>> {
    let mut below = Vec::new();
    let here = request.location.registered(request.location.file_name().unwrap_or_default());
    for table in all {
        let location = &table.registration.location;
        let is_folder = location.ends_with('/') && !location.contains('*');
        match request.location.relative(location) {
            // A crawl of one file says nothing of others.
            Some(relative) if !request.location.is_file() || *location == here => below.push((table, relative.to_owned())),
            _ if is_folder && here.starts_with(location.as_str()) => bail!(
                "'{here}' is a part of table {}, at '{location}': crawl that, or name another database with --into",
                table.name()
            ),
            _ => {}
        }
    }
    Ok(below)
}

/// The names that pipelines have written tables by, which are not what is crawled.
async fn written(session: &Session, request: &Request) -> Vec<String> {
    let folders = taken::folders(session, &request.database).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "the lake cannot be listed; tables that pipelines write there may have the names of tables found here");
        Vec::new()
    });
    let elsewhere = folders.into_iter().filter(|(_, address)| request.location.relative(address).is_none());
    elsewhere.map(|(name, _)| name).collect()
}

async fn known_table(table: &Table, location: &str, store: Option<&dyn CatalogStore>) -> Result<KnownTable> {
    let registration = &table.registration;
    let is_ours = registration.registered_by == CRAWL;
    let state = match store {
        Some(store) if is_ours => store.crawl_state(table.name()).await?,
        _ => None,
    };
    let (ledger, observed) = state.map(|state| (state.ledger, state.observed)).unzip();
    Ok(KnownTable {
        location: location.to_owned(),
        format: format(&registration.connector).filter(|_| is_ours),
        partitioning: registration.partitioning.clone(),
        ledger,
        observed: observed.unwrap_or_default(),
    })
}

/// The format of a connector that reads what is crawled.
pub fn format(connector: &str) -> Option<Format> {
    [Format::Json, Format::Csv, Format::Parquet, Format::Delta].into_iter().find(|format| format.as_str() == connector)
}

/// Whether the tables that are to be registered anew are those of a crawl of this location.
fn check_forgotten<'a>(request: &Request, forgotten: &[Table], others: impl Iterator<Item = &'a str> + Clone) -> Result<()> {
    for name in &request.anew {
        let Some(table) = forgotten.iter().find(|table| table.name().table == *name) else {
            bail!("--anew: {}", unknown("table", name, "the location", others));
        };
        let registration = &table.registration;
        if registration.registered_by != CRAWL || request.location.relative(&registration.location).is_none() {
            bail!("--anew: table {} is kept by {}, at '{}'", table.name(), registration.registered_by, registration.location);
        }
    }
    Ok(())
}

/// Whether the tables that are given a policy are known, or may be found: their names come from names of folders and files. A slip is
/// told before anything is read.
async fn check_policies<'a>(request: &Request, known: impl Iterator<Item = &'a str> + Clone) -> Result<()> {
    for name in request.policies.tables().filter(|name| !known.clone().any(|table| table == *name)) {
        if let Some(others) = request.location.without_table(name).await? {
            let others = others.iter().map(String::as_str);
            let is_slip = nearest(name, others.clone()).is_some() || known.clone().next().is_none();
            let there: Vec<&str> = if is_slip { others.collect() } else { known.clone().collect() };
            bail!("--policy: {}", unknown("table", name, "the location", there));
        }
    }
    Ok(())
}

/// By table, those that are known first, the files of others that who reads it reads too.
fn overlapping(below: &[(&Table, String)], known: &[KnownTable], crawled: &Crawled) -> Vec<Vec<String>> {
    let mut lines = vec![Vec::new(); below.len() + crawled.new.tables.len()];
    let mut places = Vec::with_capacity(lines.len());
    let mut placed = Vec::with_capacity(lines.len());
    for (place, (((table, location), known), seen)) in below.iter().zip(known).zip(&crawled.known).enumerate() {
        // What is kept by others, and what has no objects, is read by nobody as something else.
        if let (Some(format), Some(first)) = (known.format, &seen.first) {
            let (name, unnamed) = (table.name().table.as_str(), seen.unnamed.as_deref());
            placed.push(PlacedTable { name, location, format, first, unnamed });
            places.push(place);
        }
    }
    placed.extend(crawled.new.tables.iter().map(PlacedTable::from));
    places.extend(below.len()..lines.len());
    for (place, found) in places.into_iter().zip(overlaps(&placed)) {
        lines[place] = found;
    }
    lines
}

fn decided(
    request: &Request,
    below: &[(&Table, String)],
    known: &[KnownTable],
    forgotten: &[Table],
    crawled: Crawled,
) -> Outcome {
    let mut tables = Vec::new();
    let mut skipped: Vec<Skipped> = Vec::new();
    let mut note = |skips: &Skips| skipped.extend(skips.iter().cloned());
    let overlaps = overlapping(below, known, &crawled);
    for (((table, _), known), seen) in below.iter().zip(known).zip(crawled.known) {
        note(&seen.skipped);
        tables.push(if table.registration.registered_by == CRAWL {
            let policy = request.policies.of(&table.name().table);
            decide(table, known, seen, Chosen { policy, options: &request.options, prune: request.prune })
        } else {
            leave(table, seen)
        });
    }
    for plan in crawled.new.tables {
        note(&plan.skipped);
        let before = forgotten.iter().find(|table| table.name().table == plan.name).map(|table| table.registration.policy);
        let policy = request.policies.of(&plan.name).or(before).unwrap_or(Policy::Evolve);
        let registration = plan.registration(&request.database, request.location.address(), policy);
        let observed = plan.observed;
        tables.push(TableOutcome {
            registration,
            decision: Decision::Register,
            changes: Vec::new(),
            is_altered: false,
            alterations: Vec::new(),
            statistics: Statistics {
                rows: (observed.sampled == 0).then_some(observed.rows),
                bytes: Some(plan.bytes),
                files: Some(plan.objects),
            },
            touched: Touched { new: plan.objects, ..Touched::default() },
            observed: Some(observed),
            evidence: plan.evidence,
            problems: Vec::new(),
            warnings: Vec::new(),
        });
    }
    tables.iter_mut().zip(overlaps).for_each(|(table, lines)| table.warnings.extend(lines));
    note(&crawled.new.skipped);
    note(&crawled.skipped);
    tables.sort_by(|a, b| a.registration.location.cmp(&b.registration.location).then_with(|| a.name().cmp(b.name())));
    let forgotten = forgotten.iter().map(|table| table.name().clone()).collect();
    let (progress, ledger) = (crawled.progress, crawled.ledger);
    Outcome { tables, forgotten, skipped, progress, ledger, notes: Vec::new() }
}
