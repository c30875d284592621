//! `SELECT`, `COPY` and `EXPLAIN` of a pipeline file: run after the flows, as DataFusion runs them.

use anyhow::{Result, anyhow};
use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;

use super::QueryResult;
use crate::epoch::Scope;
use crate::sql::Diagnostic;

/// Rows of a result that are shown.
pub const SHOWN_ROWS: usize = 1_000;

fn is_select(statement: &Parsed) -> bool {
    matches!(statement, Parsed::Statement(sql) if matches!(sql.as_ref(), SqlStatement::Query(_)))
}

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
            // Only rows of a query can be too many to show; EXPLAIN and COPY have to stay what they are.
            let frame = if is_select(&query.statement) { frame.limit(0, Some(SHOWN_ROWS))? } else { frame };
            frame.collect().await
        };
        let batches = run.await.map_err(|error| {
            let diagnostic = Diagnostic::from_datafusion(&pipeline.text, &query.span, &error);
            anyhow!("{}", diagnostic.render(&pipeline.path.display().to_string(), &pipeline.text))
        })?;
        results.push((pipeline.text[query.span.clone()].to_owned(), batches));
    }
    Ok(results)
}
