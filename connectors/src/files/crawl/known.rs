//! Tables that the catalog knows already below the location, and what this crawl saw of each.

use catalog::crawl::{Ending, Format, GroupOptions, Skips, may_be_drift};
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
    /// The first of them, relative to the location that is crawled.
    pub first: Option<String>,
    /// The first of them whose name does not say what is in it.
    pub unnamed: Option<String>,
    /// It has none, since another table of the same location has them all.
    pub is_eclipsed: bool,
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

/// An object in the place of a table, looked at.
pub(super) struct Found<'a> {
    /// Relative to the location that is crawled.
    pub(super) path: &'a str,
    pub(super) format: Format,
    pub(super) observed: &'a ObservedSchema,
    /// It was there at the last crawl, and is not what it was.
    pub(super) is_changed: bool,
}

impl KnownTable {
    /// Whether files are in folders of no meaning below a folder or pattern of the table: then what is in them tells whether they are
    /// of it, as at the first crawl.
    fn is_flat(&self) -> bool {
        self.partitioning.levels().is_empty() && (self.location.is_empty() || self.location.ends_with(['/', '*']))
    }

    /// The folder that a table without partitions has its files in.
    fn folder(&self) -> &str {
        self.location.rfind('/').map_or("", |slash| &self.location[..=slash])
    }

    /// Whether an object that lies in the table's place is of the table. What lies beside its files, or was one of them, is read with
    /// them: little that is alike makes it one that has changed.
    pub(super) fn takes(&self, found: &Found<'_>, options: &GroupOptions) -> bool {
        let format = found.format;
        let is_format = self.format.is_some_and(|own| own == format || (own == Format::Delta && format == Format::Parquet));
        let is_beside = || found.path.strip_prefix(self.folder()).is_some_and(|name| !name.contains('/'));
        let is_drift = || (found.is_changed || is_beside()) && may_be_drift(&self.observed, found.observed);
        is_format && (!self.is_flat() || options.is_of(&self.observed, found.observed) || is_drift())
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
    /// Counts an object of the table; they come in the order of their paths.
    pub(super) fn count(&mut self, path: &str, size: u64) {
        self.objects += 1;
        self.bytes += size;
        self.first.get_or_insert_with(|| path.to_owned());
        if self.unnamed.is_none() && Ending::of(path) == Ending::None {
            self.unnamed = Some(path.to_owned());
        }
    }

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

#[cfg(test)]
mod tests {
    use catalog::infer::{FileObservation, ResolveOptions};

    use super::*;

    fn observed(columns: &[&str]) -> ObservedSchema {
        let mut file = FileObservation::new("x");
        file.header(columns.iter().copied());
        file.begin_row();
        (0..columns.len()).for_each(|column| file.cell(column, "1"));
        file.finish(&ResolveOptions::default())
    }

    #[test]
    fn what_lies_beside_the_files_of_a_table_is_of_it_when_a_column_is() {
        let mut table = KnownTable {
            location: "t/".into(),
            format: Some(Format::Csv),
            partitioning: Partitioning::default(),
            ledger: None,
            observed: observed(&["id", "name"]),
        };
        let takes = |table: &KnownTable, path: &str, columns: &[&str], is_changed: bool| {
            let (format, observed) = (Format::Csv, observed(columns));
            table.takes(&Found { path, format, observed: &observed, is_changed }, &GroupOptions::default())
        };
        assert!(takes(&table, "t/2.csv", &["id", "full_name"], false));
        assert!(takes(&table, "t/1.csv", &["id", "a", "b", "c"], true));
        assert!(!takes(&table, "t/2.csv", &["x", "y", "z"], false), "it has nothing of it");
        assert!(!takes(&table, "t/other/2.csv", &["id", "full_name"], false), "a folder of its own is a table of its own");
        assert!(takes(&table, "t/other/2.csv", &["id", "full_name"], true), "it was the table's");
        assert!(takes(&table, "t/other/2.csv", &["id", "name", "more"], false));
        table.location = "t/*".into();
        assert!(takes(&table, "t/2.csv", &["id", "full_name"], false));
        assert!(!takes(&table, "t/2.csv", &["x", "y", "z"], false), "as in a folder");
        table.location = "t/2.csv".into();
        assert!(takes(&table, "t/2.csv", &["x", "y", "z"], false), "it is the table");
    }
}
