//! What the parts of a server share.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::after;
use super::entry::Entry;
use super::policy::Policy;
use super::view::Live;
use super::workers::Workers;
use crate::run::Observer;
use crate::run::metrics::Metrics;
use crate::session::Session;
use crate::state::StateStore;

/// Shared by the parts of a server.
#[derive(Debug)]
pub(super) struct Shared {
    /// Settings, clock, stores.
    pub(super) session: Session,
    /// Where progress lives.
    pub(super) store: Arc<dyn StateStore>,
    /// The folder of the runs' logs.
    pub(super) logs: PathBuf,
    /// What runs are run by.
    pub(super) workers: Workers,
    /// Of all runs.
    pub(super) metrics: Metrics,
    /// Runs end after the epoch that they are in; none is begun.
    pub(super) stop: CancellationToken,
    /// Runs end at once.
    pub(super) abort: CancellationToken,
    /// The scheduler should look.
    pub(super) poked: Notify,
    /// Counts what changes of what is shown.
    pub(super) changed: watch::Sender<u64>,
    shelf: Mutex<Entries>,
    /// Counts the scheduler's looks.
    looks: watch::Sender<u64>,
    marks: Mutex<BTreeMap<(String, String), String>>,
    here: Mutex<BTreeMap<String, Here>>,
    /// Held by who tells how runs of a pipeline ended.
    telling: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// The files, and what follows from them.
#[derive(Debug, Default)]
struct Entries {
    all: BTreeMap<String, Arc<Entry>>,
    /// Of those that can be run.
    policies: Arc<BTreeMap<String, Policy>>,
    /// What is wrong with some beside the others.
    mistakes: BTreeMap<String, Vec<String>>,
    /// Counts the changes.
    version: u64,
    /// All files were looked at, once at least.
    is_read: bool,
}

impl Entries {
    fn settle(&mut self) {
        let good = self.all.iter().filter_map(|(name, entry)| Some((name.clone(), entry.good.as_ref()?.policy.clone())));
        let (mut policies, known) = (good.collect(), self.all.keys().cloned().collect());
        let mistakes = after::settle(&mut policies, &known);
        // Before all files were read, some are not there that will be.
        if self.is_read {
            for (pipeline, mistake) in mistakes.iter().flat_map(|(name, all)| all.iter().map(move |mistake| (name, mistake))) {
                if !self.mistakes.get(pipeline).is_some_and(|before| before.contains(mistake)) {
                    tracing::warn!(pipeline, "{mistake}");
                }
            }
            self.mistakes = mistakes;
        }
        self.policies = Arc::new(policies);
        self.version += 1;
    }
}

/// A run in this process.
#[derive(Debug, Clone)]
pub(super) struct Here {
    /// Which.
    pub(super) run: i64,
    /// When it began.
    pub(super) started_at: DateTime<Utc>,
    /// Why.
    pub(super) reason: String,
    /// Who watches it.
    pub(super) observer: Arc<Observer>,
    /// Ends it.
    pub(super) cancel: CancellationToken,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(
        session: Session,
        store: Arc<dyn StateStore>,
        logs: PathBuf,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            session,
            store,
            logs,
            workers: Workers::start("pipelines")?,
            metrics: Metrics::new()?,
            stop,
            abort: CancellationToken::new(),
            poked: Notify::new(),
            changed: watch::Sender::new(0),
            shelf: Mutex::default(),
            looks: watch::Sender::new(0),
            marks: Mutex::default(),
            here: Mutex::default(),
            telling: Mutex::default(),
        })
    }

    /// Something is other than it was: the scheduler looks, and so does who shows it.
    pub(super) fn poke(&self) {
        self.poked.notify_one();
        self.changed.send_modify(|count| *count += 1);
    }

    /// All files, by pipeline.
    pub(super) fn entries(&self) -> BTreeMap<String, Arc<Entry>> {
        locked(&self.shelf).all.clone()
    }

    /// The file of a pipeline.
    pub(super) fn entry(&self, name: &str) -> Option<Arc<Entry>> {
        locked(&self.shelf).all.get(name).cloned()
    }

    /// What is wrong with a pipeline beside the others.
    pub(super) fn mistakes(&self, name: &str) -> Vec<String> {
        locked(&self.shelf).mistakes.get(name).cloned().unwrap_or_default()
    }

    /// When pipelines are run, of those that can be.
    pub(super) fn policies(&self) -> Arc<BTreeMap<String, Policy>> {
        Arc::clone(&locked(&self.shelf).policies)
    }

    /// Changes when a file does.
    pub(super) fn version(&self) -> u64 {
        locked(&self.shelf).version
    }

    /// All files were looked at.
    pub(super) fn set_read(&self) {
        let mut shelf = locked(&self.shelf);
        shelf.is_read = true;
        shelf.settle();
        drop(shelf);
        self.poke();
    }

    /// Whether all files were looked at, once at least.
    pub(super) fn is_read(&self) -> bool {
        locked(&self.shelf).is_read
    }

    /// A file is so now.
    pub(super) fn put_entry(&self, entry: Entry) {
        let mut shelf = locked(&self.shelf);
        shelf.all.insert(entry.name.clone(), Arc::new(entry));
        shelf.settle();
        drop(shelf);
        self.poke();
    }

    /// A file is gone.
    pub(super) fn forget_entry(&self, name: &str) {
        let mut shelf = locked(&self.shelf);
        shelf.all.remove(name);
        shelf.settle();
        drop(shelf);
        self.poke();
    }

    /// The scheduler has looked at all there is.
    pub(super) fn looked(&self) {
        self.looks.send_modify(|count| *count += 1);
    }

    /// Returns when the scheduler has looked at what there is now, and kept what follows from it.
    pub(super) async fn looked_at(&self) {
        let mut looks = self.looks.subscribe();
        // The look that goes on may have begun before.
        for _ in 0..2 {
            self.poked.notify_one();
            if looks.changed().await.is_err() {
                return;
            }
        }
    }

    /// How triggers look, by pipeline and trigger.
    pub(super) fn marks(&self) -> BTreeMap<(String, String), String> {
        locked(&self.marks).clone()
    }

    /// A trigger looks so now.
    pub(super) fn mark(&self, pipeline: &str, trigger: &str, mark: String) {
        let before = locked(&self.marks).insert((pipeline.to_owned(), trigger.to_owned()), mark.clone());
        if before.as_ref() != Some(&mark) {
            self.poke();
        }
    }

    /// Nobody waits for a trigger any more.
    pub(super) fn unmark(&self, pipeline: &str, trigger: &str) {
        locked(&self.marks).remove(&(pipeline.to_owned(), trigger.to_owned()));
    }

    /// To be held while it is told how runs of a pipeline ended.
    pub(super) fn telling(&self, pipeline: &str) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(locked(&self.telling).entry(pipeline.to_owned()).or_default())
    }

    /// A run begins in this process.
    pub(super) fn begin(&self, pipeline: &str, here: Here) {
        locked(&self.here).insert(pipeline.to_owned(), here);
        self.changed.send_modify(|count| *count += 1);
    }

    /// It has ended.
    pub(super) fn end(&self, pipeline: &str) {
        locked(&self.here).remove(pipeline);
        self.changed.send_modify(|count| *count += 1);
    }

    /// The run of a pipeline in this process.
    pub(super) fn here(&self, pipeline: &str) -> Option<Here> {
        locked(&self.here).get(pipeline).cloned()
    }

    /// What runs in this process.
    pub(super) fn running(&self) -> BTreeSet<String> {
        locked(&self.here).keys().cloned().collect()
    }
}

impl Here {
    /// How far it is.
    pub(super) fn live(&self) -> Live {
        let (run, started_at, reason) = (self.run, self.started_at, self.reason.clone());
        Live { run, started_at, reason, flows: self.observer.live() }
    }
}
