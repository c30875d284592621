//! The listing as a stream: folders open and end, and what ends is folded into what holds it.

use super::candidate::Candidate;
use super::folder::{Closed, Folder};
use super::format::{Compression, Format};
use super::names::TableNames;
use super::overlap;
use super::plan::TablePlan;
use super::skip::{SkipReason, Skips};
use crate::error::{Error, Result};
use crate::infer::{ObservedSchema, ResolveOptions};

/// An object of the listing.
#[derive(Debug, Clone, Copy)]
pub struct CrawledObject<'a> {
    /// Relative to the location, with slashes.
    pub path: &'a str,
    /// In bytes.
    pub size: u64,
    /// What it is.
    pub format: Format,
    /// How it is compressed.
    pub compression: Compression,
}

/// How objects are grouped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GroupOptions {
    /// The share of columns, from 0 to 1, that files and folders of one table have in common.
    pub similarity: f64,
    /// How types are chosen.
    pub resolve: ResolveOptions,
}

impl Default for GroupOptions {
    /// 0.7, as Glue's crawlers have it.
    fn default() -> Self {
        Self { similarity: 0.7, resolve: ResolveOptions::default() }
    }
}

/// The tables of a location.
#[derive(Debug)]
pub struct Crawl {
    /// In the order of their roots.
    pub tables: Vec<TablePlan>,
    /// What was skipped and lies below no table.
    pub skipped: Skips,
}

/// Groups the objects of a listing into tables.
#[derive(Debug)]
pub struct Grouping {
    options: GroupOptions,
    location_name: String,
    /// The folders that are open, the location itself first.
    open: Vec<Folder>,
    last: String,
}

impl Grouping {
    /// Begins with a location; its last folder's name names a table that has no folder of its own.
    pub fn new(location: &str, options: GroupOptions) -> Self {
        let location_name = location.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        Self { options, location_name, open: vec![Folder::default()], last: String::new() }
    }

    /// The next object, and what was seen in it.
    ///
    /// # Errors
    /// [`Error::Internal`] when it does not come after the one before in the order of bytes.
    pub fn push(&mut self, object: &CrawledObject<'_>, schema: &ObservedSchema) -> Result<()> {
        let least = self.options.similarity;
        self.folder_of(object.path)?.push(object, schema, least);
        Ok(())
    }

    /// The next object, which is no data.
    ///
    /// # Errors
    /// As for [`push`](Self::push).
    pub fn skip(&mut self, path: &str, size: u64, reason: SkipReason) -> Result<()> {
        self.folder_of(path)?.skipped.add(path, size, reason);
        Ok(())
    }

    /// The listing has ended.
    pub fn finish(mut self) -> Crawl {
        while self.open.len() > 1 {
            self.close_last();
        }
        let location = self.open.pop().unwrap_or_default();
        let Closed { whole, tables, skipped } = location.close(self.options.similarity);
        let mut candidates: Vec<Candidate> = whole.into_iter().chain(tables).collect();
        candidates.sort_by(|a, b| (&a.root, &a.first).cmp(&(&b.root, &b.first)));
        let mut names = TableNames::new(&self.location_name);
        // Sorted by root, a table whose root holds others comes right before them.
        let holds = |at: usize, other: Option<usize>| {
            other.and_then(|other| candidates.get(other)).is_some_and(|other| other.root.starts_with(&candidates[at].root))
        };
        let alone: Vec<bool> =
            (0..candidates.len()).map(|at| !holds(at, Some(at + 1)) && !holds(at, at.checked_sub(1))).collect();
        let plans = candidates.into_iter().zip(alone);
        let mut tables: Vec<TablePlan> =
            plans.map(|(candidate, alone)| TablePlan::new(candidate, alone, &mut names, &self.options.resolve)).collect();
        overlap::report(&mut tables);
        Crawl { tables, skipped }
    }

    /// The folder of an object, opened; those that the object is not in have ended.
    fn folder_of(&mut self, path: &str) -> Result<&mut Folder> {
        if path <= self.last.as_str() && !self.last.is_empty() {
            return Err(Error::internal(format!("the listing is not in key order: '{path}' comes after '{}'", self.last)));
        }
        path.clone_into(&mut self.last);
        while self.open.last().is_some_and(|folder| !path.starts_with(&folder.path)) {
            self.close_last();
        }
        let mut from = self.open.last().map_or(0, |folder| folder.path.len());
        while let Some(end) = path[from..].find('/') {
            from += end + 1;
            self.open.push(Folder::new(&path[..from]));
        }
        self.open.last_mut().ok_or_else(|| Error::internal("the location itself was closed"))
    }

    fn close_last(&mut self) {
        let Some(folder) = self.open.pop() else { return };
        let Some(parent) = self.open.last_mut() else {
            self.open.push(folder);
            return;
        };
        let name = folder.path[parent.path.len()..].trim_end_matches('/').to_owned();
        parent.absorb(&name, folder.close(self.options.similarity), self.options.similarity);
    }
}
