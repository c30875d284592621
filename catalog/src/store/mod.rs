//! Where the catalog is kept: databases, tables, and every schema that they have had.
//!
//! [`CatalogStore`] is the seam; [`SqliteCatalog`] keeps it in one file beside the state, [`DocumentCatalog`] in a text anywhere else. The catalog is not what makes runs exact
//! (that is the state store); it can be made again by crawling.

mod content;
mod document;
mod refusals;
mod rows;
mod sqlite;
mod statements;
mod table;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

pub use document::{Document, DocumentCatalog};
pub use sqlite::SqliteCatalog;
pub use table::{
    Alteration, CrawlState, CrawledTable, Database, Registration, SchemaVersion, Statistics, Table, TableName, TableOptions,
};

use crate::drift::NewVersion;
use crate::error::Result;

/// Databases and tables. Every method is one transaction: it happens wholly or not at all, and is durable when it returns.
///
/// # Errors
/// Every method may return [`Error::Store`](crate::Error::Store); what else, each says. A table that is not there is
/// [`Error::NotFound`](crate::Error::NotFound), which lists the tables with names like it.
#[async_trait]
pub trait CatalogStore: std::fmt::Debug + Send + Sync {
    /// Makes a database if there is none of the name; its comment is replaced when one is given.
    async fn create_database(&self, name: &str, comment: Option<&str>, now: DateTime<Utc>) -> Result<()>;

    /// The databases, by name.
    async fn databases(&self) -> Result<Vec<Database>>;

    /// Registers a table with version 1 of its schema, and its database if there is none. `why` goes into the history.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) when the table is there.
    async fn register(&self, table: &Registration, why: &str, now: DateTime<Utc>) -> Result<Table>;

    /// The table, if it is there.
    async fn find(&self, name: &TableName) -> Result<Option<Table>>;

    /// The table, which must be there.
    async fn get(&self, name: &TableName) -> Result<Table>;

    /// The tables of a database, or of all, by name.
    async fn list(&self, database: Option<&str>) -> Result<Vec<Table>>;

    /// Gives a table its next schema. `after` is the version that the change was decided for.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) when the table has another version by now: compare again with that one.
    async fn evolve(&self, name: &TableName, after: u32, version: &NewVersion, why: &str, now: DateTime<Utc>) -> Result<Table>;

    /// Changes what is not the schema.
    async fn alter(&self, name: &TableName, alteration: &Alteration, now: DateTime<Utc>) -> Result<Table>;

    /// Every schema that the table has had, the first one first.
    async fn history(&self, name: &TableName) -> Result<Vec<SchemaVersion>>;

    /// Takes a table, its history and its crawl out of the catalog. Its data stays.
    async fn remove(&self, name: &TableName) -> Result<()>;

    /// What a crawl of the table goes on from; `None` when it was never crawled.
    async fn crawl_state(&self, name: &TableName) -> Result<Option<CrawlState>>;

    /// Keeps what the next crawl goes on from.
    async fn record_crawl(&self, name: &TableName, state: &CrawlState) -> Result<()> {
        let table = CrawledTable { name: name.clone(), observed: Some(state.observed.clone()) };
        self.record_crawls(&state.ledger, state.crawled_at, &[table]).await
    }

    /// The same for the tables of one crawl, which share a ledger: all of them or none, so that what was read and what was seen in it
    /// never part.
    async fn record_crawls(&self, ledger: &str, crawled_at: DateTime<Utc>, tables: &[CrawledTable]) -> Result<()>;
}
