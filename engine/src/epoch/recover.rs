//! What a killed run left behind, and what to do about it.
//!
//! Facts are read, a pure function decides, and only then is anything done.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use chrono_tz::Tz;
use connectors::faults::point;
use connectors::registry::connector;
use connectors::sink::{BatchId, Sink};
use connectors::stores::Location;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::preload::Preloads;
use super::{Scope, commit, finish, staging_folder};
use crate::serve::schedule::time_zone;
use crate::session::Session;
use crate::sql::Pipeline;
use crate::state::{Checkpoint, FlowCheckpoint, Progress};

/// What is known of one flow of a pending epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowFact {
    /// The flow.
    pub flow: String,
    /// Whether its sink has the batch.
    pub committed: bool,
    /// A staged file that is gone.
    pub missing: Option<String>,
}

/// What to do about a pending epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Commit every flow, then advance. A flow whose sink has the batch commits it once more, which writes nothing: what the
    /// killed commit still had to tidy, as files that an overwrite replaced, is tidied now.
    Finish,
    /// Rows that no sink has are gone: a person has to decide.
    Lost {
        /// The flow.
        flow: String,
        /// The file.
        file: String,
    },
}

/// Decides from facts alone.
pub fn decide(facts: &[FlowFact]) -> Decision {
    let mut open = facts.iter().filter(|fact| !fact.committed);
    match open.find_map(|fact| fact.missing.clone().map(|file| (fact.flow.clone(), file))) {
        Some((flow, file)) => Decision::Lost { flow, file },
        None => Decision::Finish,
    }
}

/// Finishes the pending epoch, if there is one, and removes what earlier runs left in the staging folder.
///
/// # Errors
/// When staged rows are gone, or the epoch can still not be committed.
pub async fn recover(scope: Scope<'_>, progress: &Progress) -> Result<bool> {
    let folder = staging_folder(scope.session, &scope.pipeline.name)?;
    let Some(checkpoint) = &progress.pending else {
        folder.clear(None).await?;
        return Ok(false);
    };
    tracing::info!(pipeline = scope.pipeline.name, epoch = checkpoint.epoch, "finishing an epoch that an earlier run left");
    let session = dated(scope.session, scope.pipeline, checkpoint);
    let scope = Scope { session: &session, ..scope };
    folder.clear(Some(&checkpoint.folder)).await?;
    match decide(&facts(scope, checkpoint, &folder).await?) {
        Decision::Finish => {
            point("recover-decided");
            let finished = finish(scope, checkpoint, Preloads::default()).await;
            finished.map_err(|error| unfinished(error, scope, checkpoint)).map(|()| true)
        }
        Decision::Lost { flow, file } => bail!(
            "epoch {} of pipeline '{}' was recorded but not committed to '{flow}', and its staged file {file} is gone; restore the file, or run with --from-scratch to read the sources again",
            checkpoint.epoch,
            checkpoint.pipeline
        ),
    }
}

fn unfinished(error: anyhow::Error, scope: Scope<'_>, checkpoint: &Checkpoint) -> anyhow::Error {
    let is_of_rows = matches!(error.downcast_ref(), Some(connectors::Error::Data { .. }));
    let why = if is_of_rows { "; what is wrong with its rows no new query changes" } else { ", which every run tries again" };
    error.context(format!(
        "epoch {} is staged and waits to be committed{why}: should it never go in, `engine run {} --discard-epoch` drops it and reads what \
         it has again",
        checkpoint.epoch,
        scope.pipeline.path.display()
    ))
}

/// The session with the date of the epoch: what `${run.date}` stands for in a sink's location.
fn dated(session: &Session, pipeline: &Pipeline, checkpoint: &Checkpoint) -> Session {
    let zone = time_zone(&pipeline.options.time_zone).unwrap_or(Tz::UTC);
    checkpoint.date.map_or_else(|| session.clone(), |date| session.dated(date, zone))
}

/// Removes what a pending epoch that nobody will commit left where its sinks load from. What cannot be removed is said: to forget an epoch is
/// also the way out where a sink cannot be reached any more.
pub async fn abandon(session: &Session, pipeline: &Pipeline, checkpoint: &Checkpoint) {
    let session = dated(session, pipeline, checkpoint);
    for flow in checkpoint.flows.iter().filter(|flow| !flow.is_refusal()) {
        let left = async {
            Ok::<_, anyhow::Error>(commit::open(&session, &flow.sink).await?.abandon(&checkpoint.batch_id(&flow.flow)).await?)
        };
        if let Err(error) = left.await {
            tracing::warn!(
                table = flow.sink.name,
                error = format!("{error:#}"),
                "what an epoch left that is forgotten was not removed"
            );
        }
    }
}

