//! SQLite: one file, made and migrated by itself, safe for several processes.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use catalog::sqlite::{SqliteFile, SqlitePools, Unavailable};
use sqlx::migrate::Migrator;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Column, Row as _, Sqlite, TypeInfo, ValueRef};

use super::database::{Access, Database, Row, Transaction, Value};
use crate::state::{Result, StateError};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

const KEPT: SqliteFile<'static> = SqliteFile {
    what: "state store",
    without_it: "; the next run then reads the sources from the beginning: what REPLACE INTO writes stays right, INSERT INTO adds its \
                 rows again",
    migrations: &MIGRATIONS,
};

/// The store's file in the state folder.
const FILE: &str = "state.db";

/// State in one SQLite file.
#[derive(Debug)]
pub(in crate::state) struct SqliteDatabase {
    pools: SqlitePools,
}

/// Whether there is a store in a state folder.
pub(in crate::state) fn is_in(folder: &Path) -> bool {
    folder.join(FILE).exists()
}

/// Opens the store of a state folder, making it if it is not there.
///
/// # Errors
/// [`StateError::Unavailable`] with the path.
pub(in crate::state) async fn open_in(folder: &Path) -> Result<SqliteDatabase> {
    let pools = KEPT.open(&folder.join(FILE)).await;
    let pools = pools.map_err(|Unavailable { message, source }| StateError::Unavailable { message, source: Some(source) })?;
    Ok(SqliteDatabase { pools })
}

impl From<sqlx::Error> for StateError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable { message: format!("state store: {error}"), source: Some(Box::new(error)) }
    }
}

#[async_trait]
impl Database for SqliteDatabase {
    async fn begin(&self, access: Access) -> Result<Box<dyn Transaction>> {
        Ok(Box::new(SqliteTransaction(match access {
            Access::Read => self.pools.reads.begin().await?,
            Access::Write => self.pools.begin().await?,
        })))
    }

    fn size(&self) -> &'static str {
        "SELECT (SELECT max(version) FROM _sqlx_migrations) AS version, pages.page_count * sizes.page_size AS bytes
           FROM pragma_page_count() pages, pragma_page_size() sizes"
    }
}

struct SqliteTransaction(sqlx::Transaction<'static, Sqlite>);

#[async_trait]
impl Transaction for SqliteTransaction {
    async fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64> {
        Ok(query(sql, values).execute(&mut *self.0).await?.rows_affected())
    }

    async fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>> {
        let rows = query(sql, values).fetch_all(&mut *self.0).await?;
        let names = rows.first().map(|row| row.columns().iter().map(|column| column.name().to_owned()).collect());
        let names: Arc<[String]> = names.unwrap_or_default();
        rows.iter().map(|row| Ok(Row { names: Arc::clone(&names), values: cells(row)? })).collect()
    }

    async fn lock(&mut self, _: &str) -> Result<()> {
        // It is the only one that writes.
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        Ok(self.0.commit().await?)
    }
}

/// The statement with its values. No text of a user is in the SQL of this module's callers: values alone hold such.
fn query<'a>(sql: &str, values: &[Value]) -> Query<'a, Sqlite, SqliteArguments> {
    let query = sqlx::query(AssertSqlSafe(sql.to_owned()));
    values.iter().fold(query, |query, value| match value {
        Value::Int(value) => query.bind(*value),
        Value::Text(value) => query.bind(value.clone()),
    })
}

fn cells(row: &SqliteRow) -> Result<Vec<Value>> {
    let cell = |index: usize| {
        let is_number = row.try_get_raw(index)?.type_info().name() == "INTEGER";
        Ok(if is_number { Value::Int(row.try_get_unchecked(index)?) } else { Value::Text(row.try_get_unchecked(index)?) })
    };
    (0..row.len()).map(cell).collect()
}
