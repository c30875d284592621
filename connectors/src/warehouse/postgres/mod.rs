//! The warehouse in a PostgreSQL database, 13 or later.
//!
//! A batch is loaded in one transaction: the staged files stream through `encode` into a binary COPY, into the table itself or, for an
//! upsert, into a temporary one (`load`, `upsert`), as a rule while the rows are being staged (`preload`), with columns of types that have no
//! form here as texts (`texts`); the same transaction has the batch's row in the `ledger`. What a table's columns
//! are, and how they grow, is in `target`, `types` and `ddl`. All that a load leaves in its session ends with its transaction, so that a pool
//! of connections (PgBouncer in transaction mode) may stand between.

mod array;
mod audit;
mod ddl;
mod decimal;
mod digits;
mod encode;
mod error;
mod examine;
mod gate;
mod ledger;
mod load;
mod preload;
mod sink;
mod table;
mod target;
#[cfg(test)]
mod tests;
mod texts;
mod types;
mod upsert;
mod views;

pub(crate) use examine::{examine, unverified};
pub(crate) use sink::PostgresSink;
pub(crate) use table::{facts, table};
