//! The load of an epoch begun while its rows are staged: one transaction, open until the epoch is recorded.
//!
//! It works in a task of its own on a connection of its own, so that rows are read, staged and loaded at once. Nothing depends on it: a
//! connection that is lost, a load of somebody else that is under way, columns that are to be added first, an epoch that takes long, each end it,
//! and the load is done over from the staged files.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use futures::{Stream, StreamExt, stream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_postgres::Transaction;
use tokio_util::task::AbortOnDropHandle;

use super::error::error;
use super::ledger::{Ledger, begin};
use super::load::{Load, Taken};
use crate::error::{Error, Result};
use crate::postgres::{Client, ConnectionConfig};
use crate::sink::{Batch, Preload, Receipt, SinkPlan, WriteMode};
use crate::upserts::Upserts;
use crate::warehouse::TableName;

/// A connection with a transaction is waited for so long: all that time nothing is staged either.
const PATIENCE: Duration = Duration::from_secs(2);
/// Rows are taken for so long, put into the table for so long, and wait so long to be committed: who wants to change the table waits for it,
/// and everyone else behind him.
const LONGEST: Duration = Duration::from_secs(60);
/// A transaction that is given up is waited for so long.
const LEAVE: Duration = Duration::from_secs(5);
/// A server ends the transaction of a machine that is gone, so that another may load.
const WATCHED: &str = "SET LOCAL idle_in_transaction_session_timeout = '90s'; SET LOCAL tcp_keepalives_idle = 30; \
                       SET LOCAL tcp_keepalives_interval = 10; SET LOCAL tcp_keepalives_count = 3";

/// What is to be loaded, and where.
#[derive(Debug)]
pub(super) struct Order {
    /// As the pipeline calls it.
    pub(super) table: String,
    pub(super) name: TableName,
    pub(super) ledger: Ledger,
    pub(super) config: ConnectionConfig,
    pub(super) plan: SinkPlan,
    pub(super) mode: WriteMode,
    pub(super) upserts: Upserts,
    /// Set when there was not the time for it: the next epoch would fare no better.
    pub(super) is_late: Arc<AtomicBool>,
}

/// A load that was begun. When it is dropped, so is its connection.
#[derive(Debug)]
pub(super) struct PostgresPreload {
    rows: Option<mpsc::Sender<Message>>,
    taken: Option<oneshot::Receiver<()>>,
    batch: Option<oneshot::Sender<Batch>>,
    task: Option<AbortOnDropHandle<Result<()>>>,
}

#[derive(Debug)]
enum Message {
    Rows(RecordBatch),
    End,
}

impl PostgresPreload {
    pub(super) fn begin(order: Order) -> Self {
        let (rows, received) = mpsc::channel(1);
        let (says_taken, taken) = oneshot::channel();
        let (batch, committed) = oneshot::channel();
        let task = AbortOnDropHandle::new(tokio::spawn(async move {
            let done = order.run(received, says_taken, committed).await;
            done.map_err(|error| error.context(format!("table '{}' in {}", order.table, order.config.shown())))
        }));
        Self { rows: Some(rows), taken: Some(taken), batch: Some(batch), task: Some(task) }
    }

    async fn send(&mut self, message: Message) {
        // Who does not take them any more says why when it is asked.
        if let Some(rows) = &self.rows
            && rows.send(message).await.is_err()
        {
            self.rows = None;
        }
    }

    /// How it went.
    async fn end_of_task(&mut self) -> Result<()> {
        let Some(task) = self.task.take() else { return Err(Error::transient("the load has ended")) };
        task.await.map_err(|error| Error::internal(format!("loading while rows are staged: {error}")))?
    }
}

#[async_trait]
impl Preload for PostgresPreload {
    async fn write(&mut self, rows: RecordBatch) {
        self.send(Message::Rows(rows)).await;
    }

    async fn end(&mut self) {
        self.send(Message::End).await;
        self.rows = None;
    }

