//! Files as tables: JSON, CSV and Parquet on local disk and S3, read incrementally.
//!
//! What is new is found by one ordered pass over the listing and the list of files that were read before (`pending`,
//! `ledger`), or among those that something told of (`news`); files are opened ahead and decompressed (`open`), decoded by their
//! format ([`json`], [`csv`]) into columns that can take back a bad row ([`columns`]), and handed out as batches whose offset
//! covers just what they hold (`slice`). Of a record that is no row, what is kept (`origin`, `row_image`) is enough to make it
//! one after a fix (`replay`).

mod absence;
mod arrivals;
pub mod columns;
mod config;
mod connector;
pub mod crawl;
pub mod csv;
pub mod decode;
mod file_values;
mod forms;
mod fuzz;
#[cfg(test)]
mod fuzz_tests;
mod glance;
mod infer;
pub mod json;
mod landing;
mod learn;
mod ledger;
mod lengths;
pub(crate) mod listing;
pub mod misfit;
mod news;
pub(crate) mod object;
mod open;
mod origin;
mod parquet;
mod pass;
mod pattern;
mod pending;
mod projection;
mod prune;
mod reading;
mod replay;
mod row_image;
mod slice;
mod source;
mod value;
mod walk;
pub(crate) mod written;

pub use arrivals::{Arrivals, Mark, Told};
pub(crate) use config::Text;
pub use connector::{Csv, Json};
pub(crate) use connector::{PARQUET_OPTIONS, open_parquet};
pub use csv::header::plain as plain_name;
pub use glance::{Glance, Glanced, ParquetFiles, glance};
pub use landing::{Landed, Landing, Looked, Waiting};
pub use ledger::{IngestedObject, ingested};
pub use pattern::WILDCARDS;
