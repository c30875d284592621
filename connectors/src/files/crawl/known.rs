//! Tables that the catalog knows already below the location, and what this crawl saw of each.

use catalog::crawl::{Ending, Format, GroupOptions, Skips};
use catalog::infer::ObservedSchema;
use catalog::partitions::Partitioning;

use crate::files::listing::last_folders;

/// So many folders and files that do not fit are named.
const MOST_NAMED: usize = 3;

/// A table of the catalog.
#[derive(Debug, Clone)]
pub struct KnownTable {
    /// Its location, below the one that is crawled: a folder with a slash at its end, a file, or a pattern.
    pub location: String,
    /// Its format; none of a table that somebody else keeps, whose objects are left alone.
    pub format: Option<Format>,
    /// What its folders mean.
    pub partitioning: Partitioning,
    /// The list of its objects at the last crawl; nothing when it was never crawled, and all of them are new.
    pub ledger: Option<String>,
    /// What was seen of it until then.
    pub observed: ObservedSchema,
}

/// What a crawl saw of a known table.
#[derive(Debug, Clone, Default)]
pub struct SeenTable {
    /// Objects that it has now, and their bytes.
    pub objects: u64,
    /// See `objects`.
    pub bytes: u64,
    /// How many of them are new.
    pub new: u64,
    /// How many were written anew since the last crawl.
    pub changed: u64,
    /// How many that it had then are gone.
    pub gone: u64,
    /// What is in those that are new or changed.
    pub observed: ObservedSchema,
    /// Folders that do not fit its partitions: how many objects are in such, and what is wrong with the first.
    pub misplaced: (u64, Vec<String>),
    /// Objects in its place of another format, whose names do not say so: how many, and the first of them.
    pub misread: (u64, Vec<String>),
    /// Objects of its own that are no data.
    pub skipped: Skips,
    /// What was kept of it cannot be added to, since the list of its objects is gone: `observed` is all there is.
    pub is_anew: bool,
}

impl KnownTable {
    /// Whether files are in folders of no meaning below a folder that is the table's alone: then what is in them tells whether they
    /// are of it, as at the first crawl.
    fn is_flat(&self) -> bool {
        self.partitioning.levels().is_empty() && (self.location.is_empty() || self.location.ends_with('/'))
    }

    /// Whether an object that lies in the table's place is of the table.
    pub(super) fn takes(&self, format: Format, observed: &ObservedSchema, options: &GroupOptions) -> bool {
        let is_format = self.format.is_some_and(|own| own == format || (own == Format::Delta && format == Format::Parquet));
        is_format && (!self.is_flat() || options.is_of(&self.observed, observed))
    }

    /// Whether whoever reads the table reads an object in its place as the table's format, though it is of another.
    pub(super) fn misreads(&self, path: &str, format: Format) -> bool {
        let is_of_files = self.format.is_some_and(|own| own != Format::Delta && own != format);
        is_of_files && Ending::of(path) == Ending::None
    }

    /// What is wrong with the place of an object; `path` is relative to the location that is crawled.
    pub(super) fn misplaced(&self, path: &str) -> Option<String> {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let folder = if self.location.ends_with('/') || self.location.is_empty() {
            folder.strip_prefix(self.location.trim_end_matches('/')).unwrap_or(folder).trim_start_matches('/')
        } else {
            // Of a pattern all files lie equally deep.
            last_folders(folder, self.partitioning.levels().len())
        };
        self.partitioning.values(folder).err().map(|error| error.to_string())
    }
}

impl SeenTable {
    pub(super) fn note_misplaced(&mut self, problem: String) {
        self.misplaced.0 += 1;
        if self.misplaced.1.len() < MOST_NAMED && !self.misplaced.1.contains(&problem) {
            self.misplaced.1.push(problem);
        }
    }

    pub(super) fn note_misread(&mut self, path: &str, format: Format) {
        self.misread.0 += 1;
        if self.misread.1.len() < MOST_NAMED {
            self.misread.1.push(format!("{path} is {format}"));
        }
    }

    /// Whether anything is different from the last crawl.
    pub fn is_touched(&self) -> bool {
        self.new + self.changed + self.gone > 0
    }
}
