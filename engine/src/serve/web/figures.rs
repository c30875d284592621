//! Counters of the server itself, in Prometheus' form.

use std::time::Duration;

use anyhow::Result;
use prometheus::{Encoder, Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

/// What is counted.
#[derive(Debug)]
pub(super) struct Figures {
    registry: Registry,
    /// Answers, by method and the first digit of their status.
    answers: IntCounterVec,
    seconds: Histogram,
    /// Ad-hoc queries that are running.
    pub(super) queries: IntGauge,
    /// Tokens that were wrong.
    pub(super) refused: prometheus::IntCounter,
}

impl Figures {
    /// All at zero.
    ///
    /// # Errors
    /// Two of one name, which is a bug.
    pub(super) fn new() -> Result<Self> {
        let registry = Registry::new();
        let answers = IntCounterVec::new(Opts::new("engine_http_requests_total", "Requests answered"), &["method", "status"])?;
        let buckets = vec![0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];
        let opts = HistogramOpts::new("engine_http_request_seconds", "Seconds until the head of an answer").buckets(buckets);
        let seconds = Histogram::with_opts(opts)?;
        let queries = IntGauge::new("engine_http_queries", "Ad-hoc queries that are running")?;
        let refused = prometheus::IntCounter::new("engine_http_refused_tokens_total", "Tokens that were wrong")?;
        registry.register(Box::new(answers.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        registry.register(Box::new(queries.clone()))?;
        registry.register(Box::new(refused.clone()))?;
        Ok(Self { registry, answers, seconds, queries, refused })
    }

    /// One more answer.
    pub(super) fn count(&self, method: &str, status: u16, took: Duration) {
        let class = match status / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
        self.answers.with_label_values(&[method, class]).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// As text.
    pub(super) fn text(&self) -> String {
        let mut bytes = Vec::new();
        match TextEncoder::new().encode(&self.registry.gather(), &mut bytes) {
            Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => format!("# the server's own figures are missing: {error}\n"),
        }
    }
}
