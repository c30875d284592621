//! What an object is, by its name.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum Format {
    /// JSON in any arrangement: one object a line, arrays, concatenated.
    Json,
    /// Text with delimiters.
    Csv,
    /// Parquet.
    Parquet,
    /// A Delta table: Parquet files and a log that says which of them count.
    Delta,
}

impl Format {
    /// As `STORED AS` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Csv => "CSV",
            Self::Parquet => "PARQUET",
            Self::Delta => "DELTA",
        }
    }

    /// The format that a name's extension stands for, below that of a compression.
    pub fn of_path(path: &str) -> Option<Self> {
        match Ending::of(path) {
            Ending::Format(format) => Some(format),
            Ending::Foreign | Ending::None => None,
        }
    }
}

/// What a file's name says of what is in it: the one list that crawling and reading share. Where it says nothing, a crawl looks into
/// the file, and a table reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// This format.
    Format(Format),
    /// Something that is no table.
    Foreign,
    /// Nothing: there is no extension, or none that is known. What is in the file tells.
    None,
}

/// The extensions of the formats that are read file by file.
pub const EXTENSIONS: [(&str, Format); 11] = [
    ("parquet", Format::Parquet),
    ("parq", Format::Parquet),
    ("pq", Format::Parquet),
    ("csv", Format::Csv),
    ("tsv", Format::Csv),
    ("tab", Format::Csv),
    ("psv", Format::Csv),
    ("json", Format::Json),
    ("ndjson", Format::Json),
    ("jsonl", Format::Json),
    ("geojson", Format::Json),
];

/// Extensions of what is no table.
const FOREIGN: [&str; 22] = [
    "avro", "doc", "docx", "gif", "htm", "html", "ipynb", "jar", "jpeg", "jpg", "md", "orc", "pdf", "png", "py", "sh", "sql",
    "tar", "xls", "xlsx", "xml", "zip",
];

impl Ending {
    /// Of a path, below the extension of a compression.
    pub fn of(path: &str) -> Self {
        let (stem, _) = Compression::strip(file_name(path));
        let Some((_, extension)) = stem.rsplit_once('.') else { return Self::None };
        let extension = extension.to_ascii_lowercase();
        match EXTENSIONS.iter().find(|(known, _)| *known == extension) {
            Some((_, format)) => Self::Format(*format),
            None if FOREIGN.contains(&extension.as_str()) => Self::Foreign,
            None => Self::None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the file as a whole is compressed; what a format does inside is its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
}

impl Compression {
    /// The compression that a name's extension stands for.
    pub fn of_path(path: &str) -> Self {
        Self::strip(file_name(path)).1
    }

    /// The name without the extension of a compression, and the compression.
    fn strip(name: &str) -> (&str, Self) {
        let Some((stem, extension)) = name.rsplit_once('.') else { return (name, Self::None) };
        let compression = match extension.to_ascii_lowercase().as_str() {
            "gz" | "gzip" => Self::Gzip,
            "zst" | "zstd" => Self::Zstd,
            "bz2" | "bzip2" => Self::Bzip2,
            "xz" => Self::Xz,
            // They are not read, and say as little of what is compressed.
            "lzma" | "z" => Self::None,
            _ => return (name, Self::None),
        };
        (stem, compression)
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "uncompressed",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        })
    }
}

/// The last part of a path.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// A file's name without the extensions of format and compression.
pub(super) fn stem(path: &str) -> &str {
    let (stem, _) = Compression::strip(file_name(path));
    if Format::of_path(stem).is_some() { stem.rsplit_once('.').map_or(stem, |(stem, _)| stem) } else { stem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_format_and_compression() {
        assert_eq!(Format::of_path("a/b.v2/x.JSON.gz"), Some(Format::Json));
        assert_eq!(Format::of_path("x.snappy.parquet"), Some(Format::Parquet));
        assert_eq!(Format::of_path("README"), None);
        assert_eq!((Ending::of("a/notes.md.gz"), Ending::of("a.json/part-0")), (Ending::Foreign, Ending::None));
        assert_eq!(Compression::of_path("x.csv.zst"), Compression::Zstd);
        assert_eq!(stem("a/orders.csv.gz"), "orders");
        assert_eq!(stem("a/v1.2"), "v1.2");
    }
}
