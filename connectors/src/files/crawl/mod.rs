//! Crawling a location: every object is listed, those that are new are looked at, and what was seen is grouped to tables.
//!
//! ```text
//!   listing ─► no data? ─► known, by the ledger of its table? ─► read: footer, or head, middle and tail ─► its table, or Grouping
//!   (in the order of keys, one at a time)                        (several at a time, in order)
//! ```
//!
//! Nothing is held but what is being read, the tables' evidence and the folders that are open, so memory grows with the tables and not
//! with the objects, as long as objects are alike. Which tables these make is decided by [`catalog::crawl`], what changes by [`catalog::drift`], and both are
//! applied by whoever calls [`crawl`]: nothing is written here but the ledger, a new one at each crawl.

mod footer;
mod known;
mod listed;
mod location;
mod look;
mod matching;
mod text;
mod work;

pub use known::{KnownTable, SeenTable};
pub use listed::{ListedObject, listed};
pub use location::CrawlLocation;
pub use work::{CrawlOptions, Crawled, Ledgers, Progress, crawl};
