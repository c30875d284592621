//! Which tables a listing of objects amounts to.
//!
//! The objects come in key order, each with what was seen in it, and are folded into tables on the way: when a folder ends,
//! everything below it is either one candidate, which may yet turn out to be a partition of its parent, or final. So memory grows
//! with folders that could not be told apart yet and with tables, not with objects: a folder of files none of which is like another
//! has as many tables as files.
//!
//! - Files of one folder are one table when they share [`GroupOptions::similarity`] of their columns, by name; otherwise each
//!   group of similar files is a table of its own.
//! - Folders named like partitions (`key=value`, years, months, days) are partitions of one table. Others are, when all of them are
//!   similar; otherwise each is a table.
//! - The root of a table is the longest prefix that holds nothing else.
//! - Compressions may be mixed. Formats are not: a table is read as one.
//!
//! Nothing here reads anything: this is the pure decision between listing and registering.

mod candidate;
mod ddl;
mod folder;
mod format;
mod grouping;
mod kinds;
mod names;
mod overlap;
mod owners;
mod plan;
mod similarity;
mod skip;
#[cfg(test)]
mod tests;

pub use ddl::Ddl;
pub use format::{Compression, EXTENSIONS, Ending, Format};
pub use grouping::{Crawl, CrawledObject, GroupOptions, Grouping, Neighbours};
pub use names::{may_be_of, table_names};
pub use overlap::{PlacedTable, overlaps};
pub use owners::Owners;
pub use plan::{CompressionCount, TablePlan};
pub use similarity::may_be_drift;
pub use skip::{SkipReason, Skipped, Skips};
