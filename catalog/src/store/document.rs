//! The catalog as one document: read as a whole, and changed as a whole if nobody else has meanwhile.
//!
//! For places that keep texts and not tables. It suits catalogs of thousands of tables; the document has every version of every schema, and
//! what crawls have seen, so that a change moves a few kilobytes a table.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::content::Content;
use super::{Alteration, CatalogStore, CrawlState, CrawledTable, Database, Registration, SchemaVersion, Table, TableName};
use crate::drift::NewVersion;
use crate::error::{Error, Result};

/// How often a change is begun again because somebody else was faster.
const ATTEMPTS: u32 = 50;

/// The pause before the second attempt; the tenth is ten times as long.
const PAUSE: Duration = Duration::from_millis(10);

/// A text in some place.
#[async_trait]
pub trait Document: std::fmt::Debug + Send + Sync {
    /// The text and its version; `None` when there is none yet.
    ///
    /// # Errors
    /// [`Error::Store`].
    async fn load(&self) -> Result<Option<(String, String)>>;

    /// Puts the text in the place of the one with `version`, or of none. `false`: another one is there, and nothing was done.
    ///
    /// # Errors
    /// [`Error::Store`].
    async fn replace(&self, text: &str, version: Option<&str>) -> Result<bool>;
}

/// The catalog in a document.
#[derive(Debug, Clone)]
pub struct DocumentCatalog {
    document: Arc<dyn Document>,
}

impl DocumentCatalog {
    /// The catalog in `document`, which need not be there.
    pub fn new(document: Arc<dyn Document>) -> Self {
        Self { document }
    }

    async fn read(&self) -> Result<Content> {
        Ok(self.load().await?.0)
    }

    async fn load(&self) -> Result<(Content, Option<String>)> {
        match self.document.load().await? {
            None => Ok((Content::default(), None)),
            Some((text, version)) => Ok((serde_json::from_str(&text)?, Some(version))),
        }
    }

    async fn change<T>(&self, change: impl Fn(&mut Content) -> Result<T>) -> Result<T> {
        for attempt in 1..=ATTEMPTS {
            let (mut content, version) = self.load().await?;
            let value = change(&mut content)?;
            if self.document.replace(&serde_json::to_string(&content)?, version.as_deref()).await? {
                return Ok(value);
            }
            tokio::time::sleep(PAUSE * attempt).await;
        }
        let message = format!("catalog: others changed it {ATTEMPTS} times while this was tried; try again");
        Err(Error::Store { message, source: None })
    }
}

#[async_trait]
impl CatalogStore for DocumentCatalog {
    async fn create_database(&self, name: &str, comment: Option<&str>, now: DateTime<Utc>) -> Result<()> {
        self.change(|content| {
            content.create_database(name, comment, now);
            Ok(())
        })
        .await
    }

    async fn databases(&self) -> Result<Vec<Database>> {
        Ok(self.read().await?.databases.into_values().collect())
    }

    async fn register(&self, table: &Registration, why: &str, now: DateTime<Utc>) -> Result<Table> {
        self.change(|content| content.register(table, why, now)).await
    }

    async fn find(&self, name: &TableName) -> Result<Option<Table>> {
        Ok(self.read().await?.get(name).ok())
    }

    async fn get(&self, name: &TableName) -> Result<Table> {
        self.read().await?.get(name)
    }

    async fn list(&self, database: Option<&str>) -> Result<Vec<Table>> {
        Ok(self.read().await?.list(database))
    }

    async fn evolve(&self, name: &TableName, after: u32, version: &NewVersion, why: &str, now: DateTime<Utc>) -> Result<Table> {
        self.change(|content| content.evolve((name, after), version, why, now)).await
    }

    async fn alter(&self, name: &TableName, alteration: &Alteration, now: DateTime<Utc>) -> Result<Table> {
        self.change(|content| content.alter(name, alteration, now)).await
    }

    async fn history(&self, name: &TableName) -> Result<Vec<SchemaVersion>> {
        self.read().await?.history(name)
    }

    async fn remove(&self, name: &TableName) -> Result<()> {
        self.change(|content| content.remove(name)).await
    }

    async fn crawl_state(&self, name: &TableName) -> Result<Option<CrawlState>> {
        Ok(self.read().await?.crawl_state(name))
    }

    async fn record_crawls(&self, ledger: &str, crawled_at: DateTime<Utc>, tables: &[CrawledTable]) -> Result<()> {
        self.change(|content| content.record_crawls(ledger, crawled_at, tables)).await
    }
}
