//! The store's methods, each a transaction.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use connectors::faults::{AFTER_STATE, BEFORE_STATE, point};

use super::database::{Access, Database};
use super::{epochs, leases, loads, prune, requests, runs};
use crate::state::{
    Acquired, Checkpoint, Cursor, Ending, EpochFlow, EpochRecord, FlowRecord, Holder, Lease, LeaseRecord, LoadPage, LoadRecord,
    OpenRequest, Page, Pause, Progress, Purpose, Request, Result, RunEnding, RunRecord, StateError, StateStore,
};

/// State in the tables of a database.
#[derive(Debug)]
pub(in crate::state) struct SqlStore {
    database: Box<dyn Database>,
}

impl SqlStore {
    pub(in crate::state) fn new(database: Box<dyn Database>) -> Self {
        Self { database }
    }

    pub(super) fn database(&self) -> &dyn Database {
        self.database.as_ref()
    }
}

/// Waits before a transaction is begun again that failed for a reason that may pass, as a connection that was cut.
const WAITS: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(8),
];

/// What comes of `$body` in `$transaction`; when it fails, nothing was changed.
macro_rules! transaction {
    ($store:expr, $access:expr, |$transaction:ident| $body:expr) => {{
        let mut waits = WAITS.into_iter();
        loop {
            let attempt = async {
                let mut transaction = $store.database.begin($access).await?;
                let $transaction = transaction.as_mut();
                let value = $body.await?;
                transaction.commit().await?;
                Ok::<_, StateError>(value)
            };
            match (attempt.await, waits.next()) {
                (Err(error), Some(wait)) if StateError::is_passing(&error) => {
                    tracing::warn!(%error, wait_ms = wait.as_millis(), "the state store is tried again");
                    tokio::time::sleep(wait).await;
                }
                (done, _) => break done,
            }
        }
    }};
}

/// What `$body` reads.
macro_rules! read {
    ($store:expr, |$transaction:ident| $body:expr) => {
        transaction!($store, Access::Read, |$transaction| $body)
    };
}

/// What comes of `$body`, which changes something.
macro_rules! change {
    ($store:expr, |$transaction:ident| $body:expr) => {{
        point(BEFORE_STATE);
        let done = transaction!($store, Access::Write, |$transaction| $body);
        point(AFTER_STATE);
        done
    }};
}

#[async_trait]
impl StateStore for SqlStore {
    async fn acquire(
        &self,
        pipeline: &str,
        holder: &Holder,
        purpose: &Purpose,
        now: DateTime<Utc>,
        ttl: Duration,
    ) -> Result<Acquired> {
        change!(self, |transaction| leases::acquire(transaction, pipeline, (holder, purpose), now, ttl))
    }

    async fn renew(&self, lease: &Lease, until: DateTime<Utc>) -> Result<()> {
        change!(self, |transaction| leases::renew(transaction, lease, until))
    }

    async fn release(&self, lease: &Lease, ending: &RunEnding, now: DateTime<Utc>) -> Result<()> {
        change!(self, |transaction| leases::release(transaction, lease, ending, now))
    }

    async fn leases(&self, now: DateTime<Utc>) -> Result<Vec<LeaseRecord>> {
        read!(self, |transaction| leases::held(transaction, now))
    }

    async fn progress(&self, pipeline: &str) -> Result<Progress> {
        read!(self, |transaction| epochs::progress(transaction, pipeline))
    }

    async fn record(&self, lease: &Lease, checkpoint: &Checkpoint) -> Result<()> {
        change!(self, |transaction| epochs::record(transaction, lease, checkpoint))
    }

    async fn drop_pending(&self, lease: &Lease, kept: Option<&Checkpoint>) -> Result<()> {
        change!(self, |transaction| epochs::drop_pending(transaction, lease, kept))
    }

    async fn advance(&self, lease: &Lease, epoch: u64, now: DateTime<Utc>) -> Result<()> {
        change!(self, |transaction| epochs::advance(transaction, lease, epoch, now))
    }

    async fn forget(&self, lease: &Lease) -> Result<()> {
        change!(self, |transaction| epochs::forget(transaction, lease))
    }

    async fn runs(&self, page: &Page, now: DateTime<Utc>) -> Result<Vec<RunRecord>> {
        read!(self, |transaction| runs::page(transaction, page, now))
    }

    async fn run(&self, pipeline: &str, run: i64, now: DateTime<Utc>) -> Result<Option<RunRecord>> {
        read!(self, |transaction| runs::one(transaction, pipeline, run, now))
    }

    async fn epochs(&self, page: &Page) -> Result<Vec<EpochRecord>> {
        read!(self, |transaction| epochs::page(transaction, page))
    }

    async fn epoch_flows(&self, pipeline: &str) -> Result<Vec<EpochFlow>> {
        read!(self, |transaction| loads::of_pipeline(transaction, pipeline))
    }

    async fn loads(&self, page: &LoadPage) -> Result<Vec<LoadRecord>> {
        read!(self, |transaction| loads::page(transaction, page))
    }

    async fn flows(&self, pipeline: Option<&str>) -> Result<Vec<FlowRecord>> {
        read!(self, |transaction| epochs::flows(transaction, pipeline))
    }

    async fn dates_done(&self, pipeline: &str, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<DateTime<Utc>>> {
        read!(self, |transaction| epochs::dates_done(transaction, pipeline, (from, to)))
    }

    async fn prune(&self, before: DateTime<Utc>) -> Result<u64> {
        change!(self, |transaction| prune::prune(transaction, before))
    }

    async fn request(&self, request: &Request, now: DateTime<Utc>) -> Result<bool> {
        change!(self, |transaction| requests::ask(transaction, request, now))
    }

    async fn open_requests(&self, pipeline: Option<&str>) -> Result<Vec<OpenRequest>> {
        read!(self, |transaction| requests::open(transaction, pipeline))
    }

    async fn take_requests(&self, lease: &Lease, ids: &[i64]) -> Result<Vec<i64>> {
        change!(self, |transaction| requests::take(transaction, lease, ids))
    }

    async fn end_requests(&self, lease: &Lease, ending: &Ending) -> Result<()> {
        change!(self, |transaction| requests::end(transaction, lease, ending))
    }

    async fn move_cursor(
        &self,
        pipeline: &str,
        name: &str,
        from: Option<&str>,
        to: &str,
        requests: &[Request],
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let cursor = Cursor { pipeline: pipeline.to_owned(), name: name.to_owned(), value: to.to_owned() };
        change!(self, |transaction| requests::move_cursor(transaction, &cursor, from, requests, now))
    }

    async fn cursors(&self) -> Result<Vec<Cursor>> {
        read!(self, |transaction| requests::cursors(transaction))
    }

    async fn pause(&self, pipeline: &str, pause: Option<&Pause>) -> Result<()> {
        change!(self, |transaction| requests::hold(transaction, pipeline, pause))
    }

    async fn pauses(&self) -> Result<BTreeMap<String, Pause>> {
        read!(self, |transaction| requests::held(transaction))
    }
}
