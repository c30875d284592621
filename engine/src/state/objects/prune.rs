//! Forgetting old runs, without what is still asked of the past.

use chrono::{DateTime, Utc};
use object_store::path::Path;

use super::bucket::Put;
use super::document::Document;
use super::store::{ATTEMPTS, ObjectState, pause};
use crate::state::Result;
use crate::state::snapshot::{Entries, EpochEntry, LoadEntry, RunEntry};

impl ObjectState {
    /// Forgets what is old of one pipeline; says how many runs.
    pub(super) async fn prune_one(&self, pipeline: &str, before: DateTime<Utc>) -> Result<u64> {
        for attempt in 1..=ATTEMPTS {
            let (mut document, version) = self.read(pipeline).await?;
            let all = document.all_entries(&self.bucket).await?;
            let kept = document.kept(&all, before);
            let gone = all.runs.len() - kept.runs.len();
            if gone == 0 && all.epochs.len() == kept.epochs.len() {
                self.sweep(&document, before).await?;
                return Ok(0);
            }
            self.replace_history(&mut document, kept).await?;
            document.note(&uuid::Uuid::new_v4().simple().to_string());
            match self.bucket.put(&self.path(pipeline), &document, version).await? {
                Put::Written => {
                    self.sweep(&document, before).await?;
                    return Ok(gone as u64);
                }
                Put::Unknown(error) if !error.is_passing() => return Err(error),
                Put::Unknown(_) => tokio::time::sleep(pause(attempt)).await,
            }
        }
        // It is changed all the time: another time will do.
        Ok(0)
    }

    /// What is in the pipeline's object stays there; the rest goes into one object.
    async fn replace_history(&self, document: &mut Document, mut kept: Entries) -> Result<()> {
        let own = std::mem::take(&mut document.content.history);
        let here = &mut document.content.history;
        here.runs.extend(kept.runs.extract_if(.., |run| own.runs.iter().any(|own| own.run == run.run)));
        here.epochs.extend(kept.epochs.extract_if(.., |epoch| own.epochs.iter().any(|own| own.position == epoch.position)));
        document.chunks.clear();
        if !kept.runs.is_empty() || !kept.epochs.is_empty() {
            document.chunks.push(document.put_chunk(&self.bucket, &kept).await?);
        }
        Ok(())
    }

    /// Removes objects of history that are older than `before` and that nobody names.
    async fn sweep(&self, document: &Document, before: DateTime<Utc>) -> Result<()> {
        let named: Vec<Path> = document.chunks.iter().map(|chunk| document.chunk_path(&self.bucket, &chunk.id)).collect();
        let mut there = self.bucket.list(&format!("history/{}", document.pipeline)).await?;
        there.retain(|object| object.last_modified < before && !named.contains(&object.location));
        let nobodys: Vec<Path> = there.into_iter().map(|object| object.location).collect();
        self.bucket.remove(&nobodys).await;
        Ok(())
    }
}

impl Document {
    /// What of `all` is kept when what ended before `before` is forgotten; see [`crate::state::StateStore::prune`].
    pub(super) fn kept(&self, all: &Entries, before: DateTime<Utc>) -> Entries {
        let last = all.runs.iter().map(|run| run.run).max();
        let is_kept = |run: &&RunEntry| run.ended_at.unwrap_or(run.started_at) >= before || Some(run.run) == last;
        let runs: Vec<RunEntry> = all.runs.iter().filter(is_kept).cloned().collect();
        let last = all.epochs.iter().map(|epoch| epoch.position).max();
        let is_kept = |epoch: &&EpochEntry| {
            let has_run = runs.iter().any(|run| Some(run.run) == epoch.run);
            let is_old = epoch.committed_at.is_some_and(|at| at < before);
            !is_old || has_run || Some(epoch.position) == last || self.is_asked_for(epoch, all)
        };
        let epochs = all.epochs.iter().filter(is_kept).cloned().collect();
        Entries { runs, epochs }
    }

    /// Whether an epoch is the last of a flow and table that brought rows: whether a table that is gone had any is asked for
    /// (`epoch::gone`).
    fn is_asked_for(&self, epoch: &EpochEntry, all: &Entries) -> bool {
        let same = |one: &LoadEntry, other: &LoadEntry| {
            let table = |load: &LoadEntry| (load.sink.connector.clone(), load.sink.location.clone());
            one.flow == other.flow && one.place == other.place && table(one) == table(other)
        };
        let is_last = |load: &LoadEntry| {
            let mut later = all
                .epochs
                .iter()
                .filter(|later| later.incarnation == epoch.incarnation && later.epoch > epoch.epoch)
                .flat_map(|later| &later.loads);
            load.rows > 0 && !later.any(|later| later.rows > 0 && same(load, later))
        };
        epoch.incarnation == self.content.incarnation && epoch.loads.iter().any(is_last)
    }
}
