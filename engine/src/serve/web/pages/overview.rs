//! Every pipeline, what needs attention first.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::layout::{Page, Place, button};
use super::runs::first_line;
use super::strip::{BARS, strip};
use super::words::{coarse, count, plural, short, span, took, when};
use super::{Html, pipeline_at, run_at};
use crate::serve::view::{PipelineState, PipelineView};
use crate::serve::web::app::App;
use crate::serve::web::guard::Caller;
use crate::serve::web::problem::Problem;
use crate::serve::web::recent::Seen;
use crate::state::{RunRecord, RunStatus};

/// What a person should look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    /// Something is wrong.
    Wrong(String),
    /// Something may be.
    Maybe(String),
    /// Nothing.
    None,
}

/// One line.
struct Row<'a> {
    view: &'a PipelineView,
    runs: &'a [RunRecord],
    need: Need,
}

pub(super) async fn page(app: App, caller: Caller) -> Result<Html, Problem> {
    let now = app.control.session().context.clock.now();
    let seen = app.recent.look(&app.control, BARS).await?;
    let mut rows: Vec<Row<'_>> = seen
        .views
        .iter()
        .map(|view| {
            let runs = seen.runs.get(&view.name).map(Vec::as_slice).unwrap_or_default();
            Row { need: need(view, runs.first()), view, runs }
        })
        .collect();
    let rank = |row: &Row<'_>| match (&row.need, row.view.state) {
        (Need::Wrong(_), _) => 0,
        (Need::Maybe(_), _) => 1,
        (_, PipelineState::Running { .. }) => 2,
        _ => 3,
    };
    rows.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.view.name.cmp(&b.view.name)));
    let body = if rows.is_empty() { empty() } else { filled(&rows, &seen, &caller, now) };
    Ok(Page { title: "Pipelines", place: Place::Pipelines, caller: &caller, is_live: true }.around(&body).into())
}

fn need(view: &PipelineView, last: Option<&RunRecord>) -> Need {
    if let Some(error) = view.errors.first() {
        let what = match view.state {
            PipelineState::Broken => "the file cannot be run",
            _ => "the file has changed and cannot be run; its last good version runs on",
        };
        let at = if error.line > 0 { format!("line {}: ", error.line) } else { String::new() };
        return Need::Wrong(format!("{what}: {at}{}", error.message));
    }
    match last {
        Some(run) if run.status == RunStatus::Failed => {
            let error = run.error.as_deref().unwrap_or("no reason is known");
            let first = first_line(error);
            Need::Wrong(match run.again_at {
                Some(_) => format!("failed, and is tried again: {first}"),
                None => format!("failed: {first}"),
            })
        }
        Some(run) if run.status == RunStatus::Killed => {
            Need::Maybe("the process of the last run is gone; the next goes on there".to_owned())
        }
        Some(run) if run.totals.bad_rows > 0 => {
            Need::Maybe(format!("{} put aside by the last run", plural(run.totals.bad_rows, "bad row")))
        }
        _ => Need::None,
    }
}

fn empty() -> Markup {
    html! {
        section.empty-page {
            h1 { "No pipelines yet" }
            p { "A pipeline is a " code { ".sql" } " file. Put one into the folder that " code { "engine serve" } " watches, and it appears here:" }
            pre { code {
                "SET pipeline.schedule = '*/15 * * * *';\n\n"
                "CREATE EXTERNAL TABLE posts STORED AS REDDIT LOCATION 'r/dataengineering/new';\n"
                "CREATE EXTERNAL TABLE kept STORED AS DELTA LOCATION 'lake://reddit/posts' OPTIONS ('key' 'id');\n\n"
                "REPLACE INTO kept SELECT * FROM posts;\n"
            } }
            p { "Nothing has to be restarted. Meanwhile, " a href="/query" { "ask the lake something" } " or look at the " a href="/catalog" { "catalog" } "." }
        }
    }
}

