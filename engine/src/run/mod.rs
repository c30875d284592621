//! A run: epochs of one pipeline until nothing is new, or until it is told to stop.

pub mod absent;
pub(crate) mod group;
pub mod metrics;
mod observer;
mod queries;
pub mod replay;
pub mod replay_summary;
mod retry;
mod same_name;
mod sources;
pub mod summary;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use connectors::source::{Offset, SliceLimits};
use datafusion::arrow::array::RecordBatch;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

pub use observer::{Observer, Watch};
pub use queries::SHOWN_ROWS;
use summary::Summary;

use crate::catalog::register::Registrar;
use crate::epoch::lease::{HeldLease, under_lease};
use crate::epoch::preload::Preloads;
use crate::epoch::record::FlowRecord;
use crate::epoch::stage::{self, Share};
use crate::epoch::whole::settle;
use crate::epoch::{Scope, finish, gone, quarantine, record, recover, slice, staging_folder};
use crate::flow::{Class, Flow, assign, plan};
use crate::memory;
use crate::session::Session;
use crate::sql::Pipeline;
use crate::state::{FlowProgress, Lease, Page, Progress, Purpose, StateStore};

/// How a run behaves.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunOptions {
    /// Keep going when there is nothing new.
    pub follow: bool,
    /// Forget the pipeline's progress first.
    pub from_scratch: bool,
    /// Drop a pending epoch first.
    pub discard_epoch: bool,
    /// The logical date that is made up for.
    pub date: Option<DateTime<Utc>>,
}

impl RunOptions {
    /// What a run of a person is for.
    fn purpose(self) -> Purpose {
        let reason = if self.date.is_some() { "backfill" } else { "" };
        Purpose { reason: reason.to_owned(), attempt: 1, date: self.date, due: None }
    }
}

/// A statement's result, in the order of the file.
pub type QueryResult = (String, Vec<RecordBatch>);

/// What a run leaves for its caller to show.
#[derive(Debug)]
pub struct Outcome {
    /// Totals by sink.
    pub summary: Summary,
    /// What `SELECT`, `COPY`, `EXPLAIN` returned.
    pub results: Vec<QueryResult>,
}

/// Runs the pipeline: recovery, then epochs.
///
/// `stop` ends the run after the epoch it is in.
///
/// # Errors
/// Another run holds the lease; a source, query or sink fails. What was committed stays.
pub async fn run(
    mut pipeline: Pipeline,
    session: &Session,
    store: Arc<dyn StateStore>,
    options: RunOptions,
    observer: &Observer,
    stop: &CancellationToken,
) -> Result<Outcome> {
    let (name, file) = (pipeline.name.clone(), pipeline.path.clone());
    if let Some(warning) = same_name::warning(store.as_ref(), &name, &file, session.context.clock.now()).await? {
        tracing::warn!("{warning}");
    }
    under_lease(Arc::clone(&store), (&name, &file), &options.purpose(), &session.context.clock, async |held: &HeldLease| {
        Box::pin(self::held(&mut pipeline, session, store.as_ref(), held.lease(), options, observer, stop)).await
    })
    .await
}

/// Runs a pipeline whose lease is held.
///
/// # Errors
/// As [`run`].
pub(crate) async fn held(
    pipeline: &mut Pipeline,
    session: &Session,
    store: &dyn StateStore,
    lease: &Lease,
    options: RunOptions,
    observer: &Observer,
    stop: &CancellationToken,
) -> Result<Outcome> {
    clean_temporary(session, &pipeline.name)?;
    if options.from_scratch {
        if let Some(pending) = &store.progress(&pipeline.name).await?.pending {
            recover::abandon(session, pipeline, pending).await;
        }
        store.forget(lease).await?;
        for table in pipeline.tables.keys() {
            session.source_folder(&pipeline.name, table)?.clear(None).await?;
        }
    }
    let progress = store.progress(&pipeline.name).await?;
    // What is dropped decides nothing.
    let known = if options.discard_epoch { &Progress { pending: None, ..progress.clone() } } else { &progress };
    assign::assign(pipeline, known, session).await?;
    observer.watch(pipeline.flows.iter().map(|flow| Watch {
        flow: flow.id.clone(),
        sink: flow.table.name.clone(),
        sources: flow.sources.clone(),
    }));
    if options.follow && !pipeline.queries.is_empty() {
        let lines: Vec<String> = pipeline.queries.iter().map(|query| pipeline.line(&query.span).to_string()).collect();
        tracing::warn!(lines = lines.join(", "), "SELECT, COPY and EXPLAIN are not run with --follow, which has no end");
    }
    let registrar = Registrar::new(session);
    if options.discard_epoch {
        let scope = Scope { pipeline, session, store, lease, observer, registrar: &registrar, stop };
        recover::discard(scope, &progress).await?;
    }
    gone::check_all(pipeline, store, &progress).await?;
    let mut is_first = true;
    loop {
        drain_and_adapt(pipeline, session, store, lease, options, (observer, &registrar), stop).await?;
        if std::mem::take(&mut is_first) {
            warn_of_absences(pipeline, store).await?;
        }
        if !options.follow || stop.is_cancelled() {
            break;
        }
        tokio::select! {
            () = session.context.clock.sleep(sources::poll_interval(pipeline)) => {}
            changed = sources::changed(pipeline) => changed?,
            () = stop.cancelled() => break,
        }
    }
    let scope = Scope { pipeline, session, store, lease, observer, registrar: &registrar, stop };
    let results = if options.follow || stop.is_cancelled() { Vec::new() } else { queries::run(scope).await? };
    let progress = store.progress(&pipeline.name).await?;
    let last_epoch = progress.next_epoch.saturating_sub(1);
    let summary = Summary {
        file: pipeline.path.display().to_string(),
        had_nothing: had_nothing(store, &pipeline.name, &progress).await?,
        ..observer.summary(&pipeline.name, last_epoch)
    };
    Ok(Outcome { summary, results })
}

