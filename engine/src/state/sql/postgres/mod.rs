//! PostgreSQL, 13 and later: the tables in a schema of their own, made and migrated by itself.
//!
//! Every transaction says by itself what it needs of its session, and statements are never prepared by name, so that a pool of
//! connections (PgBouncer in transaction mode) may stand between.

mod migrate;
mod place;
mod pool;
mod transaction;

use std::sync::Arc;

use async_trait::async_trait;
pub(in crate::state) use place::Place;
use pool::Pool;
use transaction::PostgresTransaction;

use super::database::{Access, Database, Transaction};
use crate::state::{Result, StateError};

/// State in a schema of a PostgreSQL database.
#[derive(Debug)]
pub(in crate::state) struct PostgresDatabase {
    pool: Arc<Pool>,
}

impl PostgresDatabase {
    /// Connects, and makes the tables if they are not there, or are older.
    ///
    /// # Errors
    /// [`StateError::Unavailable`] with the database, and what to try.
    pub(in crate::state) async fn open(place: &Place) -> Result<Self> {
        let pool = Pool::new(place.clone());
        let connection = pool.take().await?;
        migrate::migrate(&connection, place).await?;
        connection.put_back();
        Ok(Self { pool })
    }

    /// Whether there are tables.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(in crate::state) async fn is_there(place: &Place) -> Result<bool> {
        let connection = Pool::new(place.clone()).take().await?;
        Ok(migrate::version(&connection, place).await?.is_some())
    }

    /// Whether the user may make the tables.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(in crate::state) async fn may_be_made(place: &Place) -> Result<bool> {
        migrate::may_make(&Pool::new(place.clone()).take().await?, place).await
    }
}

#[async_trait]
impl Database for PostgresDatabase {
    async fn begin(&self, access: Access) -> Result<Box<dyn Transaction>> {
        let connection = self.pool.take().await?;
        Ok(Box::new(PostgresTransaction::begin(Arc::clone(&self.pool), connection, access).await?))
    }

    fn size(&self) -> &'static str {
        "SELECT (SELECT max(version) FROM versions) AS version,
                (SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_catalog.pg_class c
                  WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r') AS bytes"
    }
}

/// What `doing` failed with, in a store's words.
fn unavailable(error: connectors::Error) -> StateError {
    StateError::Unavailable { message: format!("state store: {error}"), source: Some(Box::new(error)) }
}
