//! Counters and histograms of a run, in Prometheus' form.

use anyhow::Result;
use prometheus::{Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};

/// What is counted.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    /// Rows read, by pipeline and source.
    pub source_rows: IntCounterVec,
    /// Bytes received, by pipeline and source.
    pub source_bytes: IntCounterVec,
    /// Bad records committed, by pipeline and source's table of bad records.
    pub bad_rows: IntCounterVec,
    /// Rows staged, by pipeline and flow.
    pub flow_rows: IntCounterVec,
    /// Rows committed, by pipeline and sink.
    pub sink_rows: IntCounterVec,
    /// Files committed, by pipeline and sink.
    pub sink_files: IntCounterVec,
    /// Bytes committed, by pipeline and sink.
    pub sink_bytes: IntCounterVec,
    /// Epochs committed, by pipeline and flow.
    pub epochs: IntCounterVec,
    /// Seconds of reading a slice, by pipeline and source.
    pub slice_seconds: HistogramVec,
    /// Seconds of computing and staging an epoch's rows, by pipeline and flow.
    pub stage_seconds: HistogramVec,
    /// Seconds of a commit, by pipeline and sink.
    pub commit_seconds: HistogramVec,
    /// Runs of a server that have ended, by pipeline and status.
    pub runs: IntCounterVec,
    /// Seconds of these, by pipeline and status.
    pub run_seconds: HistogramVec,
    /// When a run of a server ended so last, by pipeline and status: seconds since 1970.
    pub run_ended: IntGaugeVec,
}

impl Metrics {
    /// All at zero.
    ///
    /// # Errors
    /// Two metrics of one name, which is a bug.
    pub fn new() -> Result<Self> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, label: &str| -> Result<IntCounterVec> {
            let counter = IntCounterVec::new(Opts::new(name, help), &["pipeline", label])?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let histogram = |name: &str, help: &str, label: &str| -> Result<HistogramVec> {
            let histogram = HistogramVec::new(HistogramOpts::new(name, help), &["pipeline", label])?;
            registry.register(Box::new(histogram.clone()))?;
            Ok(histogram)
        };
        let ended = Opts::new("engine_run_ended_timestamp_seconds", "When a run of a server ended so last");
        let ended = IntGaugeVec::new(ended, &["pipeline", "status"])?;
        registry.register(Box::new(ended.clone()))?;
        Ok(Self {
            source_rows: counter("engine_source_rows_total", "Rows read", "source")?,
            source_bytes: counter("engine_source_bytes_total", "Bytes received", "source")?,
            bad_rows: counter("engine_bad_rows_total", "Bad records put aside", "sink")?,
            flow_rows: counter("engine_flow_rows_total", "Rows staged", "flow")?,
            sink_rows: counter("engine_sink_rows_total", "Rows committed", "sink")?,
            sink_files: counter("engine_sink_files_total", "Files committed", "sink")?,
            sink_bytes: counter("engine_sink_bytes_total", "Bytes committed", "sink")?,
            epochs: counter("engine_epochs_total", "Epochs committed", "flow")?,
            slice_seconds: histogram("engine_slice_seconds", "Seconds of reading a slice", "source")?,
            stage_seconds: histogram("engine_stage_seconds", "Seconds of computing and staging rows", "flow")?,
            commit_seconds: histogram("engine_commit_seconds", "Seconds of a commit", "sink")?,
            runs: counter("engine_runs_total", "Runs of a server that have ended", "status")?,
            run_seconds: histogram("engine_run_seconds", "Seconds of a run of a server", "status")?,
            run_ended: ended,
            registry,
        })
    }

    /// As text.
    ///
    /// # Errors
    /// None that is known.
    pub fn text(&self) -> Result<String> {
        let mut bytes = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut bytes)?;
        Ok(String::from_utf8(bytes)?)
    }
}
