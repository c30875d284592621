//! `engine replay`: the bad records of one source, fed through the flows again after a fix.
//!
//! Under the pipeline's lease, in epochs of its own; [`crate::epoch::replay`] says what one of them is. What an earlier process left
//! pending is finished first, so that a replay that was killed anywhere goes on where it must.

use std::sync::Arc;

use anyhow::Result;
use connectors::replay::Purpose;
use connectors::sink::Receipt;
use tokio_util::sync::CancellationToken;

use super::replay_summary::ReplaySummary;
use super::{MOST_REPLANS, clean_temporary, complete_flows, folder_name, limits, plan_anew, planned_too_often};
use super::{Observer, Watch, retry};
use crate::catalog::register::Registrar;
use crate::epoch::lease::{HeldLease, under_lease};
use crate::epoch::preload::Preloads;
use crate::epoch::record::FlowRecord;
use crate::epoch::replay::{Passed, Replacement, Request, Work, bad_parts, pass, stage, takers};
use crate::epoch::whole::settle;
use crate::epoch::{Scope, advance, commit, quarantine, record, recover, staging_folder};
use crate::flow::{Flow, assign};
use crate::session::Session;
use crate::sql::Pipeline;
use crate::state::{self, Checkpoint, Lease, Progress, StateStore};

/// Replays the bad records of `source`.
///
/// `stop` ends it after the epoch it is in.
///
/// # Errors
/// Another run holds the lease; a query or sink fails. What was committed stays.
pub async fn replay(
    mut pipeline: Pipeline,
    source: &str,
    session: &Session,
    store: Arc<dyn StateStore>,
    observer: &Observer,
    stop: &CancellationToken,
) -> Result<ReplaySummary> {
    let (name, file) = (pipeline.name.clone(), pipeline.path.clone());
    under_lease(
        Arc::clone(&store),
        (&name, &file),
        &state::Purpose::default(),
        &session.context.clock,
        async |held: &HeldLease| Box::pin(drive(&mut pipeline, source, session, store.as_ref(), held, observer, stop)).await,
    )
    .await
}

/// Says what a replay would do, and does nothing: it takes no lease, and `store` is `None` where nothing was ever run.
///
/// # Errors
/// When the bad records cannot be read.
pub async fn look(
    mut pipeline: Pipeline,
    source: &str,
    session: &Session,
    store: Option<Arc<dyn StateStore>>,
    observer: &Observer,
) -> Result<ReplaySummary> {
    let location = quarantine::table(&pipeline.name, source).location;
    let mut summary = ReplaySummary::new(&pipeline.name, source, &location, Purpose::Look);
    let Some(store) = store else { return Ok(summary) };
    let progress = store.progress(&pipeline.name).await?;
    assign::assign(&mut pipeline, &progress, session).await?;
    let lease = Lease { pipeline: pipeline.name.clone(), generation: 0 };
    let stop = CancellationToken::new();
    let registrar = Registrar::new(session);
    let scope = Scope {
        pipeline: &pipeline,
        session,
        store: store.as_ref(),
        lease: &lease,
        observer,
        registrar: &registrar,
        stop: &stop,
    };
    let flows = takers(scope, source, &progress);
    let limits = limits(scope)?;
    let mut work = Work::begin(scope, source, limits).await?;
    loop {
        let request =
            Request { source, flows: &flows, incarnation: &progress.incarnation, work: &work, limits, purpose: Purpose::Look };
        let Some(passed) = pass(scope, request).await? else { break };
        let sinks = passed.takers.iter().filter_map(|index| flows.get(*index));
        summary.would_go_to(sinks.map(|flow| flow.table.name.as_str()), passed.tally.rows);
        work.same(&passed.takers, passed.untried);
        summary.tally.merge(passed.tally);
    }
    summary.last_epoch = progress.next_epoch.saturating_sub(1);
    Ok(summary)
}

async fn drive(
    pipeline: &mut Pipeline,
    source: &str,
    session: &Session,
    store: &dyn StateStore,
    held: &HeldLease,
    observer: &Observer,
    stop: &CancellationToken,
) -> Result<ReplaySummary> {
    clean_temporary(session, &pipeline.name)?;
    let location = quarantine::table(&pipeline.name, source).location;
    let mut summary = ReplaySummary::new(&pipeline.name, source, &location, Purpose::Commit);
    let progress = store.progress(&pipeline.name).await?;
    assign::assign(pipeline, &progress, session).await?;
    observer.watch(pipeline.flows.iter().filter(|flow| flow.sources.contains(source)).map(|flow| Watch {
        flow: flow.id.clone(),
        sink: flow.table.name.clone(),
        sources: flow.sources.clone(),
    }));
    let (mut work, registrar) = (None, Registrar::new(session));
    for _ in 0..MOST_REPLANS {
        let scope = Scope { pipeline, session, store, lease: held.lease(), observer, registrar: &registrar, stop };
        match Box::pin(drain(scope, source, &mut work, &mut summary)).await {
            Ok(()) => {
                summary.last_epoch = store.progress(&pipeline.name).await?.next_epoch.saturating_sub(1);
                return Ok(summary);
            }
            Err(error) => plan_anew(pipeline, session, store, error).await?,
        }
    }
    Err(planned_too_often(pipeline))
}

