//! All of the tables at once.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use connectors::sink::WriteMode;

use super::database::{Access, Row, Value, Within, signed, values};
use super::{SqlStore, epochs, leases, loads, requests, runs};
use crate::state::snapshot::{EpochEntry, KeptRequest, LoadEntry, RunEntry, Snapshot};
use crate::state::transfer::{Transfer, check_free, check_target};
use crate::state::{Page, Result, StateError};

/// The note that says where the state is now.
const MOVED: &str = "moved";

pub(super) async fn moved(transaction: Within<'_>) -> Result<Option<String>> {
    let found = transaction.rows("SELECT note FROM notes WHERE name = $1", values![MOVED]).await?;
    found.first().map(|row| row.text("note").map(str::to_owned)).transpose()
}

#[async_trait]
impl Transfer for SqlStore {
    async fn moved(&self) -> Result<Option<String>> {
        let mut transaction = self.database().begin(Access::Read).await?;
        let moved = moved(transaction.as_mut()).await?;
        transaction.commit().await?;
        Ok(moved)
    }

    async fn export(&self, to: &str, now: DateTime<Utc>) -> Result<Vec<(String, Snapshot)>> {
        let mut transaction = self.database().begin(Access::Write).await?;
        let within = transaction.as_mut();
        for row in within.rows("SELECT pipeline FROM leases ORDER BY pipeline", &[]).await? {
            within.lock(row.text("pipeline")?).await?;
        }
        check_free(leases::held(within, now).await?)?;
        check_target(moved(within).await?.as_deref(), to)?;
        let note = "INSERT INTO notes (name, note) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET note = $2";
        within.execute(note, values![MOVED, to]).await?;
        let mut pipelines = Vec::new();
        for pipeline in names(within).await? {
            let snapshot = snapshot(within, &pipeline, now).await?;
            pipelines.push((pipeline, snapshot));
        }
        transaction.commit().await?;
        Ok(pipelines)
    }

    async fn check(&self) -> Result<()> {
        Transfer::moved(self).await?.map_or(Ok(()), |to| Err(StateError::moved(&to)))
    }

    async fn names(&self) -> Result<Vec<String>> {
        let mut transaction = self.database().begin(Access::Read).await?;
        let names = names(transaction.as_mut()).await?;
        transaction.commit().await?;
        Ok(names)
    }

    async fn size(&self) -> Result<(i64, u64)> {
        let mut transaction = self.database().begin(Access::Read).await?;
        let found = transaction.rows(self.database().size(), &[]).await?;
        transaction.commit().await?;
        let row = found.first().ok_or_else(|| StateError::Corrupt { message: "no size".to_owned() })?;
        Ok((row.int("version")?, row.count("bytes")?))
    }

    async fn stay(&self) -> Result<()> {
        let mut transaction = self.database().begin(Access::Write).await?;
        transaction.execute("DELETE FROM notes WHERE name = $1", values![MOVED]).await?;
        transaction.commit().await
    }

    async fn import(&self, pipelines: &[(String, Snapshot)]) -> Result<()> {
        let mut transaction = self.database().begin(Access::Write).await?;
        let within = transaction.as_mut();
        if let Some(name) = names(within).await?.first() {
            let message = format!("there is state of pipeline '{name}' already; nothing was moved there");
            return Err(StateError::Unavailable { message, source: None });
        }
        for (pipeline, snapshot) in pipelines {
            insert(within, pipeline, snapshot).await?;
        }
        insert_history(within, pipelines).await?;
        transaction.commit().await
    }
}

async fn names(transaction: Within<'_>) -> Result<Vec<String>> {
    let query = "SELECT name FROM pipelines UNION SELECT pipeline FROM leases UNION SELECT pipeline FROM runs
                 UNION SELECT pipeline FROM requests UNION SELECT pipeline FROM cursors UNION SELECT pipeline FROM pauses ORDER BY name";
    transaction.rows(query, &[]).await?.iter().map(|row| row.text("name").map(str::to_owned)).collect()
}

