//! A place of state, opened as often as a test wants, and what is put into it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use connectors::context::TableSpec;
use connectors::sink::WriteMode;
use connectors::source::Offset;
use connectors::staging::StagedFile;
use datafusion::arrow::datatypes::Schema;
use engine::config::Settings;
use engine::session::{Purpose as SessionPurpose, Session};
use engine::state::{
    self, Acquired, Checkpoint, FlowCheckpoint, FlowProgress, Holder, Lease, Purpose, Result, StageCheckpoint, StateError,
    StateStore,
};
use tempfile::TempDir;

/// How long a lease lasts.
pub(crate) const TTL: Duration = Duration::from_secs(60);

/// Where state is.
#[derive(Debug)]
pub(crate) struct Backend {
    session: Session,
}

impl Backend {
    /// At `url`; what else there is goes to `folder`. `settings` are those that it takes to reach it.
    pub(crate) fn new(url: &str, folder: &TempDir, mut settings: BTreeMap<String, String>) -> Self {
        settings.insert("ENGINE_STATE_URL".to_owned(), url.to_owned());
        settings.insert("ENGINE_LAKE_URL".to_owned(), folder.path().join("lake").to_str().unwrap().to_owned());
        let session = Session::new(Settings::load(None, &settings).unwrap(), settings, SessionPurpose::Look).unwrap();
        Self { session }
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// A store of its own, as another process has.
    pub(crate) async fn open(&self) -> Arc<dyn StateStore> {
        state::open(&self.session).await.unwrap()
    }
}

/// A time: `minutes` after ten o'clock of a day.
pub(crate) fn at(minutes: i64) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 22, 10, 0, 0).unwrap() + TimeDelta::minutes(minutes)
}

/// A process that this machine knows nothing of.
pub(crate) fn elsewhere() -> Holder {
    Holder { host: "elsewhere".into(), boot: "another".into(), pid: 4711, started: "1".into(), file: None }
}

/// Takes the lease at `now`, which must be free.
pub(crate) async fn granted(store: &Arc<dyn StateStore>, pipeline: &str, now: DateTime<Utc>) -> Lease {
    granted_for(store, pipeline, &Purpose::default(), now).await
}

/// The same, for a purpose.
pub(crate) async fn granted_for(store: &Arc<dyn StateStore>, pipeline: &str, purpose: &Purpose, now: DateTime<Utc>) -> Lease {
    match store.acquire(pipeline, &elsewhere(), purpose, now, TTL).await.unwrap() {
        Acquired::Granted(lease) => lease,
        Acquired::Held { holder, until } => panic!("{pipeline} is held by {holder} until {until}"),
    }
}

/// The refusal of one who is no longer the pipeline's.
pub(crate) fn fenced<T: std::fmt::Debug>(result: Result<T>) {
    assert!(matches!(result, Err(StateError::Fenced { .. })), "{result:?}");
}

fn table(location: &str) -> TableSpec {
    TableSpec::new("t", "DELTA", location)
}

/// The next epoch of a pipeline, with `rows` for the table at `location`.
pub(crate) async fn epoch(store: &Arc<dyn StateStore>, pipeline: &str, location: &str, rows: u64) -> Checkpoint {
    let progress = store.progress(pipeline).await.unwrap();
    let file = StagedFile { path: "a.parquet".into(), bytes: rows * 10, rows, partition: Vec::new() };
    let stage = StageCheckpoint::new(&Arc::new(Schema::empty()), Vec::new(), vec![file]);
    let offset = Offset(format!("after {}", progress.next_epoch));
    let flow = FlowCheckpoint {
        flow: "f".into(),
        sink: table(location),
        mode: WriteMode::Append,
        key: Vec::new(),
        stage: 0,
        rows_in: rows + 1,
        bad_rows: 1,
        landed_at: None,
        landed: None,
        replaces: None,
        progress: Some(FlowProgress { offsets: [("s".to_owned(), offset)].into(), ..FlowProgress::default() }),
    };
    Checkpoint {
        pipeline: pipeline.into(),
        incarnation: progress.incarnation,
        epoch: progress.next_epoch,
        recorded_at: at(0),
        date: None,
        folder: "none".into(),
        stages: vec![stage],
        flows: vec![flow],
    }
}

/// Records and commits the next epoch; see [`epoch`].
pub(crate) async fn commit(store: &Arc<dyn StateStore>, lease: &Lease, location: &str, rows: u64, now: DateTime<Utc>) {
    let mut checkpoint = epoch(store, &lease.pipeline, location, rows).await;
    checkpoint.recorded_at = now;
    store.record(lease, &checkpoint).await.unwrap();
    store.advance(lease, checkpoint.epoch, now).await.unwrap();
}
