//! The store's methods, each a change of one object, or a look at one or all.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use connectors::faults::{AFTER_STATE, BEFORE_STATE, point};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;

use super::bucket::{Bucket, Put, Version};
use super::chunks::{Part, newest};
use super::document::{Changed, Document, Outgoing};
use crate::state::snapshot::{Entries, RunEntry};
use crate::state::transfer::Transfer;
use crate::state::{
    Acquired, Checkpoint, Cursor, Ending, EpochFlow, EpochRecord, FlowRecord, Holder, Lease, LeaseRecord, LoadPage, LoadRecord,
    OpenRequest, Page, Pause, Progress, Purpose, Request, Result, RunEnding, RunRecord, RunStatus, StateError, StateStore,
};

/// How often a change is begun again because somebody else was faster, or an answer was lost.
const ATTEMPTS: u32 = 40;

/// The longest pause before the second attempt; it grows with the attempts, up to the longest of all.
const PAUSE_MS: u64 = 20;
const LONGEST_PAUSE_MS: u64 = 1_000;

/// Objects read at the same time.
const CONCURRENT: usize = 8;

/// A pipeline's object, with its ETag.
type Seen = (Option<String>, Arc<Document>);

/// State on an object store.
#[derive(Debug)]
pub(in crate::state) struct ObjectState {
    pub(super) bucket: Bucket,
    /// Pipelines' objects as they were last read, by ETag: listing them says which have changed.
    seen: Mutex<HashMap<Path, Seen>>,
}

impl ObjectState {
    pub(in crate::state) fn new(bucket: Bucket) -> Self {
        Self { bucket, seen: Mutex::default() }
    }

    pub(super) fn path(&self, pipeline: &str) -> Path {
        self.bucket.path(&format!("pipelines/{pipeline}.json"))
    }

    /// A pipeline, as it is now; one that is not there is as new.
    pub(super) async fn read(&self, pipeline: &str) -> Result<(Document, Version)> {
        let found = self.bucket.get(&self.path(pipeline)).await?;
        Ok(found.unwrap_or_else(|| (Document::new(pipeline), None)))
    }

    /// All pipelines, as they are now, by name.
    pub(super) async fn all(&self) -> Result<Vec<Arc<Document>>> {
        let listed = self.bucket.list("pipelines").await?;
        let documents = stream::iter(listed).map(|object| self.current(object.location, object.e_tag));
        let mut documents: Vec<Arc<Document>> =
            documents.buffer_unordered(CONCURRENT).try_filter_map(|found| std::future::ready(Ok(found))).try_collect().await?;
        documents.sort_by(|one, other| one.pipeline.cmp(&other.pipeline));
        Ok(documents)
    }

    async fn of(&self, pipeline: Option<&str>) -> Result<Vec<Arc<Document>>> {
        match pipeline {
            Some(pipeline) => Ok(vec![Arc::new(self.read(pipeline).await?.0)]),
            None => self.all().await,
        }
    }