/// Drops the pending epoch, so that its rows are read again and meet the query as it is now. Flows whose sinks have it keep it, and go on behind
/// it.
///
/// # Errors
/// When a sink cannot say whether it has its rows: nothing is dropped then.
pub async fn discard(scope: Scope<'_>, progress: &Progress) -> Result<()> {
    let Some(checkpoint) = &progress.pending else {
        tracing::warn!(pipeline = scope.pipeline.name, "no epoch is pending: there is nothing to discard");
        return Ok(());
    };
    let session = dated(scope.session, scope.pipeline, checkpoint);
    let scope = Scope { session: &session, ..scope };
    let mut kept = checkpoint.clone();
    kept.flows.clear();
    let mut dropped = kept.clone();
    for flow in &checkpoint.flows {
        let is_kept = flow.is_refusal() || ask(scope, checkpoint, flow).await?.1;
        let of = if is_kept { &mut kept } else { &mut dropped };
        of.flows.push(flow.clone());
    }
    let names = |flows: &[FlowCheckpoint]| flows.iter().map(|flow| flow.flow.clone()).collect::<Vec<_>>().join(", ");
    tracing::warn!(
        epoch = checkpoint.epoch,
        kept = names(&kept.flows),
        of = names(&checkpoint.flows),
        "the pending epoch is discarded"
    );
    abandon(scope.session, scope.pipeline, &dropped).await;
    let kept = (!kept.flows.is_empty()).then_some(&kept);
    Ok(scope.store.drop_pending(scope.lease, kept).await?)
}

/// The sink of a flow, and whether it has its rows of the epoch.
async fn ask(scope: Scope<'_>, checkpoint: &Checkpoint, flow: &FlowCheckpoint) -> Result<(Arc<dyn Sink>, bool)> {
    let sink = commit::open(scope.session, &flow.sink).await?;
    let committed = sink.committed(&checkpoint.batch_id(&flow.flow)).await;
    let committed = committed.with_context(|| format!("whether '{}' has epoch {}", flow.sink.name, checkpoint.epoch))?;
    Ok((sink, committed))
}

async fn facts(scope: Scope<'_>, checkpoint: &Checkpoint, folder: &Location) -> Result<Vec<FlowFact>> {
    let mut facts = Vec::new();
    for flow in checkpoint.flows.iter().filter(|flow| !flow.is_refusal()) {
        let (sink, committed) = ask(scope, checkpoint, flow).await?;
        // Any batch of the flow: the place has it, under whatever name.
        if !committed && !sink.committed(&BatchId { epoch: 0, ..checkpoint.batch_id(&flow.flow) }).await? {
            check_place(scope, checkpoint, flow)?;
        }
        let mut missing = None;
        if !committed {
            for file in checkpoint.batch(flow)?.files {
                match folder.store.head(&Path::parse(&file.path)?).await {
                    Ok(_) => {}
                    Err(object_store::Error::NotFound { .. }) => missing = Some(file.path),
                    Err(error) => return Err(connectors::Error::from(error).into()),
                }
            }
        }
        facts.push(FlowFact { flow: flow.flow.clone(), committed, missing });
    }
    Ok(facts)
}

/// Rows that were staged for one place are not for another: there, the flow begins from the beginning.
fn check_place(scope: Scope<'_>, checkpoint: &Checkpoint, flow: &FlowCheckpoint) -> Result<()> {
    let Some(progress) = &flow.progress else { return Ok(()) };
    let table = scope.session.resolve(&flow.sink)?;
    let now = connector(&table.connector)?.place(&table, &scope.session.context)?;
    if now == progress.place {
        return Ok(());
    }
    let called = |place: &Option<String>| place.clone().unwrap_or_else(|| "the lake".to_owned());
    bail!(
        "epoch {} was staged for table '{}' in {} and is not committed, but [warehouse] is {} now; set it back until a run has \
         committed that epoch",
        checkpoint.epoch,
        flow.sink.name,
        called(&progress.place),
        called(&now)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(flow: &str, committed: bool, missing: Option<&str>) -> FlowFact {
        FlowFact { flow: flow.into(), committed, missing: missing.map(Into::into) }
    }

    #[test]
    fn an_epoch_is_finished_whatever_part_of_it_is_committed() {
        for committed in [[true, true], [true, false], [false, false]] {
            let facts = committed.map(|committed| fact("a", committed, None));
            assert_eq!(decide(&facts), Decision::Finish);
        }
    }

    #[test]
    fn a_missing_file_matters_only_while_its_rows_are_nowhere_else() {
        assert_eq!(decide(&[fact("a", true, Some("x"))]), Decision::Finish);
        let facts = [fact("a", false, None), fact("b", false, Some("x"))];
        assert_eq!(decide(&facts), Decision::Lost { flow: "b".into(), file: "x".into() });
    }
}
