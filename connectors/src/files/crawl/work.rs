//! The crawl itself: tasks are done several at a time and their results taken in order.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use catalog::crawl::{Crawl, CrawledObject, Format, GroupOptions, Grouping, Neighbours, Skips};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};
use tokio_util::task::AbortOnDropHandle;

use super::known::{Found, KnownTable, SeenTable};
use super::location::CrawlLocation;
use super::look::{Look, look};
use super::matching::{Matching, Task};
use crate::error::{Error, Result};
use crate::files::ledger::{Entry, Ledger, RunWriter};
use crate::files::object::Object;
use crate::stores::Location;

/// How a location is crawled.
#[derive(Debug, Clone)]
pub struct CrawlOptions {
    /// Bytes of a text file that are read at most; a file of no more is read whole.
    pub sample_bytes: u64,
    /// Objects that are looked at at the same time.
    pub concurrency: usize,
    /// How objects are grouped to tables.
    pub group: GroupOptions,
    /// Names that new tables may not have, and the formats of the tables that have them.
    pub taken: HashMap<String, Option<Format>>,
    /// The locations, below the one that is crawled, and formats of tables that are registered anew: what is there is looked at again.
    pub anew: Vec<(String, Option<Format>)>,
    /// Whether the next crawl is to go on from this one: otherwise nothing is written.
    pub is_kept: bool,
}

impl CrawlOptions {
    /// What is needed of a file's beginning to tell how it is written.
    pub const LEAST_SAMPLE_BYTES: u64 = 768 << 10;
}

impl Default for CrawlOptions {
    fn default() -> Self {
        Self {
            sample_bytes: 1 << 20,
            concurrency: 16,
            group: GroupOptions::default(),
            taken: HashMap::new(),
            anew: Vec::new(),
            is_kept: true,
        }
    }
}

/// Where lists of objects are kept from crawl to crawl.
#[derive(Debug, Clone)]
pub struct Ledgers {
    ledger: Ledger,
    folder: Location,
    prefix: String,
}

impl Ledgers {
    /// Below `folder`, for crawls of one location into one database.
    pub fn new(folder: Location, location: &CrawlLocation, database: &str) -> Self {
        let of = hex::encode(&Sha256::digest(format!("{database}\n{}", location.address()))[..8]);
        Self { ledger: Ledger::new(folder.clone()), folder, prefix: format!("{of}-") }
    }

    fn begin(&self) -> Result<RunWriter> {
        self.ledger.begin(format!("{}{:016x}.parquet", self.prefix, rand::random::<u64>()))
    }

    /// Removes the lists of earlier crawls. To be called when no table refers to them any more: all of the location are at `current`.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn retain(&self, current: &str) -> Result<()> {
        let listed = self.folder.store.list(Some(&self.folder.path)).map_ok(|object| object.location);
        let listed: Vec<_> = listed.try_collect().await?;
        let is_old = |name: &str| name.starts_with(&self.prefix) && name != current;
        let old = listed.into_iter().filter(|path| path.filename().is_some_and(is_old));
        let mut removals = self.folder.store.delete_stream(stream::iter(old.map(Ok).collect::<Vec<_>>()).boxed());
        while let Some(removed) = removals.next().await {
            match removed {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// How far a crawl is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// Objects that were listed.
    pub listed: u64,
    /// Their bytes.
    pub listed_bytes: u64,
    /// Objects that were looked at.
    pub read: u64,
    /// Their bytes: of large ones, only some were read.
    pub read_bytes: u64,
}

/// What a crawl found.
#[derive(Debug)]
pub struct Crawled {
    /// Of the tables that were known, in their order.
    pub known: Vec<SeenTable>,
    /// Tables that were not, and what is no data and below no table.
    pub new: Crawl,
    /// What was passed over out of order.
    pub skipped: Skips,
    /// The counts.
    pub progress: Progress,
    /// The list of the objects, if it is kept.
    pub ledger: Option<String>,
}

/// A task, done.
enum Done {
    Task(Task),
    Looked { path: String, object: Object, owner: Option<usize>, is_changed: bool, look: Look },
}

/// Crawls `location`. `tell` is told how far it is.
///
/// # Errors
/// When the location cannot be listed or its objects cannot be fetched. Objects that cannot be read are counted among those that
/// are skipped.
pub async fn crawl(
    location: &CrawlLocation,
    tables: &[KnownTable],
    ledgers: &Ledgers,
    options: &CrawlOptions,
    tell: impl Fn(&Progress),
) -> Result<Crawled> {
    let (matching, lost) = Matching::begin(location, tables, &options.anew, &ledgers.ledger).await?;
    let mut seen: Vec<SeenTable> = lost.into_iter().map(|is_anew| SeenTable { is_anew, ..SeenTable::default() }).collect();
    seen.iter_mut().zip(tables).for_each(|(seen, table)| seen.is_anew |= table.ledger.is_none());
    let neighbours = Neighbours {
        names: options.taken.clone(),
        locations: tables.iter().map(|table| (table.location.clone(), table.format)).collect(),
    };
    let mut taking = Taking {
        tables,
        options,
        seen,
        grouping: Grouping::beside(location.address(), options.group, neighbours),
        last: String::new(),
        skipped: Skips::default(),
        progress: Progress::default(),
        writer: options.is_kept.then(|| ledgers.begin()).transpose()?,
    };
    let mut results = results(matching, location, options);
    while let Some(done) = results.try_next().await? {
        taking.take(done).await?;
        tell(&taking.progress);
    }
    let ledger = match taking.writer {
        Some(writer) => Some(writer.finish().await?.0),
        None => None,
    };
    eclipse(tables, &mut taking.seen);
    Ok(Crawled { known: taking.seen, new: taking.grouping.finish(), skipped: taking.skipped, progress: taking.progress, ledger })
}

/// Notes the tables without objects whose location is also that of one which has some.
fn eclipse(tables: &[KnownTable], seen: &mut [SeenTable]) {
    let place = |table: &KnownTable| (table.location.clone(), table.format);
    let found: HashSet<(String, Option<Format>)> =
        tables.iter().zip(seen.iter()).filter(|(_, seen)| seen.objects > 0).map(|(table, _)| place(table)).collect();
    for (table, seen) in tables.iter().zip(seen).filter(|(_, seen)| seen.objects == 0) {
        seen.is_eclipsed = found.contains(&place(table));
    }
}

/// Tasks that are done several at a time, in their order.
fn results(matching: Matching, location: &CrawlLocation, options: &CrawlOptions) -> BoxStream<'static, Result<Done>> {
    let tasks = stream::try_unfold(matching, |mut matching| async move {
        Ok::<_, Error>(matching.next().await?.map(|task| (task, matching)))
    });
    let place = Arc::new(location.place.clone());
    let budget = options.sample_bytes;
    let work = tasks.map_ok(move |task| {
        let place = Arc::clone(&place);
        async move {
            let Task::Look { path, object, owner, is_changed } = task else { return Ok(Done::Task(task)) };
            // On a thread of its own choice: decoding takes longer than fetching.
            let looked = AbortOnDropHandle::new(tokio::spawn(async move {
                let look = look(&place, &object, budget).await;
                look.map(|look| (object, look))
            }));
            let looked = looked.await.map_err(|error| Error::internal(format!("looking at an object: {error}")))?;
            let (object, look) = looked?;
            Ok(Done::Looked { path, object, owner, is_changed, look })
        }
    });
    work.try_buffered(options.concurrency.max(1)).boxed()
}

/// Where results go.
struct Taking<'a> {
    tables: &'a [KnownTable],
    options: &'a CrawlOptions,
    seen: Vec<SeenTable>,
    grouping: Grouping,
    /// The last path that was grouped.
    last: String,
    skipped: Skips,
    progress: Progress,
    writer: Option<RunWriter>,
}