    /// The object at `path`, read if it is another than was seen last.
    async fn current(&self, path: Path, e_tag: Option<String>) -> Result<Option<Arc<Document>>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(&path).cloned();
        if let Some((known, document)) = seen
            && known.is_some()
            && known == e_tag
        {
            return Ok(Some(document));
        }
        let Some((document, version)) = self.bucket.get::<Document>(&path).await? else { return Ok(None) };
        let document = Arc::new(document);
        let entry = (version.and_then(|version| version.e_tag), Arc::clone(&document));
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(path, entry);
        Ok(Some(document))
    }

    /// Makes a change of a pipeline's object that nobody else comes between.
    async fn change<T: Send>(&self, pipeline: &str, change: impl Fn(&mut Document) -> Changed<T> + Send + Sync) -> Result<T> {
        self.change_marked(pipeline, |document| {
            document.check_moved()?;
            change(document)
        })
        .await
    }

    /// The same of an object that may be marked as moved.
    pub(super) async fn change_marked<T: Send>(
        &self,
        pipeline: &str,
        change: impl Fn(&mut Document) -> Changed<T> + Send + Sync,
    ) -> Result<T> {
        point(BEFORE_STATE);
        let mut tried: HashMap<String, T> = HashMap::new();
        let mut last = None;
        for attempt in 1..=ATTEMPTS {
            let (mut document, version) = self.read(pipeline).await?;
            if let Some(id) = document.changes.iter().find(|id| tried.contains_key(*id)).cloned()
                && let Some(value) = tried.remove(&id)
            {
                point(AFTER_STATE);
                return Ok(value);
            }
            let (value, is_changed) = change(&mut document)?;
            if !is_changed {
                return Ok(value);
            }
            let id = uuid::Uuid::new_v4().simple().to_string();
            document.note(&id);
            self.put_aside(&mut document).await?;
            match self.bucket.put(&self.path(pipeline), &document, version).await? {
                Put::Written => {
                    point(AFTER_STATE);
                    return Ok(value);
                }
                // It was refused, and will be.
                Put::Unknown(error) if !error.is_passing() => return Err(error),
                Put::Unknown(error) => {
                    tracing::debug!(pipeline, attempt, %error, "the state of a pipeline is looked at again");
                    last = Some(error);
                    tried.insert(id, value);
                }
            }
            tokio::time::sleep(pause(attempt)).await;
        }
        let cause = last.map(|error| error.to_string()).unwrap_or_default();
        Err(StateError::Unavailable {
            message: format!(
                "state store: pipeline '{pipeline}' could not be written in {ATTEMPTS} attempts; the last one: {cause}"
            ),
            source: None,
        })
    }

    /// Gives old history an object of its own. If the change is not made, nobody names that object, and [`Self::prune`] removes it: a put
    /// whose answer was lost may still name it.
    async fn put_aside(&self, document: &mut Document) -> Result<()> {
        if let Some(old) = document.take_old() {
            document.chunks.push(document.put_chunk(&self.bucket, &old).await?);
        }
        Ok(())
    }

    /// Brings requests that came with a cursor of another pipeline to theirs.
    async fn deliver(&self, from: &Document) -> Result<()> {
        let mut by_pipeline: BTreeMap<&str, Vec<(u64, Outgoing)>> = BTreeMap::new();
        for (number, outgoing) in &from.outgoing {
            by_pipeline.entry(&outgoing.request.pipeline).or_default().push((*number, outgoing.clone()));
        }
        for (pipeline, outgoing) in by_pipeline {
            self.change(pipeline, |document| document.receive(&from.pipeline, &outgoing)).await?;
        }
        let numbers: Vec<u64> = from.outgoing.keys().copied().collect();
        if !numbers.is_empty() {
            self.change(&from.pipeline, |document| document.delivered(&numbers)).await?;
        }
        Ok(())
    }

    /// Forgets what is old of one pipeline; says how many runs.
    async fn prune_one(&self, pipeline: &str, before: DateTime<Utc>) -> Result<u64> {
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
            if matches!(self.bucket.put(&self.path(pipeline), &document, version).await?, Put::Written) {
                self.sweep(&document, before).await?;
                return Ok(gone as u64);
            }
            tokio::time::sleep(pause(attempt)).await;
        }
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

/// Before a change is begun again: longer from time to time, and not the same for all.
fn pause(attempt: u32) -> Duration {
    let longest = (PAUSE_MS * u64::from(attempt)).min(LONGEST_PAUSE_MS);
    let share = u64::from(uuid::Uuid::new_v4().as_bytes()[0]) + 1;
    Duration::from_millis(longest * share / 256)
}

fn run_records(document: &Document, entries: &Entries, now: DateTime<Utc>) -> Vec<RunRecord> {
    let here = Holder::current();
    let record = |run: &RunEntry| run.record(&document.pipeline, document.is_running(run, now, &here));
    entries.runs.iter().map(record).collect()
}

#[async_trait]
impl StateStore for ObjectState {
    async fn acquire(
        &self,
        pipeline: &str,
        holder: &Holder,
        purpose: &Purpose,
        now: DateTime<Utc>,
        ttl: Duration,
    ) -> Result<Acquired> {
        self.check().await?;
        self.change(pipeline, |document| document.acquire((holder, purpose), now, ttl)).await
    }

