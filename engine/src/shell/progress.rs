//! A line about a query that takes its time: rows read so far, and for how long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::physical_plan::ExecutionPlan;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// A query that is done sooner gets no line.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often the line is drawn.
const INTERVAL: Duration = Duration::from_millis(200);

/// The line; gone when this is dropped.
#[derive(Debug)]
pub(super) struct Progress {
    lines: MultiProgress,
    begun: Instant,
    ticks: tokio::time::Interval,
    bar: Option<ProgressBar>,
    over: bool,
}

impl Progress {
    pub(super) fn new(lines: MultiProgress) -> Self {
        let begun = Instant::now();
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + PATIENCE, INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        Self { lines, begun, ticks, bar: None, over: false }
    }

    /// Until the line is to be drawn again.
    pub(super) async fn tick(&mut self) {
        if self.over {
            std::future::pending::<()>().await;
        }
        self.ticks.tick().await;
    }

    pub(super) fn draw(&mut self, plan: &Arc<dyn ExecutionPlan>) {
        let bar = self.bar.get_or_insert_with(|| {
            let bar = self.lines.add(ProgressBar::no_length());
            bar.set_style(ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar
        });
        let rows = indicatif::HumanCount(u64::try_from(rows_read(plan)).unwrap_or(0));
        bar.set_message(format!("{rows} rows read, {} s; Ctrl-C stops", self.begun.elapsed().as_secs()));
        bar.tick();
    }

    /// Rows are about to be seen: no line from here on.
    pub(super) fn clear(&mut self) {
        self.over = true;
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
            self.lines.remove(&bar);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// What the leaves of the plan have handed on.
fn rows_read(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let children = plan.children();
    if children.is_empty() {
        return plan.metrics().and_then(|metrics| metrics.output_rows()).unwrap_or(0);
    }
    children.into_iter().map(rows_read).sum()
}
