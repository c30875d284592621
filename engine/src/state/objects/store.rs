//! Reading the objects of pipelines, and changing one.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use connectors::faults::{AFTER_STATE, BEFORE_STATE, point};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;

use super::bucket::{Bucket, Put, Version};
use super::document::{Changed, Document, Outgoing};
use crate::state::{Result, StateError};

/// How often a change is begun again because somebody else was faster, or an answer was lost.
pub(super) const ATTEMPTS: u32 = 40;

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

    pub(super) async fn of(&self, pipeline: Option<&str>) -> Result<Vec<Arc<Document>>> {
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
    pub(super) async fn change<T: Send>(
        &self,
        pipeline: &str,
        change: impl Fn(&mut Document) -> Changed<T> + Send + Sync,
    ) -> Result<T> {
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
    pub(super) async fn deliver(&self, from: &Document) -> Result<()> {
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
}

/// Before a change is begun again: longer from time to time, and not the same for all.
pub(super) fn pause(attempt: u32) -> Duration {
    let longest = (PAUSE_MS * u64::from(attempt)).min(LONGEST_PAUSE_MS);
    let share = u64::from(uuid::Uuid::new_v4().as_bytes()[0]) + 1;
    Duration::from_millis(longest * share / 256)
}
