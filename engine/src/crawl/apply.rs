//! Writing to the catalog what was decided.

use anyhow::{Context as _, Result};
use catalog::store::{Alteration, CatalogStore, CrawledTable};
use chrono::{DateTime, Utc};
use connectors::files::crawl::Ledgers;

use super::outcome::{Decision, Outcome, TableOutcome};

/// Applies an outcome, of files with their `ledgers`. The list of objects is recorded last, for all tables at once: until then the next crawl sees again what this
/// one saw, and comes to the same.
///
/// # Errors
/// When the catalog cannot be written, or somebody else has changed a table meanwhile.
pub async fn apply(
    store: &dyn CatalogStore,
    outcome: &Outcome,
    ledgers: Option<&Ledgers>,
    called: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    for name in &outcome.forgotten {
        store.remove(name).await?;
    }
    for table in &outcome.tables {
        apply_to(store, table, ledgers.is_some(), called, now).await.with_context(|| format!("table {}", table.name()))?;
    }
    let (Some(ledger), Some(ledgers)) = (&outcome.ledger, ledgers) else { return Ok(()) };
    let stays = |table: &&TableOutcome| table.is_ours() && table.decision != Decision::Prune;
    let crawled: Vec<CrawledTable> = outcome
        .tables
        .iter()
        .filter(stays)
        .map(|table| CrawledTable { name: table.name().clone(), observed: table.observed.clone() })
        .collect();
    store.record_crawls(ledger, now, &crawled).await?;
    ledgers.retain(ledger).await?;
    Ok(())
}

async fn apply_to(
    store: &dyn CatalogStore,
    table: &TableOutcome,
    is_of_files: bool,
    called: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    let name = table.name();
    let objects = table.touched.new + table.touched.changed;
    match &table.decision {
        Decision::Leave { .. } => return Ok(()),
        Decision::Prune => return Ok(store.remove(name).await?),
        Decision::Register => {
            let found = if objects == 0 { "found".to_owned() } else { format!("found in {objects} objects") };
            store.register(&table.registration, &format!("{found} by a crawl of {called}"), now).await?;
        }
        Decision::Evolve { after, version } => {
            let policy = table.registration.policy;
            let why = match objects {
                0 if is_of_files => format!("seen by earlier crawls of {called}, and allowed by the policy '{policy}'"),
                0 => format!("found by a crawl of {called}"),
                objects => format!("found in {objects} new or changed objects by a crawl of {called}"),
            };
            store.evolve(name, *after, version, &why, now).await?;
        }
        Decision::Keep | Decision::Refuse { .. } | Decision::Lost => {}
    }
    if table.is_altered {
        store.alter(name, &Alteration::Policy(table.registration.policy), now).await?;
        store.alter(name, &Alteration::Options(table.registration.options.clone()), now).await?;
    }
    for alteration in &table.alterations {
        store.alter(name, alteration, now).await?;
    }
    if table.observed.is_some() || table.decision == Decision::Lost {
        store.alter(name, &Alteration::Statistics(table.statistics), now).await?;
    }
    Ok(())
}
