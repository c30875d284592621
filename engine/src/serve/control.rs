//! What people and programs ask of a server, and tell it.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use connectors::options::nearest;
use tokio::sync::watch;

use super::decide::BY_HAND;
use super::entry::Entry;
use super::log;
use super::shared::Shared;
use super::view::{FileError, Live, LogPart, PipelineState, PipelineView};
use crate::session::Session;
use crate::state::{LeaseRecord, OpenRequest, Pause, Request, StateStore};

/// Logical dates of one backfill.
const MOST_DATES: usize = 10_000;

/// Why a server did not do what it was told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// There is no such pipeline.
    #[error("there is no pipeline '{name}'{}", nearest.as_ref().map(|near| format!("; did you mean '{near}'?")).unwrap_or_default())]
    NoSuchPipeline {
        /// What was asked for.
        name: String,
        /// What was probably meant.
        nearest: Option<String>,
    },
    /// What was asked for makes no sense.
    #[error("{0}")]
    Wrong(String),
    /// The state store, or what else it needs, does not answer.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

impl From<crate::state::StateError> for ControlError {
    fn from(error: crate::state::StateError) -> Self {
        Self::Other(error.into())
    }
}

/// A handle to a server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Control(pub(super) Arc<Shared>);

/// What is known of all pipelines at once.
struct Known {
    open: Vec<OpenRequest>,
    pauses: BTreeMap<String, Pause>,
    leases: Vec<LeaseRecord>,
}

impl Control {
    /// Settings, clock, stores.
    pub fn session(&self) -> &Session {
        &self.0.session
    }

    /// Runs, epochs, loads.
    pub fn store(&self) -> &Arc<dyn StateStore> {
        &self.0.store
    }

    /// Whether all files were looked at since the server was started.
    pub fn is_ready(&self) -> bool {
        self.0.is_read()
    }

    /// All pipelines, by name.
    ///
    /// # Errors
    /// When the state store does not answer.
    pub async fn pipelines(&self) -> Result<Vec<PipelineView>> {
        let known = self.known(None).await?;
        Ok(self.0.entries().values().map(|entry| self.view(entry, &known)).collect())
    }

    /// The names of all pipelines.
    pub fn names(&self) -> Vec<String> {
        self.0.entries().into_keys().collect()
    }

    /// The locations of all tables that pipelines declare.
    pub fn locations(&self) -> Vec<String> {
        let entries = self.0.entries();
        let nodes = entries.values().filter_map(|entry| entry.good.as_ref()).flat_map(|good| &good.graph.nodes);
        nodes.filter_map(|node| node.location.clone()).collect()
    }

    /// One pipeline.
    ///
    /// # Errors
    /// When the state store does not answer.
    pub async fn pipeline(&self, name: &str) -> Result<Option<PipelineView>> {
        let Some(entry) = self.0.entry(name) else { return Ok(None) };
        Ok(Some(self.view(&entry, &self.known(Some(name)).await?)))
    }

    async fn known(&self, pipeline: Option<&str>) -> Result<Known> {
        let store = &self.0.store;
        let leases = store.leases(self.0.session.context.clock.now()).await?;
        Ok(Known { open: store.open_requests(pipeline).await?, pauses: store.pauses().await?, leases })
    }

