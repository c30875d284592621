//! Whether files have come to a place, for who does not read them: what starts a pipeline.
//!
//! A listing shows that something is different from before, but not what; between listings, the operating system or a queue tells at once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use catalog::crawl::SkipReason;
use futures::TryStreamExt;
use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::listing::Place;
use super::news::PlaceReader;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::sqs::{Inbox, Name, Post, QueueUrl};

/// How often a place is listed of which nobody tells.
const POLL: Duration = Duration::from_secs(15);
/// How often one is listed of which a queue tells.
const POLL_TOLD: Duration = Duration::from_secs(3_600);
/// How long a message is hidden from others, as for tables that do not say.
const VISIBILITY: Duration = Duration::from_secs(60);
/// After a change in a folder, the others of a burst are waited for.
const PAUSE: Duration = Duration::from_millis(100);

/// A place to which files come.
#[derive(Debug)]
pub struct Arrivals {
    place: Place,
    news: News,
    /// Files of any kind count but those below this part of the place.
    except: Option<String>,
}

#[derive(Debug)]
enum News {
    /// It is listed.
    Nothing,
    /// The operating system watches a folder.
    Folder { stirred: Arc<Notify>, watcher: Mutex<Option<RecommendedWatcher>>, has_complained: AtomicBool },
    /// A queue tells.
    Queue { inbox: Arc<Inbox>, post: Post },
}

/// What a place held when it was looked at. The same text means the same files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark(pub String);

impl Arrivals {
    /// Of `location`: a folder, a file, a pattern, `s3://bucket/prefix`; `queue` is the URL of one that tells of objects on S3. Asks nobody.
    ///
    /// # Errors
    /// [`Error::Config`] for a location or a URL that is none.
    pub fn new(location: &str, queue: Option<&str>, context: &Context) -> Result<Self> {
        let place = Place::parse(&context.stores, location)?;
        let news = match queue {
            Some(url) if !place.is_local() => {
                let url = QueueUrl::parse(url).map_err(|error| Error::config(format!("queue '{url}': {error}")))?;
                let inbox = context.stores.inbox(&url, VISIBILITY)?;
                let post = Post::new(Arc::clone(&inbox), Arc::new(PlaceReader(place.clone())));
                News::Queue { inbox, post }
            }
            _ if place.is_local() => {
                News::Folder { stirred: Arc::default(), watcher: Mutex::default(), has_complained: AtomicBool::new(false) }
            }
            _ => News::Nothing,
        };
        Ok(Self { place, news, except: None })
    }

    /// The same of a landing zone: files of any kind count, but for those below `prefix` of it, which were refused.
    #[must_use]
    pub fn except(self, prefix: &str) -> Self {
        Self { except: Some(format!("{}/", prefix.trim_matches('/'))), ..self }
    }

    /// Whether a file is none that anybody waits for.
    fn is_passed_over(&self, key: &str, size: u64) -> bool {
        let reason = SkipReason::of(key, size);
        match &self.except {
            None => reason.is_some(),
            Some(prefix) => {
                use SkipReason::{Checksum, Folder, Hidden, Temporary};
                key.starts_with(prefix) || matches!(reason, Some(Folder | Hidden | Checksum | Temporary))
            }
        }
    }

    /// How often to look, whatever is told.
    pub fn poll(&self) -> Duration {
        if matches!(self.news, News::Queue { .. }) { POLL_TOLD } else { POLL }
    }

    /// Begins to be told, if it has not begun; a folder that could not be watched is tried again. What happened before shows in a
    /// [`Self::look`].
    ///
    /// # Errors
    /// When a queue is not there, or may not be read.
    pub async fn listen(&self) -> Result<()> {
        match &self.news {
            News::Nothing => Ok(()),
            News::Folder { stirred, watcher, has_complained } => {
                let mut watcher = watcher.lock().unwrap_or_else(PoisonError::into_inner);
                if watcher.is_none() {
                    *watcher = self.watch(stirred, has_complained);
                }
                Ok(())
            }
            News::Queue { inbox, .. } => inbox.listen().await,
        }
    }

