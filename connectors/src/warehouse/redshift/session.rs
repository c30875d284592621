//! One session of the database: a connection, or one that the Data API keeps. Values come back as text.
//!
//! Over a connection, statements go by the simple protocol: what Redshift answers to Parse and Bind differs from PostgreSQL in places,
//! and COPY and DDL have no parameters anyhow.

use async_trait::async_trait;
use tokio_postgres::SimpleQueryMessage;

use crate::error::Result;
use crate::postgres::{Client, ConnectionConfig};
use crate::warehouse::redshift::data_api::{DataSession, Pages};
use crate::warehouse::redshift::fault::Fault;
use crate::warehouse::redshift::load::Counting;
use crate::warehouse::rights::Asked;

/// Rows fetched at a time over a connection.
const FETCH_ROWS: usize = 2_000;

/// A row of an answer; `None` is NULL.
pub(crate) type TextRow = Vec<Option<String>>;

/// A session. When it is dropped, what was not committed is rolled back: at once by a server whose client goes; by the Data API when
/// it is told to, or when the session expires.
#[derive(Debug)]
pub(crate) enum Session {
    Connection(Client),
    DataApi(DataSession),
}

/// The rows of a query, some at a time.
#[derive(Debug)]
pub(crate) enum Rows {
    /// A cursor, which is held on the leader node ("DECLARE", `declare`).
    Connection(Session),
    /// A result that the service has.
    DataApi(Pages),
}

impl Session {
    /// Connects.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub(crate) async fn connect(config: &ConnectionConfig) -> Result<Self> {
        Ok(Self::Connection(Client::connect(config).await?))
    }

    /// Runs one statement; how many rows it changed.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) async fn run(&self, statement: &str) -> Result<u64, Fault> {
        tracing::debug!(statement, "redshift");
        let client = match self {
            Self::Connection(client) => client,
            Self::DataApi(session) => return session.run(statement).await,
        };
        let messages = client.plain().simple_query(statement).await?;
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
        let client = match self {
            Self::Connection(client) => client,
            Self::DataApi(session) => return session.rows(query).await,
        };
        let messages = client.plain().simple_query(query).await?;
        let row = |message| match message {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect()),
            _ => None,
        };
        Ok(messages.into_iter().filter_map(row).collect())
    }

    /// Runs one query whose rows are fetched some at a time.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) async fn scan(self, query: &str) -> Result<Rows, Fault> {
        if let Self::DataApi(session) = self {
            return Ok(Rows::DataApi(session.pages(query).await?));
        }
        self.run("BEGIN").await?;
        self.run(&format!("DECLARE engine_rows CURSOR FOR {query}")).await?;
        Ok(Rows::Connection(self))
    }

    /// The one number that a query answers with; `None` when it is NULL or there is none.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) async fn number(&self, query: &str) -> Result<Option<i64>, Fault> {
        Ok(self.text(query).await?.and_then(|text| text.parse().ok()))
    }

    /// The one value that a query answers with; `None` when it is NULL or there is none.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) async fn text(&self, query: &str) -> Result<Option<String>, Fault> {
        let rows = self.rows(query).await?;
        Ok(rows.into_iter().next().and_then(|row| row.into_iter().next().flatten()))
    }

    /// How the rows of a COPY are counted here. Over the Data API `pg_last_copy_count()` was reported to be 0 (aws/aws-sdk#333).
    pub(crate) fn counting(&self) -> Counting {
        match self {
            Self::Connection(_) => Counting::LastCopy,
            Self::DataApi(_) => Counting::OwnTable,
        }
    }

    /// The rows that the COPY before brought into `table`, which was empty, if that is how they are counted.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) async fn copied(&self, table: &str) -> Result<Option<i64>, Fault> {
        match self.counting() {
            Counting::LastCopy => self.number("SELECT pg_last_copy_count()").await,
            Counting::OwnTable => self.number(&format!("SELECT COUNT(*) FROM {table}")).await,
        }
    }

    /// Gives up the transaction that is open. A connection that is gone has done so already.
    pub(crate) async fn roll_back(&self) {
        if let Err(fault) = self.run("ROLLBACK").await {
            tracing::debug!(%fault, "nothing to roll back");
        }
    }
}

impl Rows {
    /// The next rows; none after the last.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) async fn next(&mut self) -> Result<Vec<TextRow>, Fault> {
        match self {
            Self::Connection(session) => session.rows(&format!("FETCH FORWARD {FETCH_ROWS} FROM engine_rows")).await,
            Self::DataApi(pages) => pages.next().await,
        }
    }
}

#[async_trait]
impl Asked for Session {
    async fn rows(&self, query: &str, doing: &str) -> Result<Vec<TextRow>> {
        Self::rows(self, query).await.map_err(|fault| fault.into_error(doing))
    }
}