    fn view(&self, entry: &Entry, known: &Known) -> PipelineView {
        let now = self.0.session.context.clock.now();
        let policy = entry.good.as_ref().map(|good| &good.policy);
        let paused = known.pauses.get(&entry.name).cloned().or_else(|| {
            policy.filter(|policy| policy.paused).map(|_| Pause { at: now, by: "the file (pipeline.paused)".to_owned() })
        });
        let held = known.leases.iter().find(|lease| lease.pipeline == entry.name && !lease.is_over);
        let here = self.0.here(&entry.name).map(|here| here.run);
        let state = match held {
            Some(lease) => PipelineState::Running { run: lease.generation, here: here == Some(lease.generation) },
            None if entry.good.is_none() => PipelineState::Broken,
            None if paused.is_some() => PipelineState::Paused,
            None => PipelineState::Idle,
        };
        let waiting: Vec<OpenRequest> =
            known.open.iter().filter(|open| open.request.pipeline == entry.name && open.run.is_none()).cloned().collect();
        let schedule = policy.and_then(|policy| policy.schedule.as_ref());
        let tick = schedule.filter(|_| paused.is_none()).and_then(|schedule| {
            let tick = schedule.next_after(now)?;
            Some(tick + schedule.delay(&entry.name, tick))
        });
        PipelineView {
            name: entry.name.clone(),
            file: entry.path.display().to_string(),
            text: entry.good.as_ref().map_or_else(|| entry.text.clone(), |good| good.text.clone()),
            state,
            schedule: policy.and_then(|policy| policy.expression.clone()),
            schedule_words: schedule.map(|schedule| schedule.describe().to_owned()),
            time_zone: policy.map_or_else(|| "UTC".to_owned(), |policy| policy.zone.name().to_owned()),
            triggers: policy.map(triggers).unwrap_or_default(),
            next_run: waiting.iter().map(|open| open.request.due).chain(tick).min(),
            waiting,
            paused,
            errors: entry.errors.iter().cloned().chain(self.0.mistakes(&entry.name).into_iter().map(FileError::of_all)).collect(),
            graph: entry.good.as_ref().map(|good| good.graph.clone()).unwrap_or_default(),
        }
    }

    fn entry(&self, name: &str) -> Result<Arc<Entry>, ControlError> {
        self.0.entry(name).ok_or_else(|| {
            let entries = self.0.entries();
            let nearest = nearest(name, entries.keys().map(String::as_str)).map(str::to_owned);
            ControlError::NoSuchPipeline { name: name.to_owned(), nearest }
        })
    }

    /// Has a pipeline run as soon as can be, also if it is paused. Says whether that was not asked for already.
    ///
    /// # Errors
    /// No such pipeline; a file of which no version is good; a state store that does not answer.
    pub async fn run_now(&self, name: &str, by: &str) -> Result<bool, ControlError> {
        let entry = self.entry(name)?;
        if entry.good.is_none() {
            let first = entry.errors.first().map(|error| error.message.clone()).unwrap_or_default();
            return Err(ControlError::Wrong(format!("pipeline '{name}' cannot be run: {first}")));
        }
        let now = self.0.session.context.clock.now();
        let request = Request {
            pipeline: name.to_owned(),
            key: BY_HAND.to_owned(),
            reason: format!("{BY_HAND}, {by}"),
            due: now,
            date: None,
            attempt: 1,
        };
        let added = self.0.store.request(&request, now).await?;
        self.0.poke();
        Ok(added)
    }

    /// Has a pipeline not run by itself.
    ///
    /// # Errors
    /// No such pipeline; a state store that does not answer.
    pub async fn pause(&self, name: &str, by: &str) -> Result<(), ControlError> {
        self.entry(name)?;
        let pause = Pause { at: self.0.session.context.clock.now(), by: by.to_owned() };
        self.0.store.pause(name, Some(&pause)).await?;
        self.0.poke();
        Ok(())
    }

    /// Has it run by itself again.
    ///
    /// # Errors
    /// No such pipeline, or one that its file pauses; a state store that does not answer.
    pub async fn resume(&self, name: &str) -> Result<(), ControlError> {
        let entry = self.entry(name)?;
        self.0.store.pause(name, None).await?;
        self.0.poke();
        if entry.good.as_ref().is_some_and(|good| good.policy.paused) {
            let file = entry.path.display();
            return Err(ControlError::Wrong(format!(
                "pipeline '{name}' is paused by its file: take SET pipeline.paused out of {file}"
            )));
        }
        Ok(())
    }

    /// Has a pipeline run once for each logical date from `from` up to `to`, but for those that were done before: the times of its schedule,
    /// or days if it has none. Says how many.
    ///
    /// # Errors
    /// No such pipeline; no date, or too many; a state store that does not answer.
    pub async fn backfill(&self, name: &str, from: DateTime<Utc>, to: DateTime<Utc>, by: &str) -> Result<u64, ControlError> {
        let entry = self.entry(name)?;
        let Some(good) = &entry.good else {
            return Err(ControlError::Wrong(format!("pipeline '{name}' cannot be run: no version of its file is good")));
        };
        let dates = dates(&good.policy, from, to).map_err(ControlError::Wrong)?;
        let done = self.0.store.dates_done(name, from, to).await?;
        let now = self.0.session.context.clock.now();
        let mut added = 0;
        for date in dates.into_iter().filter(|date| !done.contains(date)) {
            added += u64::from(self.0.store.request(&of_date(name, date, "backfill", by, now), now).await?);
        }
        self.0.poke();
        Ok(added)
    }

