//! Who watches a run: progress lines for a person, counters for a machine, totals for the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use connectors::sink::{Receipt, WriteMode};
use indicatif::{HumanBytes, HumanCount, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::metrics::Metrics;
use super::summary::{BadSummary, Remedy, SinkSummary, Summary, peak_memory_bytes};
use crate::serve::view::LiveFlow;
use crate::state::FlowCheckpoint;

/// Steps of an epoch are in the log of the run, and not on the terminal, where one line an epoch and flow is enough.
const STEPS: &str = "engine::steps";

/// A flow to watch.
#[derive(Debug, Clone)]
pub struct Watch {
    /// The flow.
    pub flow: String,
    /// The table it feeds.
    pub sink: String,
    /// What it reads.
    pub sources: BTreeSet<String>,
}

/// Watches one run.
#[derive(Debug)]
pub struct Observer {
    pipeline: String,
    metrics: Metrics,
    lines: MultiProgress,
    started: Instant,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    flows: BTreeMap<String, FlowLine>,
    /// Rows and bytes of the slice that is being read, by source.
    slices: BTreeMap<String, (u64, u64)>,
    sinks: BTreeMap<String, SinkSummary>,
    bad: BTreeMap<String, BadSummary>,
}

#[derive(Debug)]
struct FlowLine {
    watch: Watch,
    bar: ProgressBar,
    /// What it does.
    step: &'static str,
    epoch: u64,
    rows: u64,
    bytes: u64,
}

impl Observer {
    /// Watches a run of `pipeline`; `lines` shows a progress line per flow while standard error is a terminal.
    ///
    /// # Errors
    /// See [`Metrics::new`].
    pub fn new(pipeline: &str, lines: bool) -> Result<Self> {
        let target = if lines { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Ok(Self {
            pipeline: pipeline.to_owned(),
            metrics: Metrics::new()?,
            lines: MultiProgress::with_draw_target(target),
            started: Instant::now(),
            seen: Mutex::default(),
        })
    }

    /// With the progress lines where others, who write beside them, know of them.
    #[must_use]
    pub fn with_lines(self, lines: MultiProgress) -> Self {
        Self { lines, ..self }
    }

    /// With counters that others share.
    #[must_use]
    pub fn with_metrics(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// How far the flows are.
    pub fn live(&self) -> Vec<LiveFlow> {
        let seen = self.seen();
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        let live = seen.flows.iter().map(|(flow, line)| LiveFlow {
            flow: flow.clone(),
            sink: line.watch.sink.clone(),
            sources: line.watch.sources.iter().cloned().collect(),
            step: line.step.to_owned(),
            epoch: line.epoch,
            rows: line.rows,
            bytes: line.bytes,
            bad_rows: seen.sinks.get(&line.watch.sink).map_or(0, |sink| sink.bad_rows),
            rows_per_second: rate(line.rows, seconds),
        });
        live.collect()
    }

    /// The counters.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The flows there are.
    pub fn watch(&self, flows: impl Iterator<Item = Watch>) {
        let mut seen = self.seen();
        for watch in flows {
            let bar = self.lines.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                bar.set_style(style);
            }
            seen.sinks.entry(watch.sink.clone()).or_default();
            seen.flows.insert(watch.flow.clone(), FlowLine { watch, bar, step: "waiting", epoch: 0, rows: 0, bytes: 0 });
        }
    }

    /// A slice of `source` has grown to `rows` and `bytes`.
    pub fn read(&self, source: &str, rows: u64, bytes: u64) {
        let mut seen = self.seen();
        let before = seen.slices.insert(source.to_owned(), (rows, bytes)).unwrap_or_default();
        // A slice that begins again counts from nothing.
        let (new_rows, new_bytes) =
            if rows >= before.0 { (rows - before.0, bytes.saturating_sub(before.1)) } else { (rows, bytes) };
        self.metrics.source_rows.with_label_values(&[&self.pipeline, source]).inc_by(new_rows);
        self.metrics.source_bytes.with_label_values(&[&self.pipeline, source]).inc_by(new_bytes);
        for line in seen.flows.values_mut().filter(|line| line.watch.sources.contains(source)) {
            line.rows += new_rows;
            line.bytes += new_bytes;
            line.show(self.started, "reading");
        }
    }

    /// The slice of `source` is complete; what is read of it next is another slice.
    pub fn sliced(&self, source: &str, took: Duration) {
        // Who follows a source asks again and again: that there was nothing is not told each time.
        if let Some((rows, bytes)) = self.seen().slices.remove(source).filter(|(rows, _)| *rows > 0) {
            let (pipeline, seconds) = (&self.pipeline, took.as_secs_f64());
            tracing::info!(target: STEPS, pipeline, source, rows, bytes, seconds, "read");
        }
        self.metrics.slice_seconds.with_label_values(&[&self.pipeline, source]).observe(took.as_secs_f64());
    }

    /// The stage of `flow` has grown to `rows`.
    pub fn staging(&self, flow: &str, rows: u64) {
        if let Some(line) = self.seen().flows.get_mut(flow) {
            // Of tables that are read whole, rows are counted as they are written.
            if line.watch.sources.is_empty() {
                line.rows = rows;
            }
            line.show(self.started, "staging");
        }
    }

    /// The stage of `flow` is complete.
    pub fn staged(&self, flow: &str, took: Duration) {
        let (pipeline, seconds) = (&self.pipeline, took.as_secs_f64());
        tracing::info!(target: STEPS, pipeline, flow, seconds, "staged");
        self.metrics.stage_seconds.with_label_values(&[&self.pipeline, flow]).observe(took.as_secs_f64());
    }

    /// A flow's epoch is committed.
    pub fn committed(&self, flow: &FlowCheckpoint, epoch: u64, receipt: &Receipt, took: Duration) {
        let mut seen = self.seen();
        let labels = [self.pipeline.as_str(), flow.sink.name.as_str()];
        if flow.progress.is_none() {
            // Of a table that is written anew, by a replay or because it is read whole, only some records are newly bad, or none.
            let is_whole = flow.mode == WriteMode::Overwrite;
            let rows = if is_whole { flow.bad_rows } else { receipt.rows };
            if rows == 0 {
                return;
            }
            self.metrics.bad_rows.with_label_values(&labels).inc_by(rows);
            let table = flow.sink.name.trim_end_matches("$bad");
            let remedy = match is_whole {
                _ if seen.flows.values().any(|line| line.watch.sink == table) => Remedy::LoadAnew,
                true => Remedy::ReadAgain,
                false => Remedy::Replay,
            };
            let bad = seen.bad.entry(flow.sink.name.clone()).or_default();
            // What a source of slices has put aside is replayed, whatever else is read of it whole.
            bad.remedy = if bad.rows > 0 && bad.remedy == Remedy::Replay { Remedy::Replay } else { remedy };
            bad.rows += rows;
            bad.location.clone_from(&flow.sink.location);
            tracing::warn!(pipeline = self.pipeline, epoch, rows, location = bad.location, "bad records put aside");
            return;
        }
        self.metrics.sink_rows.with_label_values(&labels).inc_by(receipt.rows);
        self.metrics.sink_files.with_label_values(&labels).inc_by(receipt.files);
        self.metrics.sink_bytes.with_label_values(&labels).inc_by(receipt.bytes);
        self.metrics.commit_seconds.with_label_values(&labels).observe(took.as_secs_f64());
        let labels = [self.pipeline.as_str(), flow.flow.as_str()];
        self.metrics.flow_rows.with_label_values(&labels).inc_by(receipt.rows);
        self.metrics.epochs.with_label_values(&labels).inc();
        let sink = seen.sinks.entry(flow.sink.name.clone()).or_default();
        sink.rows_in += flow.rows_in;
        sink.rows_written += receipt.rows;
        sink.bad_rows += flow.bad_rows;
        sink.bytes += receipt.bytes;
        sink.files += receipt.files;
        sink.epochs += 1;
        sink.seconds += took.as_secs_f64();
        if let Some(line) = seen.flows.get_mut(&flow.flow) {
            line.epoch = epoch;
            line.show(self.started, "committed");
        }
        tracing::info!(
            pipeline = self.pipeline,
            flow = flow.flow,
            sink = flow.sink.name,
            epoch,
            rows = receipt.rows,
            bytes = receipt.bytes,
            files = receipt.files,
            seconds = took.as_secs_f64(),
            "committed"
        );
    }

    /// The progress lines go.
    pub fn close(&self) {
        for line in self.seen().flows.values() {
            line.bar.finish_and_clear();
        }
    }

    /// The totals so far; the progress lines go.
    pub fn summary(&self, pipeline: &str, last_epoch: u64) -> Summary {
        self.close();
        let seen = self.seen();
        Summary {
            pipeline: pipeline.to_owned(),
            file: format!("{pipeline}.sql"),
            last_epoch,
            had_nothing: false,
            sinks: seen.sinks.clone(),
            bad: seen.bad.clone(),
            seconds: self.started.elapsed().as_secs_f64(),
            peak_memory_bytes: peak_memory_bytes(),
            error: None,
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for a person to read")]
fn rate(rows: u64, seconds: f64) -> f64 {
    rows as f64 / seconds
}

impl FlowLine {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate for a person to read")]
    fn show(&mut self, started: Instant, step: &'static str) {
        self.step = step;
        let rate = rate(self.rows, started.elapsed().as_secs_f64().max(0.001)) as u64;
        let epoch = if self.epoch == 0 { String::new() } else { format!(", up to epoch {}", self.epoch) };
        let bytes = if self.bytes == 0 { String::new() } else { format!(", {}", HumanBytes(self.bytes)) };
        let (sink, rows, rate) = (&self.watch.sink, HumanCount(self.rows), HumanCount(rate));
        self.bar.set_message(format!("{sink}: {step}, {rows} rows{bytes}, {rate} rows/s{epoch}"));
        self.bar.tick();
    }
}
