//! Telling how runs ended: each at least once, also when the server was killed between a run and its notice.

use std::sync::Arc;

use anyhow::Result;
use tokio::task::JoinSet;

use super::entry::Entry;
use super::notice::Target;
use super::policy::Policy;
use super::shared::Shared;
use crate::cause::one_line;
use crate::state::{Page, RunRecord, RunStatus};

/// The cursor of a pipeline that is the last of its runs that was told of.
const TOLD: &str = "told";
/// Runs that are looked back at.
const MOST: u32 = 50;

/// Tells of the runs of all pipelines that ended before this server was there.
pub(super) async fn catch_up_all(shared: &Arc<Shared>, tasks: &mut JoinSet<()>) {
    let Ok(cursors) = shared.store.cursors().await else { return };
    for cursor in cursors.into_iter().filter(|cursor| cursor.name == TOLD) {
        if let Some(entry) = shared.entry(&cursor.pipeline) {
            let shared = Arc::clone(shared);
            tasks.spawn(async move { catch_up(&shared, &entry).await });
        }
    }
}

/// Tells of the runs of a pipeline that ended since those that were told of. One after another does so in this process: who comes second finds
/// what the first has not seen.
pub(super) async fn catch_up(shared: &Shared, entry: &Entry) {
    let telling = shared.telling(&entry.name);
    let _alone = telling.lock().await;
    if let Err(error) = told_all(shared, entry).await {
        tracing::warn!(
            pipeline = entry.name,
            error = one_line(&error),
            "how runs ended was not told; it is when the next one has ended"
        );
    }
}

async fn told_all(shared: &Shared, entry: &Entry) -> Result<()> {
    let Some(policy) = entry.good.as_ref().map(|good| &good.policy) else { return Ok(()) };
    if policy.on_failure.is_empty() && policy.on_success.is_empty() {
        return Ok(());
    }
    // What another server has told of is not told again; what it has not seen yet is.
    for _ in 0..MOST {
        if told(shared, entry, policy).await? {
            break;
        }
    }
    Ok(())
}

/// Tells until all is told; not if another server tells too.
async fn told(shared: &Shared, entry: &Entry, policy: &Policy) -> Result<bool> {
    let now = shared.session.context.clock.now();
    let page = Page { pipeline: Some(entry.name.clone()), limit: MOST, ..Page::default() };
    let mut runs = shared.store.runs(&page, now).await?;
    runs.retain(|run| run.ended_at.is_some());
    runs.sort_by_key(|run| run.run);
    let cursors = shared.store.cursors().await?;
    let cursor =
        cursors.into_iter().find(|cursor| cursor.pipeline == entry.name && cursor.name == TOLD).map(|cursor| cursor.value);
    // Of a pipeline that has just been given somebody to tell, its last run is told.
    let last_told = cursor.as_ref().and_then(|text| text.parse().ok()).or_else(|| Some(runs.last()?.run - 1));
    let session = shared.session.clone();
    let session = tokio::task::spawn_blocking(move || session.renewed()).await??;
    let client = reqwest::Client::builder().user_agent(concat!("engine/", env!("CARGO_PKG_VERSION"))).build()?;
    let mut from = cursor;
    for run in runs.iter().filter(|run| Some(run.run) > last_told) {
        for target in targets(run, &policy.on_failure, &policy.on_success) {
            match target.tell(run, &session, &client).await {
                Ok(()) => tracing::info!(pipeline = entry.name, run = run.run, %target, "told"),
                Err(error) => {
                    tracing::error!(pipeline = entry.name, run = run.run, error = one_line(&error), "a notice was lost")
                }
            }
        }
        let to = run.run.to_string();
        if !shared.store.move_cursor(&entry.name, TOLD, from.as_deref(), &to, &[], now).await? {
            return Ok(false);
        }
        from = Some(to);
    }
    Ok(true)
}

/// Who is to be told of a run.
fn targets<'a>(run: &RunRecord, on_failure: &'a [Target], on_success: &'a [Target]) -> &'a [Target] {
    match run.status {
        RunStatus::Done => on_success,
        RunStatus::Failed if run.again_at.is_none() => on_failure,
        _ => &[],
    }
}
