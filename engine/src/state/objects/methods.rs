//! The store's methods, each a change of one object, or a look at one or all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::chunks::{Part, newest};
use super::document::Document;
use super::store::ObjectState;
use crate::state::snapshot::{Entries, RunEntry};
use crate::state::transfer::Transfer;
use crate::state::{
    Acquired, Checkpoint, Cursor, Ending, EpochFlow, EpochRecord, FlowRecord, Holder, Lease, LeaseRecord, LoadPage, LoadRecord,
    OpenRequest, Page, Pause, Progress, Purpose, Request, Result, RunEnding, RunRecord, RunStatus, StateStore,
};

fn run_records(document: &Document, entries: &Entries, now: DateTime<Utc>) -> Vec<RunRecord> {
    let here = Holder::current();
    let record = |run: &RunEntry| run.record(&document.pipeline, document.is_running(run, now, &here));
    entries.runs.iter().map(record).collect()
}

#[async_trait]
impl StateStore for ObjectState {
    async fn acquire(
        &self,
        pipeline: &str,
        holder: &Holder,
        purpose: &Purpose,
        now: DateTime<Utc>,
        ttl: Duration,
    ) -> Result<Acquired> {
        self.check().await?;
        self.change(pipeline, |document| document.acquire((holder, purpose), now, ttl)).await
    }

    async fn renew(&self, lease: &Lease, until: DateTime<Utc>) -> Result<()> {
        self.change(&lease.pipeline, |document| document.renew(lease, until)).await
    }

    async fn release(&self, lease: &Lease, ending: &RunEnding, now: DateTime<Utc>) -> Result<()> {
        self.change(&lease.pipeline, |document| document.release(lease, ending, now)).await
    }

    async fn leases(&self, now: DateTime<Utc>) -> Result<Vec<LeaseRecord>> {
        Ok(self.all().await?.iter().filter_map(|document| document.lease_record(now)).collect())
    }

    async fn progress(&self, pipeline: &str) -> Result<Progress> {
        Ok(self.read(pipeline).await?.0.progress())
    }

    async fn record(&self, lease: &Lease, checkpoint: &Checkpoint) -> Result<()> {
        self.change(&lease.pipeline, |document| document.record(lease, checkpoint)).await
    }

    async fn drop_pending(&self, lease: &Lease, kept: Option<&Checkpoint>) -> Result<()> {
        self.change(&lease.pipeline, |document| document.drop_pending(lease, kept)).await
    }

    async fn advance(&self, lease: &Lease, epoch: u64, now: DateTime<Utc>) -> Result<()> {
        self.change(&lease.pipeline, |document| document.advance(lease, epoch, now)).await
    }

    async fn forget(&self, lease: &Lease) -> Result<()> {
        self.change(&lease.pipeline, |document| document.forget(lease)).await
    }

    async fn runs(&self, page: &Page, now: DateTime<Utc>) -> Result<Vec<RunRecord>> {
        let part = Part { before: page.before, since: page.since, limit: page.limit as usize };
        let is_wanted = |run: &RunRecord| {
            page.status.is_none_or(|status| run.status == status) && page.since.is_none_or(|since| run.started_at >= since)
        };
        let mut documents = self.of(page.pipeline.as_deref()).await?;
        if page.status == Some(RunStatus::Running) {
            // What runs is in the pipelines' objects.
            for document in &mut documents {
                Arc::make_mut(document).chunks.clear();
            }
        }
        newest(&self.bucket, &documents, part, |document, entries| {
            let runs = run_records(document, entries, now).into_iter().filter(is_wanted);
            runs.map(|run| (run.position, run)).collect()
        })
        .await
    }

    async fn run(&self, pipeline: &str, run: i64, now: DateTime<Utc>) -> Result<Option<RunRecord>> {
        let documents = self.of(Some(pipeline)).await?;
        let part = Part { before: None, since: None, limit: 1 };
        let found = newest(&self.bucket, &documents, part, |document, entries| {
            let runs = run_records(document, entries, now).into_iter().filter(|record| record.run == run);
            // It is one: no other is newer.
            runs.map(|record| (i64::MAX, record)).collect()
        });
        Ok(found.await?.pop())
    }

    async fn epochs(&self, page: &Page) -> Result<Vec<EpochRecord>> {
        let part = Part { before: page.before, since: page.since, limit: page.limit as usize };
        let documents = self.of(page.pipeline.as_deref()).await?;
        newest(&self.bucket, &documents, part, |document, entries| {
            let epochs = entries.epochs.iter().filter(|epoch| page.since.is_none_or(|since| epoch.recorded_at >= since));
            epochs.map(|epoch| (epoch.position, epoch.record(&document.pipeline))).collect()
        })
        .await
    }

