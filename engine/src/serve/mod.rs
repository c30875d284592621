//! `engine serve`: many pipelines, run by schedule, by trigger and by hand.
//!
//! ```text
//!  files ── shelf ─► entries ─┐                                  ┌─► attempt ─► the same epochs as `engine run`
//!  places ─ watchers ─► marks ┼─► scheduler: facts ─► decide ─►──┤
//!  state store ─ relay ───────┘                                  └─► notices
//! ```
//! What is to be run is a [`Request`](crate::state::Request) in the state store before anything is run, and it is there until a run has ended: an event is
//! not lost when the server is killed, and two servers on one store share the work, since one lease is had by one.

mod after;
mod attempt;
pub mod control;
mod crashes;
pub mod decide;
mod entry;
pub mod files;
pub mod graph;
mod log;
mod mail;
pub mod notice;
mod notices;
pub mod policy;
mod relay;
pub mod schedule;
mod scheduler;
mod shared;
mod shelf;
#[cfg(test)]
mod tests;
pub mod trigger;
pub mod view;
mod watchers;
pub mod web;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use connectors::options::parse_duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use control::{Control, ControlError};
pub use log::RunLogs;

use files::Place;
use scheduler::Scheduler;
use shared::Shared;
use shelf::Shelf;

use crate::memory;
use crate::session::Session;
use crate::state::StateStore;

/// A server of pipelines.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    shelf: Shelf,
    scheduler: Scheduler,
    /// How long runs have to end their epochs when the server stops.
    grace: Duration,
}

impl Server {
    /// Of the pipelines at `place`. Runs nothing yet. `stop` ends it.
    ///
    /// # Errors
    /// A setting that makes no sense.
    pub fn new(session: Session, store: Arc<dyn StateStore>, place: Place, stop: CancellationToken) -> Result<Self> {
        memory::share();
        let grace = parse_duration(session.settings.required("serve.grace")?).unwrap_or_default();
        let (logs, good) = (session.state_folder.join("logs"), session.state_folder.join("good"));
        let shared = Arc::new(Shared::new(session, store, logs, stop)?);
        let scheduler = Scheduler::new(Arc::clone(&shared))?;
        Ok(Self { shelf: Shelf::new(place, good), scheduler, shared, grace })
    }

    /// A handle to it.
    pub fn control(&self) -> Control {
        Control(Arc::clone(&self.shared))
    }

    /// Set, runs end at once instead of finishing their epochs.
    pub fn abort(&self) -> CancellationToken {
        self.shared.abort.clone()
    }

    /// Serves until it is stopped, and until what runs then has ended.
    pub async fn run(self) {
        let shared = Arc::clone(&self.shared);
        let mut beside = JoinSet::new();
        let shelf = self.shelf;
        beside.spawn({
            let shared = Arc::clone(&shared);
            async move { shelf.keep(&shared).await }
        });
        let grace = async {
            shared.stop.cancelled().await;
            let running = shared.running();
            if !running.is_empty() {
                let (running, grace_seconds) = (running.into_iter().collect::<Vec<_>>().join(", "), self.grace.as_secs());
                tracing::info!(running, grace_seconds, "stopping when epochs are done");
            }
            shared.session.context.clock.sleep(self.grace).await;
            shared.abort.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = self.scheduler.work() => {}
            () = grace => {}
        }
        beside.shutdown().await;
    }
}
