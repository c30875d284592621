//! Where a value was seen.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Where in a file. A sample from the middle of a file does not know how many rows are before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Position {
    /// The row, from 1.
    Row(u64),
    /// The offset in the uncompressed file, in bytes.
    Byte(u64),
}

/// A file and where in it. The least of two places is the one that comes first in a listing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The file's path or address.
    pub file: Arc<str>,
    /// Where in it.
    pub at: Position,
}

impl Place {
    /// A row, from 1, of a file.
    pub fn row(file: impl Into<Arc<str>>, row: u64) -> Self {
        Self { file: file.into(), at: Position::Row(row) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Position::Row(row) => write!(f, "{}, row {}", self.file, Grouped(row)),
            Position::Byte(offset) => write!(f, "{}, byte {}", self.file, Grouped(offset)),
        }
    }
}

/// A number as people read it: `91,233`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grouped(pub(crate) u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_named_as_people_count() {
        assert_eq!(Place::row("s3://b/x.csv", 91_233).to_string(), "s3://b/x.csv, row 91,233");
        let place = Place { file: "x".into(), at: Position::Byte(1_048_576) };
        assert_eq!(place.to_string(), "x, byte 1,048,576");
        assert_eq!(Grouped(7).to_string(), "7");
        assert_eq!(Grouped(1_000).to_string(), "1,000");
    }
}
