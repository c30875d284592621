//! The store in a database: one text of SQL, whichever the database is.

pub(super) mod database;
mod epochs;
mod leases;
mod loads;
mod prune;
mod requests;
mod runs;
pub(super) mod sqlite;
mod store;

pub(super) use store::SqlStore;
