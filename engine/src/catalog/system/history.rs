//! `system.runs`, `system.epochs`, `system.loads`, `system.flows`: what the state store remembers.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use super::batches::{batch, numbers, texts, times};
use super::table::{Rows, Wanted};
use crate::session::Session;
use crate::state::{self, EpochRecord, FlowRecord, LandedFile, LoadPage, LoadRecord, Page, RunRecord, StateError, StateStore};

/// Records that are read at once.
const PAGE: u32 = 1_000;

/// Which part of it.
#[derive(Debug, Clone)]
pub(super) enum History {
    Runs(Session),
    Epochs(Session),
    Loads(Session),
    Flows(Session),
}

/// How far a history was read.
struct Cursor {
    history: History,
    /// `None` before the first page.
    store: Option<Arc<dyn StateStore>>,
    page: Page,
    /// Records that are still wanted.
    left: usize,
}

impl From<StateError> for DataFusionError {
    fn from(error: StateError) -> Self {
        Self::External(Box::new(error))
    }
}

impl Rows for History {
    fn empty(&self) -> Result<RecordBatch> {
        match self {
            Self::Runs(_) => runs(&[]),
            Self::Epochs(_) => epochs(&[]),
            Self::Loads(_) => loads(&[]),
            Self::Flows(_) => flows(&[]),
        }
    }

    fn keys(&self) -> &'static [&'static str] {
        &["pipeline"]
    }

    fn stream(&self, wanted: Wanted) -> BoxStream<'static, Result<RecordBatch>> {
        let pipeline = wanted.key("pipeline").map(str::to_owned);
        let cursor = Cursor {
            history: self.clone(),
            store: None,
            page: Page { pipeline, limit: PAGE, ..Page::default() },
            left: wanted.limit.unwrap_or(usize::MAX),
        };
        stream::try_unfold(cursor, Cursor::next).boxed()
    }
}

impl History {
    fn session(&self) -> &Session {
        let (Self::Runs(session) | Self::Epochs(session) | Self::Loads(session) | Self::Flows(session)) = self;
        session
    }
}

impl Cursor {
    async fn next(mut self) -> Result<Option<(RecordBatch, Self)>> {
        if self.left == 0 {
            return Ok(None);
        }
        let store = match self.store.take() {
            Some(store) => store,
            None => match state::open_existing(self.history.session()).await? {
                Some(store) => store,
                None => return Ok(None),
            },
        };
        self.page.limit = PAGE.min(u32::try_from(self.left).unwrap_or(PAGE));
        let (batch, last) = match &self.history {
            History::Runs(session) => {
                let records = store.runs(&self.page, session.context.clock.now()).await?;
                (runs(&records)?, records.last().map(|record| record.position))
            }
            History::Epochs(_) => {
                let records = store.epochs(&self.page).await?;
                (epochs(&records)?, records.last().map(|record| record.position))
            }
            History::Loads(_) => {
                let page = LoadPage { before: self.page.before, limit: self.page.limit, ..LoadPage::default() };
                let records = store.loads(&page).await?;
                (loads(&records)?, records.last().map(|record| record.position))
            }
            History::Flows(_) => {
                let records = store.flows(self.page.pipeline.as_deref()).await?;
                // There are as many as the pipelines have statements: they are one page.
                self.left = 0;
                return Ok(Some((flows(&records)?, self)));
            }
        };
        let Some(last) = last else { return Ok(None) };
        self.left = self.left.saturating_sub(batch.num_rows());
        self.page.before = Some(last);
        self.store = Some(store);
        Ok(Some((batch, self)))
    }
}

fn runs(records: &[RunRecord]) -> Result<RecordBatch> {
    let all = || records.iter();
    batch([
        ("pipeline", texts(all().map(|run| Some(&run.pipeline)))),
        ("run", numbers(all().map(|run| u64::try_from(run.run).ok()))),
        ("status", texts(all().map(|run| Some(run.status.to_string())))),
        ("reason", texts(all().map(|run| Some(run.purpose.reason.clone()).filter(|reason| !reason.is_empty())))),
        ("attempt", numbers(all().map(|run| Some(u64::from(run.purpose.attempt))))),
        ("date", times(all().map(|run| run.purpose.date))),
        ("due_at", times(all().map(|run| run.purpose.due))),
        ("started_at", times(all().map(|run| Some(run.started_at)))),
        ("ended_at", times(all().map(|run| run.ended_at))),
        ("again_at", times(all().map(|run| run.again_at))),
        ("epochs", numbers(all().map(|run| Some(run.epochs)))),
        ("rows_in", numbers(all().map(|run| Some(run.totals.rows_in)))),
        ("rows_written", numbers(all().map(|run| Some(run.totals.rows_written)))),
        ("bad_rows", numbers(all().map(|run| Some(run.totals.bad_rows)))),
        ("files", numbers(all().map(|run| Some(run.totals.files)))),
        ("bytes", numbers(all().map(|run| Some(run.totals.bytes)))),
        ("host", texts(all().map(|run| Some(&run.holder.host)))),
        ("process", numbers(all().map(|run| Some(u64::from(run.holder.pid))))),
        ("error", texts(all().map(|run| run.error.as_ref()))),
    ])
}

