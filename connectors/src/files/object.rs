//! One file of a table: what it is, whether it counts, what is in it.

use std::sync::Arc;

use catalog::crawl::{Ending, SkipReason};
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
            Some(etag) => Self::version_by_etag(meta.size, etag),
            None => hash(&format!("{}\n{}", meta.size, meta.last_modified.timestamp_micros())),
        };
        // A weak one tells versions apart, but no request may insist on it.
        let etag = etag.filter(|etag| !etag.starts_with("W/")).map(Arc::from);
        Self { path: meta.location, size: meta.size, modified: meta.last_modified, version, etag }
    }

    /// The version of an object that the store calls by `etag`.
    pub(crate) fn version_by_etag(size: u64, etag: &str) -> u64 {
        hash(&format!("{size}\n{etag}"))
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

impl From<Format> for catalog::crawl::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Json => Self::Json,
            Format::Csv => Self::Csv,
            Format::Parquet => Self::Parquet,
        }
    }
}

/// Whether `name` is that of a file of a format that is known, compressed or not.
pub(crate) fn has_known_ending(name: &str) -> bool {
    Ending::of(name) != Ending::None
}

/// Whether the file at `relative`, below the table's location, is one of a table of `format`; none: it is.
pub(crate) fn skip(relative: &str, size: u64, format: Format) -> Option<SkipReason> {
    SkipReason::of(relative, size).or_else(|| match Ending::of(relative) {
        Ending::Format(other) if other != format.into() => Some(SkipReason::Foreign),
        _ => None,
    })
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
            ("a.json", 0, Some(SkipReason::Empty)),
            ("_SUCCESS", 0, Some(SkipReason::Hidden)),
            ("_delta_log/0.json", 9, Some(SkipReason::Hidden)),
            (".a.json.crc", 9, Some(SkipReason::Hidden)),
            ("x/.git/a.json", 9, Some(SkipReason::Hidden)),
            ("a.json.tmp", 9, Some(SkipReason::Temporary)),
            ("a.json~", 9, Some(SkipReason::Temporary)),
            ("a.csv", 9, Some(SkipReason::Foreign)),
            ("a.CSV.gz", 9, Some(SkipReason::Foreign)),
            ("readme.md", 9, Some(SkipReason::Foreign)),
            ("folder/", 0, Some(SkipReason::Folder)),
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