async fn warn_of_absences(pipeline: &Pipeline, store: &dyn StateStore) -> Result<()> {
    for absence in absent::absences(pipeline, &store.progress(&pipeline.name).await?).await {
        tracing::warn!("{absence}");
    }
    Ok(())
}

/// Epochs without a row that a pipeline may have and be as good as new.
const EMPTY_EPOCHS: u32 = 100;

/// Whether no epoch has brought a row yet: the first of a source in which there is nothing only says where that begins.
async fn had_nothing(store: &dyn StateStore, pipeline: &str, progress: &Progress) -> Result<bool> {
    if progress.next_epoch > u64::from(EMPTY_EPOCHS) {
        return Ok(false);
    }
    let page = Page { pipeline: Some(pipeline.to_owned()), limit: EMPTY_EPOCHS, ..Page::default() };
    let epochs = store.epochs(&page).await?;
    let mut own = epochs.iter().filter(|epoch| epoch.incarnation == progress.incarnation);
    // What an epoch brought is not known of one that an earlier version recorded.
    Ok(own.all(|epoch| epoch.totals.is_some_and(|totals| totals.rows_in + totals.rows_written + totals.bad_rows == 0)))
}

/// Times in a row that a pipeline is planned anew because a source had new columns. Each time there is at least one more.
const MOST_REPLANS: u32 = 100;

/// Epochs until no flow finds anything new. When a source turns out to have new columns, the pipeline is planned anew with them.
async fn drain_and_adapt(
    pipeline: &mut Pipeline,
    session: &Session,
    store: &dyn StateStore,
    lease: &Lease,
    options: RunOptions,
    (observer, registrar): (&Observer, &Registrar),
    stop: &CancellationToken,
) -> Result<()> {
    for _ in 0..MOST_REPLANS {
        if options.follow {
            sources::listen(pipeline).await?;
        }
        let drained = drain(Scope { pipeline, session, store, lease, observer, registrar, stop }).await;
        let Err(error) = drained else { return Ok(()) };
        plan_anew(pipeline, session, store, error).await?;
    }
    Err(planned_too_often(pipeline))
}

/// Plans the pipeline with the columns that a source turned out to have.
///
/// # Errors
/// When `error` is another than that, itself; when the file does not go with the columns.
async fn plan_anew(pipeline: &mut Pipeline, session: &Session, store: &dyn StateStore, error: anyhow::Error) -> Result<()> {
    let Some(connectors::Error::SchemaChanged { message }) = error.downcast_ref() else { return Err(error) };
    tracing::info!(message, "planned anew");
    // Whoever runs it may have set what the file does not, and runs this text: the file may be another by now, wrong, or in a bucket.
    let options = pipeline.options.clone();
    let planned = Pipeline::parse(&pipeline.path, pipeline.text.clone(), session).await;
    *pipeline = planned.map_err(|errors| {
        let place = pipeline.path.display().to_string();
        let errors: Vec<String> = errors.iter().map(|error| error.render(&place, &pipeline.text)).collect();
        anyhow::anyhow!("{message}; with them the pipeline is wrong:\n{}", errors.join("\n"))
    })?;
    pipeline.options = options;
    assign::assign(pipeline, &store.progress(&pipeline.name).await?, session).await
}