fn epochs(records: &[EpochRecord]) -> Result<RecordBatch> {
    let all = || records.iter();
    let status = |epoch: &EpochRecord| Some(if epoch.committed_at.is_some() { "committed" } else { "pending" });
    batch([
        ("pipeline", texts(all().map(|epoch| Some(&epoch.pipeline)))),
        ("incarnation", texts(all().map(|epoch| Some(&epoch.incarnation)))),
        ("epoch", numbers(all().map(|epoch| Some(epoch.epoch)))),
        ("run", numbers(all().map(|epoch| epoch.run.and_then(|run| u64::try_from(run).ok())))),
        ("status", texts(all().map(status))),
        ("recorded_at", times(all().map(|epoch| Some(epoch.recorded_at)))),
        ("committed_at", times(all().map(|epoch| epoch.committed_at))),
        ("rows_in", numbers(all().map(|epoch| epoch.totals.map(|totals| totals.rows_in)))),
        ("rows_written", numbers(all().map(|epoch| epoch.totals.map(|totals| totals.rows_written)))),
        ("bad_rows", numbers(all().map(|epoch| epoch.totals.map(|totals| totals.bad_rows)))),
        ("files", numbers(all().map(|epoch| epoch.totals.map(|totals| totals.files)))),
        ("bytes", numbers(all().map(|epoch| epoch.totals.map(|totals| totals.bytes)))),
    ])
}

fn loads(records: &[LoadRecord]) -> Result<RecordBatch> {
    let all = || records.iter();
    let landed = |load: &LoadRecord| load.landed.clone();
    let of_file = |of: fn(LandedFile) -> Option<String>| texts(all().map(|load| landed(load).and_then(of)));
    let status = |load: &LoadRecord| {
        Some(if load.is_refusal() {
            "FAILED"
        } else if load.committed_at.is_some() {
            "SUCCESS"
        } else {
            "PENDING"
        })
    };
    batch([
        ("pipeline", texts(all().map(|load| Some(&load.pipeline)))),
        ("run", numbers(all().map(|load| load.run.and_then(|run| u64::try_from(run).ok())))),
        ("epoch", numbers(all().map(|load| Some(load.epoch)))),
        ("table_name", texts(all().map(|load| Some(&load.table)))),
        ("load_mode", texts(all().map(|load| Some(landed(load).map_or_else(|| load.mode.to_string(), |landed| landed.action))))),
        ("status", texts(all().map(status))),
        ("landed_at", times(all().map(|load| load.landed_at))),
        ("recorded_at", times(all().map(|load| Some(load.recorded_at)))),
        ("loaded_at", times(all().map(|load| load.committed_at.filter(|_| !load.is_refusal())))),
        ("rows", numbers(all().map(|load| Some(load.rows)))),
        ("bytes", numbers(all().map(|load| Some(load.bytes)))),
        ("bad_rows", numbers(all().map(|load| Some(load.bad_rows)))),
        ("file_key", of_file(|landed| Some(landed.key))),
        ("file_size", numbers(all().map(|load| landed(load).map(|landed| landed.size)))),
        ("schema_version", of_file(|landed| Some(landed.schema_version.unwrap_or_else(|| "unknown".to_owned())))),
        ("table_existed", of_file(|landed| Some(landed.table_existed.to_string()))),
        ("error", of_file(|landed| landed.error)),
    ])
}

/// One row a flow and source; a flow that reads none has one too.
fn flows(records: &[FlowRecord]) -> Result<RecordBatch> {
    let none = BTreeMap::from([(String::new(), None)]);
    let mut rows = Vec::new();
    for record in records {
        let offsets = record.progress.offsets.iter().map(|(source, offset)| (source.clone(), Some(offset)));
        let offsets: BTreeMap<String, Option<_>> = offsets.collect();
        let offsets = if offsets.is_empty() { none.clone() } else { offsets };
        rows.extend(offsets.into_iter().map(|(source, offset)| (record, source, offset.map(|offset| offset.0.clone()))));
    }
    let named = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    batch([
        ("pipeline", texts(rows.iter().map(|(record, ..)| Some(&record.pipeline)))),
        ("flow", texts(rows.iter().map(|(record, ..)| Some(&record.flow)))),
        ("sink", texts(rows.iter().map(|(record, ..)| Some(&record.progress.sink)))),
        ("source", texts(rows.iter().map(|(_, source, _)| named(source)))),
        ("source_identity", texts(rows.iter().map(|(record, source, _)| record.progress.identities.get(source)))),
        ("offset", texts(rows.iter().map(|(.., offset)| offset.as_ref()))),
        ("fingerprint", texts(rows.iter().map(|(record, ..)| Some(&record.progress.fingerprint)))),
    ])
}
