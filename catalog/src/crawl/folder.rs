//! A folder of the listing: what is in it while it is open, and what it amounts to when it ends.

use super::candidate::Candidate;
use super::format::Format;
use super::grouping::CrawledObject;
use super::kinds::Kinds;
use super::skip::Skips;
use crate::infer::ObservedSchema;
use crate::partitions::{Likeness, likeness};

/// Where Delta keeps a table's log.
const DELTA_LOG: &str = "_delta_log";
/// So many folders with names of their own wait to be told apart; if all are similar until then, they are partitions.
const MOST_WAITING: usize = 1000;

/// A folder whose end was not reached yet.
#[derive(Debug, Default)]
pub(super) struct Folder {
    /// Relative to the location, with a slash at its end unless it is the location itself.
    pub(super) path: String,
    /// Files of this folder.
    files: Kinds,
    /// Partitions of tables whose root is this folder, by what makes their names alike.
    partitions: Vec<(Likeness, Candidate)>,
    /// Folders that may be tables or partitions of one.
    folders: Vec<Candidate>,
    /// So many of them waited that they would be partitions if they were alike, and they are not.
    are_unlike: bool,
    /// Tables from below that cannot be partitions any more.
    tables: Vec<Candidate>,
    pub(super) skipped: Skips,
    delta: bool,
}

/// What a folder amounts to.
#[derive(Debug)]
pub(super) struct Closed {
    /// The one candidate that holds everything in the folder.
    pub(super) whole: Option<Candidate>,
    pub(super) tables: Vec<Candidate>,
    pub(super) skipped: Skips,
}

impl Folder {
    pub(super) fn new(path: &str) -> Self {
        Self { path: path.to_owned(), ..Self::default() }
    }

    /// A file of this folder.
    pub(super) fn push(&mut self, object: &CrawledObject<'_>, schema: &ObservedSchema, least: f64) {
        self.files.push(&self.path, object, schema, least);
    }

    /// A folder of this folder, whose end was reached.
    pub(super) fn absorb(&mut self, name: &str, closed: Closed, least: f64) {
        self.delta |= name == DELTA_LOG;
        self.skipped.merge(closed.skipped);
        let likeness = likeness(name);
        if let Likeness::Partition(_) = likeness {
            let folder = format!("{}{name}/", self.path);
            for mut table in closed.tables {
                // The same tables are in each of the partitions.
                table.set_label(&folder);
                table.raise(&self.path);
                self.add_partition(likeness.clone(), table, least);
            }
        } else {
            self.tables.extend(closed.tables);
        }
        let Some(mut candidate) = closed.whole else { return };
        if likeness == Likeness::Name && !self.is_one_of_many(&candidate, least) {
            self.folders.push(candidate);
        } else {
            candidate.raise(&self.path);
            self.add_partition(likeness, candidate, least);
        }
    }

    fn add_partition(&mut self, likeness: Likeness, candidate: Candidate, least: f64) {
        // A name like a partition's decides alone: columns may all be renamed from one day to the next.
        let by_name = matches!(likeness, Likeness::Partition(_));
        let is_of = |known: &Likeness, table: &Candidate| {
            *known == likeness && table.label == candidate.label && table.format == candidate.format
        };
        let mut known = self.partitions.iter_mut().filter(|(known, table)| is_of(known, table));
        match known.find(|(_, table)| by_name || table.is_like(&candidate, least)) {
            Some((_, table)) => table.merge(candidate),
            None => self.partitions.push((likeness, candidate)),
        }
    }

    /// Whether there are so many similar folders with names of their own that these must be partitions. Those that waited are then
    /// made so.
    fn is_one_of_many(&mut self, candidate: &Candidate, least: f64) -> bool {
        if self.folders.len() >= MOST_WAITING && !self.are_unlike {
            self.are_unlike = !all_alike(&self.folders, least);
            if !self.are_unlike {
                let waiting = std::mem::take(&mut self.folders);
                self.partitions.extend(merge_raised(waiting, &self.path).map(|table| (Likeness::Name, table)));
            }
        }
        self.partitions.iter().any(|(likeness, table)| *likeness == Likeness::Name && table.is_like(candidate, least))
    }

    /// Everything in the folder as one candidate, if it is of one table, and as tables otherwise.
    pub(super) fn close(mut self, least: f64) -> Closed {
        if let Some(mut whole) = self.whole(least) {
            if self.delta {
                whole.raise(&self.path);
                whole.format = Format::Delta;
            }
            // What lies above the table's root is not the table's.
            if whole.root == self.path {
                whole.skipped.merge(std::mem::take(&mut self.skipped));
            }
            return Closed { whole: Some(whole), tables: self.tables, skipped: self.skipped };
        }
        let mut tables = self.tables;
        tables.extend(self.files.into_groups());
        tables.extend(self.partitions.into_iter().map(|(_, table)| table));
        tables.extend(self.folders);
        Closed { whole: None, tables, skipped: self.skipped }
    }

    fn whole(&mut self, least: f64) -> Option<Candidate> {
        if !self.tables.is_empty() || self.files.len() > 1 || self.partitions.len() > 1 {
            return None;
        }
        let mut main = match (self.partitions.len(), self.folders.len(), self.files.len()) {
            (1, 0, 0) => return self.partitions.pop().map(|(_, table)| table),
            (0, 1, 0) => return self.folders.pop(),
            (0, 0, 1) => return self.files.pop(),
            (1, 0, 1) => self.partitions.pop().map(|(_, table)| table)?,
            (0, 2.., _) if all_alike(&self.folders, least) => merge_raised(std::mem::take(&mut self.folders), &self.path)?,
            _ => return None,
        };
        // Files above the partitions are of the same table, or a table of their own beside it.
        match self.files.pop() {
            None => Some(main),
            Some(files) if main.is_like(&files, least) => {
                main.merge(files);
                Some(main)
            }
            Some(files) => {
                self.tables.extend([main, files]);
                None
            }
        }
    }
}

fn all_alike(candidates: &[Candidate], least: f64) -> bool {
    candidates.split_first().is_some_and(|(first, others)| others.iter().all(|other| first.is_like(other, least)))
}

fn merge_raised(candidates: Vec<Candidate>, root: &str) -> Option<Candidate> {
    candidates
        .into_iter()
        .map(|mut candidate| {
            candidate.raise(root);
            candidate
        })
        .reduce(|mut table, candidate| {
            table.merge(candidate);
            table
        })
}
