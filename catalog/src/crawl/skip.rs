//! Objects that are no data, and why; they are reported, never tables.

use std::fmt;

use super::candidate::Candidate;
use super::format::{Ending, file_name};

/// Why an object is not read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SkipReason {
    /// A folder that a console made as an object.
    Folder,
    /// It has no bytes.
    Empty,
    /// Its name, or that of a folder it is in, begins with `.` or `_`: hidden, or a writer's bookkeeping such as `_SUCCESS`.
    Hidden,
    /// It is a checksum of another file.
    Checksum,
    /// Its writer has not finished it.
    Temporary,
    /// Its name says that it holds something else.
    Foreign,
    /// Neither name nor content is of a format that is read.
    Unknown,
    /// It should be readable and is not: truncated, or not what its name says.
    Unreadable(String),
    /// No `LOCATION` can say where it is: in it, the characters of its name mean something else.
    Unsayable,
}

impl SkipReason {
    /// Whether an object can be told from its path and size to be no data. `path` is relative to the location that was asked for,
    /// whose own folders may be hidden.
    pub fn of(path: &str, size: u64) -> Option<Self> {
        // A Hive partition may well begin with an underscore.
        let is_hidden = |segment: &str| segment.starts_with('.') || (segment.starts_with('_') && !segment.contains('='));
        if path.ends_with('/') {
            return Some(Self::Folder);
        }
        if path.split('/').any(is_hidden) {
            return Some(Self::Hidden);
        }
        let name = file_name(path).to_ascii_lowercase();
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        if CHECKSUMS.contains(&extension) {
            return Some(Self::Checksum);
        }
        if name.ends_with('~') || TEMPORARY.contains(&extension) {
            return Some(Self::Temporary);
        }
        if Ending::of(&name) == Ending::Foreign {
            return Some(Self::Foreign);
        }
        (size == 0).then_some(Self::Empty)
    }

    /// Whether somebody may have expected the object to be read.
    pub fn is_notable(&self) -> bool {
        matches!(self, Self::Empty | Self::Foreign | Self::Unknown | Self::Unreadable(_) | Self::Unsayable)
    }
}

/// Extensions of checksums of other files.
const CHECKSUMS: [&str; 5] = ["crc", "md5", "sha1", "sha256", "sha512"];
/// Extensions of files that are still being written.
const TEMPORARY: [&str; 9] = ["tmp", "temp", "part", "partial", "crdownload", "filepart", "swp", "lock", "inprogress"];

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder => f.write_str("folder marker"),
            Self::Empty => f.write_str("empty"),
            Self::Hidden => f.write_str("hidden"),
            Self::Checksum => f.write_str("checksum"),
            Self::Temporary => f.write_str("temporary"),
            Self::Foreign => f.write_str("of another format, by its name"),
            Self::Unknown => f.write_str("unknown format"),
            Self::Unreadable(why) => write!(f, "unreadable: {why}"),
            Self::Unsayable => f.write_str("with a name that no LOCATION can have, as '*', '?', '[', '{' make it a pattern, and in s3:// '%' a code: rename it"),
        }
    }
}

/// Objects that were skipped for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Why.
    pub reason: SkipReason,
    /// How many.
    pub objects: u64,
    /// Their size together.
    pub bytes: u64,
    /// The first of them, relative to the location.
    pub first: String,
}

/// Skipped objects by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Skips(Vec<Skipped>);

/// More reasons than these are counted under the last, since what is unreadable may be so in many ways.
const MOST_REASONS: usize = 20;

impl Skips {
    /// Counts one object.
    pub fn add(&mut self, path: &str, bytes: u64, reason: SkipReason) {
        self.count(Skipped { reason, objects: 1, bytes, first: path.to_owned() });
    }

    /// Counts the objects of what might have been a table.
    pub(super) fn add_all(&mut self, candidate: Candidate, reason: SkipReason) {
        let Candidate { objects, bytes, first, skipped, .. } = candidate;
        self.count(Skipped { reason, objects, bytes, first });
        self.merge(skipped);
    }

    /// Adds those of another place that comes later in the listing.
    pub fn merge(&mut self, other: Self) {
        other.0.into_iter().for_each(|skipped| self.count(skipped));
    }

    /// Reason by reason, in the order of their first objects.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Skipped> {
        self.0.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn count(&mut self, skipped: Skipped) {
        let full = self.0.len() >= MOST_REASONS;
        let same = self.0.iter().position(|known| known.reason == skipped.reason).or(full.then_some(MOST_REASONS - 1));
        match same.and_then(|index| self.0.get_mut(index)) {
            Some(known) => {
                known.objects += skipped.objects;
                known.bytes += skipped.bytes;
            }
            None => self.0.push(skipped),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bookkeeping_is_told_from_data() {
        for (path, size, expected) in [
            ("a/_SUCCESS", 0, Some(SkipReason::Hidden)),
            ("a/_temporary/0/x.csv", 9, Some(SkipReason::Hidden)),
            ("a/.x.csv.swp", 9, Some(SkipReason::Hidden)),
            ("a/_key=1/x.csv", 9, None),
            ("a/x.csv.crc", 9, Some(SkipReason::Checksum)),
            ("a/x.csv.tmp", 9, Some(SkipReason::Temporary)),
            ("a/x.csv~", 9, Some(SkipReason::Temporary)),
            ("a/readme.md", 9, Some(SkipReason::Foreign)),
            ("a/", 0, Some(SkipReason::Folder)),
            ("a/part-0", 9, None),
            ("a/x.csv", 0, Some(SkipReason::Empty)),
            ("a/x.csv", 1, None),
        ] {
            assert_eq!(SkipReason::of(path, size), expected, "{path}");
        }
    }

    #[test]
    fn reasons_are_bounded() {
        let mut skips = Skips::default();
        for index in 0..100 {
            skips.add("x", 1, SkipReason::Unreadable(index.to_string()));
        }
        assert_eq!(skips.iter().len(), MOST_REASONS);
        assert_eq!(skips.iter().map(|skipped| skipped.objects).sum::<u64>(), 100);
    }
}
