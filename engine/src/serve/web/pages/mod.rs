//! The pages: HTML made here, a style sheet, and a script that keeps what is seen up to date.
//!
//! | page | place |
//! |---|---|
//! | every pipeline, what needs attention first | [`overview`] |
//! | a pipeline: its graph, its SQL, its runs | [`pipeline`], [`graph`], [`sql`] |
//! | what was run | [`runs`] |
//! | a run: epochs, loads, its log | [`run`] |
//! | the files that were read | [`objects`] |
//! | tables, their columns, history and rows | [`catalog`], [`table`] |
//! | SQL | [`query`] |
//! | what is around each of them | [`layout`] |
//! | what is posted | [`actions`] |
//!
//! Without the script everything is there, as of when the page was loaded.

mod actions;
mod catalog;
mod events;
mod graph;
mod layout;
mod objects;
mod overview;
mod pipeline;
mod query;
mod run;
mod runs;
mod sign_in;
mod sql;
mod strip;
mod table;
mod words;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::{Markup, html};

use super::assets;
use super::guard::Caller;
use super::problem::Problem;
use layout::{Page, Place};

/// A page on its way out.
#[derive(Debug)]
pub(super) struct Html(pub(super) StatusCode, pub(super) Markup);

impl IntoResponse for Html {
    fn into_response(self) -> Response {
        (self.0, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], self.1.into_string()).into_response()
    }
}

impl From<Markup> for Html {
    fn from(markup: Markup) -> Self {
        Self(StatusCode::OK, markup)
    }
}

pub(super) fn routes() -> Router {
    Router::new()
        .route("/", get(overview::page))
        .route("/pipelines/{name}", get(pipeline::page))
        .route("/pipelines/{name}/run", post(actions::run))
        .route("/pipelines/{name}/pause", post(actions::pause))
        .route("/pipelines/{name}/resume", post(actions::resume))
        .route("/pipelines/{name}/backfill", post(actions::backfill))
        .route("/pipelines/{name}/runs/{run}", get(run::page))
        .route("/pipelines/{name}/runs/{run}/cancel", post(actions::cancel))
        .route("/pipelines/{name}/runs/{run}/retry", post(actions::retry))
        .route("/pipelines/{name}/objects", get(objects::page))
        .route("/runs", get(runs::page))
        .route("/catalog", get(catalog::page))
        .route("/catalog/{database}/{table}", get(table::page))
        .route("/catalog/{database}/{table}/sample", get(table::sample))
        .route("/catalog/{database}/{table}/partitions", get(table::partitions))
        .route("/catalog/{database}/{table}/profile", get(table::profile))
        .route("/query", get(query::page))
        .route("/query/names", get(query::names))
        .route("/query/rows", post(query::rows))
        .route("/events", get(events::stream))
        .route("/sign-in", get(sign_in::page).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }))
}

/// A path segment as an address has it.
fn segment(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The address of a pipeline's page.
fn pipeline_at(name: &str) -> String {
    format!("/pipelines/{}", segment(name))
}

/// The address of a run's page.
fn run_at(pipeline: &str, run: i64) -> String {
    format!("/pipelines/{}/runs/{run}", segment(pipeline))
}

/// The address of a table's page.
fn table_at(database: &str, table: &str) -> String {
    format!("/catalog/{}/{}", segment(database), segment(table))
}

/// A message as a sentence: messages begin small and have no full stop, since they stand behind others.
fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let first = letters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    let stop = if message.ends_with(['?', '.', '!']) { "" } else { "." };
    format!("{first}{}{stop}", letters.as_str())
}

/// The page of something that went wrong.
pub(super) fn wrong(caller: &Caller, path: &str, problem: &Problem) -> Html {
    let body = html! {
        section.wrong {
            p.status { (problem.status.as_u16()) }
            h1 { (problem.status.canonical_reason().unwrap_or("Error")) }
            p { (sentence(&problem.detail)) @if let Some(help) = &problem.help { " " (sentence(help)) } }
            p { a href="/" { "All pipelines" } }
        }
    };
    let page =
        Page { title: problem.status.canonical_reason().unwrap_or("Error"), place: Place::of(path), caller, is_live: false };
    Html(problem.status, page.around(&body))
}
