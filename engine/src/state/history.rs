//! What the state store remembers of epochs, for people: `system.epochs`, `system.flows`; and how histories are asked for.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Checkpoint, FlowProgress, RunStatus};

/// Which part of a history is asked for. The newest comes first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Of this pipeline only.
    pub pipeline: Option<String>,
    /// Before the record at this position: the last one of the page before.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
    /// Runs that stand so. Of no meaning to epochs.
    pub status: Option<RunStatus>,
    /// Started (of an epoch: recorded) then or later.
    pub since: Option<DateTime<Utc>>,
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
    /// Its logical date.
    pub date: Option<DateTime<Utc>>,
    /// What it brought; unknown of one that an earlier version of engine recorded.
    pub totals: Option<Totals>,
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Adds what more there is.
    pub(super) fn add(&mut self, more: Self) {
        self.rows_in += more.rows_in;
        self.rows_written += more.rows_written;
        self.bad_rows += more.bad_rows;
        self.files += more.files;
        self.bytes += more.bytes;
    }

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
            totals.bytes += stage.bytes();
        }
        totals
    }
}
