//! Files as tables: JSON, CSV and Parquet on local disk and S3, read incrementally.
//!
//! What is new is found by one ordered pass over the listing and the list of files that were read before (`pending`,
//! `ledger`); files are opened ahead and decompressed (`open`), decoded by their format ([`json`], [`csv`]) into columns that can
//! take back a bad row ([`columns`]), and handed out as batches whose offset covers just what they hold (`slice`).

pub mod columns;
mod config;
mod connector;
pub mod csv;
pub mod decode;
mod file_values;
mod infer;
pub mod json;
mod ledger;
mod listing;
pub mod misfit;
mod object;
mod open;
mod parquet;
mod pass;
mod pending;
mod projection;
mod reading;
mod slice;
mod source;
mod value;

pub use connector::{Csv, Json};
pub(crate) use connector::{PARQUET_OPTIONS, open_parquet};
