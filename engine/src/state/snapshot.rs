//! All that a store has of a pipeline: what an object store keeps as it is, and what goes from one store to another.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use connectors::context::TableSpec;
use connectors::sink::WriteMode;
use serde::{Deserialize, Serialize};

use super::{
    Checkpoint, EpochFlow, EpochRecord, FlowProgress, Holder, LandedFile, LoadRecord, Pause, Purpose, Request, RunEnding,
    RunRecord, RunStatus, Totals,
};

/// A pipeline.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Snapshot {
    /// The generation of its last lease.
    pub(super) generation: i64,
    /// Changes when progress is forgotten; empty until it is run.
    pub(super) incarnation: String,
    pub(super) next_epoch: u64,
    pub(super) flows: BTreeMap<String, FlowProgress>,
    pub(super) pending: Option<Checkpoint>,
    pub(super) requests: Vec<KeptRequest>,
    pub(super) cursors: BTreeMap<String, String>,
    pub(super) pause: Option<Pause>,
    /// Of the present incarnation.
    pub(super) dates_done: BTreeSet<DateTime<Utc>>,
    pub(super) history: Entries,
}

/// A request that has not ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct KeptRequest {
    pub(super) id: i64,
    pub(super) request: Request,
    pub(super) requested_at: DateTime<Utc>,
    pub(super) run: Option<i64>,
}

/// What was run, the oldest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Entries {
    pub(super) runs: Vec<RunEntry>,
    pub(super) epochs: Vec<EpochEntry>,
}

/// A run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RunEntry {
    pub(super) position: i64,
    pub(super) run: i64,
    pub(super) holder: Holder,
    pub(super) started_at: DateTime<Utc>,
    pub(super) ended_at: Option<DateTime<Utc>>,
    pub(super) ending: RunEnding,
    pub(super) purpose: Purpose,
    /// Epochs that it recorded and that are committed, and what these brought.
    pub(super) epochs: u64,
    pub(super) totals: Totals,
}

/// An epoch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct EpochEntry {
    pub(super) position: i64,
    pub(super) incarnation: String,
    pub(super) epoch: u64,
    pub(super) run: Option<i64>,
    pub(super) recorded_at: DateTime<Utc>,
    pub(super) committed_at: Option<DateTime<Utc>>,
    pub(super) date: Option<DateTime<Utc>>,
    pub(super) totals: Option<Totals>,
    pub(super) loads: Vec<LoadEntry>,
}

/// What an epoch brought to a sink.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LoadEntry {
    pub(super) position: i64,
    pub(super) flow: String,
    pub(super) sink: TableSpec,
    pub(super) place: Option<String>,
    pub(super) mode: WriteMode,
    pub(super) rows_in: u64,
    pub(super) rows: u64,
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) bad_rows: u64,
    pub(super) landed_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) landed: Option<LandedFile>,
}

impl Snapshot {
    /// Lets requests that a run has taken wait again. Of several with one key, the newest answers for all.
    pub(super) fn free(&mut self) {
        let mut keys = BTreeSet::new();
        self.requests.reverse();
        self.requests.retain(|kept| keys.insert(kept.request.key.clone()));
        self.requests.reverse();
        for kept in &mut self.requests {
            kept.run = None;
        }
    }
}

impl From<RunRecord> for RunEntry {
    fn from(record: RunRecord) -> Self {
        let canceled = record.status == RunStatus::Canceled;
        Self {
            position: record.position,
            run: record.run,
            holder: record.holder,
            started_at: record.started_at,
            ended_at: record.ended_at,
            ending: RunEnding { error: record.error, canceled, again_at: record.again_at },
            purpose: record.purpose,
            epochs: record.epochs,
            totals: record.totals,
        }
    }
}

impl From<(EpochRecord, Vec<LoadEntry>)> for EpochEntry {
    fn from((record, loads): (EpochRecord, Vec<LoadEntry>)) -> Self {
        Self {
            position: record.position,
            incarnation: record.incarnation,
            epoch: record.epoch,
            run: record.run,
            recorded_at: record.recorded_at,
            committed_at: record.committed_at,
            date: record.date,
            totals: record.totals,
            loads,
        }
    }
}

