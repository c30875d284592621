//! A run: what it was for, what it brought, how long that took, what it said, what it failed with.

use axum::extract::Path;
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::layout::{Page, Place, button};
use super::pipeline::reason;
use super::words::{bytes, count, exactly, span, status, took, when};
use super::{Html, objects, pipeline_at, run_at, sql};
use crate::serve::view::PipelineView;
use crate::serve::web::app::App;
use crate::serve::web::guard::Caller;
use crate::serve::web::history;
use crate::serve::web::problem::Problem;
use crate::state::{EpochRecord, LoadRecord, RunRecord, RunStatus};

/// Epochs and loads that are shown; the API has the others.
const SHOWN: usize = 100;

/// Lines of SQL around the one that failed.
const AROUND: usize = 3;

pub(super) async fn page(app: App, caller: Caller, Path((name, number)): Path<(String, String)>) -> Result<Html, Problem> {
    let run = history::run(&app, &name, &number).await?;
    let epochs = history::epochs(&app, &run).await?;
    let loads = history::loads(&app, &run).await?;
    let attempts = history::attempts(&app, &run).await?;
    let view = app.control.pipeline(&name).await?;
    let now = app.control.session().context.clock.now();
    let live = app.control.live(&name).filter(|live| live.run == run.run);
    let title = format!("{name}, run {}", run.run);
    let body = html! {
        nav.crumbs aria-label="Breadcrumb" {
            a href="/" { "Pipelines" } " / " a href=(pipeline_at(&name)) { (name) } " / " span aria-current="page" { "run " (run.run) }
        }
        div.title data-part="title" {
            h1 { "Run " (run.run) " " (status(run.status)) }
            @if caller.may_write() { (actions(&run, live.is_some(), view.is_some(), &caller)) }
        }
        (together(&attempts, &run))
        (failure(&run, view.as_ref(), now))
        (facts(&run, now))
        @if let Some(view) = &view {
            @if live.is_some() {
                section aria-labelledby="flow" { h2 id="flow" { "At this moment" }
                    div data-part="graph" { (super::graph::picture(&view.graph, live.as_ref(), &super::graph::Watermarks::of(&loads, now))) } }
            }
        }
        section data-part="loads" aria-labelledby="loads" { h2 id="loads" { "Loads" } (brought(&loads, now)) }
        section data-part="epochs" aria-labelledby="epochs" { h2 id="epochs" { "Epochs" } (list(&epochs, run.started_at, now)) }
        section data-steps="" aria-labelledby="steps" hidden { h2 id="steps" { "Where the time went" } div {} }
        @if view.as_ref().is_some_and(objects::reads_files) { (files(&name)) }
        section aria-labelledby="log" {
            div.title { h2 id="log" { "Log" } label.check { input type="checkbox" data-follow="" checked; " follow" } }
            div.log data-log=(format!("/api/v1{}/log", run_at(&name, run.run))) tabindex="0" role="log" aria-label="Log of the run" {
                noscript { "The log is loaded by a script; " code { "engine runs show" } " prints it as well." }
            }
        }
    };
    let is_live = run.status == RunStatus::Running;
    Ok(Page { title: &title, place: Place::Pipelines, caller: &caller, is_live }.around(&body).into())
}

fn actions(run: &RunRecord, is_here: bool, is_there: bool, caller: &Caller) -> Markup {
    html! {
        div.actions {
            @if is_here { (button(caller, &format!("{}/cancel", run_at(&run.pipeline, run.run)), "Cancel", "danger")) }
            @if run.status != RunStatus::Running && is_there {
                @let label = if run.status == RunStatus::Done { "Run again" } else { "Retry" };
                (button(caller, &format!("{}/retry", run_at(&run.pipeline, run.run)), label, "primary"))
            }
        }
    }
}

/// The attempts of the same, the first one first.
fn together(attempts: &[RunRecord], run: &RunRecord) -> Markup {
    html! {
        div data-part="attempts" {
            @if attempts.len() > 1 {
                nav.attempts aria-label="Attempts" { ol { @for one in attempts {
                    @let is_this = one.run == run.run;
                    li { a href=(run_at(&one.pipeline, one.run)) aria-current=[is_this.then_some("page")] {
                        "Attempt " (one.purpose.attempt) span.dim { " run " (one.run) }
                    } " " (status(one.status)) }
                } } }
            }
        }
    }
}