    async fn renew(&self, lease: &Lease, until: DateTime<Utc>) -> Result<()> {
        self.change(&lease.pipeline, |document| document.renew(lease, until)).await
    }

    async fn release(&self, lease: &Lease, ending: &RunEnding, now: DateTime<Utc>) -> Result<()> {
        self.change(&lease.pipeline, |document| document.release(lease, ending, now)).await
    }

    async fn leases(&self, now: DateTime<Utc>) -> Result<Vec<LeaseRecord>> {
        Ok(self.all().await?.iter().filter_map(|document| document.lease_record(now)).collect())
    }

    async fn progress(&self, pipeline: &str) -> Result<Progress> {
        Ok(self.read(pipeline).await?.0.progress())
    }

    async fn record(&self, lease: &Lease, checkpoint: &Checkpoint) -> Result<()> {
        self.change(&lease.pipeline, |document| document.record(lease, checkpoint)).await
    }

    async fn drop_pending(&self, lease: &Lease, kept: Option<&Checkpoint>) -> Result<()> {
        self.change(&lease.pipeline, |document| document.drop_pending(lease, kept)).await
    }

    async fn advance(&self, lease: &Lease, epoch: u64, now: DateTime<Utc>) -> Result<()> {
        self.change(&lease.pipeline, |document| document.advance(lease, epoch, now)).await
    }

    async fn forget(&self, lease: &Lease) -> Result<()> {
        self.change(&lease.pipeline, |document| document.forget(lease)).await
    }

    async fn runs(&self, page: &Page, now: DateTime<Utc>) -> Result<Vec<RunRecord>> {
        let part = Part { before: page.before, since: page.since, limit: page.limit as usize };
        let is_wanted = |run: &RunRecord| {
            page.status.is_none_or(|status| run.status == status) && page.since.is_none_or(|since| run.started_at >= since)
        };
        let mut documents = self.of(page.pipeline.as_deref()).await?;
        if page.status == Some(RunStatus::Running) {
            // What runs is in the pipelines' objects.
            for document in &mut documents {
                Arc::make_mut(document).chunks.clear();
            }
        }
        newest(&self.bucket, &documents, part, |document, entries| {
            let runs = run_records(document, entries, now).into_iter().filter(is_wanted);
            runs.map(|run| (run.position, run)).collect()
        })
        .await
    }

    async fn run(&self, pipeline: &str, run: i64, now: DateTime<Utc>) -> Result<Option<RunRecord>> {
        let documents = self.of(Some(pipeline)).await?;
        let part = Part { before: None, since: None, limit: 1 };
        let found = newest(&self.bucket, &documents, part, |document, entries| {
            let runs = run_records(document, entries, now).into_iter().filter(|record| record.run == run);
            // It is one: no other is newer.
            runs.map(|record| (i64::MAX, record)).collect()
        });
        Ok(found.await?.pop())
    }

    async fn epochs(&self, page: &Page) -> Result<Vec<EpochRecord>> {
        let part = Part { before: page.before, since: page.since, limit: page.limit as usize };
        let documents = self.of(page.pipeline.as_deref()).await?;
        newest(&self.bucket, &documents, part, |document, entries| {
            let epochs = entries.epochs.iter().filter(|epoch| page.since.is_none_or(|since| epoch.recorded_at >= since));
            epochs.map(|epoch| (epoch.position, epoch.record(&document.pipeline))).collect()
        })
        .await
    }

    async fn epoch_flows(&self, pipeline: &str) -> Result<Vec<EpochFlow>> {
        let entries = self.read(pipeline).await?.0.all_entries(&self.bucket).await?;
        Ok(entries.epochs.iter().flat_map(|epoch| epoch.flows().collect::<Vec<_>>()).collect())
    }

    async fn loads(&self, page: &LoadPage) -> Result<Vec<LoadRecord>> {
        let is_wanted = |load: &LoadRecord| {
            let is_there = page.locations.is_empty() || page.locations.contains(&load.table.to_lowercase());
            is_there && page.since.is_none_or(|since| load.landed_at.unwrap_or(load.recorded_at) >= since)
        };
        // What landed then or later was recorded later.
        let part = Part { before: page.before, since: page.since, limit: page.limit as usize };
        newest(&self.bucket, &self.all().await?, part, |document, entries| {
            let loads = entries.epochs.iter().flat_map(|epoch| epoch.loads(&document.pipeline)).filter(is_wanted);
            loads.map(|load| (load.position, load)).collect()
        })
        .await
    }