/// Epochs until every record was tried once, and then, as in a run, the tables that are computed from others.
async fn drain(scope: Scope<'_>, source: &str, work: &mut Option<Work>, summary: &mut ReplaySummary) -> Result<()> {
    finish_pending(scope).await?;
    let work = match work {
        Some(work) => work,
        None => work.insert(retry::retrying(scope, || async { Work::begin(scope, source, limits(scope)?).await }).await?),
    };
    while !scope.stop.is_cancelled() {
        let prepared = retry::retrying(scope, || prepare(scope, source, work)).await?;
        let Some(Prepared { passed, epoch }) = prepared else { break };
        match &epoch {
            Some((checkpoint, replacement)) => {
                let receipts = retry::retrying(scope, || commit::commit(scope, checkpoint, Preloads::default())).await?;
                retry::retrying(scope, || advance::advance(scope, checkpoint)).await?;
                written(summary, checkpoint, &receipts);
                let parts = retry::retrying(scope, || bad_parts(scope, source)).await?;
                work.changed(parts, &checkpoint.batch_id(&replacement.flow).file_stem(), replacement);
            }
            None => work.same(&passed.takers, passed.untried),
        }
        summary.tally.merge(passed.tally);
    }
    summary.untried = work.untried();
    if summary.tally.rows > 0 {
        complete_flows(scope).await?;
    }
    scope.registrar.settle(scope).await;
    Ok(())
}

/// Commits what an earlier process left pending, and tidies.
async fn finish_pending(scope: Scope<'_>) -> Result<()> {
    let recover = || async { recover::recover(scope, &scope.store.progress(&scope.pipeline.name).await?).await };
    retry::retrying(scope, recover).await.map(|_| ())
}

/// A pass, and the epoch that it made, which is recorded; none when it would change nothing.
struct Prepared {
    passed: Passed,
    epoch: Option<(Checkpoint, Replacement)>,
}

async fn prepare(scope: Scope<'_>, source: &str, work: &Work) -> Result<Option<Prepared>> {
    let progress = scope.store.progress(&scope.pipeline.name).await?;
    let flows = takers(scope, source, &progress);
    let request = Request {
        source,
        flows: &flows,
        incarnation: &progress.incarnation,
        work,
        limits: limits(scope)?,
        purpose: Purpose::Commit,
    };
    let Some(passed) = pass(scope, request).await? else { return Ok(None) };
    if !passed.changed {
        return Ok(Some(Prepared { passed, epoch: None }));
    }
    let folder_name = folder_name(scope, &progress);
    let folder = staging_folder(scope.session, &scope.pipeline.name)?.join(&folder_name);
    let records = if passed.tally.rows > 0 { records(&flows, &passed, &progress) } else { Vec::new() };
    let (mut staged, bad, replacement) = stage(scope, request, &passed, &folder).await?;
    let mut aside = settle(scope, &progress, &folder, &mut staged).await?.flows;
    aside.push(bad);
    let checkpoint = record::record(scope, &progress, &folder_name, staged, records, aside, &Preloads::default()).await?;
    Ok(Some(Prepared { passed, epoch: Some((checkpoint, replacement)) }))
}

/// The flows of an epoch stay where they are.
fn records<'a>(flows: &[&'a Flow], passed: &Passed, progress: &Progress) -> Vec<FlowRecord<'a>> {
    let takers = passed.takers.iter().filter_map(|index| flows.get(*index));
    let record = |flow: &&'a Flow| {
        let stored = progress.flows.get(&flow.id).cloned().unwrap_or_default();
        let (offsets, identities) = (stored.offsets, stored.identities);
        FlowRecord { flow, rows_in: passed.tally.rows, bad_rows: 0, landed_at: None, offsets, identities }
    };
    takers.map(record).collect()
}

fn written(summary: &mut ReplaySummary, checkpoint: &Checkpoint, receipts: &[(String, Receipt)]) {
    summary.epochs += 1;
    for (id, receipt) in receipts {
        let flow = checkpoint.flows.iter().find(|flow| flow.flow == *id && flow.progress.is_some());
        if let Some(flow) = flow {
            summary.written(&flow.sink.name, receipt.rows);
        }
    }
}
