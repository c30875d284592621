//! The listing, held against what is known: object by object, what there is to do.
//!
//! Both are in the order of paths, so one pass over both finds what is new, changed and gone, and holds neither.

use std::collections::{HashMap, VecDeque};

use catalog::crawl::{Ending, Format, Owners, SkipReason};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use super::known::KnownTable;
use super::location::CrawlLocation;
use crate::error::{Error, Result};
use crate::files::ledger::{Entry, Known, Ledger};
use crate::files::object::Object;

/// What there is to do with an object.
#[derive(Debug)]
pub(super) enum Task {
    /// Nothing: it is no data.
    Skip { path: String, size: u64, reason: SkipReason, owner: Option<usize> },
    /// Nothing: it was looked at before, or is of a table that somebody else keeps.
    Keep { owner: usize, path: String, entry: Entry, is_ours: bool },
    /// To look at it.
    Look { path: String, object: Object, owner: Option<usize>, is_changed: bool },
    /// A table has lost it.
    Gone { owner: usize },
}

/// The tables of the location by the paths of their objects.
pub(super) struct Tables {
    /// Those whose files say their format by their names, by format.
    by_format: HashMap<Format, Owners<usize>>,
    /// Those of others.
    others: Owners<usize>,
    /// All.
    any: Owners<usize>,
}

impl Tables {
    /// From their locations, on which paths go on, and their formats; none of a table of others.
    pub(super) fn new<'a>(tables: impl Iterator<Item = (&'a str, Option<Format>)>) -> Self {
        let mut all = Self { by_format: HashMap::new(), others: Owners::default(), any: Owners::default() };
        for (index, (location, format)) in tables.enumerate() {
            all.any.insert(location, index);
            match format {
                Some(Format::Delta) | None => all.others.insert(location, index),
                Some(format) => all.by_format.entry(format).or_default().insert(location, index),
            }
        }
        all
    }

    /// The table of an object, by its place among those.
    pub(super) fn owner(&self, path: &str) -> Option<usize> {
        if let Some(owner) = self.others.of(path) {
            return Some(*owner);
        }
        match Ending::of(path) {
            Ending::Format(format) => self.by_format.get(&format).and_then(|owners| owners.of(path)).copied(),
            Ending::Foreign | Ending::None => self.any.of(path).copied(),
        }
    }
}

/// One list of known objects, as far as it was read.
struct Run {
    entries: Known,
    head: Option<Entry>,
}

/// The pass.
pub(super) struct Matching {
    listed: BoxStream<'static, Result<Object>>,
    location: CrawlLocation,
    /// The location's path in its store.
    prefix: String,
    /// Those that are known, and behind them those that are registered anew.
    tables: Tables,
    /// By table: which list, if one is there.
    lists: Vec<Option<usize>>,
    is_ours: Vec<bool>,
    runs: Vec<Run>,
    ready: VecDeque<Task>,
    is_drained: bool,
}

impl Matching {
    /// Begins. Says also of which tables the list is gone. What is at the locations of `anew` is of no table, and looked at.
    ///
    /// # Errors
    /// When the location cannot be listed or a list cannot be read.
    pub(super) async fn begin(
        location: &CrawlLocation,
        tables: &[KnownTable],
        anew: &[(String, Option<Format>)],
        ledger: &Ledger,
    ) -> Result<(Self, Vec<bool>)> {
        let mut names: Vec<&str> = Vec::new();
        let mut found: Vec<Option<usize>> = Vec::new();
        let mut runs = Vec::new();
        let (mut lists, mut lost) = (Vec::new(), Vec::new());
        for table in tables {
            let Some(name) = table.ledger.as_deref() else {
                lists.push(None);
                lost.push(false);
                continue;
            };
            let place = match names.iter().position(|known| *known == name) {
                Some(place) => place,
                None => {
                    names.push(name);
                    found.push(match ledger.read(name).await {
                        Ok(entries) => {
                            runs.push(Run { entries: entries.fuse().boxed(), head: None });
                            Some(runs.len() - 1)
                        }
                        Err(Error::NotFound { .. }) => {
                            tracing::warn!(
                                ledger = name,
                                "the list of objects of the last crawl is gone; all are looked at again"
                            );
                            None
                        }
                        Err(error) => return Err(error),
                    });
                    names.len() - 1
                }
            };
            lost.push(found[place].is_none());
            lists.push(found[place]);
        }
        let known = tables.iter().map(|table| (table.location.as_str(), table.format));
        let anew = anew.iter().map(|(location, format)| (location.as_str(), *format));
        let matching = Self {
            listed: location.place.list().await?.fuse().boxed(),
            prefix: location.prefix(),
            location: location.clone(),
            tables: Tables::new(known.chain(anew)),
            lists,
            is_ours: tables.iter().map(|table| table.format.is_some()).collect(),
            runs,
            ready: VecDeque::new(),
            is_drained: false,
        };
        Ok((matching, lost))
    }

    /// What is next.
    ///
    /// # Errors
    /// When the location cannot be listed on or a list cannot be read on.
    pub(super) async fn next(&mut self) -> Result<Option<Task>> {
        loop {
            if let Some(task) = self.ready.pop_front() {
                return Ok(Some(task));
            }
            match self.listed.try_next().await? {
                Some(object) => {
                    let task = self.task(object).await?;
                    self.ready.push_back(task);
                }
                None if self.is_drained => return Ok(None),
                None => {
                    self.is_drained = true;
                    for run in 0..self.runs.len() {
                        while self.advance(run, None).await?.is_some() {}
                    }
                }
            }
        }
    }

    async fn task(&mut self, object: Object) -> Result<Task> {
        let path = self.location.place.relative(&object.path).to_owned();
        let owner = self.tables.owner(&path).filter(|owner| *owner < self.lists.len());
        if let Some(reason) = SkipReason::of(&path, object.size) {
            return Ok(Task::Skip { path, size: object.size, reason, owner });
        }
        let entry = Entry { path: object.path.as_ref().to_owned(), size: object.size, version: object.version };
        let Some(owner) = owner else { return Ok(Task::Look { path, object, owner: None, is_changed: false }) };
        if !self.is_ours[owner] {
            return Ok(Task::Keep { owner, path, entry, is_ours: false });
        }
        let known = match self.lists[owner] {
            Some(run) => self.advance(run, Some(&entry.path)).await?,
            None => None,
        };
        Ok(match known {
            Some(known) if known.version == entry.version => Task::Keep { owner, path, entry, is_ours: true },
            known => Task::Look { path, object, owner: Some(owner), is_changed: known.is_some() },
        })
    }

    /// The entry of `path` in a list; those before it are of objects that are gone. Without a path, the next that is gone.
    async fn advance(&mut self, run: usize, path: Option<&str>) -> Result<Option<Entry>> {
        loop {
            let list = &mut self.runs[run];
            if list.head.is_none() {
                list.head = list.entries.try_next().await?;
            }
            let Some(head) = list.head.take_if(|head| path.is_none_or(|path| head.path.as_str() <= path)) else {
                return Ok(None);
            };
            if path.is_some_and(|path| head.path == path) {
                return Ok(Some(head));
            }
            // What is elsewhere, or of a table that is not in the catalog any more, is nobody's loss.
            let relative = head.path.strip_prefix(&self.prefix);
            if let Some(owner) =
                relative.and_then(|path| self.tables.owner(path)).filter(|owner| self.lists.get(*owner) == Some(&Some(run)))
            {
                self.ready.push_back(Task::Gone { owner });
            }
            if path.is_none() {
                return Ok(Some(head));
            }
        }
    }
}
