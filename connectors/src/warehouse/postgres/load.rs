//! One load: everything between BEGIN and COMMIT.
//!
//! An overwrite deletes the rows and does not truncate: TRUNCATE shuts readers out until COMMIT, and shows an empty table to those whose
//! snapshot is older ("TRUNCATE is not MVCC-safe", <https://www.postgresql.org/docs/current/sql-truncate.html>). Deleted rows take their
//! room until VACUUM; readers see the old rows until COMMIT and the new ones from then on, views and grants stay.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use futures::{SinkExt, Stream, StreamExt, TryStreamExt, stream};
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Transaction};

use super::ddl::{Column, Meeting, add_key, copied, create, has_loose_key, list, marker, meet, qualified, replacing, resolve};
use super::encode::{Encoder, cast_to};
use super::error::{error, replacing_error};
use super::ledger::{Ledger, begin, lock};
use super::target::Target;
use super::texts::{self, Texts};
use super::upsert::{Merge, STAGE, create_stage};
use super::views;
use crate::context::COMMENT;
use crate::error::{Error, Result};
use crate::faults::{AFTER_TABLE_COMMIT, BEFORE_TABLE_COMMIT, FILES_COPIED, point};
use crate::parquet_object::ObjectReader;
use crate::sink::{Batch, WriteMode};
use crate::staging::StagedFile;
use crate::stores::Location;
use crate::upserts::Upserts;
use crate::warehouse::TableName;

/// Rows that are decoded at a time.
const BATCH_ROWS: usize = 2_048;

/// Bytes that are sent at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// A change of columns waits so long for those who read the table; meanwhile all who come later wait behind it.
const ALTER_PATIENCE: &str = "SET LOCAL lock_timeout = '5s'";

/// A load waits so long for another before it says so.
const QUEUED: Duration = Duration::from_secs(10);

/// Rows on their way into a table.
#[derive(Debug)]
pub(super) struct Load<'a> {
    pub(super) name: &'a TableName,
    pub(super) ledger: &'a Ledger,
    /// Columns of the rows as staged.
    pub(super) schema: &'a SchemaRef,
    /// The key of an upsert.
    pub(super) key: &'a [String],
    /// Which of several rows that the database holds equal by the key is taken: the last by these columns, then the last to come.
    pub(super) order_by: &'a [String],
    pub(super) mode: WriteMode,
    /// How an upsert meets the rows that are there.
    pub(super) upserts: &'a Upserts,
    /// The table gets the columns of the rows in place of its own.
    pub(super) is_replaced: bool,
}

/// Rows that a transaction has taken.
#[derive(Debug)]
pub(super) struct Taken {
    rows: u64,
    /// What is still to be done with them.
    rest: Vec<String>,
    /// The key of those that replace others.
    key: Vec<String>,
}

