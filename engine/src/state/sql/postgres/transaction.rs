//! One transaction, from BEGIN to an answer that is known.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::types::{ToSql, Type};

use super::pool::{Pool, Pooled};
use super::unavailable;
use crate::state::sql::database::{Access, Row, Transaction, Value};
use crate::state::{Result, StateError};

/// How long a statement waits for somebody else's transaction.
const LOCK_LIMIT: &str = "30s";

/// Waits before it is asked again what became of a commit.
const WAITS: [Duration; 8] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(10),
];

pub(super) struct PostgresTransaction {
    pool: Arc<Pool>,
    connection: Pooled,
    /// What the server calls the transaction; of one that writes.
    id: Option<String>,
}

impl PostgresTransaction {
    /// Begins it. Whatever the session, the server or a pool between has set, names are those of the schema, and what is committed is
    /// durable.
    pub(super) async fn begin(pool: Arc<Pool>, connection: Pooled, access: Access) -> Result<Self> {
        let schema = &pool.place.schema;
        let begin = match access {
            Access::Read => format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path TO \"{schema}\""),
            Access::Write => format!(
                "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL search_path TO \"{schema}\"; \
                 SET LOCAL lock_timeout = '{LOCK_LIMIT}'; \
                 SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'; \
                 SELECT txid_current() AS transaction"
            ),
        };
        let answers = connection.client().plain().simple_query(&begin).await;
        let answers = answers.map_err(|error| connection.error(error, "beginning a transaction"))?;
        let id = answers.iter().rev().find_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => row.try_get("transaction").ok().flatten().map(str::to_owned),
            _ => None,
        });
        Ok(Self { pool, connection, id })
    }
}

/// Values with the types that they have; none of them is asked of the server.
fn typed(values: &[Value]) -> Vec<(&(dyn ToSql + Sync), Type)> {
    let typed = values.iter().map(|value| match value {
        Value::Int(value) => (value as &(dyn ToSql + Sync), Type::INT8),
        Value::Text(value) => (value as &(dyn ToSql + Sync), Type::TEXT),
    });
    typed.collect()
}

#[async_trait]
impl Transaction for PostgresTransaction {
    async fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64> {
        let done = self.connection.client().plain().execute_typed(sql, &typed(values)).await;
        done.map_err(|error| self.connection.error(error, "writing"))
    }

    async fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>> {
        let rows = self.connection.client().plain().query_typed(sql, &typed(values)).await;
        let rows = rows.map_err(|error| self.connection.error(error, "reading"))?;
        let names = rows.first().map(|row| row.columns().iter().map(|column| column.name().to_owned()).collect());
        let names: Arc<[String]> = names.unwrap_or_default();
        rows.iter().map(|row| Ok(Row { names: Arc::clone(&names), values: cells(row)? })).collect()
    }

    async fn lock(&mut self, pipeline: &str) -> Result<()> {
        self.rows("SELECT generation FROM leases WHERE pipeline = $1 FOR UPDATE", &[Value::from(pipeline)]).await?;
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        let Self { pool, connection, id } = *self;
        match (connection.client().plain().batch_execute("COMMIT").await, id) {
            (Ok(()), _) => {
                connection.put_back();
                Ok(())
            }
            (Err(error), None) => Err(connection.error(error, "ending a transaction")),
            (Err(error), Some(id)) => {
                let error = connection.error(error, "committing");
                // It goes first, so that the server undoes what it did not commit.
                drop(connection);
                settled(&pool, &id, error).await
            }
        }
    }
}

/// What became of a transaction whose COMMIT was not answered: the server is asked until it knows.
///
/// <https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT>, `txid_status`.
///
/// # Errors
/// `cut`, when it was not committed, or nobody can say.
async fn settled(pool: &Arc<Pool>, id: &str, cut: StateError) -> Result<()> {
    for wait in WAITS {
        tokio::time::sleep(wait).await;
        match outcome(pool, id).await.as_deref() {
            Ok("committed") => return Ok(()),
            Ok("aborted") => return Err(cut),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "asking what became of a commit whose answer was lost"),
        }
    }
    let message = format!("state store: {cut}; whether it was committed cannot be found out; the next run reads what holds");
    Err(StateError::Unavailable { message, source: Some(Box::new(cut)) })
}

async fn outcome(pool: &Arc<Pool>, id: &str) -> Result<String> {
    let connection = pool.take().await?;
    let status = connection.client().rows(&format!("SELECT txid_status({id})"), "asking after a transaction").await;
    let status = status.map_err(unavailable)?;
    connection.put_back();
    Ok(status.into_iter().flatten().next().flatten().unwrap_or_default())
}

fn cells(row: &tokio_postgres::Row) -> Result<Vec<Value>> {
    let cell = |(index, column): (usize, &tokio_postgres::Column)| {
        let wrong = |error| StateError::Corrupt { message: format!("column {}: {error}", column.name()) };
        Ok(match *column.type_() {
            Type::INT8 => Value::Int(row.try_get(index).map_err(wrong)?),
            Type::INT4 => Value::Int(row.try_get::<_, Option<i32>>(index).map_err(wrong)?.map(i64::from)),
            _ => Value::Text(row.try_get(index).map_err(wrong)?),
        })
    };
    row.columns().iter().enumerate().map(cell).collect()
}
