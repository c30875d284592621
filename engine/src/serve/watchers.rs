//! Who waits for files: a task for each place that triggers a pipeline.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use connectors::files::Arrivals;
use tokio_util::task::AbortOnDropHandle;

use super::shared::Shared;
use super::trigger::Trigger;

/// How long to wait after a fault.
const AGAIN: Duration = Duration::from_secs(30);

/// The tasks, by pipeline and place.
#[derive(Debug, Default)]
pub(super) struct Watchers(BTreeMap<(String, String), AbortOnDropHandle<()>>);

impl Watchers {
    /// Begins to watch what is not watched yet, and ends what nobody waits for any more.
    pub(super) fn adapt(&mut self, shared: &Arc<Shared>) {
        let wanted: BTreeSet<(String, String)> = wanted(shared);
        self.0.retain(|key, _| {
            let is_wanted = wanted.contains(key);
            if !is_wanted {
                shared.unmark(&key.0, &key.1);
            }
            is_wanted
        });
        for (pipeline, place) in wanted {
            let key = (pipeline.clone(), place.clone());
            let shared = Arc::clone(shared);
            self.0.entry(key).or_insert_with(|| AbortOnDropHandle::new(tokio::spawn(watch(shared, pipeline, place))));
        }
    }
}

fn wanted(shared: &Shared) -> BTreeSet<(String, String)> {
    let policies = shared.policies();
    let places = policies.iter().flat_map(|(name, policy)| {
        policy.triggers.each.iter().filter_map(move |trigger| match trigger {
            Trigger::Files(place) => Some((name.clone(), place.clone())),
            Trigger::Table(_) => None,
        })
    });
    places.collect()
}

/// Watches one place for ever.
async fn watch(shared: Arc<Shared>, pipeline: String, place: String) {
    let mut complaint = None;
    loop {
        let Err(error) = watched(&shared, &pipeline, &place).await;
        let error = crate::cause::one_line(&error);
        if complaint.as_ref() != Some(&error) {
            tracing::warn!(pipeline, place, error, "what triggers the pipeline cannot be watched; trying again");
            complaint = Some(error);
        }
        shared.session.context.clock.sleep(AGAIN).await;
    }
}

async fn watched(shared: &Arc<Shared>, pipeline: &str, place: &str) -> anyhow::Result<std::convert::Infallible> {
    let clock = &shared.session.context.clock;
    let location = shared.session.interpolated(place)?;
    let entry = shared.entry(pipeline);
    let zone = entry.as_ref().and_then(|entry| entry.good.as_ref()?.zone.as_ref()).map(|zone| &zone.settings);
    let queue = zone.and_then(|zone| zone.queue.as_deref()).or_else(|| shared.session.settings.text("serve.queue"));
    let mut arrivals = Arrivals::new(&location, queue, &shared.session.context)?;
    if let Some(zone) = zone {
        arrivals = arrivals.except(&zone.rejected);
    }
    loop {
        arrivals.listen().await?;
        let mut told = arrivals.names();
        let seen = arrivals.look().await?;
        shared.mark(pipeline, place, seen.0.clone());
        let next_look = clock.sleep(arrivals.poll());
        tokio::pin!(next_look);
        loop {
            if !told.is_empty() {
                // Whatever becomes of this process now, a run is asked for, or the next process sees that there are other files.
                shared.looked_at().await;
                arrivals.settle(&told).await?;
            }
            tokio::select! {
                () = &mut next_look => break,
                result = arrivals.told() => result?,
            }
            told = arrivals.names();
            if told.is_empty() {
                // A folder tells that something came, not what.
                break;
            }
            shared.mark(pipeline, place, format!("{} +{}", seen.0, clock.now().timestamp_millis()));
        }
    }
}
