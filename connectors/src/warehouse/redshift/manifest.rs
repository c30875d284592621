//! The list of files that one COPY loads ("Using a manifest to specify data files", `loading-data-files-using-manifest`).
//!
//! Every file is `mandatory`, because COPY passes over those that are missing otherwise, and says its exact length, which COPY
//! from Parquet wants ("COPY examples", `r_COPY_command_examples`). Files are named whole: a prefix `part-1` also matches
//! `part-10`, and what else lies there.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    url: String,
    mandatory: bool,
    meta: Meta,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Meta {
    content_length: u64,
}

impl Manifest {
    /// Of files by their URLs and lengths in bytes.
    pub(crate) fn new(files: impl IntoIterator<Item = (String, u64)>) -> Self {
        let entry = |(url, content_length)| Entry { url, mandatory: true, meta: Meta { content_length } };
        Self { entries: files.into_iter().map(entry).collect() }
    }

    /// As it is written.
    ///
    /// # Errors
    /// None that can happen.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| Error::internal(format!("a manifest: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_mandatory_and_says_its_length() {
        let manifest = Manifest::new([("s3://b/k/part-00000.parquet".to_owned(), 5_956_875)]);
        let text = String::from_utf8(manifest.to_json().unwrap()).unwrap();
        assert_eq!(
            text,
            r#"{"entries":[{"url":"s3://b/k/part-00000.parquet","mandatory":true,"meta":{"content_length":5956875}}]}"#
        );
    }
}