async fn snapshot(transaction: Within<'_>, pipeline: &str, now: DateTime<Utc>) -> Result<Snapshot> {
    let progress = epochs::progress(transaction, pipeline).await?;
    let generation = transaction.rows("SELECT generation FROM leases WHERE pipeline = $1", values![pipeline]).await?;
    let dates = (DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC);
    let mut snapshot = Snapshot {
        generation: generation.first().map_or(Ok(0), |row| row.int("generation"))?,
        incarnation: progress.incarnation,
        next_epoch: progress.next_epoch,
        flows: progress.flows,
        pending: progress.pending,
        pause: requests::pauses(transaction).await?.remove(pipeline),
        dates_done: epochs::dates_done(transaction, pipeline, dates).await?.into_iter().collect(),
        ..Snapshot::default()
    };
    for cursor in requests::cursors(transaction).await? {
        if cursor.pipeline == pipeline {
            snapshot.cursors.insert(cursor.name, cursor.value);
        }
    }
    for open in requests::open(transaction, Some(pipeline)).await? {
        let kept = KeptRequest { id: open.id, request: open.request, requested_at: open.requested_at, run: open.run };
        snapshot.requests.push(kept);
    }
    snapshot.free();
    let page = Page { pipeline: Some(pipeline.to_owned()), limit: u32::MAX, ..Page::default() };
    snapshot.history.runs = runs::page(transaction, &page, now).await?.into_iter().map(RunEntry::from).rev().collect();
    let mut loads = loads_of(transaction, pipeline).await?;
    for epoch in epochs::page(transaction, &page).await?.into_iter().rev() {
        let loads = loads.remove(&(epoch.incarnation.clone(), epoch.epoch)).unwrap_or_default();
        snapshot.history.epochs.push(EpochEntry::from((epoch, loads)));
    }
    Ok(snapshot)
}

/// By incarnation and epoch.
async fn loads_of(transaction: Within<'_>, pipeline: &str) -> Result<BTreeMap<(String, u64), Vec<LoadEntry>>> {
    let query = "SELECT f.rowid AS position, f.incarnation, f.epoch, f.flow, s.sink, f.place, f.mode, f.rows_in, f.rows, f.files, f.bytes,
                        f.bad_rows, f.landed_at, f.landed
                   FROM epoch_flows f JOIN sinks s ON s.id = f.sink WHERE f.pipeline = $1 ORDER BY f.rowid";
    let mut loads: BTreeMap<_, Vec<LoadEntry>> = BTreeMap::new();
    for row in transaction.rows(query, values![pipeline]).await? {
        let epoch = (row.text("incarnation")?.to_owned(), row.count("epoch")?);
        loads.entry(epoch).or_default().push(load(&row)?);
    }
    Ok(loads)
}

fn load(row: &Row) -> Result<LoadEntry> {
    Ok(LoadEntry {
        position: row.int("position")?,
        flow: row.text("flow")?.to_owned(),
        sink: row.json("sink")?,
        place: row.optional_text("place")?.map(str::to_owned),
        mode: row.json::<WriteMode>("mode")?,
        rows_in: row.count("rows_in")?,
        rows: row.count("rows")?,
        files: row.count("files")?,
        bytes: row.count("bytes")?,
        bad_rows: row.count("bad_rows")?,
        landed_at: row.optional_time("landed_at")?,
        landed: loads::landed(row)?,
    })
}

