//! A table on S3 that a queue tells of new objects.
//!
//! While a run follows, an epoch reads what messages name. The objects at the location are listed when it begins, for each set of
//! files that a flow has read, and then every `poll`. A run that does not follow reads what a listing shows, and at its end takes
//! from the queue what the listing has covered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use object_store::path::Path;
use tokio::time::Instant;

use super::super::config::FileTable;
use super::super::ledger::{Ledger, Progress};
use super::super::listing::Place;
use super::super::object::Object;
use super::named::{Looked, is_settled};
use crate::error::Result;
use crate::sqs::{Inbox, Post, Reader};

/// Messages that a run that does not follow takes from the queue between two looks at them,
const ROUND: usize = 1_000;
/// and in all. The next run goes on.
const MOST_SWEPT: usize = 20_000;

/// The queue of one table.
#[derive(Debug)]
pub(crate) struct QueueNews {
    table: Arc<FileTable>,
    inbox: Arc<Inbox>,
    post: OnceLock<Post>,
    listens: AtomicBool,
    /// When the listing began on which what was read is based, by the mark of the progress that it led to.
    listed: Mutex<BTreeMap<String, Instant>>,
    /// Where the flows stood when it was told last that all of it is in the sinks.
    live: Mutex<Vec<Progress>>,
}

/// Tells the objects at a place from others.
#[derive(Debug)]
pub(crate) struct PlaceReader(pub(crate) Place);

impl Reader for PlaceReader {
    fn path(&self, bucket: &str, key: &str) -> Option<String> {
        let place = &self.0;
        // A key that ends so is what a console makes for a folder.
        if place.root.url.host_str() != Some(bucket) || key.ends_with('/') {
            return None;
        }
        // Keys that no path stands for, as '/a' and 'a//b', cannot be read.
        let path = Path::parse(key).ok().filter(|path| path.as_ref() == key)?;
        place.holds(&path).then(|| path.as_ref().to_owned())
    }

    fn version(&self, size: u64, etag: &str) -> u64 {
        // Events have the etag without the quotes that belong to it.
        Object::version_by_etag(size, &format!("\"{etag}\""))
    }
}

impl QueueNews {
    pub(super) fn new(table: &Arc<FileTable>, inbox: Arc<Inbox>) -> Self {
        Self {
            table: Arc::clone(table),
            inbox,
            post: OnceLock::new(),
            listens: AtomicBool::new(false),
            listed: Mutex::default(),
            live: Mutex::default(),
        }
    }

    /// The queue's name.
    pub(crate) fn name(&self) -> &str {
        self.inbox.name()
    }

    /// The table's place at the queue. Made late: for a table that is only looked at, no message waits.
    fn post(&self) -> &Post {
        self.post.get_or_init(|| Post::new(Arc::clone(&self.inbox), Arc::new(PlaceReader(self.table.place.clone()))))
    }

    pub(super) async fn listen(&self) -> Result<()> {
        self.post();
        self.inbox.listen().await.map_err(|error| error.context(format!("table '{}'", self.table.name)))?;
        self.listens.store(true, Ordering::SeqCst);
        Ok(())
    }

    pub(super) async fn changed(&self) -> Result<()> {
        self.post().arrived().await
    }

    /// What is to be read after `progress` without listing all objects, and since when they were not; `None` when it is time to.
    ///
    /// # Errors
    /// When what messages name cannot be looked at.
    pub(crate) async fn named(&self, ledger: &Ledger, progress: &Progress) -> Result<Option<(Looked, Instant)>> {
        let listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner).get(&progress.mark()).copied();
        let Some(listed) = listed.filter(|at| self.listens.load(Ordering::SeqCst) && at.elapsed() < self.table.poll) else {
            return Ok(None);
        };
        Ok(Some((self.look(ledger, progress).await?, listed)))
    }

    async fn look(&self, ledger: &Ledger, progress: &Progress) -> Result<Looked> {
        let post = self.post();
        let names = post.names();
        let looked = Looked::at(&self.table, ledger, progress, &names).await?;
        post.looked(&names, &looked.seen);
        Ok(looked)
    }

    /// Up to `progress`, everything was read that a listing showed which began at `listed`.
    pub(crate) fn note(&self, progress: &Progress, listed: Instant) {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner).insert(progress.mark(), listed);
    }

    /// Deletes the messages that name nothing that is not in all of `live`. Says how many.
    ///
    /// # Errors
    /// When the ledger cannot be read or the queue does not allow it.
    pub(crate) async fn settle(&self, ledger: &Ledger, live: Vec<Progress>) -> Result<usize> {
        let marks: BTreeSet<String> = live.iter().map(Progress::mark).collect();
        let is_amid = {
            let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
            listed.retain(|mark, _| marks.contains(mark));
            listed.len() < marks.len()
        };
        *self.live.lock().unwrap_or_else(PoisonError::into_inner) = if is_amid { Vec::new() } else { live.clone() };
        let post = self.post();
        // What messages name may come later in a listing; that is looked at when it is read.
        if is_amid {
            return Ok(0);
        }
        let mut settled = post.names();
        let paths: BTreeSet<String> = settled.iter().map(|name| name.path.clone()).collect();
        if !paths.is_empty() {
            for progress in distinct(&live) {
                let known = ledger.lookup(progress, &paths).await?;
                settled.retain(|name| is_settled(name, known.get(&name.path)));
            }
        }
        post.settle(&settled).await
    }

    /// Of a run that does not follow: takes from the queue what is in all sinks, as far as it was told. What is not goes back when
    /// all tables of the queue have taken theirs. The listing is what such a run goes by: of a queue that cannot be read, it only
    /// says so.
    pub(crate) async fn sweep(&self, ledger: &Ledger) {
        if self.listens.load(Ordering::SeqCst) {
            return;
        }
        let taken = self.take_covered(ledger).await;
        if let Err(error) = taken.and(self.post().release().await) {
            tracing::warn!(table = self.table.name, queue = self.name(), %error, "messages of the queue wait for the next run");
        }
    }

    async fn take_covered(&self, ledger: &Ledger) -> Result<()> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (mut received, mut deleted) = (0, 0);
        while !live.is_empty() {
            // First what is held already: whoever receives gets the messages of all tables of the queue.
            for progress in distinct(&live) {
                self.look(ledger, progress).await?;
            }
            deleted += self.settle(ledger, live.clone()).await?;
            if received >= MOST_SWEPT {
                break;
            }
            match self.inbox.fetch(ROUND).await? {
                0 => break,
                came => received += came,
            }
        }
        if received + deleted > 0 {
            let (table, queue, left) = (&self.table.name, self.name(), self.post().names().len());
            tracing::info!(table, queue, received, deleted, left, "messages of objects that are in the sinks were deleted");
        }
        Ok(())
    }
}

/// Each set of files once.
fn distinct(live: &[Progress]) -> impl Iterator<Item = &Progress> {
    let by_mark: BTreeMap<String, &Progress> = live.iter().map(|progress| (progress.mark(), progress)).collect();
    by_mark.into_values()
}
