//! Loads that are begun while rows are staged, and end with the commit of the epoch.
//!
//! They change nothing about the steps: what is staged and recorded is what counts, and a sink that has lost its load commits from that.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use connectors::sink::{Batch, Preload, Receipt};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::LogicalPlan;

use super::Scope;
use crate::flow::Flow;
use crate::flow::source_table::SourceTable;

/// Connectors whose reads may want a connection of the database that a load has one of already. A pool may have no other.
const DATABASES: [&str; 2] = ["POSTGRES", "WAREHOUSE"];

/// The loads of one epoch. The default begins none.
#[derive(Debug, Default)]
pub struct Preloads {
    are_wanted: bool,
    /// By flow, each with its statement's place.
    begun: BTreeMap<String, (String, Box<dyn Preload>)>,
}

impl Preloads {
    /// For an epoch of `flows`, if they do not come into each other's way: of two that write one table, one waits for the other.
    ///
    /// # Errors
    /// When a plan makes no sense.
    pub fn of(scope: Scope<'_>, flows: &[&Flow]) -> Result<Self> {
        let tables: BTreeSet<&String> = flows.iter().map(|flow| &flow.table.name).collect();
        let mut are_apart = tables.len() == flows.len();
        for flow in flows {
            are_apart = are_apart && !reads_a_database(scope, &flow.query)?;
        }
        Ok(Self { are_wanted: are_apart, begun: BTreeMap::new() })
    }

    /// Begins that of `flow`, where its sink has such a thing.
    pub(super) fn begin(&self, flow: &Flow) -> Option<Box<dyn Preload>> {
        if self.are_wanted { flow.sink.preload(&flow.sink_plan, flow.mode) } else { None }
    }

    /// Keeps that of `flow`, which was given all of its rows.
    pub(super) fn keep(&mut self, scope: Scope<'_>, flow: &Flow, preload: Option<Box<dyn Preload>>) {
        let place = || format!("{}:{}: {}", scope.pipeline.path.display(), scope.pipeline.line(&flow.span), flow.table.name);
        self.begun.extend(preload.map(|preload| (flow.id.clone(), (place(), preload))));
    }

    /// Whether the rows of `flow` wait for their batch.
    pub(super) fn has(&self, flow: &str) -> bool {
        self.begun.contains_key(flow)
    }

    /// Waits until all rows are taken.
    ///
    /// # Errors
    /// When the one table that is loaded will never take them; nothing is recorded by then. What one of several refuses may be in order once the
    /// others have their rows, as where a key of one refers to another: their sinks find out, one after the other.
    pub(super) async fn taken(&mut self) -> Result<()> {
        let is_alone = self.begun.len() == 1;
        for (place, preload) in self.begun.values_mut() {
            let taken = preload.taken().await;
            if is_alone {
                taken.with_context(|| format!("{place}; nothing of the epoch was recorded"))?;
            } else if let Err(error) = taken {
                tracing::debug!(%error, "the rows are offered once more when those before them are in");
            }
        }
        Ok(())
    }

    /// Commits `batch` by the load of `flow`; `None` when the sink has to.
    pub(super) async fn commit(&mut self, flow: &str, batch: &Batch) -> Option<Receipt> {
        let (_, preload) = self.begun.remove(flow)?;
        let receipt = preload.commit(batch).await;
        if receipt.is_none() {
            // The sink may have to wait for what these have.
            for (_, other) in std::mem::take(&mut self.begun).into_values() {
                other.abandon().await;
            }
        }
        receipt
    }

    /// Gives up that of `flow`.
    pub(super) async fn abandon(&mut self, flow: &str) {
        if let Some((_, preload)) = self.begun.remove(flow) {
            preload.abandon().await;
        }
    }
}

/// Whether a query may want a connection of a database: of tables of the catalog that are read as sources are, nobody says where they are.
fn reads_a_database(scope: Scope<'_>, query: &LogicalPlan) -> Result<bool> {
    let mut reads = false;
    query.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let connector = scope.pipeline.tables.get(scan.table_name.table()).map(|table| &table.spec.connector);
            let is_source = source_as_provider(&scan.source)?.downcast_ref::<SourceTable>().is_some();
            reads |= match connector.filter(|_| scan.table_name.schema().is_none()) {
                Some(connector) => DATABASES.iter().any(|database| connector.eq_ignore_ascii_case(database)),
                None => is_source,
            };
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(reads)
}
