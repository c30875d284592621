//! What makes pipelines run without a person: requests, the cursors of who makes them, and pauses.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Why a pipeline is to be run, and with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The pipeline.
    pub pipeline: String,
    /// Tells it from the others of the pipeline. While one with the same key waits, another is not added: it is the same.
    pub key: String,
    /// For a person: `schedule 2026-11-22T10:00:00Z`, `s3://bucket/raw/*.json`, `by hand`, `backfill`, `after 'orders'`.
    pub reason: String,
    /// Not begun before.
    pub due: DateTime<Utc>,
    /// The logical date that `${run.date}` stands for; none: whenever it runs.
    pub date: Option<DateTime<Utc>>,
    /// From 1; more when an earlier attempt failed.
    pub attempt: u32,
}

/// A request that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenRequest {
    /// Grows from request to request; of one store.
    pub id: i64,
    /// What is asked for.
    pub request: Request,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// The run that has begun it (generation of its lease). None while it waits, also after a run that gave its lease back, or lost it,
    /// without putting it away.
    pub run: Option<i64>,
}

/// How a request is put away at the end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It is answered.
    Done,
    /// It waits again. If one with its key was added meanwhile, that one answers for both.
    Again {
        /// Not begun before.
        due: DateTime<Utc>,
        /// Which attempt it will be.
        attempt: u32,
    },
}

/// How far somebody who makes requests of a pipeline has come: the last tick of its schedule, the last object that it saw.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cursor {
    /// The pipeline.
    pub pipeline: String,
    /// Which of its cursors.
    pub name: String,
    /// Where it is; opaque.
    pub value: String,
}

/// A pipeline that is paused is not begun by requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Since when.
    pub at: DateTime<Utc>,
    /// Who paused it.
    pub by: String,
}
