//! Loads: what an epoch brought to a sink.

use chrono::{DateTime, Utc};
use connectors::context::TableSpec;
use connectors::sink::WriteMode;

use super::LandedFile;

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
    /// Bytes of these; 0 of an epoch that an earlier version of engine recorded.
    pub bytes: u64,
    /// Records and rows put aside; 0 of an epoch that an earlier version of engine recorded.
    pub bad_rows: u64,
    /// When the epoch was recorded.
    pub recorded_at: DateTime<Utc>,
    /// When every sink of the epoch had committed.
    pub committed_at: Option<DateTime<Utc>>,
    /// The run that recorded it.
    pub run: Option<i64>,
}

impl EpochFlow {
    /// Whether every sink of the epoch has committed.
    pub fn is_committed(&self) -> bool {
        self.committed_at.is_some()
    }
}

/// Which loads are asked for. The newest comes first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadPage {
    /// Into tables that were declared at one of these locations, in lower case; into any when it is empty.
    pub locations: Vec<String>,
    /// Of this pipeline only.
    pub pipeline: Option<String>,
    /// Recorded by the run of this number; numbers are a pipeline's own.
    pub run: Option<i64>,
    /// What they brought landed then or later. Where it is not known when it landed, the time of the record stands for it.
    pub since: Option<DateTime<Utc>>,
    /// Before the load at this position: the last one of the page before.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

/// What one epoch brought to one sink, over all pipelines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadRecord {
    /// Where it stands in the history.
    pub position: i64,
    /// The pipeline.
    pub pipeline: String,
    /// The run that recorded it; unknown of one that an earlier version of engine recorded.
    pub run: Option<i64>,
    /// The epoch.
    pub epoch: u64,
    /// The location of the sink, as the file declared it.
    pub table: String,
    /// The sink's connector.
    pub connector: String,
    /// How it was written.
    pub mode: WriteMode,
    /// Rows that were staged.
    pub rows: u64,
    /// Bytes of the staged files; 0 of a load that an earlier version of engine recorded.
    pub bytes: u64,
    /// Staged files.
    pub files: u64,
    /// Records and rows put aside; 0 of a load that an earlier version of engine recorded.
    pub bad_rows: u64,
    /// The newest modification of what was read, where the source knows it.
    pub landed_at: Option<DateTime<Utc>>,
    /// When the epoch was recorded.
    pub recorded_at: DateTime<Utc>,
    /// When every sink of the epoch had committed.
    pub committed_at: Option<DateTime<Utc>>,
    /// The file of a landing zone that it is.
    pub landed: Option<LandedFile>,
}

impl LoadRecord {
    /// Whether it is the note that a file was refused.
    pub fn is_refusal(&self) -> bool {
        self.landed.as_ref().is_some_and(|landed| landed.error.is_some())
    }
}