fn files(pipeline: &str) -> Markup {
    let address = format!("{}/objects", pipeline_at(pipeline));
    html! {
        section aria-labelledby="objects" {
            h2 id="objects" { "Objects" span.dim { " that the pipeline has read so far, in this run and in others" } }
            div data-load=(address) data-load-by="Show them" { noscript { a href=(address) { "Show them" } } }
        }
    }
}

fn failure(run: &RunRecord, view: Option<&PipelineView>, now: DateTime<Utc>) -> Markup {
    html! {
        div data-part="failure" {
            @if let Some(error) = &run.error {
                section.alert role="alert" {
                    h2 { @if run.status == RunStatus::Canceled { "Canceled" } @else { "What it failed with" } }
                    pre { (error) }
                    @if let Some((view, line)) = view.and_then(|view| Some((view, line_of(error, &view.file)?))) {
                        p.dim { "In the file as it is now:" } (around(&view.text, line))
                    }
                    @if let Some(again) = run.again_at { p { "It is tried again " (when(again, now)) "." } }
                }
            } @else if run.status == RunStatus::Killed {
                section.alert.maybe { h2 { "Its process is gone" } p { "What it had committed stays; what it had staged is finished by the next run." } }
            }
        }
    }
}

/// The line that an error names, as in `orders.sql:12:8`.
fn line_of(error: &str, file: &str) -> Option<usize> {
    let name = file.rsplit('/').next()?;
    let after = error.split_once(&format!("{name}:"))?.1;
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().filter(|line| *line > 0)
}

/// A line of the file with its neighbours.
fn around(text: &str, line: usize) -> Markup {
    let text = connectors::secrets::without_secrets(text);
    let first = line.saturating_sub(AROUND + 1);
    let lines: Vec<&str> = text.lines().skip(first).take(2 * AROUND + 1).collect();
    html! { @if lines.len() + first >= line { (sql::excerpt(&lines.join("\n"), first + 1, line)) } }
}

fn facts(run: &RunRecord, now: DateTime<Utc>) -> Markup {
    html! {
        dl.facts data-part="facts" {
            div { dt { "Why" } dd { (reason(run)) } }
            @if let Some(due) = run.purpose.due { div { dt { "Due" } dd { (exactly(due)) span.dim { " · began " (span(run.started_at - due)) " later" } } } }
            div { dt { "Started" } dd { (when(run.started_at, now)) span.dim { " · " (exactly(run.started_at)) } } }
            div { dt { "Took" } dd { @if let Some(took) = took(run, now) { (span(took)) } @else { span.dim { "unknown" } } } }
            div { dt { "Epochs" } dd { (count(run.epochs)) } }
            div { dt { "Rows" } dd { (count(run.totals.rows_in)) " in, " (count(run.totals.rows_written)) " out" } }
            div { dt { "Bad rows" } dd { @if run.totals.bad_rows > 0 { span.bad { (count(run.totals.bad_rows)) } } @else { "0" } } }
            div { dt { "Written" } dd { (bytes(run.totals.bytes)) " in " (count(run.totals.files)) " files" } }
            div { dt { "Process" } dd { (run.holder.pid) " on " (run.holder.host) } }
        }
    }
}

