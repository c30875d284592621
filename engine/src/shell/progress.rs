//! A line about a query that takes its time: rows read so far, and for how long.
//!
//! It is as long as its text, so that the `^C` that a terminal echoes behind it goes with it.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::physical_plan::ExecutionPlan;
use indicatif::HumanCount;

/// A query that is done sooner gets no line.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often the line is drawn.
const INTERVAL: Duration = Duration::from_millis(200);

/// Back to the start of the line, which is emptied.
const ERASE: &str = "\r\x1b[2K";

/// The line; gone when this is dropped.
#[derive(Debug)]
pub(super) struct Progress {
    begun: Instant,
    ticks: tokio::time::Interval,
    /// Nobody looks, or rows are seen already.
    over: bool,
    drawn: bool,
}

impl Progress {
    /// `seen`: standard error is a person's terminal.
    pub(super) fn new(seen: bool) -> Self {
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + PATIENCE, INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        Self { begun: Instant::now(), ticks, over: !seen, drawn: false }
    }

    /// Until the line is to be drawn again.
    pub(super) async fn tick(&mut self) {
        if self.over {
            std::future::pending::<()>().await;
        }
        self.ticks.tick().await;
    }

    pub(super) fn draw(&mut self, plan: &Arc<dyn ExecutionPlan>) {
        let rows = HumanCount(u64::try_from(rows_read(plan)).unwrap_or(0));
        self.drawn = true;
        show(&format!("{ERASE}{rows} rows read, {} s; Ctrl-C stops", self.begun.elapsed().as_secs()));
    }

    /// Rows are about to be seen: no line from here on.
    pub(super) fn clear(&mut self) {
        self.over = true;
        if std::mem::take(&mut self.drawn) {
            show(ERASE);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A terminal that has gone needs no line.
fn show(text: &str) {
    let mut stderr = std::io::stderr().lock();
    drop(stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()));
}

/// What the leaves of the plan have handed on.
fn rows_read(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let children = plan.children();
    if children.is_empty() {
        return plan.metrics().and_then(|metrics| metrics.output_rows()).unwrap_or(0);
    }
    children.into_iter().map(rows_read).sum()
}