fn filled(rows: &[Row<'_>], seen: &Seen, caller: &Caller, now: DateTime<Utc>) -> Markup {
    html! {
        div.title {
            h1 { "Pipelines" }
            input.filter type="search" placeholder="Filter  /" aria-label="Filter pipelines" data-filter="#pipelines" autocomplete="off";
        }
        (figures(rows, seen))
        (attention(rows, now))
        section data-part="pipelines" {
            div.scroll tabindex="0" role="region" aria-label="All pipelines" {
                table.grid id="pipelines" {
                    thead { tr {
                        th scope="col" { "Pipeline" } th scope="col" { "Last runs" } th scope="col" { "Last run" }
                        th.num scope="col" { "Rows" } th.num scope="col" { "Bad" } th scope="col" { "Last good run" } th scope="col" { "Next" }
                        th { span.unseen { "Actions" } }
                    } }
                    tbody { @for row in rows { (line(row, caller, now)) } }
                }
            }
        }
    }
}

/// The day in numbers.
fn figures(rows: &[Row<'_>], seen: &Seen) -> Markup {
    let running = rows.iter().filter(|row| matches!(row.view.state, PipelineState::Running { .. })).count();
    let wrong = rows.iter().filter(|row| matches!(row.need, Need::Wrong(_))).count();
    let paused = rows.iter().filter(|row| row.view.paused.is_some()).count();
    let written = format!("rows written in {}", coarse(seen.over));
    let figure = |number: String, word: &str, class: &str| html! { div.figure.(class) { dd { (number) } dt { (word) } } };
    html! {
        dl.figures data-part="figures" {
            (figure(rows.len().to_string(), if rows.len() == 1 { "pipeline" } else { "pipelines" }, ""))
            (figure(running.to_string(), "running", if running > 0 { "running" } else { "" }))
            (figure(wrong.to_string(), "failing", if wrong > 0 { "failed" } else { "" }))
            (figure(paused.to_string(), "paused", ""))
            (figure(short(seen.written as f64), &written, ""))
        }
    }
}

fn attention(rows: &[Row<'_>], now: DateTime<Utc>) -> Markup {
    let needy: Vec<&Row<'_>> = rows.iter().filter(|row| row.need != Need::None).collect();
    html! {
        section data-part="attention" aria-labelledby="attention" {
            @if needy.is_empty() {
                p.calm { "Nothing needs attention." }
            } @else {
                h2 id="attention" { "Needs attention" }
                ul.needs {
                    @for row in needy {
                        @let (class, what) = match &row.need {
                            Need::Wrong(what) => ("failed", what.as_str()),
                            Need::Maybe(what) => ("killed", what.as_str()),
                            Need::None => ("", ""),
                        };
                        @let run = row.runs.first().filter(|_| row.view.errors.is_empty());
                        li.(class) {
                            a.who href=(run.map_or_else(|| pipeline_at(&row.view.name), |run| run_at(&run.pipeline, run.run))) {
                                (row.view.name)
                            }
                            span.what { (what) }
                            @if let Some(run) = run { span.when { (when(run.ended_at.unwrap_or(run.started_at), now)) } }
                        }
                    }
                }
            }
        }
    }
}

fn line(row: &Row<'_>, caller: &Caller, now: DateTime<Utc>) -> Markup {
    let (view, last) = (row.view, row.runs.first());
    let address = pipeline_at(&view.name);
    let good = row.runs.iter().find(|run| run.status == RunStatus::Done).and_then(|run| run.ended_at);
    html! {
        tr data-name=(view.name.to_lowercase()) {
            th scope="row" { a href=(address) { (view.name) } " " (state(view)) }
            td { (strip(row.runs, now)) }
            td {
                @if let Some(run) = last {
                    a href=(run_at(&run.pipeline, run.run)) { (when(run.started_at, now)) }
                    @if let Some(took) = took(run, now) { span.dim { " · " (span(took)) } }
                } @else { span.dim { "never" } }
            }
            td.num { @if let Some(run) = last { (count(run.totals.rows_written)) } }
            td.num { @if let Some(bad) = last.map(|run| run.totals.bad_rows).filter(|bad| *bad > 0) { span.bad { (count(bad)) } } }
            td { @if let Some(good) = good { (when(good, now)) } @else { span.dim { "–" } } }
            td {
                @if view.state == PipelineState::Broken { span.dim { "–" } }
                @else if view.paused.is_some() { span.dim { "paused" } }
                @else if let Some(next) = view.next_run { (when(next, now)) }
                @else if !view.triggers.is_empty() { span.dim title=(view.triggers.join(", ")) { "on event" } }
                @else { span.dim { "by hand" } }
            }
            td.do { @if caller.may_write() && view.state != PipelineState::Broken { (button(caller, &format!("{address}/run"), "Run", "small")) } }
        }
    }
}

/// How a pipeline stands, as a badge.
pub(super) fn state(view: &PipelineView) -> Markup {
    let (class, word) = match view.state {
        PipelineState::Running { here: true, .. } => ("running", "running"),
        PipelineState::Running { here: false, .. } => ("running", "running elsewhere"),
        PipelineState::Paused => ("paused", "paused"),
        PipelineState::Broken => ("failed", "broken"),
        PipelineState::Idle if !view.errors.is_empty() => ("failed", "broken edit"),
        PipelineState::Idle if !view.waiting.is_empty() => ("waiting", "waiting"),
        PipelineState::Idle => return html! {},
    };
    html! { span.state.(class) { (word) } }
}