    async fn epoch_flows(&self, pipeline: &str) -> Result<Vec<EpochFlow>> {
        let entries = self.read(pipeline).await?.0.all_entries(&self.bucket).await?;
        Ok(entries.epochs.iter().flat_map(|epoch| epoch.flows().collect::<Vec<_>>()).collect())
    }

    async fn loads(&self, page: &LoadPage) -> Result<Vec<LoadRecord>> {
        let is_wanted = |load: &LoadRecord| {
            let is_there = page.locations.is_empty() || page.locations.contains(&load.table.to_lowercase());
            let is_of_it = page.run.is_none_or(|run| load.run == Some(run));
            is_there && is_of_it && page.since.is_none_or(|since| load.landed_at.unwrap_or(load.recorded_at) >= since)
        };
        // What landed then or later was recorded later.
        let part = Part { before: page.before, since: page.since, limit: page.limit as usize };
        newest(&self.bucket, &self.of(page.pipeline.as_deref()).await?, part, |document, entries| {
            let loads = entries.epochs.iter().flat_map(|epoch| epoch.loads(&document.pipeline)).filter(is_wanted);
            loads.map(|load| (load.position, load)).collect()
        })
        .await
    }

    async fn flows(&self, pipeline: Option<&str>) -> Result<Vec<FlowRecord>> {
        let record = |document: &Arc<Document>| {
            let pipeline = document.pipeline.clone();
            let flows = document.content.flows.clone();
            flows.into_iter().map(move |(flow, progress)| FlowRecord { pipeline: pipeline.clone(), flow, progress })
        };
        Ok(self.of(pipeline).await?.iter().flat_map(record).collect())
    }

    async fn dates_done(&self, pipeline: &str, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<DateTime<Utc>>> {
        let done = self.read(pipeline).await?.0.content.dates_done;
        Ok(done.into_iter().filter(|date| (from..=to).contains(date)).collect())
    }

    async fn prune(&self, before: DateTime<Utc>) -> Result<u64> {
        let mut runs = 0;
        for document in self.all().await? {
            runs += self.prune_one(&document.pipeline, before).await?;
        }
        Ok(runs)
    }

    async fn request(&self, request: &Request, now: DateTime<Utc>) -> Result<bool> {
        self.change(&request.pipeline, |document| document.request(request, now)).await
    }

    async fn open_requests(&self, pipeline: Option<&str>) -> Result<Vec<OpenRequest>> {
        let mut documents = self.all().await?;
        if documents.iter().any(|document| !document.outgoing.is_empty()) {
            for document in documents.iter().filter(|document| !document.outgoing.is_empty()) {
                self.deliver(document).await?;
            }
            documents = self.all().await?;
        }
        let wanted = documents.iter().filter(|document| pipeline.is_none_or(|pipeline| document.pipeline == pipeline));
        let mut open: Vec<OpenRequest> = wanted.flat_map(|document| document.open_requests()).collect();
        open.sort_by_key(|open| open.id);
        Ok(open)
    }

    async fn take_requests(&self, lease: &Lease, ids: &[i64]) -> Result<Vec<i64>> {
        self.change(&lease.pipeline, |document| document.take(lease, ids)).await
    }

    async fn end_requests(&self, lease: &Lease, ending: &Ending) -> Result<()> {
        self.change(&lease.pipeline, |document| document.end(lease, ending)).await
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
        let is_moved = self.change(pipeline, |document| document.move_cursor((name, from, to), requests, now)).await?;
        if is_moved && requests.iter().any(|request| request.pipeline != pipeline) {
            // They are on their way; who looks for requests brings them too.
            self.deliver(&self.read(pipeline).await?.0).await?;
        }
        Ok(is_moved)
    }

    async fn cursors(&self) -> Result<Vec<Cursor>> {
        let cursors = |document: &Arc<Document>| {
            let pipeline = document.pipeline.clone();
            let cursors = document.content.cursors.clone();
            cursors.into_iter().map(move |(name, value)| Cursor { pipeline: pipeline.clone(), name, value })
        };
        Ok(self.all().await?.iter().flat_map(cursors).collect())
    }

    async fn pause(&self, pipeline: &str, pause: Option<&Pause>) -> Result<()> {
        self.change(pipeline, |document| {
            let is_changed = document.content.pause.as_ref() != pause;
            document.content.pause = pause.cloned();
            Ok(((), is_changed))
        })
        .await
    }

    async fn pauses(&self) -> Result<BTreeMap<String, Pause>> {
        let pause = |document: &Arc<Document>| Some((document.pipeline.clone(), document.content.pause.clone()?));
        let documents = self.all().await?;
        documents.iter().try_for_each(|document| document.check_moved())?;
        Ok(documents.iter().filter_map(pause).collect())
    }
}
