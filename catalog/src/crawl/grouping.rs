//! The listing as a stream: folders open and end, and what ends is folded into what holds it.

use std::collections::HashMap;

use super::candidate::Candidate;
use super::folder::{Closed, Folder};
use super::format::{Compression, Format};
use super::names::TableNames;
use super::owners::fixed;
use super::plan::TablePlan;
use super::similarity::containment;
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

impl GroupOptions {
    /// Whether a file may be one of a table that is known: one that lacks columns, or has more, is.
    pub fn is_of(&self, table: &ObservedSchema, file: &ObservedSchema) -> bool {
        containment(table, file) >= self.similarity
    }
}

/// Tables that are known already: new ones have other names, and are in no folder that holds one of them.
#[derive(Debug, Clone, Default)]
pub struct Neighbours {
    /// Names, and the formats of the tables, where they are known.
    pub names: HashMap<String, Option<Format>>,
    /// Locations below the one that is grouped, with the formats of their tables.
    pub locations: Vec<(String, Option<Format>)>,
}

impl Neighbours {
    /// Whether none of them is in a folder, as far as a table of this format would read it.
    fn leave(&self, folder: &str, format: Format) -> bool {
        let is_in = |(location, other): &(String, Option<Format>)| {
            let fixed = fixed(location);
            let root = fixed.rfind('/').map_or("", |slash| &fixed[..=slash]);
            other.is_none_or(|other| other == format) && root.starts_with(folder)
        };
        !self.locations.iter().any(is_in)
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
    names: TableNames,
    neighbours: Neighbours,
    /// The folders that are open, the location itself first.
    open: Vec<Folder>,
    last: String,
    /// Characters that a `LOCATION` takes for something else.
    special: &'static [char],
}

impl Grouping {
    /// Begins with a location; its last folder's name names a table that has no folder of its own.
    pub fn new(location: &str, options: GroupOptions) -> Self {
        Self::beside(location, options, Neighbours::default())
    }

    /// The same, where other tables are known.
    pub fn beside(location: &str, options: GroupOptions, neighbours: Neighbours) -> Self {
        let location_name = location.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let names = TableNames::new(location_name, neighbours.names.clone());
        let special: &[char] = if location.contains("://") { &['*', '?', '[', '{', '%'] } else { &['*', '?', '[', '{'] };
        Self { options, names, neighbours, open: vec![Folder::default()], last: String::new(), special }
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
        let Closed { whole, tables, mut skipped } = location.close(self.options.similarity);
        let mut candidates: Vec<Candidate> = whole.into_iter().chain(tables).collect();
        candidates.sort_by(|a, b| (&a.root, &a.first).cmp(&(&b.root, &b.first)));
        let mut names = self.names;
        let alone = alone(&candidates, &self.neighbours);
        let mut tables: Vec<TablePlan> = Vec::with_capacity(candidates.len());
        for (candidate, alone) in candidates.into_iter().zip(alone) {
            // The location of a table that shares its folder is made of the names of its files.
            let is_folder = alone && !candidate.root.is_empty();
            if candidate.root.contains(self.special) || (!is_folder && candidate.first.contains(self.special)) {
                skipped.add_all(candidate, SkipReason::Unsayable);
            } else {
                tables.push(TablePlan::new(candidate, alone, &mut names, &self.options.resolve));
            }
        }
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

/// Whether each candidate can have its folder for a location, since a table there would read the candidate's files and no others. The
/// candidates are in the order of their roots.
fn alone(candidates: &[Candidate], neighbours: &Neighbours) -> Vec<bool> {
    let mut alone: Vec<bool> = candidates.iter().map(|candidate| neighbours.leave(&candidate.root, candidate.format)).collect();
    let mut last: HashMap<Format, usize> = HashMap::new();
    let mut by_root: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, candidate) in candidates.iter().enumerate() {
        by_root.entry(&candidate.root).or_default().push(index);
        // A table whose root holds others comes right before them.
        if let Some(before) = last.insert(candidate.format, index) {
            let root = &candidates[before].root;
            alone[before] &= !candidate.root.starts_with(root);
            alone[index] &= *root != candidate.root;
        }
    }
    // What its name does not tell is read by tables of every format, but for Delta tables, whose log names their files.
    for candidate in candidates.iter().filter(|candidate| candidate.unnamed.is_some()) {
        let root = candidate.root.as_str();
        let above = root.match_indices('/').map(|(slash, _)| slash + 1).chain([0]);
        let others = above.filter_map(|end| by_root.get(&root[..end])).flatten();
        for other in others {
            let format = candidates[*other].format;
            alone[*other] &= format == candidate.format || format == Format::Delta;
        }
    }
    alone
}
