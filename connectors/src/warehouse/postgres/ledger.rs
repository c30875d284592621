//! Which batches a table has: a row for each, written by the transaction that brought its rows.
//!
//! Two tables beside the target, in its schema: `_engine_loads` has the batches, `_engine_targets` a count of loads for each target. The
//! count is the fence: a transaction reads it first and moves it on last, by a compare-and-swap; who finds it moved is rolled back. In the
//! ordinary case nobody does, because loads of one target queue on an advisory lock: that spares them the work, and is not relied on.

use sha2::{Digest, Sha256};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, GenericClient, IsolationLevel, Transaction};

use super::ddl::{qualified, quoted};
use super::error::error;
use crate::error::{Error, Result};
use crate::sink::{Batch, BatchId, LedgerEntry, Receipt, WriteMode};
use crate::warehouse::TableName;

const LOADS: &str = "_engine_loads";
const TARGETS: &str = "_engine_targets";

/// A parameter of a statement, and its type.
pub(super) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// The ledger of one target.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    schema: String,
    target: String,
    loads: String,
    targets: String,
}

impl Ledger {
    pub(super) fn new(name: &TableName) -> Self {
        let beside = |table: &str| qualified(&TableName { schema: name.schema.clone(), table: table.to_owned() });
        Self { schema: name.schema.clone(), target: name.table.clone(), loads: beside(LOADS), targets: beside(TARGETS) }
    }

    /// Whether a table is a part of it.
    pub(super) fn is_its_own(name: &TableName) -> bool {
        [LOADS, TARGETS].contains(&name.table.as_str())
    }

    /// The tables that it is, for all targets in a schema.
    pub(super) fn tables_in(schema: &str) -> [TableName; 2] {
        [LOADS, TARGETS].map(|table| TableName { schema: schema.to_owned(), table: table.to_owned() })
    }

    /// Makes the schema, the ledger and the target's line in it, where they are not there. In transactions of their own, so that no load
    /// waits for another's first.
    ///
    /// # Errors
    /// When the role may not.
    pub(super) async fn prepare(&self, client: &mut Client) -> Result<()> {
        if !self.is_there(client).await? {
            let transaction = begin(client).await?;
            lock(&transaction, &self.schema).await?;
            let namespace = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1";
            let found = transaction.query_typed(namespace, &[(&self.schema, Type::TEXT)]).await.map_err(error)?;
            // IF NOT EXISTS would ask for the right to make schemas also where there is one.
            if found.is_empty() {
                transaction.batch_execute(&format!("CREATE SCHEMA {}", quoted(&self.schema))).await.map_err(error)?;
            }
            transaction.batch_execute(&self.tables()).await.map_err(error)?;
            transaction.commit().await.map_err(error)?;
        }
        let line = format!("INSERT INTO {} (target, loads) VALUES ($1, 0) ON CONFLICT DO NOTHING", self.targets);
        client.execute_typed(&line, &[(&self.target, Type::TEXT)]).await.map_err(error)?;
        Ok(())
    }

