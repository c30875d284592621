//! What the state store remembers of runs and epochs, for people: `system.runs`, `system.epochs`, `system.flows`.

use std::fmt;

use chrono::{DateTime, Utc};
use connectors::context::TableSpec;
use connectors::sink::WriteMode;

use super::{Checkpoint, FlowProgress, Holder};

/// Which part of a history is asked for. The newest comes first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Of this pipeline only.
    pub pipeline: Option<String>,
    /// Before the record at this position: the last one of the page before.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStatus {
    /// It holds its lease.
    Running,
    /// It ended well.
    Done,
    /// It ended with an error.
    Failed,
    /// Its process is gone, or has not renewed its lease.
    Killed,
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Killed => "killed",
        })
    }
}

/// One run of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    /// Where it stands in the history.
    pub position: i64,
    /// The pipeline.
    pub pipeline: String,
    /// Its number among the pipeline's runs, which is the generation of its lease.
    pub run: i64,
    /// How it stands.
    pub status: RunStatus,
    /// When it took the lease.
    pub started_at: DateTime<Utc>,
    /// When it gave the lease back.
    pub ended_at: Option<DateTime<Utc>>,
    /// What it failed with.
    pub error: Option<String>,
    /// The process.
    pub holder: Holder,
    /// Epochs that it recorded and that are committed.
    pub epochs: u64,
    /// What these brought.
    pub totals: Totals,
}

/// One epoch of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochRecord {
    /// Where it stands in the history.
    pub position: i64,
    /// The pipeline.
    pub pipeline: String,
    /// Changes when the pipeline's progress is forgotten.
    pub incarnation: String,
    /// Its number.
    pub epoch: u64,
    /// The run that recorded it; unknown of one that an earlier version of engine recorded.
    pub run: Option<i64>,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// When every sink had committed it; none while it is pending.
    pub committed_at: Option<DateTime<Utc>>,
    /// What it brought; unknown of one that an earlier version of engine recorded.
    pub totals: Option<Totals>,
}

/// What one epoch brought to one sink.
#[derive(Debug, Clone)]
pub struct EpochFlow {
    /// Changes when the pipeline's progress is forgotten.
    pub incarnation: String,
    /// The epoch.
    pub epoch: u64,
    /// The flow.
    pub flow: String,
    /// The sink, as the file declared it, `${...}` unresolved.
    pub sink: TableSpec,
    /// Which of several places the sink was in, where that is for the settings to say.
    pub place: Option<String>,
    /// How it was written.
    pub mode: WriteMode,
    /// Rows that the flow read.
    pub rows_in: u64,
    /// Rows that were staged.
    pub rows: u64,
    /// Staged files.
    pub files: u64,
    /// Whether every sink of the epoch has committed.
    pub is_committed: bool,
}

/// How far a flow is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowRecord {
    /// The pipeline.
    pub pipeline: String,
    /// The flow.
    pub flow: String,
    /// Where it stands.
    pub progress: FlowProgress,
}

/// What epochs brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Rows that flows read: what two of them read counts twice.
    pub rows_in: u64,
    /// Rows committed, over all sinks.
    pub rows_written: u64,
    /// Records and rows put aside, but for those that were written all the same.
    pub bad_rows: u64,
    /// Data files committed.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Totals {
    /// What `checkpoint` brings once it is committed.
    pub fn of(checkpoint: &Checkpoint) -> Self {
        let mut totals = Self::default();
        for flow in &checkpoint.flows {
            let Some(stage) = checkpoint.stages.get(flow.stage) else { continue };
            // What is put aside is a flow of its own, which makes no progress.
            if flow.progress.is_none() {
                totals.bad_rows += flow.bad_rows;
                continue;
            }
            totals.rows_in += flow.rows_in;
            totals.rows_written += stage.rows();
            totals.files += stage.files.len() as u64;
            totals.bytes += stage.files.iter().map(|file| file.bytes).sum::<u64>();
        }
        totals
    }
}