    /// Has a pipeline run for one logical date, also if that is done. Says whether that was not asked for already.
    ///
    /// # Errors
    /// No such pipeline; a file of which no version is good; a state store that does not answer.
    pub async fn run_date(&self, name: &str, date: DateTime<Utc>, by: &str) -> Result<bool, ControlError> {
        if self.entry(name)?.good.is_none() {
            return Err(ControlError::Wrong(format!("pipeline '{name}' cannot be run: no version of its file is good")));
        }
        let now = self.0.session.context.clock.now();
        let added = self.0.store.request(&of_date(name, date, "again", by, now), now).await?;
        self.0.poke();
        Ok(added)
    }

    /// Ends a run of this process. What it committed stays. Says whether there was one.
    ///
    /// # Errors
    /// No such pipeline.
    pub async fn cancel(&self, name: &str, run: i64) -> Result<bool, ControlError> {
        self.entry(name)?;
        let here = self.0.here(name).filter(|here| here.run == run);
        Ok(here.inspect(|here| here.cancel.cancel()).is_some())
    }

    /// How far the run of a pipeline in this process is.
    pub fn live(&self, name: &str) -> Option<Live> {
        self.0.here(name).map(|here| here.live())
    }

    /// Changes when something does that is shown.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// A part of the log of a run, from byte `from` on.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn log(&self, name: &str, run: i64, from: u64) -> Result<LogPart> {
        // Looked at before the log is read: what is written afterwards is read next time.
        let goes_on = self.0.here(name).is_some_and(|here| here.run == run);
        let (folder, pipeline) = (self.0.logs.clone(), name.to_owned());
        let mut part = tokio::task::spawn_blocking(move || log::read(&folder, &pipeline, run, from)).await??;
        part.is_end &= !goes_on;
        Ok(part)
    }

    /// The metrics of all runs of this process, in Prometheus' text form.
    ///
    /// # Errors
    /// None that is known.
    pub fn metrics(&self) -> Result<String> {
        self.0.metrics.text()
    }
}

/// The request of a logical date; it is one request, whoever asks for the date.
fn of_date(pipeline: &str, date: DateTime<Utc>, why: &str, by: &str, now: DateTime<Utc>) -> Request {
    let stamp = date.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
    Request {
        pipeline: pipeline.to_owned(),
        key: format!("backfill {stamp}"),
        reason: format!("{why} {stamp}, {by}"),
        due: now,
        date: Some(date),
        attempt: 1,
    }
}

fn triggers(policy: &super::policy::Policy) -> Vec<String> {
    let all = if policy.triggers.all { "all of: " } else { "" };
    let each = policy.triggers.each.iter().map(|trigger| format!("{all}{trigger}"));
    each.chain(policy.after.iter().map(|after| super::decide::after_name(after))).collect()
}

/// The logical dates of a backfill.
///
/// # Errors
/// When there is none, or there are too many.
pub fn dates(policy: &super::policy::Policy, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<DateTime<Utc>>, String> {
    let mut dates = Vec::new();
    let before = from.checked_sub_signed(TimeDelta::milliseconds(1));
    let mut date = before.ok_or_else(|| format!("there are no dates as early as {from}"))?;
    loop {
        let next = match &policy.schedule {
            Some(schedule) => schedule.next_after(date),
            None if dates.is_empty() => Some(from),
            None => date.checked_add_signed(TimeDelta::days(1)),
        };
        match next.filter(|next| *next <= to) {
            Some(next) if dates.len() == MOST_DATES => {
                return Err(format!("there are over {MOST_DATES} dates up to {next}; ask for less at a time"));
            }
            Some(next) => {
                dates.push(next);
                date = next;
            }
            None => break,
        }
    }
    if dates.is_empty() {
        return Err(format!("there is no time of the schedule from {from} to {to}"));
    }
    Ok(dates)
}
