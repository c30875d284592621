//! Runs as bars: a strip of the last ones, and a time line.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::run_at;
use super::words::{plural, span, took};
use crate::state::RunRecord;

/// Bars of a strip.
pub(super) const BARS: usize = 24;

const HEIGHT: f64 = 22.0;
const WIDTH: f64 = 5.0;
const STEP: f64 = 7.0;

/// The shortest bar.
const LEAST: f64 = 4.0;

/// The last runs, the newest on the right; a bar is as high as its run was long, by the logarithm.
pub(super) fn strip(runs: &[RunRecord], now: DateTime<Utc>) -> Markup {
    let width = STEP * BARS as f64;
    let shown = runs.iter().take(BARS);
    let longest = shown.clone().map(|run| seconds(run, now)).fold(1.0, f64::max);
    html! {
        svg.strip width=(width) height=(HEIGHT) viewBox={ "0 0 " (width) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(told(runs)) {
            @for (at, run) in shown.enumerate() {
                @let height = LEAST + (HEIGHT - LEAST) * (1.0 + seconds(run, now)).ln() / (1.0 + longest).ln();
                @let x = width - STEP * (at as f64 + 1.0) + 1.0;
                a href=(run_at(&run.pipeline, run.run)) tabindex="-1" aria-hidden="true" {
                    rect.bar.(run.status) x=(format!("{x:.0}")) y=(format!("{:.1}", HEIGHT - height)) width=(WIDTH)
                        height=(format!("{height:.1}")) rx="1.5" {
                        title { (title(run, now)) }
                    }
                }
            }
        }
    }
}

fn seconds(run: &RunRecord, now: DateTime<Utc>) -> f64 {
    took(run, now).map_or(0.0, |took| took.as_seconds_f64().max(0.0))
}

/// For whoever does not see the bars.
fn told(runs: &[RunRecord]) -> String {
    let shown = runs.len().min(BARS);
    let good = runs.iter().take(BARS).filter(|run| matches!(run.status, crate::state::RunStatus::Done)).count();
    match shown {
        0 => "no runs yet".to_owned(),
        _ => format!("last {}: {good} done, {} not", plural(shown as u64, "run"), shown - good),
    }
}

fn title(run: &RunRecord, now: DateTime<Utc>) -> String {
    let took = took(run, now).map_or_else(String::new, |took| format!(", {}", span(took)));
    let at = run.started_at.format("%m-%d %H:%M:%S");
    format!("run {} {}, {at}{took}, {}", run.run, run.status, plural(run.totals.rows_written, "row"))
}

/// Runs of a time line.
pub(super) const LINES: usize = 40;

/// Where runs were in time: a bar from begin to end.
pub(super) fn time_line(runs: &[RunRecord], now: DateTime<Utc>) -> Markup {
    const WIDTH: f64 = 1_000.0;
    const HEIGHT: f64 = 46.0;
    let shown = &runs[..runs.len().min(LINES)];
    let Some(first) = shown.iter().map(|run| run.started_at).min() else { return html! {} };
    let whole = (now - first).as_seconds_f64().max(1.0);
    let x = |at: DateTime<Utc>| (at - first).as_seconds_f64().clamp(0.0, whole) / whole * WIDTH;
    html! {
        figure.line {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(told(runs)) {
                line.axis x1="0" y1=(HEIGHT - 1.0) x2=(WIDTH) y2=(HEIGHT - 1.0) {}
                @for run in shown {
                    @let end = run.started_at + took(run, now).unwrap_or_default();
                    @let (from, to) = (x(run.started_at), x(end));
                    a href=(run_at(&run.pipeline, run.run)) tabindex="-1" aria-hidden="true" {
                        rect.bar.(run.status) x=(format!("{from:.1}")) y="6" width=(format!("{:.1}", (to - from).max(3.0)))
                            height="34" rx="1.5" { title { (title(run, now)) } }
                    }
                }
            }
            figcaption { span { (super::words::when(first, now)) } span { "now" } }
        }
    }
}
