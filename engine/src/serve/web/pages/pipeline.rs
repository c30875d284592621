//! A pipeline: how it stands, what flows, its SQL, its runs.

use std::collections::BTreeMap;

use axum::extract::Path;
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::layout::{Page, Place, button, proof};
use super::runs::{Whose, runs_of, table};
use super::strip::{LINES, time_line};
use super::words::{bytes, count, exactly, span, when};
use super::{Html, graph, overview, pipeline_at, run_at, sql};
use crate::serve::view::{Live, PipelineState, PipelineView};
use crate::serve::web::api;
use crate::serve::web::app::App;
use crate::serve::web::guard::Caller;
use crate::serve::web::problem::Problem;
use crate::state::{self, LoadPage, RunRecord};

/// So many of the last loads say how far each table is.
const LOADS: u32 = 100;

pub(super) async fn page(app: App, caller: Caller, Path(name): Path<String>) -> Result<Html, Problem> {
    let view = api::pipeline(&app, &name).await?;
    let now = app.control.session().context.clock.now();
    let live = app.control.live(&name);
    let limit = u32::try_from(LINES).unwrap_or(u32::MAX);
    let loads = LoadPage { pipeline: Some(name.clone()), limit: LOADS, ..LoadPage::default() };
    let watermarks = graph::Watermarks::of(&app.control.store().loads(&loads).await?, now);
    let page = state::Page { pipeline: Some(name), limit, ..state::Page::default() };
    let runs = app.control.store().runs(&page, now).await?;
    let body = html! {
        nav.crumbs aria-label="Breadcrumb" { a href="/" { "Pipelines" } " / " span aria-current="page" { (view.name) } }
        div.title data-part="title" {
            h1 { (view.name) " " (overview::state(&view)) }
            @if caller.may_write() { (actions(&view, &caller)) }
        }
        (wrong(&view))
        (facts(&view, live.as_ref(), now))
        section aria-labelledby="flow" {
            h2 id="flow" { "Dataflow" }
            div data-part="graph" {
                @if view.state == PipelineState::Broken { p.empty { "It is drawn when the file can be run." } }
                @else { (graph::picture(&view.graph, live.as_ref(), &watermarks)) (flows(live.as_ref())) }
            }
        }
        section data-part="runs" aria-labelledby="runs" { h2 id="runs" { "Runs" } (history(&view, &runs, now)) }
        section aria-labelledby="sql" {
            h2 id="sql" { "SQL" span.dim { " " (view.file) } }
            (text(&view))
        }
    };
    Ok(Page { title: &view.name, place: Place::Pipelines, caller: &caller, is_live: true }.around(&body).into())
}

fn actions(view: &PipelineView, caller: &Caller) -> Markup {
    let at = pipeline_at(&view.name);
    html! {
        div.actions {
            @if view.state != PipelineState::Broken { (button(caller, &format!("{at}/run"), "Run now", "primary")) }
            @if view.paused.is_some() { (button(caller, &format!("{at}/resume"), "Resume", "")) }
            @else { (button(caller, &format!("{at}/pause"), "Pause", "")) }
            @if view.state != PipelineState::Broken {
                details.menu {
                    summary { "Backfill" }
                    form.card method="post" action={ (at) "/backfill" } {
                        (proof(caller))
                        p { "Runs once for every logical date of the schedule, the oldest first." }
                        label { "From" input type="date" name="from" required; }
                        label { "To" input type="date" name="to" required; }
                        button.primary { "Backfill" }
                    }
                }
            }
        }
    }
}

fn wrong(view: &PipelineView) -> Markup {
    html! {
        div data-part="wrong" {
            @if !view.errors.is_empty() {
                section.alert role="alert" {
                    h2 {
                        @if view.state == PipelineState::Broken { "The file cannot be run" }
                        @else { "The file has changed and cannot be run; its last good version, shown here, runs on" }
                    }
                    @for error in &view.errors { pre { (error.rendered) } }
                }
            }
        }
    }
}