    async fn taken(&mut self) -> Result<()> {
        if let Some(taken) = self.taken.take()
            && taken.await.is_ok()
        {
            return Ok(());
        }
        match self.end_of_task().await {
            Err(error @ (Error::Data { .. } | Error::Auth { .. })) => Err(error),
            Err(error) => {
                said(&error, "rows are loaded when they are staged");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    async fn commit(mut self: Box<Self>, batch: &Batch) -> Option<Receipt> {
        let is_told = self.batch.take().is_some_and(|told| told.send(batch.clone()).is_ok());
        match self.end_of_task().await {
            Ok(()) => is_told.then(|| batch.receipt()),
            Err(error) => {
                said(&error, "the load is done over from the staged files");
                None
            }
        }
    }

    async fn abandon(mut self: Box<Self>) {
        (self.rows, self.batch) = (None, None);
        if let Err(error) = self.end_of_task().await {
            said(&error, "a load was given up");
        }
    }
}

fn said(error: &Error, what: &str) {
    if matches!(error, Error::Internal { .. }) {
        tracing::warn!(%error, "{what}");
    } else {
        tracing::debug!(%error, "{what}");
    }
}

impl Order {
    /// One transaction: takes the rows, says so, and commits when it is told the batch that they are.
    async fn run(
        &self,
        mut rows: mpsc::Receiver<Message>,
        taken: oneshot::Sender<()>,
        batch: oneshot::Receiver<Batch>,
    ) -> Result<()> {
        // An epoch without rows has nothing to do with the database, or empties a table.
        let Some(Message::Rows(first)) = rows.recv().await else { return Err(given_up()) };
        let mut client = self.in_time(PATIENCE, Client::connect(&self.config)).await?;
        let client = client.driver();
        self.in_time(PATIENCE, self.ledger.prepare(client)).await?;
        let transaction = self.in_time(PATIENCE, begin(client)).await?;
        let load = Load {
            name: &self.name,
            ledger: &self.ledger,
            schema: &self.plan.schema,
            key: &self.plan.key,
            order_by: &self.plan.order_by,
            mode: self.mode,
            upserts: &self.upserts,
            is_replaced: false,
        };
        let rows = stream::once(async { Ok(first) }).chain(received(rows));
        match self.fill(&load, &transaction, rows, taken, batch).await {
            Ok((filled, batch, loads)) => load.commit(transaction, &filled, &batch, loads).await,
            Err(error) => {
                // Else the server would hear of it from a connection that is gone.
                if timeout(LEAVE, transaction.rollback()).await.is_err() {
                    tracing::debug!("a server did not take leave");
                }
                Err(error)
            }
        }
    }

    /// The rows are in the table; with the batch that they are, and how often the table was loaded.
    async fn fill(
        &self,
        load: &Load<'_>,
        transaction: &Transaction<'_>,
        rows: impl Stream<Item = Result<RecordBatch>>,
        taken: oneshot::Sender<()>,
        batch: oneshot::Receiver<Batch>,
    ) -> Result<(Taken, Batch, i64)> {
        let prepared = async {
            transaction.batch_execute(WATCHED).await.map_err(error)?;
            self.ledger.try_begin(transaction).await
        };
        let loads = self.in_time(PATIENCE, prepared).await?;
        let mut filled = self.in_time(LONGEST, load.take(transaction, rows)).await?;
        self.in_time(LONGEST, filled.settle(transaction)).await?;
        taken.send(()).map_err(|()| given_up())?;
        let batch = self.in_time(LONGEST, async { batch.await.map_err(|_| given_up()) }).await?;
        if self.ledger.holds_batch(transaction, &batch).await? {
            return Err(Error::transient(format!("{} is there already", batch.id)));
        }
        Ok((filled, batch, loads))
    }

    /// What `work` comes to, if it does so in time.
    async fn in_time<T>(&self, time: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
        timeout(time, work).await.unwrap_or_else(|_| {
            if !self.is_late.swap(true, Ordering::Relaxed) {
                tracing::info!(
                    table = self.table,
                    seconds = time.as_secs(),
                    "loading while rows are staged takes too long here: from now on they are loaded when they are staged"
                );
            }
            Err(Error::transient(format!("{} s were not enough", time.as_secs())))
        })
    }
}

/// Rows until the end of them; without an end they are not all.
fn received(rows: mpsc::Receiver<Message>) -> impl Stream<Item = Result<RecordBatch>> {
    stream::try_unfold(rows, async |mut rows| match rows.recv().await {
        Some(Message::Rows(batch)) => Ok(Some((batch, rows))),
        Some(Message::End) => Ok(None),
        None => Err(given_up()),
    })
}

fn given_up() -> Error {
    Error::transient("the rows were given up")
}
