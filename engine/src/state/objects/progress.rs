//! Progress and epochs of a pipeline's object.

use chrono::{DateTime, Utc};

use super::document::{Changed, Document};
use crate::state::snapshot::EpochEntry;
use crate::state::{Checkpoint, Lease, Progress, StateError};

impl Document {
    pub(super) fn progress(&self) -> Progress {
        Progress {
            incarnation: self.content.incarnation.clone(),
            next_epoch: self.content.next_epoch,
            flows: self.content.flows.clone(),
            pending: self.content.pending.clone(),
        }
    }

    pub(super) fn record(&mut self, lease: &Lease, checkpoint: &Checkpoint) -> Changed<()> {
        self.fence(lease)?;
        if let Some(pending) = &self.content.pending {
            return Err(StateError::Corrupt { message: format!("epoch {} is pending", pending.epoch) });
        }
        self.insert(lease, checkpoint);
        Ok(((), true))
    }

    pub(super) fn drop_pending(&mut self, lease: &Lease, kept: Option<&Checkpoint>) -> Changed<()> {
        self.fence(lease)?;
        self.forget_pending();
        if let Some(kept) = kept {
            self.insert(lease, kept);
        }
        Ok(((), true))
    }

    /// Adds an epoch, which is pending then.
    fn insert(&mut self, lease: &Lease, checkpoint: &Checkpoint) {
        let position = self.positions(checkpoint.recorded_at, checkpoint.flows.len());
        self.content.history.epochs.push(EpochEntry::of(checkpoint, lease.generation, position));
        self.content.next_epoch = checkpoint.epoch + 1;
        self.content.pending = Some(checkpoint.clone());
    }

    fn forget_pending(&mut self) {
        self.content.pending = None;
        self.content.history.epochs.retain(|epoch| epoch.committed_at.is_some());
    }

    pub(super) fn advance(&mut self, lease: &Lease, epoch: u64, now: DateTime<Utc>) -> Changed<()> {
        self.fence(lease)?;
        let Some(checkpoint) = self.content.pending.take_if(|pending| pending.epoch == epoch) else {
            return Err(StateError::Corrupt { message: format!("epoch {epoch} is not pending") });
        };
        self.content.flows.extend(checkpoint.progress());
        self.content.dates_done.extend(checkpoint.date);
        let history = &mut self.content.history;
        if let Some(entry) = history.epochs.iter_mut().find(|entry| entry.committed_at.is_none()) {
            entry.committed_at = Some(now);
            if let (Some(totals), Some(run)) = (entry.totals, history.runs.iter_mut().find(|run| Some(run.run) == entry.run)) {
                run.epochs += 1;
                run.totals.add(totals);
            }
        }
        Ok(((), true))
    }

    pub(super) fn forget(&mut self, lease: &Lease) -> Changed<()> {
        self.fence(lease)?;
        self.forget_pending();
        self.content.flows.clear();
        self.content.dates_done.clear();
        self.content.incarnation = crate::state::progress::new_incarnation();
        self.content.next_epoch = 1;
        Ok(((), true))
    }
}