impl RunEntry {
    /// The run as it is shown; `is_running` says whether it holds the lease and is alive.
    pub(super) fn record(&self, pipeline: &str, is_running: bool) -> RunRecord {
        RunRecord {
            position: self.position,
            pipeline: pipeline.to_owned(),
            run: self.run,
            status: RunStatus::of(self.ended_at, &self.ending, is_running),
            started_at: self.started_at,
            ended_at: self.ended_at,
            error: self.ending.error.clone(),
            purpose: self.purpose.clone(),
            again_at: self.ending.again_at,
            holder: self.holder.clone(),
            epochs: self.epochs,
            totals: self.totals,
        }
    }
}

impl EpochEntry {
    /// The epoch that `checkpoint` is the record of, and which `run` recorded. Its positions begin at `position`.
    pub(super) fn of(checkpoint: &Checkpoint, run: i64, position: i64) -> Self {
        // Bad records that are put aside are no flow of the pipeline.
        let flows =
            checkpoint.flows.iter().filter_map(|flow| Some((flow, checkpoint.stages.get(flow.stage)?, flow.progress.as_ref()?)));
        let loads = flows.zip(position..).map(|((flow, stage, progress), position)| LoadEntry {
            position,
            flow: flow.flow.clone(),
            sink: flow.sink.clone(),
            place: progress.place.clone(),
            mode: flow.mode,
            rows_in: flow.rows_in,
            rows: stage.rows(),
            files: stage.files.len() as u64,
            bytes: stage.bytes(),
            bad_rows: flow.bad_rows,
            landed_at: flow.landed_at,
            landed: flow.landed.clone(),
        });
        Self {
            position,
            incarnation: checkpoint.incarnation.clone(),
            epoch: checkpoint.epoch,
            run: Some(run),
            recorded_at: checkpoint.recorded_at,
            committed_at: None,
            date: checkpoint.date,
            totals: Some(Totals::of(checkpoint)),
            loads: loads.collect(),
        }
    }

    /// The epoch as it is shown.
    pub(super) fn record(&self, pipeline: &str) -> EpochRecord {
        EpochRecord {
            position: self.position,
            pipeline: pipeline.to_owned(),
            incarnation: self.incarnation.clone(),
            epoch: self.epoch,
            run: self.run,
            recorded_at: self.recorded_at,
            committed_at: self.committed_at,
            date: self.date,
            totals: self.totals,
        }
    }

    /// What it brought to each sink: nothing, of a file that was refused.
    pub(super) fn flows(&self) -> impl Iterator<Item = EpochFlow> {
        let brought = self.loads.iter().filter(|load| load.landed.as_ref().is_none_or(|landed| landed.error.is_none()));
        brought.map(move |load| EpochFlow {
            incarnation: self.incarnation.clone(),
            epoch: self.epoch,
            flow: load.flow.clone(),
            sink: load.sink.clone(),
            place: load.place.clone(),
            mode: load.mode,
            rows_in: load.rows_in,
            rows: load.rows,
            files: load.files,
            bytes: load.bytes,
            bad_rows: load.bad_rows,
            recorded_at: self.recorded_at,
            committed_at: self.committed_at,
            run: self.run,
        })
    }

    /// The same, as loads of `pipeline` are shown.
    pub(super) fn loads(&self, pipeline: &str) -> impl Iterator<Item = LoadRecord> {
        self.loads.iter().map(move |load| LoadRecord {
            position: load.position,
            pipeline: pipeline.to_owned(),
            run: self.run,
            epoch: self.epoch,
            table: load.sink.location.clone(),
            connector: load.sink.connector.clone(),
            mode: load.mode,
            rows: load.rows,
            bytes: load.bytes,
            files: load.files,
            bad_rows: load.bad_rows,
            landed_at: load.landed_at,
            landed: load.landed.clone(),
            recorded_at: self.recorded_at,
            committed_at: self.committed_at,
        })
    }
}
