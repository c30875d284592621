//! The store in a database: one text of SQL, whichever the database is.

pub(super) mod database;
mod epochs;
mod leases;
mod loads;
pub(super) mod postgres;
mod prune;
mod requests;
mod runs;
pub(super) mod sqlite;
mod store;
mod transfer;

pub(super) use postgres::Place as PostgresPlace;
pub(super) use store::SqlStore;