fn planned_too_often(pipeline: &Pipeline) -> anyhow::Error {
    anyhow::anyhow!(
        "pipeline '{}' was planned anew {MOST_REPLANS} times in a row (this is a bug in engine; please report it)",
        pipeline.name
    )
}

/// Slices and spill files of runs that were killed.
fn clean_temporary(session: &Session, pipeline: &str) -> Result<()> {
    let folder = session.temporary_folder(pipeline);
    match std::fs::remove_dir_all(&folder) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot remove {}", folder.display())),
    }
}

/// Epochs until no flow finds anything new.
async fn drain(scope: Scope<'_>) -> Result<()> {
    // What planning took is free by now.
    memory::give_back_part();
    let mut drained = BTreeSet::new();
    let mut recovered = false;
    while !scope.stop.is_cancelled() {
        let progress = scope.store.progress(&scope.pipeline.name).await?;
        if !recovered || progress.pending.is_some() {
            retry::retrying(scope, || async {
                recover::recover(scope, &scope.store.progress(&scope.pipeline.name).await?).await
            })
            .await?;
            recovered = true;
            continue;
        }
        let open = scope.pipeline.flows.iter().filter(|flow| flow.class == Class::Stateless && !drained.contains(&flow.id));
        let groups = group::groups(open, |source| identity(scope.pipeline, source), mark(scope.pipeline), &progress.flows);
        let Some(group) = groups.into_iter().next() else { break };
        let more = retry::retrying(scope, || incremental_epoch(scope, &group)).await?;
        sources::committed(scope).await?;
        if !more {
            drained.extend(group.flows.iter().map(|flow| flow.id.clone()));
        }
    }
    sources::forget_offsets(scope).await?;
    complete_flows(scope).await?;
    scope.registrar.settle(scope).await;
    Ok(())
}

/// One epoch of flows that stand at the same offsets. Says whether there is more right now.
async fn incremental_epoch(scope: Scope<'_>, group: &group::Group<'_>) -> Result<bool> {
    let progress = scope.store.progress(&scope.pipeline.name).await?;
    if progress.pending.is_some() {
        // An attempt before this one recorded its epoch, and failed to commit it.
        recover::recover(scope, &progress).await?;
        return Ok(true);
    }
    let wanted = plan::wanted(&group.flows, &scope.pipeline.context.state())?;
    let slices = slice::slice(scope, &group.offsets, &wanted, limits(scope)?).await?;
    let moved = slices
        .by_source
        .iter()
        .any(|(source, slice)| group.offsets.get(source).cloned().flatten().as_ref() != Some(&slice.end.offset));
    // A source may have moved on without a row, to the end of what it had announced: that is progress too.
    if slices.is_empty() && !moved {
        return Ok(false);
    }
    let folder_name = folder_name(scope, &progress);
    let folder = staging_folder(scope.session, &scope.pipeline.name)?.join(&folder_name);
    record::check_tables(scope, &progress, group.flows.iter().copied()).await?;
    let mut preloads = Preloads::of(scope, &group.flows)?;
    let mut staged = stage::stage(scope, &group.flows, &slices.tables(), &folder, Share::OfAnInput, &mut preloads).await?;
    let settled = settle(scope, &progress, &folder, &mut staged).await?;
    let quarantined = quarantine::stage(scope, &slices, &group.flows, &progress, &folder, &mut staged).await?;
    let records = group.flows.iter().map(|flow| {
        let read = flow.sources.iter().filter_map(|source| Some((source, slices.by_source.get(source)?)));
        FlowRecord {
            flow,
            rows_in: read.clone().map(|(_, slice)| slice.rows).sum(),
            bad_rows: read.clone().map(|(_, slice)| slice.bad_rows()).sum::<u64>() + settled.put_aside(&flow.id),
            landed_at: read.clone().filter_map(|(_, slice)| slice.end.landed_at).max(),
            identities: flow.sources.iter().map(|source| (source.clone(), identity(scope.pipeline, source))).collect(),
            offsets: read.map(|(source, slice)| (source.clone(), slice.end.offset.clone())).collect(),
        }
    });
    let records = records.collect();
    let aside = settled.flows.into_iter().chain(quarantined).collect();
    let checkpoint = record::record(scope, &progress, &folder_name, staged, records, aside, &preloads).await?;
    finish(scope, &checkpoint, preloads).await?;
    Ok(slices.more())
}

fn mark(pipeline: &Pipeline) -> impl Fn(&str, &Offset) -> String {
    |name, offset| pipeline.source(name).map_or_else(|| offset.0.clone(), |source| source.mark(offset))
}

