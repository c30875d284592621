//! Runs of all pipelines, or of some: what was run, page by page.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::layout::{Page, Place};
use super::pipeline::reason;
use super::words::{count, span, status, took, when};
use super::{Html, pipeline_at, run_at};
use crate::serve::web::api;
use crate::serve::web::app::App;
use crate::serve::web::given::Parameters;
use crate::serve::web::guard::Caller;
use crate::serve::web::problem::Problem;
use crate::state::{self, RunRecord, RunStatus};

/// Runs of a page.
const PAGE: u32 = 50;

/// Which runs are shown.
struct Filter {
    pipeline: Option<String>,
    status: Option<RunStatus>,
    before: Option<i64>,
}

impl Filter {
    fn of(parameters: &Parameters) -> Result<Self, Problem> {
        parameters.only(&["pipeline", "status", "before"])?;
        Ok(Self {
            pipeline: parameters.text("pipeline").map(str::to_owned),
            status: parameters.text("status").map(api::run_status).transpose()?,
            before: parameters.number("before", 1, i64::MAX)?,
        })
    }

    /// The address of the runs before a position, or of the newest ones.
    fn at(&self, before: Option<i64>) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if let Some(pipeline) = &self.pipeline {
            query.append_pair("pipeline", pipeline);
        }
        if let Some(status) = self.status {
            query.append_pair("status", &status.to_string());
        }
        if let Some(before) = before {
            query.append_pair("before", &before.to_string());
        }
        let query = query.finish();
        if query.is_empty() { "/runs".to_owned() } else { format!("/runs?{query}") }
    }
}

/// The address of the runs of one pipeline.
pub(super) fn runs_of(pipeline: &str) -> String {
    Filter { pipeline: Some(pipeline.to_owned()), status: None, before: None }.at(None)
}

pub(super) async fn page(app: App, caller: Caller, parameters: Parameters) -> Result<Html, Problem> {
    let filter = Filter::of(&parameters)?;
    let now = app.control.session().context.clock.now();
    // One more than are shown says whether there are more.
    let wanted = state::Page {
        pipeline: filter.pipeline.clone(),
        status: filter.status,
        before: filter.before,
        limit: PAGE + 1,
        since: None,
    };
    let mut runs = app.control.store().runs(&wanted, now).await?;
    let has_older = runs.len() > PAGE as usize;
    runs.truncate(PAGE as usize);
    let names = app.control.names();
    let body = html! {
        div.title { h1 { "Runs" } (choose(&filter, &names)) }
        section data-part="runs" aria-label="Runs" {
            @if runs.is_empty() { (nothing(&filter)) } @else { (table(&runs, now, Whose::All)) }
        }
        nav.pages data-part="pages" aria-label="Pages" {
            @if filter.before.is_some() { a.button href=(filter.at(None)) { "Newest" } }
            @if let Some(last) = runs.last().filter(|_| has_older) { a.button rel="next" href=(filter.at(Some(last.position))) { "Older" } }
        }
    };
    // What is older does not change.
    let is_live = filter.before.is_none();
    Ok(Page { title: "Runs", place: Place::Runs, caller: &caller, is_live }.around(&body).into())
}

fn choose(filter: &Filter, names: &[String]) -> Markup {
    let is_chosen = |name: &str| filter.pipeline.as_deref() == Some(name);
    // Of one whose file is gone, runs are still known.
    let gone = filter.pipeline.iter().filter(|name| !names.contains(name));
    html! {
        form.choose method="get" action="/runs" data-submit-on-change="" {
            label { "Pipeline " select name="pipeline" {
                option value="" { "all" }
                @for name in names.iter().chain(gone) { option value=(name) selected[is_chosen(name)] { (name) } }
            } }
            label { "Status " select name="status" {
                option value="" { "all" }
                @for (name, stands) in api::RUN_STATUSES { option value=(name) selected[filter.status == Some(stands)] { (name) } }
            } }
            button { "Show" }
        }
    }
}

fn nothing(filter: &Filter) -> Markup {
    html! {
        p.empty {
            @if filter.pipeline.is_some() || filter.status.is_some() || filter.before.is_some() {
                "No run is like that. " a href="/runs" { "Show all runs" } "."
            } @else {
                "Nothing has been run yet. " a href="/" { "Pipelines" } " begin at their times, or when somebody has them run."
            }
        }
    }
}

/// Whose runs a table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// Those of one pipeline, which need not be said in each line.
    One,
    /// Those of any.
    All,
}

/// Runs, a line each.
pub(super) fn table(runs: &[RunRecord], now: DateTime<Utc>, whose: Whose) -> Markup {
    let is_all = whose == Whose::All;
    html! {
        div.scroll tabindex="0" role="region" aria-label="List of runs" { table.grid {
            thead { tr {
                @if is_all { th scope="col" { "Pipeline" } }
                th scope="col" { "Run" } th scope="col" { "Status" } th scope="col" { "Started" } th.num scope="col" { "Took" }
                th scope="col" { "Why" } th.num scope="col" { "Epochs" } th.num scope="col" { "Rows in" } th.num scope="col" { "Rows out" }
                th.num scope="col" { "Bad" } th scope="col" { "Error" }
            } }
            tbody { @for run in runs { tr {
                @if is_all { th scope="row" { a href=(pipeline_at(&run.pipeline)) { (run.pipeline) } } }
                (number(run, is_all))
                td { (status(run.status)) }
                td { (when(run.started_at, now)) }
                td.num { @if let Some(took) = took(run, now) { (span(took)) } @else { span.dim { "unknown" } } }
                td { (reason(run)) }
                td.num { (count(run.epochs)) } td.num { (count(run.totals.rows_in)) } td.num { (count(run.totals.rows_written)) }
                td.num { @if run.totals.bad_rows > 0 { span.bad { (count(run.totals.bad_rows)) } } }
                td.error { @if let Some(error) = &run.error { @let line = first_line(error); span title=(line) { (line) } } }
            } } }
        } }
    }
}

fn number(run: &RunRecord, is_all: bool) -> Markup {
    let label = format!("run {} of {}", run.run, run.pipeline);
    let link = html! { a href=(run_at(&run.pipeline, run.run)) aria-label=(label) { (run.run) } };
    html! { @if is_all { td { (link) } } @else { th scope="row" { (link) } } }
}

/// The first line of an error; its place in a file is on the lines behind it.
pub(super) fn first_line(error: &str) -> &str {
    error.lines().find(|line| !line.trim().is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_pages_keep_what_was_chosen() {
        let filter = Filter { pipeline: Some("a b&c".to_owned()), status: Some(RunStatus::Failed), before: Some(7) };
        assert_eq!(filter.at(Some(5)), "/runs?pipeline=a+b%26c&status=failed&before=5");
        assert_eq!(filter.at(None), "/runs?pipeline=a+b%26c&status=failed");
        assert_eq!(Filter { pipeline: None, status: None, before: None }.at(None), "/runs");
        assert_eq!(runs_of("orders"), "/runs?pipeline=orders");
    }
}
