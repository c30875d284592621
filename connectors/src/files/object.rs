//! One file of a table: what it is, whether it counts, what is in it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use object_store::ObjectMeta;
use object_store::path::Path;
use sha2::{Digest, Sha256};

/// A file that was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    /// Where it is in its store.
    pub path: Path,
    /// Bytes, as stored.
    pub size: u64,
    /// When it was written.
    pub modified: DateTime<Utc>,
    /// Another one when the file is written anew.
    pub version: u64,
    /// What the store calls its version, if the store is one that does.
    pub etag: Option<Arc<str>>,
}

impl Object {
    /// As the store lists it. `is_local`: the file's version is its size and time, since what a local store calls an etag
    /// changes when a file is copied or restored.
    pub(crate) fn new(meta: ObjectMeta, is_local: bool) -> Self {
        let etag = meta.e_tag.filter(|_| !is_local);
        let version = match &etag {
            Some(etag) => hash(&format!("{}\n{etag}", meta.size)),
            None => hash(&format!("{}\n{}", meta.size, meta.last_modified.timestamp_micros())),
        };
        // A weak one tells versions apart, but no request may insist on it.
        let etag = etag.filter(|etag| !etag.starts_with("W/")).map(Arc::from);
        Self { path: meta.location, size: meta.size, modified: meta.last_modified, version, etag }
    }
}

/// A number that no two versions of a file share, but for one chance in 2^64.
fn hash(text: &str) -> u64 {
    let digest = Sha256::digest(text);
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(bytes)
}

/// What the files of a table hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// JSON documents.
    Json,
    /// Comma-separated values and their kin.
    Csv,
    /// Parquet.
    Parquet,
}

/// File name endings of compressions, which say nothing about what is compressed.
const COMPRESSIONS: [&str; 9] = ["gz", "gzip", "zst", "zstd", "bz2", "bzip2", "xz", "lzma", "z"];
/// Endings of files that are still being written, or belong to another file.
const TEMPORARY: [&str; 9] = ["tmp", "temp", "part", "partial", "crdownload", "filepart", "swp", "lock", "inprogress"];
/// Endings of other formats, by the format that they are.
const FORMATS: [(&str, Option<Format>); 22] = [
    ("json", Some(Format::Json)),
    ("ndjson", Some(Format::Json)),
    ("jsonl", Some(Format::Json)),
    ("csv", Some(Format::Csv)),
    ("tsv", Some(Format::Csv)),
    ("tab", Some(Format::Csv)),
    ("psv", Some(Format::Csv)),
    ("parquet", Some(Format::Parquet)),
    ("parq", Some(Format::Parquet)),
    ("pq", Some(Format::Parquet)),
    ("orc", None),
    ("avro", None),
    ("xml", None),
    ("xls", None),
    ("xlsx", None),
    ("zip", None),
    ("tar", None),
    ("pdf", None),
    ("html", None),
    ("md", None),
    ("crc", None),
    ("sql", None),
];

/// Whether `name` is that of a file of a format that is known, compressed or not.
pub(crate) fn has_known_ending(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let mut endings: Vec<&str> = name.split('.').skip(1).collect();
    if endings.last().is_some_and(|ending| COMPRESSIONS.contains(ending)) {
        endings.pop();
    }
    endings.last().is_some_and(|ending| FORMATS.iter().any(|(known, _)| known == ending))
}

/// Why a file is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Skip {
    /// Its name, or that of a folder above it, begins with `.` or `_`.
    Hidden,
    /// It is still being written.
    Temporary,
    /// Nothing is in it.
    Empty,
    /// Its name says that it holds something else.
    Foreign,
    /// A folder that a console made as an object.
    Folder,
}

impl Skip {
    /// In words, behind a number: "3 empty".
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Hidden => "hidden (name begins with '.' or '_')",
            Self::Temporary => "temporary",
            Self::Empty => "empty",
            Self::Foreign => "of another format, by their names",
            Self::Folder => "folder markers",
        }
    }

    /// Whether somebody may have expected the file to be read.
    pub(crate) fn is_notable(self) -> bool {
        matches!(self, Self::Empty | Self::Foreign)
    }
}

/// Whether the file at `relative`, below the table's location, is one of a table of `format`; none: it is.
pub(crate) fn skip(relative: &str, size: u64, format: Format) -> Option<Skip> {
    if relative.ends_with('/') {
        return Some(Skip::Folder);
    }
    // `_SUCCESS`, `_delta_log/`, `_temporary/`, `.part.crc`; a Hive partition may well begin with an underscore.
    let is_hidden = |part: &str| part.starts_with('.') || (part.starts_with('_') && !part.contains('='));
    if relative.split('/').any(is_hidden) {
        return Some(Skip::Hidden);
    }
    let name = relative.rsplit('/').next().unwrap_or(relative).to_ascii_lowercase();
    let mut endings = name.split('.').skip(1).collect::<Vec<_>>();
    if name.ends_with('~') || endings.last().is_some_and(|ending| TEMPORARY.contains(ending)) {
        return Some(Skip::Temporary);
    }
    if endings.last().is_some_and(|ending| COMPRESSIONS.contains(ending)) {
        endings.pop();
    }
    if let Some(ending) = endings.last()
        && let Some((_, known)) = FORMATS.iter().find(|(known, _)| known == ending)
        && *known != Some(format)
    {
        return Some(Skip::Foreign);
    }
    (size == 0).then_some(Skip::Empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_data_are_passed_over() {
        for (name, size, expected) in [
            ("a.json", 1, None),
            ("a.json.gz", 1, None),
            ("data", 1, None),
            ("2026.01.01", 1, None),
            ("dt=1/_x=2/a.ndjson", 1, None),
            ("a.json", 0, Some(Skip::Empty)),
            ("_SUCCESS", 0, Some(Skip::Hidden)),
            ("_delta_log/0.json", 9, Some(Skip::Hidden)),
            (".a.json.crc", 9, Some(Skip::Hidden)),
            ("x/.git/a.json", 9, Some(Skip::Hidden)),
            ("a.json.tmp", 9, Some(Skip::Temporary)),
            ("a.json~", 9, Some(Skip::Temporary)),
            ("a.csv", 9, Some(Skip::Foreign)),
            ("a.CSV.gz", 9, Some(Skip::Foreign)),
            ("readme.md", 9, Some(Skip::Foreign)),
            ("folder/", 0, Some(Skip::Folder)),
        ] {
            assert_eq!(skip(name, size, Format::Json), expected, "{name}");
        }
    }

    #[test]
    fn a_file_written_anew_has_another_version() {
        let meta = |size, etag: Option<&str>, second| ObjectMeta {
            location: Path::from("a"),
            last_modified: DateTime::from_timestamp(second, 0).unwrap(),
            size,
            e_tag: etag.map(str::to_owned),
            version: None,
        };
        let version = |meta, local| Object::new(meta, local).version;
        assert_eq!(version(meta(1, Some("a"), 1), false), version(meta(1, Some("a"), 2), false), "the etag counts on S3");
        assert_ne!(version(meta(1, Some("a"), 1), false), version(meta(1, Some("b"), 1), false));
        assert_eq!(version(meta(1, Some("a"), 1), true), version(meta(1, Some("b"), 1), true), "the time counts on a disk");
        assert_ne!(version(meta(1, None, 1), true), version(meta(1, None, 2), true));
        assert_ne!(version(meta(1, None, 1), true), version(meta(2, None, 1), true));
    }
}
