//! Which files were read: the offset of a table of files.
//!
//! A file is known by its path and version. The files of the last slices are in the offset itself; the others are in *runs*,
//! Parquet files sorted by path that the offset names and that are never changed. As in a log-structured merge tree, small
//! runs are merged into larger ones, so that a million files cost a few runs, and a slice writes what it added and little more.

mod ingested;
mod lookup;
mod offset;
mod run;

pub use ingested::{IngestedObject, ingested};
pub(crate) use offset::{Part, Progress};
pub(crate) use run::{Entry, Known, Ledger, RunWriter, Walk};
