//! The loop of a server: looks at what is known, does what is decided, waits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, Utc};
use connectors::options::parse_duration;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::attempt::attempt;
use super::crashes;
use super::decide::{Decision, Facts, Start, decide};
use super::log;
use super::notices;
use super::relay::Relay;
use super::shared::Shared;
use super::watchers::Watchers;
use crate::cause::one_line;
use crate::state::{Cursor, LeaseRecord, OpenRequest, Pause};

/// Passes in a row that each move a cursor.
const MOST_PASSES: usize = 100;
/// How often the state store is asked what others did when it is a bucket and the settings do not say.
const POLL_BUCKET: Duration = Duration::from_secs(15);
/// How long a pipeline rests that could not be begun, or that somebody else was quicker to begin.
const REST: Duration = Duration::from_secs(2);
/// How often old runs are forgotten.
const PRUNE: Duration = Duration::from_secs(3_600);

/// How long a pipeline is to rest that was not run; none if it was.
type Begun = Result<Option<Duration>>;

/// What the state store says.
#[derive(Debug, Clone, Default, PartialEq)]
struct Stored {
    open: Vec<OpenRequest>,
    pauses: BTreeMap<String, Pause>,
    leases: Vec<LeaseRecord>,
    cursors: BTreeMap<(String, String), String>,
}

/// The loop's own.
#[derive(Debug)]
pub(super) struct Scheduler {
    shared: Arc<Shared>,
    /// Runs at the same time.
    slots: usize,
    /// How often the state store is asked what others did.
    poll: Duration,
    /// How long runs are remembered.
    keep: Duration,
    watchers: Watchers,
    relay: Relay,
    runs: JoinSet<(String, Begun)>,
    notices: JoinSet<()>,
    running: BTreeSet<String>,
    /// Pipelines that are left alone until then.
    resting: BTreeMap<String, DateTime<Utc>>,
    pruned_at: Option<DateTime<Utc>>,
    complaint: Option<String>,
}

impl Scheduler {
    /// As the settings say.
    ///
    /// # Errors
    /// A setting that makes no sense.
    pub(super) fn new(shared: Arc<Shared>) -> Result<Self> {
        let settings = &shared.session.settings;
        let slots = usize::try_from(settings.number("serve.concurrency")?)?;
        let span =
            |name: &str| Ok::<_, anyhow::Error>(parse_duration(settings.required(name)?).unwrap_or(Duration::from_secs(1)));
        let (mut poll, keep) = (span("serve.poll")?, span("serve.keep_runs")?);
        // There, each look is some requests for every pipeline.
        let in_bucket = settings.required("state.url")?.starts_with("s3");
        if in_bucket && settings.is_default("serve.poll") {
            poll = POLL_BUCKET;
        }
        Ok(Self {
            slots,
            poll,
            keep,
            watchers: Watchers::default(),
            relay: Relay::default(),
            runs: JoinSet::new(),
            notices: JoinSet::new(),
            running: BTreeSet::new(),
            resting: BTreeMap::new(),
            pruned_at: None,
            complaint: None,
            shared,
        })
    }

    /// Runs what is due until the server stops; then waits for what runs.
    pub(super) async fn work(mut self) {
        let shared = Arc::clone(&self.shared);
        let clock = Arc::clone(&shared.session.context.clock);
        let (mut before, mut wake_at) = (None, None);
        let mut is_caught_up = false;
        while !shared.stop.is_cancelled() {
            if !is_caught_up && shared.is_read() {
                notices::catch_up_all(&shared, &mut self.notices).await;
                is_caught_up = true;
            }
            self.watchers.adapt(&shared);
            match self.pass(&mut before, wake_at).await {
                Ok(found) => {
                    wake_at = found;
                    self.complaint = None;
                    shared.looked();
                }
                Err(error) => self.complain(&error),
            }
            let now = clock.now();
            let next = wake_at.and_then(|at| (at - now).to_std().ok()).unwrap_or(self.poll).min(self.poll);
            tokio::select! {
                () = clock.sleep(next) => {}
                () = shared.poked.notified() => {}
                Some(ended) = self.runs.join_next() => {
                    self.ended(ended);
                    // What it was for is to be looked at again.
                    wake_at = Some(now);
                }
                () = shared.stop.cancelled() => {}
            }
            while self.notices.try_join_next().is_some() {}
        }
        while let Some(ended) = self.runs.join_next().await {
            self.ended(ended);
        }
        // Who is not told now is told by the next server.
        tokio::select! {
            () = async { while self.notices.join_next().await.is_some() {} } => {}
            () = shared.abort.cancelled() => {}
        }
    }

    fn complain(&mut self, error: &anyhow::Error) {
        let error = one_line(error);
        if self.complaint.as_ref() != Some(&error) {
            tracing::error!(error, "the state store does not answer; nothing is begun until it does");
            self.complaint = Some(error);
        }
    }