fn brought(loads: &[LoadRecord], now: DateTime<Utc>) -> Markup {
    if loads.is_empty() {
        return html! { p.empty { "Nothing was loaded." } };
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label="Loads" { table.grid {
            thead { tr {
                th scope="col" { "Table" } th.num scope="col" { "Epoch" } th scope="col" { "How" } th scope="col" { "Landed" }
                th scope="col" { "Staged" } th scope="col" { "Loaded" } th.num scope="col" { "Landed to loaded" } th.num scope="col" { "Rows" }
                th.num scope="col" { "Bytes" } th.num scope="col" { "Bad" }
            } }
            tbody { @for load in loads.iter().take(SHOWN) { tr {
                th scope="row" {
                    (load.table) span.dim { " " (load.connector) }
                    @if let Some(landed) = &load.landed {
                        br; span.dim { (landed.key) }
                        @if let Some(error) = &landed.error { br; span.bad { (error) } }
                    }
                }
                td.num { (load.epoch) }
                td { @match &load.landed {
                    Some(landed) => { (landed.action) @if landed.error.is_some() { " " span.bad { "refused" } } }
                    None => { (format!("{:?}", load.mode).to_lowercase()) }
                } }
                td { @if let Some(landed) = load.landed_at { (when(landed, now)) } @else { span.dim { "unknown" } } }
                td { (when(load.recorded_at, now)) }
                td { @if let Some(committed) = load.committed_at { (when(committed, now)) } @else { span.state.waiting { "pending" } } }
                td.num { @if let Some((landed, loaded)) = load.landed_at.zip(load.committed_at) { (span(loaded - landed)) } }
                td.num { (count(load.rows)) } td.num { (bytes(load.bytes)) }
                td.num { @if load.bad_rows > 0 { span.bad { (count(load.bad_rows)) } } }
            } } }
        } }
        @if loads.len() > SHOWN { p.dim { "The last " (SHOWN) " of " (count(loads.len() as u64)) " are shown." } }
    }
}

/// Epochs, the newest first. One is read and staged from when the one before was committed, or the run began.
fn list(epochs: &[EpochRecord], began: DateTime<Utc>, now: DateTime<Utc>) -> Markup {
    if epochs.is_empty() {
        return html! { p.empty { "No epoch was recorded: there was nothing new, or the run ended before its first." } };
    }
    let before = |at: usize| epochs.get(at + 1).map_or(began, |epoch| epoch.committed_at.unwrap_or(epoch.recorded_at));
    html! {
        div.scroll tabindex="0" role="region" aria-label="Epochs" { table.grid {
            thead { tr {
                th.num scope="col" { "Epoch" } th scope="col" { "Recorded" } th.num scope="col" { "Read and staged in" }
                th.num scope="col" { "Committed in" } th scope="col" { "Date" }
                th.num scope="col" { "Rows in" } th.num scope="col" { "Rows out" } th.num scope="col" { "Bad" } th.num scope="col" { "Files" }
            } }
            tbody { @for (at, epoch) in epochs.iter().enumerate().take(SHOWN) { tr {
                th.num scope="row" { (epoch.epoch) } td { (when(epoch.recorded_at, now)) }
                td.num { (span(epoch.recorded_at - before(at))) }
                td.num { @match epoch.committed_at {
                    Some(committed) => { (span(committed - epoch.recorded_at)) }
                    None => { span.state.waiting { "pending" } }
                } }
                td { @if let Some(date) = epoch.date { (date.format("%Y-%m-%d %H:%M")) } }
                @match &epoch.totals {
                    Some(totals) => {
                        td.num { (count(totals.rows_in)) } td.num { (count(totals.rows_written)) }
                        td.num { @if totals.bad_rows > 0 { span.bad { (count(totals.bad_rows)) } } } td.num { (count(totals.files)) }
                    }
                    None => { td.num {} td.num {} td.num {} td.num {} }
                }
            } } }
        } }
        @if epochs.len() > SHOWN { p.dim { "The last " (SHOWN) " of " (count(epochs.len() as u64)) " are shown." } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_its_line() {
        for (error, expected) in [
            ("queries/orders.sql:12:8: no such column", Some(12)),
            ("error: x\n  --> orders.sql:3:1\n", Some(3)),
            ("orders.sql: no place", None),
            ("orders.sql:0:0", None),
            ("other.sql:12:8", None),
        ] {
            assert_eq!(line_of(error, "queries/orders.sql"), expected, "{error}");
        }
    }

    #[test]
    fn a_line_that_the_file_no_longer_has_is_not_shown() {
        assert!(around("a\nb", 9).into_string().is_empty());
        assert!(around("a\nb", 2).into_string().contains("id=\"E2\""));
    }
}
