//! Runs: what each was for, and how it ended. `system.runs` shows them.

use std::fmt;

use chrono::{DateTime, Utc};
use connectors::secrets::without_values;
use serde::{Deserialize, Serialize};

use super::{Holder, Totals};

/// What a run is begun for: a part of its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purpose {
    /// For a person; empty: by hand, from the command line.
    pub reason: String,
    /// From 1.
    pub attempt: u32,
    /// Its logical date.
    pub date: Option<DateTime<Utc>>,
    /// When what it reacts to happened: an object landed, a tick was due.
    pub due: Option<DateTime<Utc>>,
}

impl Default for Purpose {
    /// By hand, for the first time.
    fn default() -> Self {
        Self { reason: String::new(), attempt: 1, date: None, due: None }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEnding {
    /// What it failed with; of one that was canceled, who did it.
    pub error: Option<String>,
    /// Somebody ended it.
    pub canceled: bool,
    /// When it is tried again.
    pub again_at: Option<DateTime<Utc>>,
}

impl RunEnding {
    /// Ended by itself: well, or with `error`, of which secrets are left out.
    pub fn of(error: Option<String>) -> Self {
        Self { error: error.map(|error| without_values(&error)), ..Self::default() }
    }
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
    /// Somebody ended it.
    Canceled,
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Killed => "killed",
            Self::Canceled => "canceled",
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
    /// What it failed with, or was canceled by.
    pub error: Option<String>,
    /// What it was begun for.
    pub purpose: Purpose,
    /// When it is tried again; none if it is not.
    pub again_at: Option<DateTime<Utc>>,
    /// The process.
    pub holder: Holder,
    /// Epochs that it recorded and that are committed.
    pub epochs: u64,
    /// What these brought.
    pub totals: Totals,
}

impl RunStatus {
    /// How a run stands that ended at `ended_at`, or still holds its lease, or neither.
    pub(super) fn of(ended_at: Option<DateTime<Utc>>, ending: &RunEnding, is_running: bool) -> Self {
        match ended_at {
            None if is_running => Self::Running,
            None => Self::Killed,
            Some(_) if ending.canceled => Self::Canceled,
            Some(_) if ending.error.is_some() => Self::Failed,
            Some(_) => Self::Done,
        }
    }
}