    async fn flows(&self, pipeline: Option<&str>) -> Result<Vec<FlowRecord>> {
        let record = |document: &Arc<Document>| {
            let pipeline = document.pipeline.clone();
            let flows = document.content.flows.clone();
            flows.into_iter().map(move |(flow, progress)| FlowRecord { pipeline: pipeline.clone(), flow, progress })
        };
        Ok(self.of(pipeline).await?.iter().flat_map(record).collect())
    }

    async fn dates_done(&self, pipeline: &str, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<DateTime<Utc>>> {
        let done = self.read(pipeline).await?.0.content.dates_done;
        Ok(done.into_iter().filter(|date| (from..=to).contains(date)).collect())
    }

    async fn prune(&self, before: DateTime<Utc>) -> Result<u64> {
        let mut runs = 0;
        for document in self.all().await? {
            runs += self.prune_one(&document.pipeline, before).await?;
        }
        Ok(runs)
    }

    async fn request(&self, request: &Request, now: DateTime<Utc>) -> Result<bool> {
        self.change(&request.pipeline, |document| document.request(request, now)).await
    }

    async fn open_requests(&self, pipeline: Option<&str>) -> Result<Vec<OpenRequest>> {
        let mut documents = self.all().await?;
        if documents.iter().any(|document| !document.outgoing.is_empty()) {
            for document in documents.iter().filter(|document| !document.outgoing.is_empty()) {
                self.deliver(document).await?;
            }
            documents = self.all().await?;
        }
        let wanted = documents.iter().filter(|document| pipeline.is_none_or(|pipeline| document.pipeline == pipeline));
        let mut open: Vec<OpenRequest> = wanted.flat_map(|document| document.open_requests()).collect();
        open.sort_by_key(|open| open.id);
        Ok(open)
    }

    async fn take_requests(&self, lease: &Lease, ids: &[i64]) -> Result<Vec<i64>> {
        self.change(&lease.pipeline, |document| document.take(lease, ids)).await
    }

    async fn end_requests(&self, lease: &Lease, ending: &Ending) -> Result<()> {
        self.change(&lease.pipeline, |document| document.end(lease, ending)).await
    }

    async fn drop_requests(&self, pipeline: &str, ids: Option<&[i64]>) -> Result<u64> {
        self.change(pipeline, |document| document.remove(ids)).await
    }

    async fn move_cursor(
        &self,
        pipeline: &str,
        name: &str,
        from: Option<&str>,
        to: &str,
        requests: &[Request],
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let is_moved = self.change(pipeline, |document| document.move_cursor((name, from, to), requests, now)).await?;
        if is_moved && requests.iter().any(|request| request.pipeline != pipeline) {
            // They are on their way; who looks for requests brings them too.
            self.deliver(&self.read(pipeline).await?.0).await?;
        }
        Ok(is_moved)
    }

    async fn cursors(&self) -> Result<Vec<Cursor>> {
        let cursors = |document: &Arc<Document>| {
            let pipeline = document.pipeline.clone();
            let cursors = document.content.cursors.clone();
            cursors.into_iter().map(move |(name, value)| Cursor { pipeline: pipeline.clone(), name, value })
        };
        Ok(self.all().await?.iter().flat_map(cursors).collect())
    }

    async fn pause(&self, pipeline: &str, pause: Option<&Pause>) -> Result<()> {
        self.change(pipeline, |document| {
            let is_changed = document.content.pause.as_ref() != pause;
            document.content.pause = pause.cloned();
            Ok(((), is_changed))
        })
        .await
    }

    async fn pauses(&self) -> Result<BTreeMap<String, Pause>> {
        let pause = |document: &Arc<Document>| Some((document.pipeline.clone(), document.content.pause.clone()?));
        Ok(self.all().await?.iter().filter_map(pause).collect())
    }
}
