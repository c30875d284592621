//! SQL: an editor, the rows, a quick chart.

use std::collections::BTreeMap;

use ::catalog::sql_type;
use axum::Json;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::Serialize;

use super::Html;
use super::layout::{Page, Place, proof};
use super::table::grid;
use super::words::{plural, span};
use crate::catalog::SYSTEM;
use crate::catalog::lake::quoted;
use crate::serve::web::api;
use crate::serve::web::app::App;
use crate::serve::web::given::{Parameters, Posted};
use crate::serve::web::guard::Caller;
use crate::serve::web::problem::Problem;
use crate::serve::web::query::{Written, answer};
use crate::shell::KEYWORDS;

/// Rows of the grid; a download has all.
const SHOWN: usize = 1_000;

/// What the editor begins with.
const FIRST: &str = "SELECT * FROM system.runs ORDER BY started_at DESC LIMIT 20";

pub(super) async fn page(app: App, caller: Caller, parameters: Parameters) -> Result<Html, Problem> {
    parameters.only(&["sql"])?;
    let tables = api::known_tables(&app).await?;
    let own = own(&app).await;
    let given = parameters.text("sql");
    let body = html! {
        div.title { h1 { "Query" } span.dim { "reads the catalogs; " code { "lake." } " " code { "warehouse." } " " code { "system." } } }
        div.query {
            form id="query" method="post" action="/query/rows" data-given=[given.map(|_| "true")] {
                (proof(&caller))
                div.editor {
                    pre aria-hidden="true" { code data-painted="" {} }
                    textarea name="sql" aria-label="SQL" spellcheck="false" autocapitalize="off" autocomplete="off" autocorrect="off" rows="8"
                        aria-describedby="keys" aria-autocomplete="list" { (given.unwrap_or(FIRST)) }
                    ul.choices role="listbox" aria-label="Completions" hidden {}
                }
                div.bar {
                    button.primary type="submit" name="format" value="" { "Run" }
                    button type="submit" name="format" value="csv" data-download="" { "CSV" }
                    button type="submit" name="format" value="parquet" data-download="" { "Parquet" }
                    span.dim id="keys" { kbd { "Ctrl" } "+" kbd { "Enter" } " runs, " kbd { "Ctrl" } "+" kbd { "Space" } " completes" }
                    button.danger type="button" data-cancel="" hidden { "Cancel" }
                    span.state.running data-busy="" role="status" hidden { "running" }
                }
            }
            div id="answer" aria-live="polite" { p.empty { "Rows appear here." } }
            aside.side {
                details.history open { summary { "History" } ol data-history="" { li.dim { "Statements that you run are kept in this browser." } } }
                details open { summary { "Tables" } (list(&tables, &own)) }
            }
        }
    };
    Ok(Page { title: "Query", place: Place::Query, caller: &caller, is_live: false }.around(&body).into())
}

/// The tables in which the engine says what it knows of itself.
async fn own(app: &App) -> Vec<String> {
    let all = app.reader.tables().await.into_iter().map(|table| table.reference);
    all.filter(|reference| reference.starts_with(SYSTEM) && reference[SYSTEM.len()..].starts_with('.')).collect()
}

fn list(tables: &[::catalog::store::Table], own: &[String]) -> Markup {
    html! {
        @if tables.is_empty() { p.dim { "No table has been written or crawled yet." } }
        ul.plain { @for table in tables {
            @let reference = api::reference(table.name());
            li { button.quiet type="button" data-insert=(reference) title={ "Insert " (reference) } {
                (table.name().database) "." (table.name().table)
            } }
        }
        @for reference in own {
            li { button.quiet type="button" data-insert=(reference) title={ "Insert " (reference) } { span.dim { (reference) } } }
        } }
    }
}

/// The rows of a statement: a part of the page, or a file.
pub(super) async fn rows(app: App, posted: Posted) -> Result<Response, Problem> {
    let sql = posted.text("sql");
    let format = Some(posted.text("format")).filter(|format| !format.is_empty());
    if let Some(format) = format {
        let written = Written::wanted(Some(format), None)?;
        let (rows, _) = Box::pin(answer(&app, sql, None)).await?;
        let name = format!("attachment; filename=\"query.{}\"", written.ending());
        let disposition = HeaderValue::from_str(&name).map_err(anyhow::Error::from)?;
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(written.content_type())),
            (header::CONTENT_DISPOSITION, disposition),
        ];
        return Ok((headers, written.bytes(rows)?).into_response());
    }
    let shown = match Box::pin(answer(&app, sql, Some(SHOWN))).await {
        Ok((rows, took)) => {
            let took = chrono::TimeDelta::from_std(took).unwrap_or_default();
            html! {
                div.bar {
                    span {
                        strong { (plural(rows.rows as u64, "row")) }
                        @if rows.is_cut { " (the first; a download has more)" }
                        " in " (span(took))
                    }
                    @if rows.rows > 0 { button type="button" data-chart="" aria-pressed="false" { "Chart" } }
                }
                figure data-chart-place="" hidden {}
                (grid(&rows, "Rows")?)
            }
        }
        Err(problem) => mistake(&problem),
    };
    Ok(Html::from(shown).into_response())
}

fn mistake(problem: &Problem) -> Markup {
    html! {
        @let at = problem.at();
        section.alert role="alert" data-at-line=[at.map(|(line, _)| line)] data-at-column=[at.map(|(_, column)| column)] {
            @match problem.rendered() {
                Some(rendered) => { pre { (rendered) } }
                None => { p { (problem.detail) @if let Some(help) = &problem.help { "; " (help) } } }
            }
        }
    }
}

/// What can be completed.
#[derive(Debug, Serialize)]
pub(super) struct Names {
    keywords: &'static [&'static str],
    functions: Vec<String>,
    tables: BTreeMap<String, Vec<(String, String)>>,
}

/// Names for the editor: tables with their columns, functions, words.
pub(super) async fn names(app: App) -> Result<Json<Names>, Problem> {
    let mut tables: BTreeMap<String, Vec<(String, String)>> =
        app.reader.tables().await.into_iter().map(|table| (table.reference, Vec::new())).collect();
    for table in api::known_tables(&app).await? {
        let columns: Vec<(String, String)> =
            table.full_schema().fields().iter().map(|field| (quoted(field.name()), sql_type(field.data_type()))).collect();
        tables.insert(api::reference(table.name()), columns.clone());
        let short = format!("{}.{}", quoted(&table.name().database), quoted(&table.name().table));
        tables.insert(short, columns);
    }
    Ok(Json(Names { keywords: &KEYWORDS, functions: app.reader.functions(), tables }))
}
