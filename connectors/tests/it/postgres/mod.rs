//! POSTGRES tables as sources, against a private PostgreSQL: every type, cursors, faults, TLS and a pool of connections.

mod connecting;
mod cursors;
mod pushdown;
mod types;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use connectors::Result;
use connectors::context::TableSpec;
use connectors::source::Source;
use testkit::postgres::{PASSWORD, Postgres, USER};

use crate::bench::{Bench, spec};

/// A server with one database, and what is read from it.
pub(crate) struct Shop {
    pub(crate) server: Postgres,
    pub(crate) bench: Bench,
    pub(crate) url: String,
}

impl Shop {
    /// With the tables that `statements` make; nothing where there is no PostgreSQL.
    pub(crate) fn with(statements: &str) -> Option<Self> {
        let server = Postgres::start_or_skip()?;
        server.create_database("shop").unwrap();
        server.sql("shop", statements).unwrap();
        // By the socket: deriving keys from passwords takes most of a slice's time where nothing is optimized.
        let url = format!("postgres://{USER}@localhost:{}/shop?host={}", server.port(), server.socket_folder().display());
        Some(Self { server, bench: Bench::new(), url })
    }

    pub(crate) fn sql(&self, statements: &str) -> String {
        self.server.sql("shop", statements).unwrap()
    }

    pub(crate) fn spec(&self, table: &str, columns: Option<SchemaRef>, options: &[(&str, &str)]) -> TableSpec {
        spec("POSTGRES", table, columns, &[&[("url", self.url.as_str())], options].concat())
    }

    pub(crate) async fn open(&self, table: &str, options: &[(&str, &str)]) -> Result<Arc<dyn Source>> {
        self.bench.open(&self.spec(table, None, options)).await
    }

    pub(crate) async fn source(&self, table: &str, options: &[(&str, &str)]) -> Arc<dyn Source> {
        self.open(table, options).await.unwrap()
    }

    /// What is said of a table that cannot be opened, which is never the password.
    pub(crate) async fn refused(&self, table: &str, options: &[(&str, &str)]) -> String {
        let error = self.open(table, options).await.unwrap_err().to_string();
        assert!(!error.contains(PASSWORD), "{error}");
        error
    }
}
