//! Bytes that are no record: what is wrong with them, and the limits that make them so. Finding them is
//! [`super::records`]'s.

use std::fmt;

/// What a single record may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes, without the line end; at most 2 GiB.
    pub record_bytes: usize,
    /// Fields.
    pub fields: usize,
}

impl Default for Limits {
    /// 16 MiB and 65,536 fields.
    fn default() -> Self {
        Self { record_bytes: 16 << 20, fields: 1 << 16 }
    }
}

/// Bytes that are no record.
#[derive(Debug, Clone, Copy)]
pub struct BadRecord<'a> {
    /// What is wrong.
    pub reason: BadReason,
    /// Its bytes without the line end: the first [`Limits::record_bytes`] of them.
    pub raw: &'a [u8],
    /// How many bytes it has, also where `raw` has fewer.
    pub length: u64,
    /// Where it begins, in bytes of the decoded file.
    pub offset: u64,
    /// Which record of the file it is, from 1.
    pub number: u64,
    /// The line it begins on, from 1.
    pub line: u64,
}

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadReason {
    /// A quote opens on `line` and is not closed.
    UnclosedQuote {
        /// The line, from 1.
        line: u64,
    },
    /// It outgrows [`Limits::record_bytes`].
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// It has more than [`Limits::fields`].
    TooManyFields {
        /// The limit.
        limit: usize,
    },
}

impl fmt::Display for BadReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnclosedQuote { line } => write!(formatter, "the quote that opens on line {line} is not closed"),
            Self::TooLong { limit } => write!(formatter, "the record is longer than {limit} bytes"),
            Self::TooManyFields { limit } => write!(formatter, "the record has more than {limit} fields"),
        }
    }
}

impl fmt::Display for BadRecord<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}: {}", self.line, self.reason)
    }
}
