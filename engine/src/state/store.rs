//! The trait that every state store implements.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{
    Acquired, Checkpoint, Cursor, Ending, EpochFlow, EpochRecord, FlowRecord, Holder, Lease, LeaseRecord, LoadPage, LoadRecord,
    OpenRequest, Page, Pause, Progress, Purpose, Request, Result, RunEnding, RunRecord,
};

/// Where progress lives. Every method is one transaction: it happens wholly or not at all, and is durable when it returns. Times are
/// the callers'.
///
/// # Errors
/// Every method may return [`StateError::Unavailable`](super::StateError::Unavailable). Those that are given a lease return
/// [`StateError::Fenced`](super::StateError::Fenced) when it is no longer the pipeline's, and have then done nothing.
#[async_trait]
pub trait StateStore: Send + Sync + Debug {
    /// Takes the lease if it is free, expired, or its holder is known to be dead. One of several callers gets it. `purpose` goes into
    /// the record of the run that begins so. What the run before had taken and not put away waits again.
    async fn acquire(
        &self,
        pipeline: &str,
        holder: &Holder,
        purpose: &Purpose,
        now: DateTime<Utc>,
        ttl: Duration,
    ) -> Result<Acquired>;

    /// Moves the lease's end.
    async fn renew(&self, lease: &Lease, until: DateTime<Utc>) -> Result<()>;

    /// Gives the lease back: the run has ended. Requests that it took and did not put away wait again. Not an error when the lease is no
    /// longer ours.
    async fn release(&self, lease: &Lease, ending: &RunEnding, now: DateTime<Utc>) -> Result<()>;

    /// Leases that somebody has taken and not given back, by pipeline.
    async fn leases(&self, now: DateTime<Utc>) -> Result<Vec<LeaseRecord>>;

    /// What is stored of a pipeline; one that was never run has no incarnation.
    async fn progress(&self, pipeline: &str) -> Result<Progress>;

    /// Stores an epoch that is staged. From here on it will be committed and its sources are not read again.
    ///
    /// # Errors
    /// [`StateError::Unavailable`](super::StateError::Unavailable) or [`StateError::Corrupt`](super::StateError::Corrupt) also when
    /// another epoch is pending.
    async fn record(&self, lease: &Lease, checkpoint: &Checkpoint) -> Result<()>;

    /// Drops the epoch that is pending; `kept`, a part of it, is then pending in its place.
    async fn drop_pending(&self, lease: &Lease, kept: Option<&Checkpoint>) -> Result<()>;

    /// Makes the offsets of the pending epoch current, and its date done. Called when every sink has committed.
    ///
    /// # Errors
    /// [`StateError::Corrupt`](super::StateError::Corrupt) when `epoch` is not pending.
    async fn advance(&self, lease: &Lease, epoch: u64, now: DateTime<Utc>) -> Result<()>;

    /// Forgets offsets, dates and a pending epoch, and starts a new incarnation.
    async fn forget(&self, lease: &Lease) -> Result<()>;

    /// Runs, the newest first. `now` tells which of them still hold their lease.
    async fn runs(&self, page: &Page, now: DateTime<Utc>) -> Result<Vec<RunRecord>>;

    /// One run.
    async fn run(&self, pipeline: &str, run: i64, now: DateTime<Utc>) -> Result<Option<RunRecord>>;

    /// Epochs, the newest first.
    async fn epochs(&self, page: &Page) -> Result<Vec<EpochRecord>>;

    /// What each epoch of a pipeline brought to each of its sinks, the oldest first; of those that are recorded.
    async fn epoch_flows(&self, pipeline: &str) -> Result<Vec<EpochFlow>>;

    /// The same over all pipelines, the newest first.
    async fn loads(&self, page: &LoadPage) -> Result<Vec<LoadRecord>>;

    /// How far the flows of a pipeline are, or those of all.
    async fn flows(&self, pipeline: Option<&str>) -> Result<Vec<FlowRecord>>;

    /// The logical dates, within `from` and `to` and both included, of which an epoch of the pipeline's present incarnation is
    /// committed; in order.
    async fn dates_done(&self, pipeline: &str, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<DateTime<Utc>>>;

    /// Removes runs that ended before `before`, and the epochs that these recorded; says how many runs. The last run and the last epoch of
    /// each pipeline stay, and so does what is still asked of the past: pending epochs, dates that are done, and of each flow and
    /// table the last epoch that brought rows.
    async fn prune(&self, before: DateTime<Utc>) -> Result<u64>;

    /// Adds the request, unless one of its pipeline with its key waits; says whether it was added.
    async fn request(&self, request: &Request, now: DateTime<Utc>) -> Result<bool>;

    /// Requests that have not ended, by id; of one pipeline or of all.
    async fn open_requests(&self, pipeline: Option<&str>) -> Result<Vec<OpenRequest>>;

    /// The run of `lease` begins those of its pipeline that wait among `ids`; returns which.
    async fn take_requests(&self, lease: &Lease, ids: &[i64]) -> Result<Vec<i64>>;

    /// Puts away what the run of `lease` had taken.
    async fn end_requests(&self, lease: &Lease, ending: &Ending) -> Result<()>;

    /// Moves the cursor `name` of `pipeline` from `from` (none: there is none yet) to `to`, and adds `requests`, each as
    /// [`request`](Self::request) does. `false`: it is not at `from`; somebody else has moved it, and nothing was done.
    async fn move_cursor(
        &self,
        pipeline: &str,
        name: &str,
        from: Option<&str>,
        to: &str,
        requests: &[Request],
        now: DateTime<Utc>,
    ) -> Result<bool>;

    /// All cursors, by pipeline and name.
    async fn cursors(&self) -> Result<Vec<Cursor>>;

    /// Pauses the pipeline, or ends its pause.
    async fn pause(&self, pipeline: &str, pause: Option<&Pause>) -> Result<()>;

    /// The pipelines that are paused.
    async fn pauses(&self) -> Result<BTreeMap<String, Pause>>;
}