    fn tables(&self) -> String {
        let (loads, targets) = (&self.loads, &self.targets);
        format!(
            "CREATE TABLE IF NOT EXISTS {loads} (
                target text NOT NULL, writer text NOT NULL, epoch bigint NOT NULL, mode text NOT NULL,
                rows bigint NOT NULL, bytes bigint NOT NULL, loaded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
                PRIMARY KEY (target, writer, epoch));
            CREATE TABLE IF NOT EXISTS {targets} (target text PRIMARY KEY, loads bigint NOT NULL);
            COMMENT ON TABLE {loads} IS 'engine: one row for every batch that was loaded, written with its rows';
            COMMENT ON TABLE {targets} IS 'engine: how often each table was loaded, so that of two loads at once only one counts'"
        )
    }

    async fn is_there(&self, client: &impl GenericClient) -> Result<bool> {
        let names: [Parameter<'_>; 2] = [(&self.loads, Type::TEXT), (&self.targets, Type::TEXT)];
        let there = "SELECT to_regclass($1) IS NOT NULL AND to_regclass($2) IS NOT NULL";
        let rows = client.query_typed(there, &names).await.map_err(error)?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }

    /// Whether the target has the batch, or a later one of its writer.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(super) async fn holds(&self, client: &impl GenericClient, id: &BatchId) -> Result<bool> {
        if !self.is_there(client).await? {
            return Ok(false);
        }
        let found = format!("SELECT EXISTS (SELECT 1 FROM {} WHERE target = $1 AND writer = $2 AND epoch >= $3)", self.loads);
        let (writer, epoch) = (id.writer(), epoch(id));
        let parameters: [Parameter<'_>; 3] = [(&self.target, Type::TEXT), (&writer, Type::TEXT), (&epoch, Type::INT8)];
        let rows = client.query_typed(&found, &parameters).await.map_err(error)?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }

    /// Whether the target has `batch`, or a later one of its writer.
    ///
    /// # Errors
    /// [`Error::Data`] when the one of its number had other rows: these were staged by an engine that ran on a copy of the state.
    pub(super) async fn holds_batch(&self, client: &impl GenericClient, batch: &Batch) -> Result<bool> {
        let query = format!("SELECT rows, bytes FROM {} WHERE target = $1 AND writer = $2 AND epoch = $3", self.loads);
        let (writer, epoch) = (batch.id.writer(), epoch(&batch.id));
        let parameters: [Parameter<'_>; 3] = [(&self.target, Type::TEXT), (&writer, Type::TEXT), (&epoch, Type::INT8)];
        let rows = client.query_typed(&query, &parameters).await.map_err(error)?;
        let Some(row) = rows.first() else { return self.holds(client, &batch.id).await };
        let (there, staged) = ((row.get::<_, i64>(0), row.get::<_, i64>(1)), batch.receipt());
        if there == (signed(staged.rows), signed(staged.bytes)) {
            return Ok(true);
        }
        Err(Error::data(format!(
            "'{}' has other rows as epoch {epoch} of this pipeline ({} rows, {} bytes) than those that are staged here ({} rows, {} bytes): \
             another engine runs, or ran, on a copy of this state. Nothing was written; go on with the state that wrote them",
            self.target, there.0, there.1, staged.rows, staged.bytes
        )))
    }

    /// All batches of the target, in the order of their commits; none when there is no ledger.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(super) async fn entries(&self, client: &impl GenericClient) -> Result<Vec<LedgerEntry>> {
        if !self.is_there(client).await? {
            return Ok(Vec::new());
        }
        let query = format!("SELECT writer, epoch, mode, rows FROM {} WHERE target = $1 ORDER BY loaded_at, epoch", self.loads);
        let rows = client.query_typed(&query, &[(&self.target, Type::TEXT)]).await.map_err(error)?;
        let entry = |row: &tokio_postgres::Row| {
            Some(LedgerEntry {
                writer: row.get(0),
                epoch: u64::try_from(row.get::<_, i64>(1)).ok()?,
                mode: WriteMode::parse(row.get(2))?,
                rows: u64::try_from(row.get::<_, i64>(3)).ok(),
                rows_after: None,
            })
        };
        Ok(rows.iter().filter_map(entry).collect())
    }

    /// Waits until nobody else loads the target, and says how often it was loaded.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(super) async fn begin(&self, transaction: &Transaction<'_>) -> Result<i64> {
        lock(transaction, &self.queue()).await?;
        self.loads(transaction).await
    }

    /// The same without waiting.
    ///
    /// # Errors
    /// [`Error::Transient`] when somebody else loads the target.
    pub(super) async fn try_begin(&self, transaction: &Transaction<'_>) -> Result<i64> {
        let ask = "SELECT pg_catalog.pg_try_advisory_xact_lock($1)";
        let rows = transaction.query_typed(ask, &[(&lock_key(&self.queue()), Type::INT8)]).await.map_err(error)?;
        if rows.first().is_some_and(|row| row.get(0)) {
            return self.loads(transaction).await;
        }
        Err(Error::transient(format!("somebody else loads '{}'", self.target)))
    }

    /// What loads of the target wait for.
    fn queue(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.target))
    }

    async fn loads(&self, transaction: &Transaction<'_>) -> Result<i64> {
        let count = format!("SELECT loads FROM {} WHERE target = $1", self.targets);
        let rows = transaction.query_typed(&count, &[(&self.target, Type::TEXT)]).await.map_err(error)?;
        let row =
            rows.first().ok_or_else(|| Error::transient(format!("the line of '{}' in {} is gone", self.target, self.targets)))?;
        Ok(row.get(0))
    }

    /// Says that the batch is in, as the last thing before COMMIT.
    ///
    /// # Errors
    /// [`Error::Transient`] when somebody else has loaded the target since [`Self::begin`].
    pub(super) async fn record(&self, transaction: &Transaction<'_>, batch: &Batch, receipt: &Receipt, loads: i64) -> Result<()> {
        let line =
            format!("INSERT INTO {} (target, writer, epoch, mode, rows, bytes) VALUES ($1, $2, $3, $4, $5, $6)", self.loads);
        let (writer, mode) = (batch.id.writer(), batch.mode.to_string());
        let (epoch, rows, bytes) = (epoch(&batch.id), signed(receipt.rows), signed(receipt.bytes));
        let parameters: [Parameter<'_>; 6] = [
            (&self.target, Type::TEXT),
            (&writer, Type::TEXT),
            (&epoch, Type::INT8),
            (&mode, Type::TEXT),
            (&rows, Type::INT8),
            (&bytes, Type::INT8),
        ];
        transaction.execute_typed(&line, &parameters).await.map_err(error)?;
        let swap = format!("UPDATE {} SET loads = loads + 1 WHERE target = $1 AND loads = $2", self.targets);
        let parameters: [Parameter<'_>; 2] = [(&self.target, Type::TEXT), (&loads, Type::INT8)];
        match transaction.execute_typed(&swap, &parameters).await.map_err(error)? {
            1 => Ok(()),
            _ => Err(Error::transient(format!("somebody else loaded '{}' meanwhile", self.target))),
        }
    }
}

fn epoch(id: &BatchId) -> i64 {
    signed(id.epoch)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Begins a transaction whose statements each see what is committed by then: what was waited for is seen, whatever isolation the database
/// has by default.
pub(super) async fn begin(client: &mut Client) -> Result<Transaction<'_>> {
    client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start().await.map_err(error)
}

/// Waits for a lock that ends with the transaction.
pub(super) async fn lock(transaction: &Transaction<'_>, what: &str) -> Result<()> {
    let ask = "SELECT pg_catalog.pg_advisory_xact_lock($1)";
    transaction.query_typed(ask, &[(&lock_key(what), Type::INT8)]).await.map_err(error)?;
    Ok(())
}

fn lock_key(what: &str) -> i64 {
    let digest = Sha256::digest(format!("engine {what}"));
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}