fn identity(pipeline: &Pipeline, source: &str) -> String {
    pipeline.source(source).map(|source| source.identity()).unwrap_or_default()
}

fn limits(scope: Scope<'_>) -> Result<SliceLimits> {
    let set = scope.session.limits()?;
    let own = &scope.pipeline.options;
    let or = |own: u64, set: u64| if own == 0 { set } else { own };
    Ok(SliceLimits { rows: or(own.epoch_rows, set.rows).max(1), bytes: or(own.epoch_bytes, set.bytes).max(1) })
}

/// Never the folder of another process: the lease's generation is in its name.
fn folder_name(scope: Scope<'_>, progress: &Progress) -> String {
    format!("{}-{:08}-{}", progress.incarnation, progress.next_epoch, scope.lease.generation)
}

/// Runs every complete flow one of whose tables changed, until none has; a flow may read what another writes.
async fn complete_flows(scope: Scope<'_>) -> Result<()> {
    let flows: Vec<&Flow> = scope.pipeline.flows.iter().filter(|flow| flow.class == Class::Complete).collect();
    for _ in 0..flows.len() {
        let mut changed = false;
        for flow in &flows {
            if scope.stop.is_cancelled() {
                return Ok(());
            }
            changed |= retry::retrying(scope, || complete_epoch(scope, flow)).await?;
        }
        if !changed {
            break;
        }
    }
    Ok(())
}

/// How the files that a complete flow reads whole are declared: repaired, such a table may have other rows of the same files.
fn declarations(pipeline: &Pipeline, flow: &Flow) -> BTreeMap<String, String> {
    let declared = |name: &String| {
        pipeline.source(name)?;
        let spec = &pipeline.tables.get(name)?.spec;
        let text =
            serde_json::json!([spec.connector, spec.location, spec.partition_by, spec.options, format!("{:?}", spec.columns)]);
        Some((name.clone(), hex::encode(&Sha256::digest(text.to_string())[..8])))
    };
    flow.bounded.iter().filter_map(declared).collect()
}

/// Computes one complete flow anew if its tables or its query changed.
async fn complete_epoch(scope: Scope<'_>, flow: &Flow) -> Result<bool> {
    let progress = scope.store.progress(&scope.pipeline.name).await?;
    if progress.pending.is_some() {
        recover::recover(scope, &progress).await?;
        return Ok(true);
    }
    let versions = scope.pipeline.refresh(scope.session).await?;
    // What is of another catalog has no version: it counts as changed once a run.
    let unknown = |table: &str| if table.contains('.') { scope.lease.generation.to_string() } else { String::new() };
    let version = |table: &String| Offset(versions.get(table).cloned().unwrap_or_else(|| unknown(table)));
    let offsets = flow.bounded.iter().map(|table| (table.clone(), version(table)));
    let then = progress.flows.get(&flow.id);
    let now = FlowProgress {
        fingerprint: flow.fingerprint.clone(),
        sink: flow.table.name.clone(),
        place: flow.place.clone(),
        // What an earlier version did not store has not changed for that.
        declared: then.is_none_or(|then| then.declared.is_some()).then(|| flow.declared()),
        offsets: offsets.collect(),
        identities: declarations(scope.pipeline, flow),
        dated: BTreeMap::new(),
    };
    let is_due = gone::is_due(scope.store, &scope.pipeline.name, &progress, flow).await?;
    if then == Some(&now) && !is_due {
        return Ok(false);
    }
    // The tables may have other types than when the file was read: some did not exist then.
    let current = scope.pipeline.plan_again(flow, scope.session).await?;
    let folder_name = folder_name(scope, &progress);
    let folder = staging_folder(scope.session, &scope.pipeline.name)?.join(&folder_name);
    record::check_tables(scope, &progress, [&current]).await?;
    let mut preloads = Preloads::of(scope, &[&current])?;
    let mut staged = stage::stage(scope, &[&current], &BTreeMap::new(), &folder, Share::OfAnInput, &mut preloads).await?;
    let rows_in = staged.stages.iter().map(crate::state::StageCheckpoint::rows).sum();
    let settled = settle(scope, &progress, &folder, &mut staged).await?;
    let bad_rows = settled.put_aside(&current.id);
    let (offsets, identities) = (now.offsets, now.identities);
    let record = FlowRecord { flow: &current, rows_in, bad_rows, landed_at: None, offsets, identities };
    let checkpoint = record::record(scope, &progress, &folder_name, staged, vec![record], settled.flows, &preloads).await?;
    finish(scope, &checkpoint, preloads).await?;
    Ok(true)
}
