//! AWS Glue's Data Catalog as the place that tables are exported to, so that Athena's users find them.
//!
//! | question | place |
//! |---|---|
//! | which type has a column there | [`types`](mod@types) |
//! | which SerDe reads the files, with which parameters | `format` |
//! | what is a table there | `described` |
//! | which partitions has it | `partitions` |
//! | what has to be written | `export` |
//!
//! Only what differs is written, and nothing is deleted. What Glue has of a table beside what is exported (parameters of others,
//! partitions that are not in the lake) stays.

mod client;
mod described;
mod export;
mod format;
mod partitions;
pub mod types;

pub use client::Glue;
pub use export::{Action, Outcome, PartitionCounts};

/// A name as Glue and Athena take it: lower-case letters, digits and underscores.
pub fn plain_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}
