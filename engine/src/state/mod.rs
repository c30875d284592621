//! The state store: what of a pipeline outlives the process.
//!
//! A narrow trait, so that SQLite, Postgres and an object store can stand behind it. Every write is made under a lease
//! and refused when a newer lease exists: a process that lost its lease can do no harm.

mod checkpoint;
mod epoch_flows;
mod history;
mod holder;
mod rows;
mod sqlite;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use connectors::source::Offset;
use serde::{Deserialize, Serialize};

pub use checkpoint::{Checkpoint, FlowCheckpoint, StageCheckpoint};
pub use history::{EpochFlow, EpochRecord, FlowRecord, Page, RunRecord, RunStatus, Totals};
pub use holder::Holder;
pub use sqlite::SqliteStore;

/// What a state store returns.
pub type Result<T, E = StateError> = std::result::Result<T, E>;

/// Why a state store did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Another run has taken the pipeline over; this one must stop.
    #[error(
        "pipeline '{pipeline}' was taken over by another run (this run held generation {generation}); nothing of this epoch was recorded"
    )]
    Fenced {
        /// The pipeline.
        pipeline: String,
        /// The generation that is no longer current.
        generation: i64,
    },
    /// The store cannot be opened, read or written.
    #[error("{message}")]
    Unavailable {
        /// Which store, what was tried.
        message: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// What is stored does not make sense.
    #[error("state store: {message} (this is a bug in engine; please report it)")]
    Corrupt {
        /// What does not make sense.
        message: String,
    },
}

/// The right to write for a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The pipeline.
    pub pipeline: String,
    /// Grows with every lease of the pipeline; writes of an older one are refused.
    pub generation: i64,
}

/// The answer to a request for a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acquired {
    /// Ours.
    Granted(Lease),
    /// Somebody else's.
    Held {
        /// Who.
        holder: Holder,
        /// Until when, unless it is renewed.
        until: DateTime<Utc>,
    },
}

/// How far a flow is: per source the offset after its last committed epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowProgress {
    /// Hash of the flow's query when it last ran.
    pub fingerprint: String,
    /// The table it feeds.
    pub sink: String,
    /// Which of several places that table was in, where that is for the settings to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// By source; of a complete flow, the versions of its tables.
    pub offsets: BTreeMap<String, Offset>,
    /// What each source was when its offset was taken ([`connectors::source::Source::identity`]).
    pub identities: BTreeMap<String, String>,
}

impl FlowProgress {
    /// Where to read on in `source`, which is now `identity`; `None`: from the beginning.
    pub fn offset(&self, source: &str, identity: &str) -> Option<&Offset> {
        self.offsets.get(source).filter(|_| self.identities.get(source).is_some_and(|then| then == identity))
    }
}

/// All that is stored of a pipeline's progress.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Changes when progress is forgotten.
    pub incarnation: String,
    /// The number that the next epoch gets.
    pub next_epoch: u64,
    /// By flow.
    pub flows: BTreeMap<String, FlowProgress>,
    /// An epoch that is staged and recorded, and not known to be committed everywhere.
    pub pending: Option<Checkpoint>,
}

/// Where progress lives.
#[async_trait]
pub trait StateStore: Send + Sync + Debug {
    /// Takes the lease if it is free, expired, or its holder is known to be dead. One of several callers gets it.
    ///
    /// # Errors
    /// [`StateError::Unavailable`].
    async fn acquire(&self, pipeline: &str, holder: &Holder, now: DateTime<Utc>, ttl: Duration) -> Result<Acquired>;

    /// Moves the lease's end.
    ///
    /// # Errors
    /// [`StateError::Fenced`] when it is no longer ours.
    async fn renew(&self, lease: &Lease, until: DateTime<Utc>) -> Result<()>;

    /// Gives the lease back: the run has ended, with `error` if it failed. Not an error when the lease is no longer ours.
    ///
    /// # Errors
    /// [`StateError::Unavailable`].
    async fn release(&self, lease: &Lease, error: Option<&str>, now: DateTime<Utc>) -> Result<()>;

    /// What is stored; a pipeline that was never run gets its incarnation here.
    ///
    /// # Errors
    /// [`StateError::Unavailable`].
    async fn progress(&self, pipeline: &str) -> Result<Progress>;

    /// Stores an epoch that is staged. From here on it will be committed and its sources are not read again.
    ///
    /// # Errors
    /// [`StateError::Fenced`]; [`StateError::Corrupt`] when another epoch is pending.
    async fn record(&self, lease: &Lease, checkpoint: &Checkpoint) -> Result<()>;

    /// Drops the epoch that is pending; `kept`, a part of it, is then pending in its place.
    ///
    /// # Errors
    /// [`StateError::Fenced`]; then nothing was dropped.
    async fn drop_pending(&self, lease: &Lease, kept: Option<&Checkpoint>) -> Result<()>;

    /// Makes the offsets of the pending epoch current. Called when every sink has committed.
    ///
    /// # Errors
    /// [`StateError::Fenced`].
    async fn advance(&self, lease: &Lease, epoch: u64, now: DateTime<Utc>) -> Result<()>;

    /// Forgets offsets and a pending epoch, and starts a new incarnation.
    ///
    /// # Errors
    /// [`StateError::Fenced`].
    async fn forget(&self, lease: &Lease) -> Result<()>;

    /// Runs, the newest first. `now` tells which of them still hold their lease.
    ///
    /// # Errors
    /// [`StateError::Unavailable`].
    async fn runs(&self, page: &Page, now: DateTime<Utc>) -> Result<Vec<RunRecord>>;

    /// Epochs, the newest first.
    ///
    /// # Errors
    /// [`StateError::Unavailable`].
    async fn epochs(&self, page: &Page) -> Result<Vec<EpochRecord>>;

    /// What each epoch of a pipeline brought to each of its sinks, the oldest first; of those that are recorded.
    ///
    /// # Errors
    /// [`StateError::Unavailable`].
    async fn epoch_flows(&self, pipeline: &str) -> Result<Vec<EpochFlow>>;

    /// How far the flows of a pipeline are, or those of all.
    ///
    /// # Errors
    /// [`StateError::Unavailable`].
    async fn flows(&self, pipeline: Option<&str>) -> Result<Vec<FlowRecord>>;
}