fn facts(view: &PipelineView, live: Option<&Live>, now: DateTime<Utc>) -> Markup {
    html! {
        dl.facts data-part="facts" {
            div { dt { "Schedule" } dd {
                @match &view.schedule {
                    Some(schedule) => { code { (schedule) } " " @if let Some(words) = &view.schedule_words { span.dim { (words) ", " } } span.dim { (view.time_zone) } }
                    None => { span.dim { "none" } }
                }
            } }
            @if !view.triggers.is_empty() {
                div { dt { "Triggers" } dd { @for trigger in &view.triggers { code { (trigger) } " " } } }
            }
            div { dt { "Next run" } dd {
                @if view.state == PipelineState::Broken { span.dim { "none until the file is right" } }
                @else if let Some(pause) = &view.paused { "paused " (when(pause.at, now)) " by " (pause.by) }
                @else if let Some(next) = view.next_run { (when(next, now)) span.dim { " · " (exactly(next)) } }
                @else { span.dim { "when something asks for it" } }
            } }
            @if let PipelineState::Running { run, here } = view.state {
                div { dt { "Running" } dd {
                    a href=(run_at(&view.name, run)) { "run " (run) }
                    @if let Some(live) = live { " for " (span(now - live.started_at)) span.dim { " · " (live.reason) } }
                    @if !here { span.dim { " in another process" } }
                } }
            }
            @if !view.waiting.is_empty() {
                div { dt { "Waiting" } dd { ul.plain { @for open in view.waiting.iter().take(5) {
                    li { (open.request.reason) span.dim { " · due " (when(open.request.due, now)) } @if open.request.attempt > 1 { " · attempt " (open.request.attempt) } }
                }
                @if view.waiting.len() > 5 { li.dim { "and " (view.waiting.len() - 5) " more" } } } } }
            }
        }
    }
}

fn flows(live: Option<&Live>) -> Markup {
    let Some(live) = live.filter(|live| !live.flows.is_empty()) else { return html! {} };
    html! {
        div.scroll tabindex="0" role="region" aria-label="Flows of the run" { table.grid {
            thead { tr {
                th scope="col" { "Flow" } th scope="col" { "Reads" } th scope="col" { "Step" } th.num scope="col" { "Epoch" }
                th.num scope="col" { "Rows" } th.num scope="col" { "Rows/s" } th.num scope="col" { "Bytes" } th.num scope="col" { "Bad" }
            } }
            tbody { @for flow in &live.flows { tr {
                th scope="row" { (flow.sink) } td { (flow.sources.join(", ")) } td { (flow.step) } td.num { (flow.epoch) }
                td.num { (count(flow.rows)) } td.num { (super::words::short(flow.rows_per_second)) } td.num { (bytes(flow.bytes)) }
                td.num { @if flow.bad_rows > 0 { span.bad { (count(flow.bad_rows)) } } }
            } } }
        } }
    }
}

fn history(view: &PipelineView, runs: &[RunRecord], now: DateTime<Utc>) -> Markup {
    let Some(last) = runs.first() else {
        let can_run = view.state != PipelineState::Broken;
        return html! { p.empty { "It has not run yet." @if can_run { " " strong { "Run now" } " begins a run; so does what is under Next run." } } };
    };
    html! {
        (time_line(runs, now))
        (table(runs, now, Whose::One))
        @if runs.len() >= LINES { p.more { a href=(runs_of(&last.pipeline)) { "All its runs" } } }
    }
}

/// What a run was begun for.
pub(super) fn reason(run: &RunRecord) -> Markup {
    let purpose = &run.purpose;
    html! {
        @if purpose.reason.is_empty() { "command line" } @else { (purpose.reason) }
        @if let Some(date) = purpose.date { " for " (date.format("%Y-%m-%d %H:%M")) }
        @if purpose.attempt > 1 { " · attempt " (purpose.attempt) }
    }
}

fn text(view: &PipelineView) -> Markup {
    // Of a file that was good once, the good version is shown; what is wrong is wrong with another.
    let is_shown = view.state == PipelineState::Broken;
    let errors = view.errors.iter().filter(|error| is_shown && error.line > 0);
    let wrong: BTreeMap<usize, &str> = errors.map(|error| (error.line, error.message.as_str())).collect();
    sql::numbered(&connectors::secrets::without_secrets(&view.text), &wrong)
}
