//! Leases: the right to write for a pipeline, and who has it.

use chrono::{DateTime, Utc};

use super::Holder;

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

/// Who holds a lease now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRecord {
    /// The pipeline.
    pub pipeline: String,
    /// The lease's generation, which is the number of the run.
    pub generation: i64,
    /// Who.
    pub holder: Holder,
    /// Until when, unless it is renewed.
    pub until: DateTime<Utc>,
    /// Its end has come, or its process is known to be gone: whoever asks for it gets it.
    pub is_over: bool,
}

impl LeaseRecord {
    /// The lease as it is seen from this process at `now`.
    pub(super) fn seen(pipeline: String, generation: i64, holder: Holder, until: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        let is_over = until <= now || holder.is_dead(&Holder::current());
        Self { pipeline, generation, holder, until, is_over }
    }
}
