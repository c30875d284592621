//! The offset, as it is stored.

use serde::{Deserialize, Serialize};

use super::run::Entry;
use crate::error::{Error, Result};
use crate::source::Offset;

/// A file that was read up to a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// The file.
    pub file: Entry,
    /// Records of it that were read.
    pub records: u64,
    /// What it was when it was read before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Entry>,
}

/// How far a table of files was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Files that were read to their end.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Sum of the entries' digests, in hexadecimal: two flows that have read the same files have the same sum, in whatever
    /// runs their lists are.
    pub digest: String,
    /// Names of runs, the oldest and largest first, and how many files each holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<(String, u64)>,
    /// Files that are in no run yet, in the order in which they were read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recent: Vec<Entry>,
    /// The file whose rest comes next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
}

impl Progress {
    /// From a stored offset; the beginning when there is none.
    ///
    /// # Errors
    /// [`Error::Internal`] for text that is no such offset.
    pub(crate) fn load(offset: Option<&Offset>) -> Result<Self> {
        offset.map_or_else(
            || Ok(Self::default()),
            |offset| {
                serde_json::from_str(&offset.0)
                    .map_err(|error| Error::internal(format!("the offset of a table of files: {error}")))
            },
        )
    }

    /// A file was read to its end; `old` is what it was when it was read before.
    pub(crate) fn add(&mut self, file: Entry, old: Option<&Entry>) {
        let sum = u128::from_str_radix(&self.digest, 16).unwrap_or(0).wrapping_add(file.digest());
        let sum = old.map_or(sum, |old| sum.wrapping_sub(old.digest()));
        self.digest = format!("{sum:x}");
        self.files += u64::from(old.is_none());
        self.bytes = (self.bytes + file.size).saturating_sub(old.map_or(0, |old| old.size));
        self.recent.push(file);
    }

    /// What two offsets have in common that go on with the same rows.
    pub(crate) fn mark(&self) -> String {
        let part = self.part.as_ref().map(|part| format!("{:x}+{}", part.file.digest(), part.records));
        format!("{}:{}:{}", self.files, self.digest, part.unwrap_or_default())
    }

    /// As it is stored.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub(crate) fn store(&self) -> Result<Offset> {
        let text = serde_json::to_string(self);
        Ok(Offset(text.map_err(|error| Error::internal(format!("the offset of a table of files: {error}")))?))
    }
}
