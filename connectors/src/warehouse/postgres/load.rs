//! One load: everything between BEGIN and COMMIT.
//!
//! An overwrite deletes the rows and does not truncate: TRUNCATE shuts readers out until COMMIT, and shows an empty table to those whose
//! snapshot is older ("TRUNCATE is not MVCC-safe", <https://www.postgresql.org/docs/current/sql-truncate.html>). Deleted rows take their
//! room until VACUUM; readers see the old rows until COMMIT and the new ones from then on, views and grants stay.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::{SinkExt, TryStreamExt};
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use tokio_postgres::{Client, Transaction};

use super::ddl::{Column, Meeting, add_key, create, list, meet, qualified};
use super::encode::{Encoder, cast_to};
use super::error::error;
use super::ledger::{Ledger, begin, lock};
use super::target::Target;
use super::texts::{self, Texts};
use super::upsert::{STAGE, create_stage, merge};
use crate::context::COMMENT;
use crate::error::{Error, Result};
use crate::faults::{AFTER_TABLE_COMMIT, BEFORE_TABLE_COMMIT, FILES_COPIED, point};
use crate::parquet_object::ObjectReader;
use crate::sink::{Batch, WriteMode};
use crate::stores::Location;
use crate::warehouse::TableName;

/// Rows that are decoded at a time.
const BATCH_ROWS: usize = 2_048;

/// Bytes that are sent at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// A change of columns waits so long for those who read the table; meanwhile all who come later wait behind it.
const ALTER_PATIENCE: &str = "SET LOCAL lock_timeout = '5s'";

/// A batch on its way into a table.
#[derive(Debug)]
pub(super) struct Load<'a> {
    pub(super) name: &'a TableName,
    pub(super) ledger: &'a Ledger,
    /// Where the staged files are.
    pub(super) lake: &'a Location,
    pub(super) batch: &'a Batch,
}

