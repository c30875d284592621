//! The rows of a pass staged for their sinks, and beside them the table of bad records as it will be.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use connectors::sink::WriteMode;
use connectors::stores::Location;
use datafusion::catalog::TableProvider;
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::LogicalPlanBuilder;

use super::pass::{Passed, Request};
use super::table;
use crate::epoch::stage::{self, Staged, write_stage};
use crate::epoch::{Scope, quarantine};
use crate::flow::{Class, Flow, plan};
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
    let what = || format!("bad records of '{}'", request.source);
    let sink = table::sink(scope, request.source).await.with_context(what)?;
    let query = LogicalPlanBuilder::scan("bad", provider_as_source(Arc::clone(&passed.rest)), None)?.build()?;
    let sink_plan = sink.plan(&plan::query_schema(&query), WriteMode::Overwrite).await.with_context(what)?;
    let query = plan::staged(query, &sink_plan, false)?;
    let place = folder.join(&format!("stage-{}", staged.stages.len()));
    staged.stages.push(write_stage(scope, query, &sink_plan, place, |_| {}).await.with_context(what)?);
    let checkpoint = FlowCheckpoint {
        flow: quarantine::flow_id(request.source),
        sink: quarantine::table(&scope.pipeline.name, request.source),
        mode: WriteMode::Overwrite,
        key: Vec::new(),
        stage: staged.stages.len() - 1,
        rows_in: passed.rest_rows,
        bad_rows: passed.rest_rows,
        progress: None,
    };
    Ok((staged, checkpoint))
}

/// The flows that may take bad records of `source`: those that have read of it. One that has not will read it from the beginning, as
/// the table is declared by then.
pub fn takers<'a>(scope: Scope<'a>, source: &str, progress: &Progress) -> Vec<&'a Flow> {
    let reads =
        |flow: &&Flow| flow.class == Class::Stateless && flow.sources.contains(source) && progress.flows.contains_key(&flow.id);
    scope.pipeline.flows.iter().filter(reads).collect()
}
