//! The sources of a run beside their slices: listened to while it follows, told what was committed, and what they may forget.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use connectors::source::{Offset, Source};
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use crate::epoch::Scope;
use crate::sql::Pipeline;
use crate::state::Progress;

/// How long to wait for a source that does not say.
const POLL: Duration = Duration::from_secs(60);

/// The sources that flows of the pipeline read incrementally, by name.
fn sources(pipeline: &Pipeline) -> impl Iterator<Item = (&String, &Arc<dyn Source>)> {
    let names: BTreeSet<&String> = pipeline.flows.iter().flat_map(|flow| &flow.sources).collect();
    names.into_iter().filter_map(|name| Some((name, pipeline.source(name)?)))
}

/// Listens to the sources from now on.
///
/// # Errors
/// Names the source that cannot be listened to.
pub(super) async fn listen(pipeline: &Pipeline) -> Result<()> {
    for (name, source) in sources(pipeline) {
        source.listen().await.with_context(|| pipeline.place_of(name))?;
    }
    Ok(())
}

/// Returns when some source may have something new.
///
/// # Errors
/// Names the source that will not be told any more.
pub(super) async fn changed(pipeline: &Pipeline) -> Result<()> {
    let mut waits: FuturesUnordered<_> = sources(pipeline)
        .map(|(name, source)| async move { source.changed().await.with_context(|| pipeline.place_of(name)) })
        .collect();
    match waits.next().await {
        Some(first) => first,
        None => std::future::pending().await,
    }
}

/// How long to wait before the sources are asked again, although none has said anything.
pub(super) fn poll_interval(pipeline: &Pipeline) -> Duration {
    sources(pipeline).map(|(_, source)| source.poll_interval()).min().unwrap_or(POLL)
}

/// Tells the sources what is in all sinks.
///
/// # Errors
/// Names the source that could not pass it on.
pub(super) async fn committed(scope: Scope<'_>) -> Result<()> {
    let progress = scope.store.progress(&scope.pipeline.name).await?;
    if progress.pending.is_some() {
        return Ok(());
    }
    for (name, source) in sources(scope.pipeline) {
        if let Some(live) = reached(scope.pipeline, &progress, name, source) {
            source.committed(&live).await.with_context(|| scope.pipeline.place_of(name))?;
        }
    }
    Ok(())
}

/// Where all flows stand that read a source; `None` while one of them has not begun.
fn reached<'a>(pipeline: &Pipeline, progress: &'a Progress, name: &str, source: &Arc<dyn Source>) -> Option<Vec<&'a Offset>> {
    let identity = source.identity();
    let flows = pipeline.flows.iter().filter(|flow| flow.sources.contains(name));
    flows.map(|flow| progress.flows.get(&flow.id)?.offset(name, &identity)).collect()
}

/// There is nothing more to read: lets the sources pass on what was committed, and drop what they kept for offsets that are no more.
///
/// # Errors
/// Names the source.
pub(super) async fn forget_offsets(scope: Scope<'_>) -> Result<()> {
    let progress = scope.store.progress(&scope.pipeline.name).await?;
    if progress.pending.is_some() {
        return Ok(());
    }
    committed(scope).await?;
    for (name, source) in sources(scope.pipeline) {
        let identity = source.identity();
        let live: Vec<&Offset> = progress.flows.values().filter_map(|flow| flow.offset(name, &identity)).collect();
        source.retain(&live).await.with_context(|| scope.pipeline.place_of(name))?;
    }
    Ok(())
}
