//! What a server shows of its pipelines.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::graph::Graph;
use crate::state::{OpenRequest, Pause};

/// One pipeline.
#[derive(Debug, Clone, Serialize)]
pub struct PipelineView {
    /// Its name.
    pub name: String,
    /// Its file.
    pub file: String,
    /// The text that is run, `${...}` unresolved.
    pub text: String,
    /// How it stands.
    pub state: PipelineState,
    /// Its schedule, as the file has it.
    pub schedule: Option<String>,
    /// The schedule in words.
    pub schedule_words: Option<String>,
    /// Where the schedule's times are.
    pub time_zone: String,
    /// What else makes it due.
    pub triggers: Vec<String>,
    /// When it is due next, by its schedule or by a request.
    pub next_run: Option<DateTime<Utc>>,
    /// What waits to be run.
    pub waiting: Vec<OpenRequest>,
    /// Since when, and by whom, it is not run by itself.
    pub paused: Option<Pause>,
    /// What is wrong with the file as it is now; its last good version is run.
    pub errors: Vec<FileError>,
    /// What it reads and writes.
    pub graph: Graph,
}

/// How a pipeline stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub enum PipelineState {
    /// Nothing is to be done.
    Idle,
    /// It is run.
    Running {
        /// Which run.
        run: i64,
        /// By this process.
        here: bool,
    },
    /// It is not run by itself.
    Paused,
    /// No version of its file was ever good.
    Broken,
}

/// Something wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileError {
    /// From 1; 0 when it is not in a line.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// What.
    pub message: String,
    /// As `engine check` prints it, with the line and a caret.
    pub rendered: String,
}

impl FileError {
    /// Wrong with the file as a whole.
    pub(super) fn of_all(message: String) -> Self {
        Self { line: 0, column: 0, rendered: message.clone(), message }
    }
}

/// A run that goes on in this process.
#[derive(Debug, Clone, Serialize)]
pub struct Live {
    /// Which.
    pub run: i64,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Why.
    pub reason: String,
    /// How far its flows are.
    pub flows: Vec<LiveFlow>,
}

/// How far a flow is.
#[derive(Debug, Clone, Serialize)]
pub struct LiveFlow {
    /// The flow.
    pub flow: String,
    /// The table it feeds.
    pub sink: String,
    /// What it reads.
    pub sources: Vec<String>,
    /// What it does: `reading`, `staging`, `committed`.
    pub step: String,
    /// The last epoch it committed; 0: none in this run.
    pub epoch: u64,
    /// Rows of this run so far.
    pub rows: u64,
    /// Bytes received so far.
    pub bytes: u64,
    /// Bad rows committed so far.
    pub bad_rows: u64,
    /// Since the run began.
    pub rows_per_second: f64,
}

/// A part of a run's log.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LogPart {
    /// In the order in which they were written.
    pub lines: Vec<LogLine>,
    /// Where to go on.
    pub next: u64,
    /// The run has ended, and this is all.
    pub is_end: bool,
}

/// A line of a run's log.
#[derive(Debug, Clone, Serialize, serde::Deserialize)]
pub struct LogLine {
    /// When.
    pub at: DateTime<Utc>,
    /// `INFO`, `WARN`, `ERROR`.
    pub level: String,
    /// What happened.
    pub message: String,
    /// What of.
    pub fields: BTreeMap<String, serde_json::Value>,
}