    /// Looks, moves cursors until none is to be moved, begins runs. Says when to look again.
    async fn pass(
        &mut self,
        before: &mut Option<(Stored, u64)>,
        wake_at: Option<DateTime<Utc>>,
    ) -> Result<Option<DateTime<Utc>>> {
        self.prune().await;
        for _ in 0..MOST_PASSES {
            let now = self.shared.session.context.clock.now();
            self.relay.look(&self.shared).await?;
            let version = *self.shared.changed.borrow();
            let stored = stored(&self.shared, now).await?;
            let is_same = before.as_ref().is_some_and(|(known, seen)| *known == stored && *seen == version);
            if is_same && wake_at.is_none_or(|at| at > now) && self.resting.is_empty() {
                return Ok(wake_at);
            }
            self.resting.retain(|_, until| *until > now);
            let decision = self.decide(&stored, now);
            *before = Some((stored, version));
            if decision.moves.is_empty() {
                for start in decision.starts {
                    self.start(start);
                }
                return Ok(decision.wake_at.into_iter().chain(self.resting.values().copied()).min());
            }
            self.step(decision, now).await?;
            *before = None;
        }
        tracing::error!("cursors are moved again and again (this is a bug in engine; please report it)");
        Ok(None)
    }

    fn decide(&self, stored: &Stored, now: DateTime<Utc>) -> Decision {
        let here: BTreeSet<String> = self.running.iter().chain(self.resting.keys()).cloned().collect();
        decide(&Facts {
            now,
            pipelines: &self.shared.policies(),
            cursors: &stored.cursors,
            open: &stored.open,
            leases: &stored.leases,
            pauses: &stored.pauses,
            marks: &self.shared.marks(),
            here: &here,
            slots: self.slots.saturating_sub(self.running.len()),
        })
    }

    async fn step(&self, decision: Decision, now: DateTime<Utc>) -> Result<()> {
        for step in decision.moves {
            let (name, from) = (&step.name, step.from.as_deref());
            self.shared.store.move_cursor(&step.pipeline, name, from, &step.to, &step.requests, now).await?;
        }
        Ok(())
    }

    fn start(&mut self, start: Start) {
        let Some(entry) = self.shared.entry(&start.pipeline) else { return };
        self.running.insert(start.pipeline.clone());
        let (shared, workers) = (Arc::clone(&self.shared), self.shared.workers.handle().clone());
        // A thread for each: what a run computes between its tasks keeps nobody else waiting.
        let run = move || {
            let begun = async {
                if let Some(rest) = crashes::rest(&shared, &start).await? {
                    return Ok(Some(rest));
                }
                Ok((!attempt(&shared, &entry, &start).await?).then_some(REST))
            };
            let result = Handle::current().block_on(Box::pin(begun));
            (start.pipeline, result)
        };
        self.runs.spawn_blocking_on(run, &workers);
    }

    fn ended(&mut self, ended: Result<(String, Begun), tokio::task::JoinError>) {
        let Ok((pipeline, result)) = ended else {
            tracing::error!("a run's task was lost (this is a bug in engine; please report it)");
            return;
        };
        self.running.remove(&pipeline);
        self.shared.end(&pipeline);
        let rest = result.unwrap_or_else(|error| {
            tracing::info!(pipeline, error = one_line(&error), "not run now");
            Some(REST)
        });
        if let Some(rest) = rest {
            self.resting.insert(pipeline, self.shared.session.context.clock.now() + rest);
        } else if let Some(entry) = self.shared.entry(&pipeline) {
            let shared = Arc::clone(&self.shared);
            self.notices.spawn(async move { notices::catch_up(&shared, &entry).await });
        }
        self.relay.stir();
    }

    /// Forgets old runs, now and then.
    async fn prune(&mut self) {
        let now = self.shared.session.context.clock.now();
        if self.pruned_at.is_some_and(|at| at + PRUNE > now) {
            return;
        }
        self.pruned_at = Some(now);
        let (logs, before) = (self.shared.logs.clone(), (now - self.keep).into());
        if tokio::task::spawn_blocking(move || log::prune(&logs, before)).await.is_err() {
            tracing::warn!("old logs were not removed");
        }
        match self.shared.store.prune(now - self.keep).await {
            Ok(0) => {}
            Ok(runs) => tracing::info!(runs, "old runs were forgotten"),
            Err(error) => tracing::warn!(%error, "old runs were not forgotten"),
        }
    }
}

async fn stored(shared: &Shared, now: DateTime<Utc>) -> Result<Stored> {
    let store = &shared.store;
    let cursors = store.cursors().await?;
    Ok(Stored {
        open: store.open_requests(None).await?,
        pauses: store.pauses().await?,
        leases: store.leases(now).await?,
        cursors: cursors.into_iter().map(|Cursor { pipeline, name, value }| ((pipeline, name), value)).collect(),
    })
}
