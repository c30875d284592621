//! The load of an epoch begun while its rows are staged: one transaction, open until the epoch is recorded.
//!
//! It works in a task of its own on a connection of its own, so that rows are read, staged and loaded at once. Nothing depends on it: a
//! connection that is lost, a load of somebody else that is under way, an epoch that takes long, each end it, and the load is done over from
//! the staged files. Only what the table refuses is worth knowing at once.

use std::time::Duration;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use futures::{Stream, stream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::error::error;
use super::ledger::{Ledger, begin};
use super::load::Load;
use crate::error::{Error, Result};
use crate::postgres::{Client, ConnectionConfig};
use crate::sink::{Batch, Preload, Receipt, SinkPlan, WriteMode};
use crate::warehouse::TableName;

/// A connection, and the right to load, are waited for so long: all that time nothing is staged either.
const PATIENCE: Duration = Duration::from_secs(2);
/// A transaction takes rows for so long, and waits so long to be committed: who wants to change the table waits for it, and everyone else behind him.
const LONGEST: Duration = Duration::from_secs(60);

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
}

/// A load that was begun. When it is dropped, the transaction is rolled back.
#[derive(Debug)]
pub(super) struct PostgresPreload {
    rows: Option<mpsc::Sender<Message>>,
    taken: Option<oneshot::Receiver<()>>,
    batch: Option<oneshot::Sender<Batch>>,
    task: Option<JoinHandle<Result<()>>>,
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
        let task = tokio::spawn(async move {
            let done = order.run(received, says_taken, committed).await;
            done.map_err(|error| error.context(format!("table '{}' in {}", order.table, order.config.shown())))
        });
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
            // The staged files would fare no better.
            Err(error @ (Error::Data { .. } | Error::Auth { .. })) => Err(error),
            Err(error) => {
                tracing::debug!(%error, "rows are loaded when they are staged");
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
                tracing::debug!(%error, "the load is done over from the staged files");
                None
            }
        }
    }

    async fn abandon(mut self: Box<Self>) {
        (self.rows, self.batch) = (None, None);
        if let Err(error) = self.end_of_task().await {
            tracing::debug!(%error, "a load was given up");
        }
    }
}

impl Order {
    /// One transaction: takes the rows, says so, and commits when it is told the batch that they are.
    async fn run(
        &self,
        rows: mpsc::Receiver<Message>,
        taken: oneshot::Sender<()>,
        batch: oneshot::Receiver<Batch>,
    ) -> Result<()> {
        let load =
            Load { name: &self.name, ledger: &self.ledger, schema: &self.plan.schema, key: &self.plan.key, mode: self.mode };
        let waited = || Error::transient(format!("{} s were not enough to begin", PATIENCE.as_secs()));
        let until = Instant::now() + PATIENCE;
        let mut client = timeout_at(until, Client::connect(&self.config)).await.map_err(|_| waited())??;
        let client = client.driver();
        timeout_at(until, load.prepare(client)).await.map_err(|_| waited())??;
        let transaction = timeout_at(until, begin(client)).await.map_err(|_| waited())??;
        let loads = self.ledger.try_begin(&transaction).await?;
        let took = timeout(LONGEST, load.take(&transaction, received(rows))).await;
        let mut took = took.map_err(|_| Error::transient(format!("{} s were not enough", LONGEST.as_secs())))??;
        took.settle(&transaction).await?;
        taken.send(()).map_err(|()| given_up())?;
        let batch = timeout(LONGEST, batch).await.ok().and_then(std::result::Result::ok).ok_or_else(given_up)?;
        if self.ledger.holds_batch(&transaction, &batch).await? {
            return transaction.rollback().await.map_err(error);
        }
        load.commit(transaction, &took, &batch, loads).await
    }
}

fn given_up() -> Error {
    Error::transient("the rows were given up")
}

/// Rows until the end of them; without an end they are not all.
fn received(rows: mpsc::Receiver<Message>) -> impl Stream<Item = Result<RecordBatch>> {
    stream::try_unfold(rows, async |mut rows| match rows.recv().await {
        Some(Message::Rows(batch)) => Ok(Some((batch, rows))),
        Some(Message::End) => Ok(None),
        None => Err(given_up()),
    })
}
