//! Loads that are begun while rows are staged, and end with the commit of the epoch.
//!
//! They change nothing about the steps: what is staged and recorded is what counts, and a sink that has lost its load commits from that.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use connectors::sink::{Batch, Preload, Receipt};

use super::Scope;
use crate::flow::Flow;

/// Connectors whose reads may want a connection of the database that a load has one of already. A pool may have no other.
const DATABASES: [&str; 2] = ["POSTGRES", "WAREHOUSE"];

/// The loads of one epoch, by flow. The default begins none.
#[derive(Debug, Default)]
pub struct Preloads {
    are_wanted: bool,
    begun: BTreeMap<String, Box<dyn Preload>>,
}

impl Preloads {
    /// For an epoch of `flows`, if they do not come into each other's way: two that write one table wait for each other.
    pub fn of(scope: Scope<'_>, flows: &[&Flow]) -> Self {
        let tables: BTreeSet<&String> = flows.iter().map(|flow| &flow.table.name).collect();
        let are_apart = tables.len() == flows.len() && !flows.iter().any(|flow| reads_a_database(scope, flow));
        Self { are_wanted: are_apart, begun: BTreeMap::new() }
    }

    /// Begins that of `flow`, where its sink has such a thing.
    pub(super) fn begin(&self, flow: &Flow) -> Option<Box<dyn Preload>> {
        if self.are_wanted { flow.sink.preload(&flow.sink_plan, flow.mode) } else { None }
    }

    /// Keeps that of `flow`, which was given all of its rows.
    pub(super) fn keep(&mut self, flow: &Flow, preload: Option<Box<dyn Preload>>) {
        self.begun.extend(preload.map(|preload| (flow.id.clone(), preload)));
    }

    /// Waits until all rows are taken.
    ///
    /// # Errors
    /// When a table will never take them; nothing is recorded by then.
    pub(super) async fn taken(&mut self) -> Result<()> {
        for (flow, preload) in &mut self.begun {
            preload.taken().await.with_context(|| format!("loading the rows of '{flow}'; nothing of the epoch was recorded"))?;
        }
        Ok(())
    }

    /// Commits `batch` by the load of `flow`; `None` when the sink has to.
    pub(super) async fn commit(&mut self, flow: &str, batch: &Batch) -> Option<Receipt> {
        let receipt = self.begun.remove(flow)?.commit(batch).await;
        if receipt.is_none() {
            // The sink may have to wait for what these have.
            for (_, other) in std::mem::take(&mut self.begun) {
                other.abandon().await;
            }
        }
        receipt
    }

    /// Gives up that of `flow`.
    pub(super) async fn abandon(&mut self, flow: &str) {
        if let Some(preload) = self.begun.remove(flow) {
            preload.abandon().await;
        }
    }
}

fn reads_a_database(scope: Scope<'_>, flow: &Flow) -> bool {
    let mut tables = flow.sources.iter().chain(&flow.bounded);
    tables.any(|name| match scope.pipeline.tables.get(name) {
        Some(table) => DATABASES.iter().any(|database| table.spec.connector.eq_ignore_ascii_case(database)),
        None => name.starts_with("warehouse."),
    })
}
