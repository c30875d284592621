//! The rows of a pass staged for their sinks, and beside them the table of bad records as it will be.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use connectors::stores::Location;
use datafusion::catalog::TableProvider;
use datafusion::datasource::empty::EmptyTable;

use super::pass::{Passed, Request};
use crate::epoch::bad_table::{self, Contents};
use crate::epoch::stage::{self, Staged};
use crate::epoch::{Scope, quarantine};
use crate::flow::{Class, Flow};
use crate::state::{FlowCheckpoint, Progress};

/// Stages the rows of a pass, and what the table of bad records will hold.
///
/// # Errors
/// As [`stage::stage`].
pub async fn stage(
    scope: Scope<'_>,
    request: Request<'_>,
    passed: &Passed,
    folder: &Location,
) -> Result<(Staged, FlowCheckpoint)> {
    let takers: Vec<&Flow> = passed.takers.iter().filter_map(|index| request.flows.get(*index).copied()).collect();
    let mut staged = Staged::default();
    if passed.tally.rows > 0 {
        let others = takers.iter().flat_map(|flow| &flow.sources).filter(|source| *source != request.source);
        let empty = others.filter_map(|name| Some((name.clone(), scope.pipeline.source(name)?.schema())));
        let mut tables: BTreeMap<String, Arc<dyn TableProvider>> =
            empty.map(|(name, schema)| (name, Arc::new(EmptyTable::new(schema)) as Arc<dyn TableProvider>)).collect();
        tables.insert(request.source.to_owned(), Arc::clone(&passed.rows));
        staged = stage::stage(scope, &takers, &tables, folder).await?;
    }
    let contents = Contents {
        source: request.source,
        flow: quarantine::flow_id(request.source),
        table: Arc::clone(&passed.rest),
        rows: passed.rest_rows,
        new: 0,
    };
    let checkpoint = bad_table::stage(scope, contents, folder, &mut staged).await?;
    Ok((staged, checkpoint))
}

/// The flows that may take bad records of `source`: those that have read of it. One that has not will read it from the beginning, as
/// the table is declared by then.
pub fn takers<'a>(scope: Scope<'a>, source: &str, progress: &Progress) -> Vec<&'a Flow> {
    let reads =
        |flow: &&Flow| flow.class == Class::Stateless && flow.sources.contains(source) && progress.flows.contains_key(&flow.id);
    scope.pipeline.flows.iter().filter(reads).collect()
}