impl Taking<'_> {
    async fn take(&mut self, done: Done) -> Result<()> {
        match done {
            Done::Task(Task::Gone { owner }) => self.seen[owner].gone += 1,
            Done::Task(Task::Skip { path, size, reason, owner }) => {
                self.list(size);
                self.skip(&path, size, reason, owner)?;
            }
            Done::Task(Task::Keep { owner, path, entry, is_ours }) => {
                self.list(entry.size);
                self.seen[owner].count(&path, entry.size);
                if is_ours {
                    self.remember(entry).await?;
                }
            }
            Done::Task(Task::Look { .. }) => return Err(Error::internal("an object was not looked at")),
            Done::Looked { path, object, owner, is_changed, look } => {
                self.list(object.size);
                self.progress.read += 1;
                self.progress.read_bytes += object.size;
                self.looked(path, object, owner, is_changed, look).await?;
            }
        }
        Ok(())
    }

    async fn looked(&mut self, path: String, object: Object, owner: Option<usize>, is_changed: bool, look: Look) -> Result<()> {
        let (observed, format, compression) = match look {
            Look::Gone => return Ok(()),
            // It is not remembered: the next crawl tries again, and says so again.
            Look::Skipped(reason) => return self.skip(&path, object.size, reason, owner),
            Look::Seen { observed, format, compression } => (observed, format.into(), compression),
        };
        let entry = Entry { path: object.path.as_ref().to_owned(), size: object.size, version: object.version };
        let found = Found { path: &path, format, observed: &observed, is_changed };
        match owner.filter(|owner| self.tables[*owner].takes(&found, &self.options.group)) {
            Some(owner) => {
                if let Some(problem) = self.tables[owner].misplaced(&path) {
                    self.seen[owner].note_misplaced(problem);
                    return Ok(());
                }
                let seen = &mut self.seen[owner];
                seen.count(&path, object.size);
                seen.observed.merge(&observed);
                *(if is_changed { &mut seen.changed } else { &mut seen.new }) += 1;
            }
            // It makes no table of its own where another one reads it.
            None if let Some(owner) = owner.filter(|owner| self.tables[*owner].misreads(&path, format)) => {
                self.seen[owner].note_misread(&path, format);
                return Ok(());
            }
            None => {
                let crawled = CrawledObject { path: &path, size: object.size, format, compression };
                self.grouping.push(&crawled, &observed)?;
                self.last = path;
            }
        }
        self.remember(entry).await
    }

    fn list(&mut self, size: u64) {
        self.progress.listed += 1;
        self.progress.listed_bytes += size;
    }

    fn skip(&mut self, path: &str, size: u64, reason: catalog::crawl::SkipReason, owner: Option<usize>) -> Result<()> {
        match owner {
            Some(owner) => self.seen[owner].skipped.add(path, size, reason),
            // A folder that a console made as an object is listed where its name with a slash comes.
            None if path <= self.last.as_str() => self.skipped.add(path, size, reason),
            None => {
                self.grouping.skip(path, size, reason)?;
                path.clone_into(&mut self.last);
            }
        }
        Ok(())
    }

    async fn remember(&mut self, entry: Entry) -> Result<()> {
        match &mut self.writer {
            Some(writer) => writer.push(entry).await,
            None => Ok(()),
        }
    }
}
