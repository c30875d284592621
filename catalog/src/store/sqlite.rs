//! The catalog in a SQLite file: made and migrated by itself, safe for several processes.

use std::path::Path;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::migrate::Migrator;
use sqlx::{Row, Sqlite, Transaction};

use super::rows::{database, fields_to_text, schema_version, table, time};
use super::statements::{TABLES, comment_column, find, get, insert_statistics, insert_version, make_database, update};
use super::{
    Alteration, CatalogStore, CrawlState, CrawledTable, Database, Registration, SchemaVersion, Table, TableName, refusals,
};
use crate::drift::NewVersion;
use crate::error::{Error, Result};
use crate::sqlite::{SqliteFile, SqlitePools, Unavailable};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

const KEPT: SqliteFile<'static> = SqliteFile { what: "catalog", without_it: " and crawl again", migrations: &MIGRATIONS };

/// The catalog in one SQLite file, which is its own: no other tables are in it.
#[derive(Debug)]
pub struct SqliteCatalog {
    pools: SqlitePools,
}

impl SqliteCatalog {
    /// Opens the catalog, making it if it is not there.
    ///
    /// # Errors
    /// [`Error::Store`] with the path and what to try.
    pub async fn open(path: &Path) -> Result<Self> {
        let pools =
            KEPT.open(path).await.map_err(|Unavailable { message, source }| Error::Store { message, source: Some(source) })?;
        Ok(Self { pools })
    }

    async fn begin(&self) -> Result<Transaction<'static, Sqlite>> {
        Ok(self.pools.begin().await?)
    }
}

#[async_trait]
impl CatalogStore for SqliteCatalog {
    async fn create_database(&self, name: &str, comment: Option<&str>, now: DateTime<Utc>) -> Result<()> {
        let mut transaction = self.begin().await?;
        make_database(&mut transaction, name, comment, now).await?;
        Ok(transaction.commit().await?)
    }

    async fn databases(&self) -> Result<Vec<Database>> {
        let rows =
            sqlx::query("SELECT name, comment, created_at FROM databases ORDER BY name").fetch_all(&self.pools.reads).await?;
        rows.iter().map(database).collect()
    }

    async fn register(&self, table: &Registration, why: &str, now: DateTime<Utc>) -> Result<Table> {
        let name = &table.name;
        let mut transaction = self.begin().await?;
        if let Some(known) = find(&mut transaction, name).await? {
            return Err(refusals::taken(&known));
        }
        make_database(&mut transaction, &name.database, None, now).await?;
        sqlx::query(
            "INSERT INTO tables (database, name, version, connector, registered_by, created_at, location, options, partitioning,
                                 key_columns, policy, updated_at)
             VALUES (?, ?, 1, ?, ?, ?, '', '', '', '', '', 0)",
        )
        .bind(&name.database)
        .bind(&name.table)
        .bind(&table.connector)
        .bind(&table.registered_by)
        .bind(now.timestamp_millis())
        .execute(&mut *transaction)
        .await?;
        update(&mut transaction, table, now).await?;
        insert_version(&mut transaction, name, 1, fields_to_text(&table.schema)?, (why, &[]), now).await?;
        let registered = get(&mut transaction, name).await?;
        transaction.commit().await?;
        Ok(registered)
    }

    async fn find(&self, name: &TableName) -> Result<Option<Table>> {
        find(&mut *self.pools.reads.acquire().await?, name).await
    }

    async fn get(&self, name: &TableName) -> Result<Table> {
        get(&mut *self.pools.reads.acquire().await?, name).await
    }

    async fn list(&self, database: Option<&str>) -> Result<Vec<Table>> {
        let rows = sqlx::query(TABLES).bind(database).bind(None::<&str>).fetch_all(&self.pools.reads).await?;
        rows.iter().map(table).collect()
    }

    async fn evolve(&self, name: &TableName, after: u32, version: &NewVersion, why: &str, now: DateTime<Utc>) -> Result<Table> {
        let mut transaction = self.begin().await?;
        let current = get(&mut transaction, name).await?.version;
        refusals::check_version(name, current, after)?;
        let next = after + 1;
        insert_version(&mut transaction, name, next, fields_to_text(&version.schema)?, (why, &version.changes), now).await?;
        sqlx::query("UPDATE tables SET version = ?, updated_at = ? WHERE database = ? AND name = ?")
            .bind(next)
            .bind(now.timestamp_millis())
            .bind(&name.database)
            .bind(&name.table)
            .execute(&mut *transaction)
            .await?;
        let table = get(&mut transaction, name).await?;
        transaction.commit().await?;
        Ok(table)
    }

    async fn alter(&self, name: &TableName, alteration: &Alteration, now: DateTime<Utc>) -> Result<Table> {
        let mut transaction = self.begin().await?;
        let table = get(&mut transaction, name).await?;
        match alteration {
            Alteration::Statistics(statistics) => insert_statistics(&mut transaction, name, statistics, now).await?,
            Alteration::ColumnComment { column, comment } => {
                comment_column(&mut transaction, &table, column, comment.as_deref()).await?;
            }
            _ => {}
        }
        let altered = alteration.of(&table.registration);
        if !matches!(alteration, Alteration::Statistics(_)) {
            update(&mut transaction, &altered, now).await?;
        }
        let table = get(&mut transaction, name).await?;
        transaction.commit().await?;
        Ok(table)
    }

    async fn history(&self, name: &TableName) -> Result<Vec<SchemaVersion>> {
        let rows = sqlx::query("SELECT * FROM schema_versions WHERE database = ? AND name = ? ORDER BY version")
            .bind(&name.database)
            .bind(&name.table)
            .fetch_all(&self.pools.reads)
            .await?;
        if rows.is_empty() {
            self.get(name).await?;
        }
        rows.iter().map(schema_version).collect()
    }

    async fn remove(&self, name: &TableName) -> Result<()> {
        let mut transaction = self.begin().await?;
        get(&mut transaction, name).await?;
        sqlx::query("DELETE FROM tables WHERE database = ? AND name = ?")
            .bind(&name.database)
            .bind(&name.table)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    async fn crawl_state(&self, name: &TableName) -> Result<Option<CrawlState>> {
        let row = sqlx::query("SELECT crawled_at, ledger, observed FROM crawls WHERE database = ? AND name = ?")
            .bind(&name.database)
            .bind(&name.table)
            .fetch_optional(&self.pools.reads)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let observed = serde_json::from_str(row.try_get("observed")?)?;
        Ok(Some(CrawlState { crawled_at: time(row.try_get("crawled_at")?)?, ledger: row.try_get("ledger")?, observed }))
    }

    async fn record_crawls(&self, ledger: &str, crawled_at: DateTime<Utc>, tables: &[CrawledTable]) -> Result<()> {
        let mut transaction = self.begin().await?;
        for CrawledTable { name, observed } in tables {
            get(&mut transaction, name).await?;
            let query = match observed {
                Some(observed) => sqlx::query(
                    "INSERT OR REPLACE INTO crawls (database, name, crawled_at, ledger, observed) VALUES (?1, ?2, ?3, ?4, ?5)",
                )
                .bind(&name.database)
                .bind(&name.table)
                .bind(crawled_at.timestamp_millis())
                .bind(ledger)
                .bind(serde_json::to_string(observed)?),
                None => sqlx::query("UPDATE crawls SET crawled_at = ?3, ledger = ?4 WHERE database = ?1 AND name = ?2")
                    .bind(&name.database)
                    .bind(&name.table)
                    .bind(crawled_at.timestamp_millis())
                    .bind(ledger),
            };
            query.execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }
}
