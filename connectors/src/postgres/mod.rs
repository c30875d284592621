//! PostgreSQL.
mod client;
mod config;
mod error;
mod tls;

pub use client::Client;
pub use config::{ConnectionConfig, TlsMode};
pub use error::from_server;
