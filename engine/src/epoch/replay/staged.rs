//! The rows of a pass staged for their sinks, and beside them the table of bad records as it will be.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Result, bail};
use connectors::stores::Location;
use datafusion::catalog::TableProvider;
use datafusion::datasource::empty::EmptyTable;

use super::pass::{Passed, Request};
use crate::epoch::bad_table::{self, Contents};
use crate::epoch::preload::Preloads;
use crate::epoch::stage::{self, Share, Staged};
use crate::epoch::{Scope, quarantine};
use crate::flow::{Class, Flow};
use crate::state::{FlowCheckpoint, Progress};

/// Files that take the place of those that a pass read.
#[derive(Debug)]
pub struct Replacement {
    /// The id under which they are committed.
    pub flow: String,
    /// How many of them hold records that are done with: the first.
    pub tried: usize,
    /// How many hold each chunk of records that were not tried.
    pub untried: Vec<usize>,
}

/// Stages the rows of a pass, and what takes the place of the records that it read.
///
/// # Errors
/// As [`stage::stage`].
pub async fn stage(
    scope: Scope<'_>,
    request: Request<'_>,
    passed: &Passed,
    folder: &Location,
) -> Result<(Staged, FlowCheckpoint, Replacement)> {
    let takers: Vec<&Flow> = passed.takers.iter().filter_map(|index| request.flows.get(*index).copied()).collect();
    let mut staged = Staged::default();
    if passed.tally.rows > 0 {
        let others = takers.iter().flat_map(|flow| &flow.sources).filter(|source| *source != request.source);
        let empty = others.filter_map(|name| Some((name.clone(), scope.pipeline.source(name)?.schema())));
        let mut tables: BTreeMap<String, Arc<dyn TableProvider>> =
            empty.map(|(name, schema)| (name, Arc::new(EmptyTable::new(schema)) as Arc<dyn TableProvider>)).collect();
        tables.insert(request.source.to_owned(), Arc::clone(&passed.rows));
        staged = stage::stage(scope, &takers, &tables, folder, Share::Any, &mut Preloads::default()).await?;
    }
    let (Some((_, chunk)), Some(stays)) = (request.work.next(), &passed.stays) else {
        bail!("a pass that only looks has nothing to stage")
    };
    let contents = Contents {
        source: request.source,
        flow: quarantine::flow_id(request.source),
        tables: stays.tables.clone(),
        rows: stays.rows,
        new: 0,
        replaces: Some(chunk.parts.iter().map(|part| part.path.clone()).collect()),
    };
    let (checkpoint, files) = bad_table::stage(scope, contents, folder, &mut staged).await?;
    let flow = checkpoint.flow.clone();
    let replacement = match files.split_first() {
        Some((tried, untried)) => Replacement { flow, tried: *tried, untried: untried.to_vec() },
        None => Replacement { flow, tried: 0, untried: Vec::new() },
    };
    Ok((staged, checkpoint, replacement))
}

/// The flows that may take bad records of `source`: those that have read of it. One that has not will read it from the beginning, as
/// the table is declared by then.
pub fn takers<'a>(scope: Scope<'a>, source: &str, progress: &Progress) -> Vec<&'a Flow> {
    let reads =
        |flow: &&Flow| flow.class == Class::Stateless && flow.sources.contains(source) && progress.flows.contains_key(&flow.id);
    scope.pipeline.flows.iter().filter(reads).collect()
}