impl Load<'_> {
    /// One try against the database as it is now: the batch, whose files are in `lake`, is in it afterwards, whoever brought it.
    ///
    /// # Errors
    /// [`Error::Transient`] when another try may succeed; the table has then all of the batch, or nothing of it.
    pub(super) async fn run(&self, client: &mut Client, lake: &Location, batch: &Batch) -> Result<()> {
        self.ledger.prepare(client).await?;
        self.grow(client).await?;
        let transaction = begin(client).await?;
        let loads = self.queue(&transaction).await?;
        if self.ledger.holds_batch(&transaction, batch).await? {
            return transaction.rollback().await.map_err(error);
        }
        let mut taken = self.take(&transaction, staged(lake, &batch.files)).await?;
        taken.settle(&transaction).await?;
        self.commit(transaction, &taken, batch, loads).await
    }

    /// Waits for those who load the table now, and says so when that takes long.
    async fn queue(&self, transaction: &Transaction<'_>) -> Result<i64> {
        let mut turn = pin!(self.ledger.begin(transaction));
        if let Ok(loads) = timeout(QUEUED, &mut turn).await {
            return loads;
        }
        tracing::warn!(
            table = qualified(self.name),
            "waiting: somebody else loads the table, or is gone and the server has not noticed yet"
        );
        turn.await
    }

    /// Ends a transaction that has taken the rows of `batch`.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub(super) async fn commit(&self, transaction: Transaction<'_>, taken: &Taken, batch: &Batch, loads: i64) -> Result<()> {
        let receipt = batch.receipt();
        if taken.rows != receipt.rows {
            return Err(Error::internal(format!("{} rows were staged and {} loaded", receipt.rows, taken.rows)));
        }
        point(FILES_COPIED);
        self.ledger.record(&transaction, batch, &receipt, loads).await?;
        point(BEFORE_TABLE_COMMIT);
        let committed = transaction.commit().await;
        point(AFTER_TABLE_COMMIT);
        committed.map_err(error)
    }

    fn meeting(&self, target: Option<&Target>) -> Result<Meeting> {
        meet(self.name, target, &self.upserts.kept(self.schema, self.mode), self.key)
    }

    /// Adds and widens columns, in a transaction of its own: changing a table shuts its readers out, and a load is long.
    async fn grow(&self, client: &mut Client) -> Result<()> {
        let Some(target) = Target::find(client, self.name).await?.filter(|_| !self.is_replaced) else { return Ok(()) };
        if self.meeting(Some(&target))?.alterations.is_empty() {
            return Ok(());
        }
        let transaction = begin(client).await?;
        lock(&transaction, &qualified(self.name)).await?;
        let target = Target::find(&transaction, self.name).await?;
        transaction.batch_execute(ALTER_PATIENCE).await.map_err(error)?;
        if let Some(target) = &target {
            let meeting = self.meeting(Some(target))?;
            views::check(&transaction, self.name, target, &meeting.changes).await?;
            for statement in meeting.alterations {
                let altered = transaction.batch_execute(&statement).await;
                altered.map_err(|cause| {
                    let is_used = cause.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED);
                    let advice = if is_used {
                        "drop what uses the column, run it, and make that again"
                    } else {
                        "run it yourself when nobody reads the table"
                    };
                    error(cause).context(format!("{statement}; {advice}"))
                })?;
            }
        }
        transaction.commit().await.map_err(error)
    }

    /// Takes rows as the mode says, and counts them. Those of an upsert are put beside the table.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub(super) async fn take(
        &self,
        transaction: &Transaction<'_>,
        rows: impl Stream<Item = Result<RecordBatch>>,
    ) -> Result<Taken> {
        let mut target = Target::find(transaction, self.name).await?;
        let mut meeting = self.meeting(target.as_ref().filter(|_| !self.is_replaced))?;
        if !meeting.alterations.is_empty() {
            return Err(Error::transient(format!("columns of {} were changed by somebody else meanwhile", qualified(self.name))));
        }
        if let Some(target) = target.as_ref().filter(|_| self.is_replaced) {
            self.replace_columns(transaction, target, &mut meeting.columns).await?;
        }
        let (columns, table) = (&meeting.columns, qualified(self.name));
        let is_upsert = self.mode == WriteMode::Upsert;
        if is_upsert && self.key.is_empty() {
            return Err(Error::internal("an upsert without a key"));
        }
        let mut rest = Vec::new();
        if target.is_none() {
            let create = create(self.name, columns, self.schema.metadata().get(COMMENT));
            transaction.batch_execute(&create).await.map_err(error)?;
            // Not all rows may get into it, and they are put beside it first.
            if is_upsert && (has_loose_key(columns, self.key) || self.upserts.deleted.is_some()) {
                transaction.batch_execute(&add_key(self.name, self.key)).await.map_err(error)?;
                target = Target::find(transaction, self.name).await?;
            } else if is_upsert {
                rest.push(add_key(self.name, self.key));
            }
        }
        let marker = marker(self.schema, self.upserts, self.mode)?;
        let deletes = self.upserts.deleted_index(self.schema, self.mode).is_some();
        let copied = copied(columns, marker.as_ref(), deletes);
        let (into, rest) = match &target {
            None => (table, rest),
            Some(target) if is_upsert => {
                let marker = marker.as_ref().map(|(_, marker)| marker);
                transaction.batch_execute(&create_stage(self.name, columns, marker)).await.map_err(error)?;
                let merge = Merge {
                    name: self.name,
                    target,
                    columns,
                    marker,
                    key: self.key,
                    order_by: &resolve(self.name, "order_by", &copied, self.order_by)?,
                    upserts: self.upserts,
                    is_unique: target.is_unique_by(transaction, self.key).await?,
                };
                (STAGE.to_owned(), merge.statements())
            }
            Some(_) => {
                if self.mode == WriteMode::Overwrite {
                    transaction.batch_execute(&format!("DELETE FROM {table}")).await.map_err(error)?;
                }
                (table, Vec::new())
            }
        };
        Ok(Taken { rows: self.copy(transaction, &into, &copied, rows).await?, rest, key: self.key.to_vec() })
    }

    /// Empties the table and gives it `columns`, which are then called as the table calls them; what is of the same name and type stays, and with
    /// it what depends on it. Readers see the old columns until COMMIT.
    async fn replace_columns(&self, transaction: &Transaction<'_>, target: &Target, columns: &mut [Column]) -> Result<()> {
        transaction.batch_execute(ALTER_PATIENCE).await.map_err(error)?;
        for statement in replacing(self.name, target, columns) {
            let altered = transaction.batch_execute(&statement).await;
            altered.map_err(|cause| {
                // What depends on a column is for its owner to change: no second try does.
                let is_needed = cause.code() == Some(&SqlState::DEPENDENT_OBJECTS_STILL_EXIST);
                let told = error(cause).context(statement);
                if is_needed { Error::data(told.to_string()) } else { told }
            })?;
        }
        Ok(())
    }

    async fn copy(
        &self,
        transaction: &Transaction<'_>,
        into: &str,
        columns: &[Column],
        rows: impl Stream<Item = Result<RecordBatch>>,
    ) -> Result<u64> {
        let mut rows = pin!(rows.peekable());
        // COPY without rows would say as much, a round trip later.
        if rows.as_mut().peek().await.is_none() {
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
        while let Some(batch) = rows.try_next().await? {
            encoder.encode(&cast_to(&batch, columns)?)?;
            if encoder.len() >= CHUNK_BYTES {
                server.send(encoder.take()).await.map_err(error)?;
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

impl Taken {
    /// Rows that were put beside the table are taken into it.
    ///
    /// # Errors
    /// As [`Load::run`].
    pub(super) async fn settle(&mut self, transaction: &Transaction<'_>) -> Result<()> {
        for statement in self.rest.drain(..) {
            transaction.batch_execute(&statement).await.map_err(|cause| replacing_error(cause, &self.key))?;
        }
        Ok(())
    }
}

/// The rows of staged files.
fn staged<'a>(lake: &'a Location, files: &'a [StagedFile]) -> impl Stream<Item = Result<RecordBatch>> + 'a {
    let open = move |file: &'a StagedFile| async move {
        let path = object_store::path::Path::parse(&file.path)
            .map_err(|error| Error::internal(format!("staged file '{}': {error}", file.path)))?;
        let reader = ObjectReader::new(Arc::clone(&lake.store), path, file.bytes);
        let batches = ParquetRecordBatchStreamBuilder::new(reader).await?.with_batch_size(BATCH_ROWS).build()?;
        Ok::<_, Error>(batches.map_err(Error::from))
    };
    stream::iter(files).then(open).try_flatten()
}
