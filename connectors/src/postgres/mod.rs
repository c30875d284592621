//! PostgreSQL, 13 and later: described, and read as a source.
//!
//! Rows come by `COPY (SELECT …) TO STDOUT (FORMAT binary)` and are decoded straight into Arrow. A table is read as it stands, or, with
//! a cursor column, incrementally: what the options of [`Postgres`] say of that is the contract with the user.
//!
//! Everything runs in short transactions of their own and keeps nothing on the server between them, so that a pool of connections
//! (PgBouncer in transaction mode) may stand between.

mod batch;
mod client;
mod config;
mod connector;
mod decode;
mod describe;
mod error;
mod input;
mod literal;
mod numeric;
mod offset;
mod pushdown;
mod query;
mod slice;
mod source;
mod tls;
mod types;
mod window;

pub use client::{Client, TextRow};
pub use config::{ConnectionConfig, TlsMode};
pub use connector::Postgres;
pub use describe::{ColumnDescription, Pattern, TableDescription, describe};
pub use error::from_server;
