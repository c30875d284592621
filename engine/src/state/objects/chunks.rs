//! History that has its own objects: put aside when a pipeline's object grows, and read back page by page.

use chrono::{DateTime, Utc};
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::bucket::Bucket;
use super::document::{Document, lowest_position};
use crate::state::Result;
use crate::state::snapshot::{Entries, RunEntry};

/// Runs and epochs in a pipeline's object at which what need not be changed any more goes to an object of its own.
const MOST: usize = 64;

/// An object of history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Chunk {
    /// Its name.
    pub(super) id: String,
    /// The lowest and the highest position in it.
    pub(super) first: i64,
    pub(super) last: i64,
}

impl Document {
    /// Takes what need not be changed any more out of this object, if that is much.
    pub(super) fn take_old(&mut self) -> Option<Entries> {
        let pending = self.content.pending.as_ref().map(|pending| pending.epoch);
        let generation = self.content.generation;
        let history = &mut self.content.history;
        if history.runs.len() + history.epochs.len() < MOST {
            return None;
        }
        // Whose epoch is pending is still counted to, and the last run may not have ended.
        let writer = history.epochs.iter().find(|epoch| epoch.committed_at.is_none() && Some(epoch.epoch) == pending);
        let writer = writer.and_then(|epoch| epoch.run);
        let mut old = Entries::default();
        let is_over = |run: &RunEntry| run.run != generation && Some(run.run) != writer;
        old.runs.extend(history.runs.extract_if(.., |run| is_over(run)));
        old.epochs.extend(history.epochs.extract_if(.., |epoch| epoch.committed_at.is_some()));
        (!old.runs.is_empty() || !old.epochs.is_empty()).then_some(old)
    }

    /// The object of history that `id` names.
    pub(super) fn chunk_path(&self, bucket: &Bucket, id: &str) -> Path {
        bucket.path(&format!("history/{}/{id}.json", self.pipeline))
    }

    /// Puts entries into an object of their own; the caller adds it to the list.
    pub(super) async fn put_chunk(&self, bucket: &Bucket, entries: &Entries) -> Result<Chunk> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        bucket.put_new(&self.chunk_path(bucket, &id), entries).await?;
        Ok(entries.chunk(id))
    }

    /// The entries of a chunk; none if it was pruned since the list was read.
    pub(super) async fn read_chunk(&self, bucket: &Bucket, chunk: &Chunk) -> Result<Entries> {
        let found = bucket.get::<Entries>(&self.chunk_path(bucket, &chunk.id)).await?;
        Ok(found.map(|(entries, _)| entries).unwrap_or_default())
    }

    /// All that was run, the oldest first.
    pub(super) async fn all_entries(&self, bucket: &Bucket) -> Result<Entries> {
        let mut all = Entries::default();
        for chunk in &self.chunks {
            let entries = self.read_chunk(bucket, chunk).await?;
            all.runs.extend(entries.runs);
            all.epochs.extend(entries.epochs);
        }
        all.runs.extend(self.content.history.runs.iter().cloned());
        all.epochs.extend(self.content.history.epochs.iter().cloned());
        all.runs.sort_by_key(|run| run.position);
        all.epochs.sort_by_key(|epoch| epoch.position);
        Ok(all)
    }
}

impl Entries {
    fn chunk(&self, id: String) -> Chunk {
        let positions = || {
            let loads = self.epochs.iter().flat_map(|epoch| epoch.loads.iter().map(|load| load.position));
            self.runs.iter().map(|run| run.position).chain(self.epochs.iter().map(|epoch| epoch.position)).chain(loads)
        };
        Chunk { id, first: positions().min().unwrap_or_default(), last: positions().max().unwrap_or_default() }
    }
}

/// Which part of a history is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) before: Option<i64>,
    pub(super) since: Option<DateTime<Utc>>,
    pub(super) limit: usize,
}

/// The newest records of some pipelines that `records` finds in their entries, with positions; chunks are read as far back as it takes.
pub(super) async fn newest<T>(
    bucket: &Bucket,
    documents: &[std::sync::Arc<Document>],
    part: Part,
    records: impl Fn(&Document, &Entries) -> Vec<(i64, T)>,
) -> Result<Vec<T>> {
    let is_wanted = |position: i64| part.before.is_none_or(|before| position < before);
    let lowest = part.since.map_or(i64::MIN, lowest_position);
    let mut found: Vec<(i64, T)> = Vec::new();
    let mut chunks = Vec::new();
    for document in documents {
        found.extend(records(document, &document.content.history).into_iter().filter(|(position, _)| is_wanted(*position)));
        let earlier = document.chunks.iter().filter(|chunk| chunk.last >= lowest && is_wanted(chunk.first));
        chunks.extend(earlier.map(|chunk| (document, chunk)));
    }
    chunks.sort_by_key(|(_, chunk)| std::cmp::Reverse(chunk.last));
    for (document, chunk) in chunks {
        found.sort_by_key(|(position, _)| std::cmp::Reverse(*position));
        if part.limit.checked_sub(1).is_none_or(|last| found.get(last).is_some_and(|(position, _)| *position > chunk.last)) {
            break;
        }
        let entries = document.read_chunk(bucket, chunk).await?;
        found.extend(records(document, &entries).into_iter().filter(|(position, _)| is_wanted(*position)));
    }
    found.sort_by_key(|(position, _)| std::cmp::Reverse(*position));
    found.truncate(part.limit);
    Ok(found.into_iter().map(|(_, record)| record).collect())
}