/// What a pipeline is now.
async fn insert(transaction: Within<'_>, pipeline: &str, snapshot: &Snapshot) -> Result<()> {
    let lease = "INSERT INTO leases (pipeline, generation, holder, until) VALUES ($1, $2, NULL, 0)";
    transaction.execute(lease, values![pipeline, snapshot.generation]).await?;
    if !snapshot.incarnation.is_empty() {
        let add = "INSERT INTO pipelines (name, incarnation, next_epoch) VALUES ($1, $2, $3)";
        transaction.execute(add, values![pipeline, &snapshot.incarnation, signed(snapshot.next_epoch)?]).await?;
    }
    for (flow, progress) in &snapshot.flows {
        let add = "INSERT INTO flows (pipeline, flow, progress) VALUES ($1, $2, $3)";
        transaction.execute(add, values![pipeline, flow, serde_json::to_string(progress)?]).await?;
    }
    for date in &snapshot.dates_done {
        let add = "INSERT INTO dates_done (pipeline, incarnation, logical_date) VALUES ($1, $2, $3)";
        transaction.execute(add, values![pipeline, &snapshot.incarnation, *date]).await?;
    }
    for (name, value) in &snapshot.cursors {
        let add = "INSERT INTO cursors (pipeline, name, value) VALUES ($1, $2, $3)";
        transaction.execute(add, values![pipeline, name, value]).await?;
    }
    requests::pause(transaction, pipeline, snapshot.pause.as_ref()).await?;
    for kept in &snapshot.requests {
        requests::add(transaction, &kept.request, kept.requested_at).await?;
    }
    Ok(())
}

/// What was run, in the order of all pipelines.
async fn insert_history(transaction: Within<'_>, pipelines: &[(String, Snapshot)]) -> Result<()> {
    let mut runs: Vec<(&str, &RunEntry)> = Vec::new();
    let mut epochs: Vec<(&str, &Snapshot, &EpochEntry)> = Vec::new();
    for (pipeline, snapshot) in pipelines {
        runs.extend(snapshot.history.runs.iter().map(|run| (pipeline.as_str(), run)));
        epochs.extend(snapshot.history.epochs.iter().map(|epoch| (pipeline.as_str(), snapshot, epoch)));
    }
    runs.sort_by_key(|(_, run)| (run.started_at, run.position));
    epochs.sort_by_key(|(_, _, epoch)| (epoch.recorded_at, epoch.position));
    for (pipeline, run) in runs {
        insert_run(transaction, pipeline, run).await?;
    }
    for (pipeline, snapshot, epoch) in epochs {
        insert_epoch(transaction, pipeline, snapshot, epoch).await?;
        for load in &epoch.loads {
            loads::insert(transaction, (pipeline, &epoch.incarnation, epoch.epoch), load).await?;
        }
    }
    Ok(())
}

async fn insert_run(transaction: Within<'_>, pipeline: &str, run: &RunEntry) -> Result<()> {
    transaction
        .execute(
            "INSERT INTO runs (pipeline, generation, holder, started_at, ended_at, error, canceled, again_at, reason, attempt,
                               logical_date, due_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            values![
                pipeline,
                run.run,
                serde_json::to_string(&run.holder)?,
                run.started_at,
                run.ended_at,
                run.ending.error.as_deref(),
                run.ending.canceled,
                run.ending.again_at,
                &run.purpose.reason,
                i64::from(run.purpose.attempt),
                run.purpose.date,
                run.purpose.due,
            ],
        )
        .await?;
    Ok(())
}

async fn insert_epoch(transaction: Within<'_>, pipeline: &str, snapshot: &Snapshot, epoch: &EpochEntry) -> Result<()> {
    let number = |number: fn(&crate::state::Totals) -> u64| -> Result<Value> {
        Ok(Value::from(epoch.totals.as_ref().map(|totals| signed(number(totals))).transpose()?))
    };
    let pending = snapshot.pending.as_ref().filter(|_| epoch.committed_at.is_none());
    let checkpoint = pending.map(serde_json::to_string).transpose()?;
    transaction
        .execute(
            "INSERT INTO epochs (pipeline, incarnation, epoch, recorded_at, committed_at, checkpoint, generation, rows_in, rows_written,
                                 bad_rows, files, bytes, logical_date)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            values![
                pipeline,
                &epoch.incarnation,
                signed(epoch.epoch)?,
                epoch.recorded_at,
                epoch.committed_at,
                checkpoint.as_deref(),
                epoch.run,
                number(|totals| totals.rows_in)?,
                number(|totals| totals.rows_written)?,
                number(|totals| totals.bad_rows)?,
                number(|totals| totals.files)?,
                number(|totals| totals.bytes)?,
                epoch.date,
            ],
        )
        .await?;
    Ok(())
}