    fn watch(&self, stirred: &Arc<Notify>, has_complained: &AtomicBool) -> Option<RecommendedWatcher> {
        let (folder, is_deep) = self.place.watched_folder()?;
        let stirred = Arc::clone(stirred);
        let heard = move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| event.need_rescan() || is_arrival(event.kind)) {
                stirred.notify_one();
            }
        };
        let mode = if is_deep { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
        let begun = notify::recommended_watcher(heard).and_then(|mut watcher| watcher.watch(&folder, mode).map(|()| watcher));
        begun
            .map_err(|error| {
                let poll_seconds = POLL.as_secs();
                if !has_complained.swap(true, Ordering::SeqCst) {
                    tracing::warn!(folder = %folder.display(), %error, poll_seconds, "the folder is listed, not watched");
                }
            })
            .ok()
    }

    /// Returns when something was told. Dropped before, it loses nothing.
    ///
    /// # Errors
    /// When nothing will be told any more.
    pub async fn told(&self) -> Result<()> {
        match &self.news {
            News::Nothing => std::future::pending().await,
            News::Folder { stirred, .. } => {
                stirred.notified().await;
                while timeout(PAUSE, stirred.notified()).await.is_ok() {}
                Ok(())
            }
            News::Queue { post, .. } => post.arrived().await,
        }
    }

    /// What was told and is not settled; nothing where nobody tells by name.
    pub fn names(&self) -> Told {
        match &self.news {
            News::Queue { post, .. } => Told(post.names()),
            _ => Told(BTreeSet::new()),
        }
    }

    /// Whoever has to know of `told` knows: messages may go.
    ///
    /// # Errors
    /// When the queue does not let messages be deleted.
    pub async fn settle(&self, told: &Told) -> Result<()> {
        if let News::Queue { post, .. } = &self.news {
            post.settle(&told.0).await?;
        }
        Ok(())
    }

    /// What is there now. Reads names, sizes and versions; holds a page of them at a time.
    ///
    /// # Errors
    /// When the store cannot be listed.
    pub async fn look(&self) -> Result<Mark> {
        let mut objects = match self.place.list().await {
            Ok(objects) => objects,
            Err(Error::NotFound { .. }) => return Ok(Mark(String::new())),
            Err(error) => return Err(error),
        };
        let (mut count, mut hash) = (0_u64, Sha256::new());
        while let Some(object) = objects.try_next().await? {
            if !self.is_passed_over(self.place.relative(&object.path), object.size) {
                count += 1;
                hash.update(object.path.as_ref());
                hash.update([0]);
                hash.update(object.version.to_le_bytes());
            }
        }
        Ok(Mark(if count == 0 { String::new() } else { format!("{count} {}", hex::encode(&hash.finalize()[..8])) }))
    }
}

/// What messages named.
#[derive(Debug, Clone)]
pub struct Told(BTreeSet<Name>);

impl Told {
    /// Whether nothing was named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether a file is whole that was not before, or a folder is there.
fn is_arrival(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Any))
            | EventKind::Create(CreateKind::Folder)
    )
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_folder_tells_of_whole_files_and_looks_other_then() {
        let folder = tempfile::tempdir().unwrap();
        let context = crate::lake::testing::local_lake().1;
        let place = folder.path().join("in/*.json").display().to_string();
        let arrivals = Arrivals::new(&place, None, &context).unwrap();
        // There is no such folder yet.
        arrivals.listen().await.unwrap();
        std::fs::create_dir(folder.path().join("in")).unwrap();
        arrivals.listen().await.unwrap();
        let empty = arrivals.look().await.unwrap();
        assert_eq!(empty, Mark(String::new()));
        let begun = Instant::now();
        std::fs::write(folder.path().join("in/a.json"), "{}").unwrap();
        timeout(PATIENCE, arrivals.told()).await.unwrap().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        let one = arrivals.look().await.unwrap();
        assert_ne!(one, empty);
        assert_eq!(arrivals.look().await.unwrap(), one);
        // What no table would read is nothing new.
        std::fs::write(folder.path().join("in/b.json.tmp"), "{}").unwrap();
        std::fs::write(folder.path().join("in/c.json"), "").unwrap();
        assert_eq!(arrivals.look().await.unwrap(), one);
    }
}
