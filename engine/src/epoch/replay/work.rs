//! What a replay has still to try: the files of the table of bad records, in runs that an epoch takes at once.
//!
//! An epoch reads one run of files, and what stays of its records takes their place: the others are neither read nor written. So the cost
//! of a replay grows with the number of records, however many epochs they make.

use std::collections::{BTreeSet, VecDeque};

use anyhow::{Context as _, Result};
use connectors::lake::{Part, Parts};
use connectors::source::SliceLimits;

use super::staged::Replacement;
use super::triage::Takers;
use crate::epoch::quarantine::EPOCH;
use crate::epoch::{Scope, bad_table};

/// Records that are worth files of their own, however few an epoch may hold.
pub(super) const FEWEST: u64 = 1_024;

/// Files whose records are tried together.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) parts: Vec<Part>,
    /// Whose records were all tried, and are there still.
    pub(super) done: BTreeSet<Takers>,
    /// Records that were not tried.
    untried: u64,
}

impl Chunk {
    fn new(parts: Vec<Part>) -> Self {
        let untried = parts.iter().filter_map(|part| part.rows).sum();
        Self { parts, done: BTreeSet::new(), untried }
    }
}

impl Chunk {
    /// What an epoch may take of it: somewhat more than `limits` say if that is all, as an epoch of a run does that ends with a batch.
    pub(super) fn limits(&self, limits: SliceLimits) -> SliceLimits {
        let more = limits.rows.saturating_add(limits.rows / 4);
        if self.untried <= more { SliceLimits { rows: more, ..limits } } else { limits }
    }
}

/// The table of bad records of a source, and what of it was not tried yet.
#[derive(Debug)]
pub struct Work {
    parts: Option<Parts>,
    chunks: VecDeque<Chunk>,
}

impl Work {
    /// All of the table, in the order in which the records came, in chunks of what `limits` give an epoch where that can be.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn begin(scope: Scope<'_>, source: &str, limits: SliceLimits) -> Result<Self> {
        let Some(parts) = bad_table::parts(scope, source).await? else {
            return Ok(Self { parts: None, chunks: VecDeque::new() });
        };
        let mut files = parts.all().to_vec();
        files.sort_by(|a, b| (extent(a).epochs, &a.path).cmp(&(extent(b).epochs, &b.path)));
        let lengths = lengths(&files.iter().map(extent).collect::<Vec<_>>(), limits);
        let mut files = files.into_iter();
        let chunks = lengths.into_iter().map(|length| Chunk::new(files.by_ref().take(length).collect())).collect();
        Ok(Self { parts: Some(parts), chunks })
    }

    /// What is tried next.
    pub(super) fn next(&self) -> Option<(&Parts, &Chunk)> {
        self.parts.as_ref().zip(self.chunks.front())
    }

    /// Records that were not tried yet.
    pub fn untried(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.untried).sum()
    }

    /// The records that go to `takers` were tried, and the table is what it was; `untried` others were met.
    pub fn same(&mut self, takers: &Takers, untried: u64) {
        if let Some(chunk) = self.chunks.front_mut().filter(|_| untried > 0) {
            chunk.untried = untried;
            chunk.done.insert(takers.clone());
        } else {
            self.chunks.pop_front();
        }
    }

    /// The table is `parts` now, where the files of `replacement` are those whose names begin with `stem`.
    pub fn changed(&mut self, parts: Parts, stem: &str, replacement: &Replacement) {
        self.chunks.pop_front();
        let mut new: Vec<Part> = parts.all().iter().filter(|part| part.path.starts_with(stem)).cloned().collect();
        new.sort_by(|a, b| a.path.cmp(&b.path));
        let mut new = new.into_iter().skip(replacement.tried);
        let chunk = |files: &usize| Chunk::new(new.by_ref().take(*files).collect());
        let chunks: Vec<Chunk> = replacement.untried.iter().map(chunk).collect();
        for chunk in chunks.into_iter().rev() {
            self.chunks.push_front(chunk);
        }
        self.parts = Some(parts);
    }
}

/// The files of the table of bad records of `source`, which is there.
///
/// # Errors
/// When its log cannot be read.
pub async fn bad_parts(scope: Scope<'_>, source: &str) -> Result<Parts> {
    bad_table::parts(scope, source).await?.with_context(|| format!("the table of bad records of '{source}' is gone"))
}

/// What a file holds.
#[derive(Debug, Clone, Copy)]
struct Extent {
    /// The first and the last epoch of its records.
    epochs: (i64, i64),
    rows: u64,
    bytes: u64,
}

/// A file that does not say what it holds may hold anything.
fn extent(part: &Part) -> Extent {
    let epochs = part.bounds(EPOCH).unwrap_or((i64::MIN, i64::MAX));
    Extent { epochs, rows: part.rows.unwrap_or_default(), bytes: part.bytes }
}

/// How many of `files`, which are sorted, make each chunk: files that hold records of one epoch are in one, as only together they can
/// be put in order.
fn lengths(files: &[Extent], limits: SliceLimits) -> Vec<usize> {
    let mut groups: Vec<(usize, u64, u64)> = Vec::new();
    let mut reach = None;
    for file in files {
        match groups.last_mut().filter(|_| reach >= Some(file.epochs.0)) {
            Some(group) => *group = (group.0 + 1, group.1 + file.rows, group.2 + file.bytes),
            None => groups.push((1, file.rows, file.bytes)),
        }
        reach = reach.max(Some(file.epochs.1));
    }
    let most = limits.rows.max(FEWEST);
    let mut chunks: Vec<(usize, u64, u64)> = Vec::new();
    for (files, rows, bytes) in groups {
        match chunks.last_mut().filter(|chunk| chunk.1 + rows <= most && chunk.2 + bytes <= limits.bytes) {
            Some(chunk) => *chunk = (chunk.0 + files, chunk.1 + rows, chunk.2 + bytes),
            None => chunks.push((files, rows, bytes)),
        }
    }
    chunks.into_iter().map(|(files, ..)| files).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths_of(files: &[((i64, i64), u64)], rows: u64) -> Vec<usize> {
        let files: Vec<Extent> =
            files.iter().map(|(epochs, rows)| Extent { epochs: *epochs, rows: *rows, bytes: *rows }).collect();
        lengths(&files, SliceLimits { rows, bytes: 1 << 20 })
    }

    #[test]
    fn files_are_taken_together_up_to_an_epochs_limit() {
        let files = [((1, 1), 2_000), ((2, 2), 2_000), ((3, 3), 5_000), ((4, 4), 1), ((5, 9), 1)];
        assert_eq!(lengths_of(&files, 5_000), [2, 1, 2]);
        assert_eq!(lengths_of(&files, 1), [1, 1, 1, 2], "a few records are worth no file of their own");
        assert_eq!(lengths_of(&files, u64::MAX), [5]);
        assert_eq!(lengths_of(&[], 5_000), [0; 0]);
    }

    #[test]
    fn files_of_one_epoch_are_taken_together_whatever_the_limit() {
        assert_eq!(lengths_of(&[((1, 3), 9_000), ((2, 2), 9_000), ((3, 5), 9_000), ((6, 6), 9_000)], 5_000), [3, 1]);
        let unknown = (i64::MIN, i64::MAX);
        assert_eq!(lengths_of(&[(unknown, 0), ((1, 1), 9_000), ((2, 2), 9_000)], 5_000), [3]);
    }
}