impl Load<'_> {
    /// One try against the database as it is now: the batch is in it afterwards, whoever brought it.
    ///
    /// # Errors
    /// [`Error::Transient`] when another try may succeed; the table has then all of the batch, or nothing of it.
    pub(super) async fn run(&self, client: &mut Client) -> Result<()> {
        self.ledger.prepare(client).await?;
        self.grow(client).await?;
        let transaction = begin(client).await?;
        let loads = self.ledger.begin(&transaction).await?;
        if self.ledger.holds_batch(&transaction, self.batch).await? {
            return transaction.rollback().await.map_err(error);
        }
        let rows = self.write(&transaction).await?;
        let receipt = self.batch.receipt();
        if rows != receipt.rows {
            return Err(Error::internal(format!("{} rows were staged and {rows} loaded", receipt.rows)));
        }
        point(FILES_COPIED);
        self.ledger.record(&transaction, self.batch, &receipt, loads).await?;
        point(BEFORE_TABLE_COMMIT);
        let committed = transaction.commit().await;
        point(AFTER_TABLE_COMMIT);
        committed.map_err(error)
    }

    fn meeting(&self, target: Option<&Target>) -> Result<Meeting> {
        meet(self.name, target, &self.batch.schema, &self.batch.key)
    }

    /// Adds and widens columns, in a transaction of its own: changing a table shuts its readers out, and a load is long.
    async fn grow(&self, client: &mut Client) -> Result<()> {
        let Some(target) = Target::find(client, self.name).await? else { return Ok(()) };
        if self.meeting(Some(&target))?.alterations.is_empty() {
            return Ok(());
        }
        let transaction = begin(client).await?;
        lock(&transaction, &qualified(self.name)).await?;
        let target = Target::find(&transaction, self.name).await?;
        transaction.batch_execute(ALTER_PATIENCE).await.map_err(error)?;
        if target.is_some() {
            for statement in self.meeting(target.as_ref())?.alterations {
                let altered = transaction.batch_execute(&statement).await;
                altered
                    .map_err(|cause| error(cause).context(format!("{statement}; run it yourself when nobody reads the table")))?;
            }
        }
        transaction.commit().await.map_err(error)
    }

    /// Writes the rows as the batch's mode says, and counts them.
    async fn write(&self, transaction: &Transaction<'_>) -> Result<u64> {
        let target = Target::find(transaction, self.name).await?;
        let meeting = self.meeting(target.as_ref())?;
        if !meeting.alterations.is_empty() {
            return Err(Error::transient(format!("columns of {} were changed by somebody else meanwhile", qualified(self.name))));
        }
        let columns = &meeting.columns;
        match (target, self.batch.mode) {
            (None, mode) => self.fill_new(transaction, columns, mode).await,
            (Some(_), WriteMode::Append) => self.copy(transaction, &qualified(self.name), columns).await,
            (Some(_), WriteMode::Overwrite) => {
                let delete = format!("DELETE FROM {}", qualified(self.name));
                transaction.batch_execute(&delete).await.map_err(error)?;
                self.copy(transaction, &qualified(self.name), columns).await
            }
            (Some(target), WriteMode::Upsert) => self.upsert(transaction, &target, columns).await,
        }
    }

    async fn fill_new(&self, transaction: &Transaction<'_>, columns: &[Column], mode: WriteMode) -> Result<u64> {
        transaction.batch_execute(&create(self.name, columns, self.batch.schema.metadata().get(COMMENT))).await.map_err(error)?;
        let rows = self.copy(transaction, &qualified(self.name), columns).await?;
        if mode == WriteMode::Upsert {
            transaction.batch_execute(&add_key(self.name, &self.batch.key)).await.map_err(error)?;
        }
        Ok(rows)
    }

    async fn upsert(&self, transaction: &Transaction<'_>, target: &Target, columns: &[Column]) -> Result<u64> {
        if self.batch.key.is_empty() {
            return Err(Error::internal("an upsert without a key"));
        }
        transaction.batch_execute(&create_stage(self.name, columns)).await.map_err(error)?;
        let rows = self.copy(transaction, STAGE, columns).await?;
        let is_unique = target.is_unique_by(transaction, &self.batch.key).await?;
        for statement in merge(self.name, target, columns, &self.batch.key, is_unique) {
            transaction.batch_execute(&statement).await.map_err(error)?;
        }
        Ok(rows)
    }

    /// Streams the staged files into a table.
    async fn copy(&self, transaction: &Transaction<'_>, into: &str, columns: &[Column]) -> Result<u64> {
        if self.batch.files.is_empty() {
            return Ok(0);
        }
        let names = list(columns.iter().map(|column| &column.name));
        let texts = Texts::of(columns);
        if let Some(texts) = &texts {
            transaction.batch_execute(&texts.create(into)).await.map_err(error)?;
        }
        let place = if texts.is_some() { texts::PLACE } else { into };
        let statement = format!("COPY {place} ({names}) FROM STDIN (FORMAT binary)");
        let mut server = pin!(transaction.copy_in::<str, Bytes>(&statement).await.map_err(error)?);
        let shown = qualified(self.name);
        let mut encoder = Encoder::new(&shown, columns);
        for file in &self.batch.files {
            let path = object_store::path::Path::parse(&file.path)
                .map_err(|error| Error::internal(format!("staged file '{}': {error}", file.path)))?;
            let reader = ObjectReader::new(Arc::clone(&self.lake.store), path, file.bytes);
            let builder = ParquetRecordBatchStreamBuilder::new(reader).await?;
            let mut batches = builder.with_batch_size(BATCH_ROWS).build()?;
            while let Some(batch) = batches.try_next().await? {
                encoder.encode(&cast_to(&batch, columns)?)?;
                if encoder.len() >= CHUNK_BYTES {
                    server.send(encoder.take()).await.map_err(error)?;
                }
            }
        }
        let encoded = encoder.rows();
        server.send(encoder.finish()).await.map_err(error)?;
        let rows = server.finish().await.map_err(error)?;
        if rows != encoded {
            return Err(Error::internal(format!("{encoded} rows were sent and {rows} taken")));
        }
        if let Some(texts) = &texts {
            transaction.batch_execute(&texts.take(into)).await.map_err(error)?;
        }
        Ok(rows)
    }
}
