//! All of one pipeline in one object, and what changes it: leases here, the rest in the files beside.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::chunks::Chunk;
use crate::state::snapshot::{RunEntry, Snapshot};
use crate::state::{Acquired, Holder, Lease, LeaseRecord, Purpose, Request, Result, RunEnding, StateError, Totals};

/// Ids of changes that an object carries, so that who lost an answer finds its own.
const REMEMBERED: usize = 64;

/// Bits of a position that tell pipelines, and what is of one millisecond, apart.
const POSITION_BITS: u32 = 20;

/// What came of a change: the answer, and whether there is anything to write.
pub(super) type Changed<T> = Result<(T, bool)>;

/// A pipeline.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Document {
    pub(super) pipeline: String,
    /// The last changes, the newest last.
    pub(super) changes: VecDeque<String>,
    /// Where the state was moved to.
    #[serde(default)]
    pub(super) moved: Option<String>,
    pub(super) lease: Option<Held>,
    /// The last position that was given to anything.
    pub(super) position: i64,
    /// Requests of other pipelines that came with a cursor of this one and are not in their objects yet, by number.
    #[serde(default)]
    pub(super) outgoing: BTreeMap<u64, Outgoing>,
    pub(super) sent: u64,
    /// The last number that came from each other pipeline.
    #[serde(default)]
    pub(super) received: BTreeMap<String, u64>,
    /// History that is in objects of its own, the oldest first.
    pub(super) chunks: Vec<Chunk>,
    pub(super) content: Snapshot,
}

/// A lease that was not given back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) holder: Holder,
    pub(super) until: DateTime<Utc>,
}

/// A request on its way to another pipeline.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Outgoing {
    pub(super) request: Request,
    pub(super) at: DateTime<Utc>,
}

impl Document {
    pub(super) fn new(pipeline: &str) -> Self {
        Self { pipeline: pipeline.to_owned(), content: Snapshot { next_epoch: 1, ..Snapshot::default() }, ..Self::default() }
    }

    /// What came from another store, with positions of this one.
    pub(super) fn imported(pipeline: &str, snapshot: &Snapshot) -> Self {
        let mut document = Self { content: snapshot.clone(), ..Self::new(pipeline) };
        let mut history = std::mem::take(&mut document.content.history);
        history.runs.sort_by_key(|run| (run.started_at, run.position));
        for run in &mut history.runs {
            run.position = document.positions(run.started_at, 1);
        }
        history.epochs.sort_by_key(|epoch| (epoch.recorded_at, epoch.position));
        for epoch in &mut history.epochs {
            epoch.position = document.positions(epoch.recorded_at, epoch.loads.len());
            for (load, position) in epoch.loads.iter_mut().zip(epoch.position..) {
                load.position = position;
            }
        }
        document.content.history = history;
        let mut requests = std::mem::take(&mut document.content.requests);
        for kept in &mut requests {
            kept.id = document.positions(kept.requested_at, 1);
        }
        document.content.requests = requests;
        document
    }

    /// Goes on unless the state was moved elsewhere.
    ///
    /// # Errors
    /// [`StateError::Unavailable`] that says where to.
    pub(super) fn check_moved(&self) -> Result<()> {
        self.moved.as_deref().map_or(Ok(()), |to| Err(StateError::moved(to)))
    }

    /// Remembers the change that is being made.
    pub(super) fn note(&mut self, change: &str) {
        self.changes.push_back(change.to_owned());
        while self.changes.len() > REMEMBERED {
            self.changes.pop_front();
        }
    }

    /// `count` positions of what happens at `now`, behind all that were given before; returns the first. Those of different pipelines
    /// hardly ever meet.
    pub(super) fn positions(&mut self, now: DateTime<Utc>, count: usize) -> i64 {
        let first = lowest_position(now) | own_bits(&self.pipeline);
        let first = first.max(self.position + 1);
        self.position = first + i64::try_from(count).unwrap_or(1).max(1) - 1;
        first
    }

    /// Goes on if the lease is the pipeline's.
    ///
    /// # Errors
    /// [`StateError::Fenced`].
    pub(super) fn fence(&self, lease: &Lease) -> Result<()> {
        if self.lease.is_some() && self.content.generation == lease.generation {
            return Ok(());
        }
        Err(StateError::Fenced { pipeline: lease.pipeline.clone(), generation: lease.generation })
    }

    pub(super) fn acquire(
        &mut self,
        (holder, purpose): (&Holder, &Purpose),
        now: DateTime<Utc>,
        ttl: Duration,
    ) -> Changed<Acquired> {
        if let Some(Held { holder: current, until }) = &self.lease
            && *until > now
            && !current.is_dead(holder)
        {
            return Ok((Acquired::Held { holder: current.clone(), until: *until }, false));
        }
        let position = self.positions(now, 1);
        self.content.generation += 1;
        self.lease = Some(Held { holder: holder.clone(), until: now + ttl });
        self.content.free();
        if self.content.incarnation.is_empty() {
            self.content.incarnation = crate::state::progress::new_incarnation();
        }
        self.content.history.runs.push(RunEntry {
            position,
            run: self.content.generation,
            holder: holder.clone(),
            started_at: now,
            ended_at: None,
            ending: RunEnding::default(),
            purpose: purpose.clone(),
            epochs: 0,
            totals: Totals::default(),
        });
        Ok((Acquired::Granted(Lease { pipeline: self.pipeline.clone(), generation: self.content.generation }), true))
    }

    pub(super) fn renew(&mut self, lease: &Lease, until: DateTime<Utc>) -> Changed<()> {
        self.fence(lease)?;
        if let Some(held) = &mut self.lease {
            held.until = until;
        }
        Ok(((), true))
    }

    pub(super) fn release(&mut self, lease: &Lease, ending: &RunEnding, now: DateTime<Utc>) -> Changed<()> {
        let run = self.content.history.runs.iter_mut().find(|run| run.run == lease.generation);
        let is_known = run.is_some();
        if let Some(run) = run {
            run.ended_at = Some(now);
            run.ending = ending.clone();
        }
        let is_ours = self.fence(lease).is_ok();
        if is_ours {
            self.lease = None;
            self.content.free();
        }
        Ok(((), is_known || is_ours))
    }

    /// The lease, if somebody has it.
    pub(super) fn lease_record(&self, now: DateTime<Utc>) -> Option<LeaseRecord> {
        let Held { holder, until } = self.lease.clone()?;
        Some(LeaseRecord::seen(self.pipeline.clone(), self.content.generation, holder, until, now))
    }

    /// Whether a run holds the lease and is not known to be dead.
    pub(super) fn is_running(&self, run: &RunEntry, now: DateTime<Utc>, here: &Holder) -> bool {
        let is_held = self.lease.as_ref().is_some_and(|held| held.until > now);
        is_held && self.content.generation == run.run && !run.holder.is_dead(here)
    }
}

/// No position of what happened at `time` or later is lower.
pub(super) fn lowest_position(time: DateTime<Utc>) -> i64 {
    time.timestamp_millis() << POSITION_BITS
}

/// FNV-1a (<https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>) of the name: the same in every process and version.
fn own_bits(pipeline: &str) -> i64 {
    let hash = pipeline.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    i64::from((hash >> POSITION_BITS) ^ hash) & ((1 << POSITION_BITS) - 1)
}
