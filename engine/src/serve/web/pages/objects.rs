//! The files that the flows of a pipeline have read, as the state store has them: a part of the page of a run.

use axum::extract::Path;
use maud::html;

use super::table::grid;
use super::{Html, segment};
use crate::serve::graph::NodeKind;
use crate::serve::view::PipelineView;
use crate::serve::web::api;
use crate::serve::web::app::App;
use crate::serve::web::problem::Problem;
use crate::serve::web::query;

/// Files that are shown; a query has the others.
const SHOWN: usize = 100;

/// Connectors that read files.
const OF_FILES: [&str; 3] = ["CSV", "JSON", "PARQUET"];

/// Whether a pipeline reads files.
pub(super) fn reads_files(view: &PipelineView) -> bool {
    let sources = view.graph.nodes.iter().filter(|node| node.kind == NodeKind::Source);
    let mut connectors = sources.filter_map(|node| node.connector.as_deref());
    connectors.any(|connector| OF_FILES.iter().any(|known| known.eq_ignore_ascii_case(connector)))
}

pub(super) async fn page(app: App, Path(name): Path<String>) -> Result<Html, Problem> {
    let view = api::pipeline(&app, &name).await?;
    let literal = view.name.replace('\'', "''");
    let all = format!(
        "SELECT source, object, bytes, status, records, flow FROM system.objects WHERE pipeline = '{literal}' ORDER BY source, object"
    );
    let some = format!("SELECT source, object, bytes, status, records, flow FROM system.objects WHERE pipeline = '{literal}'");
    let (answer, _) = Box::pin(query::answer(&app, &some, Some(SHOWN))).await?;
    let shown = html! {
        @if answer.rows == 0 {
            p.empty { "No file has been read to its end or in part." }
        } @else {
            (grid(&answer, "Objects")?)
            @if answer.is_cut { p.dim { "The first " (SHOWN) " are shown; " a href={ "/query?sql=" (segment(&all)) } { "ask for all" } "." } }
        }
    };
    Ok(shown.into())
}
