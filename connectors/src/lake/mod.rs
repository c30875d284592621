//! Tables of files on local disk or S3: DELTA and PARQUET.
//!
//! Both are written from staged files alone, and agree on which types they store (`schema`) and on how a staged file gets
//! into the table's folder (`files`). They differ in what makes a file part of the table: Delta's log, or the records of
//! `parquet`.

mod delta;
pub(crate) mod files;
mod parquet;
mod schema;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use delta::replaces_columns;
pub use delta::{Delta, Part, Parts};
pub use parquet::Parquet;

/// Commits that lost a race are tried this often. Each try loses only to a writer that won, so that somebody gets on.
const COMMIT_ATTEMPTS: u32 = 20;
