//! The warehouse in Amazon Redshift: Parquet and a manifest on S3, one COPY, one transaction with a row of a ledger.
//!
//! ```text
//! staged files ─► check, types of the table ─► s3://staging/.../part-*.parquet, manifest.json
//!                                                   │ CREATE / ALTER TABLE, each by itself
//!                                                   ▼
//!                BEGIN; COPY (or DELETE, INSERT from a temporary table that was copied into); ledger; fence; COMMIT
//! ```
//! Which statements those are is said in `load`, what is in the ledger and why a batch gets in once in `ledger`, what is tried again
//! in `fault`, how the database is spoken to in `transport` (a connection, or the Data API). None of it was run on a real cluster: it was held against Redshift's documentation and the stand-in `redshift-sim`,
//! whose rules have their sources beside them.

mod audit;
mod catalog;
mod check;
mod columns;
mod config;
mod copied;
mod data_api;
mod ddl;
mod drift;
mod examine;
mod fault;
mod fit;
mod gate;
mod ledger;
mod load;
mod load_errors;
mod loading;
mod login;
mod manifest;
mod names;
mod nested;
mod options;
mod parquet;
mod plan;
mod problem;
mod reader;
mod session;
mod sink;
mod swap;
#[cfg(test)]
mod tests;
mod transport;
mod types;
mod upload;
mod views;
mod waiting;

pub(super) use examine::examine;
pub(super) use options::{OPTIONS, TableOptions, explain};
pub(super) use reader::{facts, table};
pub(super) use sink::RedshiftSink;
pub(super) use transport::place;
