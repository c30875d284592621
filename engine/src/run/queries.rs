//! `SELECT`, `COPY` and `EXPLAIN` of a pipeline file: run after the flows, as DataFusion runs them.

use anyhow::{Result, anyhow};

use super::QueryResult;
use crate::epoch::Scope;
use crate::sql::Diagnostic;

/// Rows of a result that are shown.
pub const SHOWN_ROWS: usize = 1_000;

pub(super) async fn run(scope: Scope<'_>) -> Result<Vec<QueryResult>> {
    let pipeline = scope.pipeline;
    if pipeline.queries.is_empty() {
        return Ok(Vec::new());
    }
    pipeline.refresh(scope.session).await?;
    let mut results = Vec::new();
    for query in &pipeline.queries {
        let run = async {
            let plan = pipeline.context.state().statement_to_plan(query.statement.clone()).await?;
            let frame = pipeline.context.execute_logical_plan(plan).await?;
            frame.limit(0, Some(SHOWN_ROWS))?.collect().await
        };
        let batches = run.await.map_err(|error| {
            let diagnostic = Diagnostic::from_datafusion(&pipeline.text, &query.span, &error);
            anyhow!("{}", diagnostic.render(&pipeline.path.display().to_string(), &pipeline.text))
        })?;
        results.push((pipeline.text[query.span.clone()].to_owned(), batches));
    }
    Ok(results)
}
