//! One connection, with the simple protocol: what Redshift answers to Parse and Bind differs from PostgreSQL in places, and COPY
//! and DDL have no parameters anyhow. Values come back as text.

use tokio_postgres::SimpleQueryMessage;

use crate::error::Result;
use crate::postgres::{Client, ConnectionConfig};
use crate::warehouse::redshift::fault::Fault;

/// A row of an answer; `None` is NULL.
pub(crate) type TextRow = Vec<Option<String>>;

/// A connection. When it is dropped, the server rolls back what was not committed and drops temporary tables.
#[derive(Debug)]
pub(crate) struct Session {
    client: Client,
}

impl Session {
    /// Connects.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub(crate) async fn connect(config: &ConnectionConfig) -> Result<Self> {
        Ok(Self { client: Client::connect(config).await? })
    }

    /// The connection, for what is asked of PostgreSQL in the same words.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Runs one statement; how many rows it changed.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) async fn run(&self, statement: &str) -> Result<u64, Fault> {
        tracing::debug!(statement, "redshift");
        let messages = self.client.plain().simple_query(statement).await?;
        let count = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::CommandComplete(rows) => Some(*rows),
            _ => None,
        };
        Ok(messages.iter().rev().find_map(count).unwrap_or_default())
    }

    /// Runs one query.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) async fn rows(&self, query: &str) -> Result<Vec<TextRow>, Fault> {
        tracing::debug!(statement = query, "redshift");
        let messages = self.client.plain().simple_query(query).await?;
        let row = |message| match message {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect()),
            _ => None,
        };
        Ok(messages.into_iter().filter_map(row).collect())
    }

    /// The one number that a query answers with; `None` when it is NULL or there is none.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) async fn number(&self, query: &str) -> Result<Option<i64>, Fault> {
        let rows = self.rows(query).await?;
        let first = rows.into_iter().next().and_then(|row| row.into_iter().next().flatten());
        Ok(first.and_then(|text| text.parse().ok()))
    }

    /// Gives up the transaction that is open. A connection that is gone has done so already.
    pub(crate) async fn roll_back(&self) {
        if let Err(fault) = self.run("ROLLBACK").await {
            tracing::debug!(%fault, "nothing to roll back");
        }
    }
}
