//! What each epoch brought to each sink: written with the epoch, kept when its checkpoint goes.

use connectors::context::TableSpec;

use super::database::{Conditions, Row, Within, signed, values};
use crate::state::snapshot::{EpochEntry, LoadEntry};
use crate::state::{Checkpoint, EpochFlow, LandedFile, Lease, LoadPage, LoadRecord, Result, StateError};

/// Those of one pipeline, in the order of their epochs.
pub(super) async fn of_pipeline(transaction: Within<'_>, pipeline: &str) -> Result<Vec<EpochFlow>> {
    let query = "SELECT f.incarnation, f.epoch, f.flow, s.sink, f.place, f.mode, f.rows_in, f.rows, f.files, f.bytes, f.bad_rows,
                        f.landed, e.recorded_at, e.committed_at, e.generation
                   FROM epoch_flows f
                   JOIN sinks s ON s.id = f.sink
                   JOIN epochs e ON e.pipeline = f.pipeline AND e.incarnation = f.incarnation AND e.epoch = f.epoch
                  WHERE f.pipeline = $1
                  ORDER BY e.rowid, f.rowid";
    let mut flows = Vec::new();
    for row in transaction.rows(query, values![pipeline]).await? {
        // Of a file that was refused, nothing was brought.
        if landed(&row)?.is_none_or(|landed| landed.error.is_none()) {
            flows.push(epoch_flow(&row)?);
        }
    }
    Ok(flows)
}

pub(super) fn landed(row: &Row) -> Result<Option<LandedFile>> {
    Ok(row.optional_text("landed")?.map(serde_json::from_str).transpose()?)
}

fn epoch_flow(row: &Row) -> Result<EpochFlow> {
    Ok(EpochFlow {
        incarnation: row.text("incarnation")?.to_owned(),
        epoch: row.count("epoch")?,
        flow: row.text("flow")?.to_owned(),
        sink: row.json("sink")?,
        place: row.optional_text("place")?.map(str::to_owned),
        mode: row.json("mode")?,
        rows_in: row.count("rows_in")?,
        rows: row.count("rows")?,
        files: row.count("files")?,
        bytes: row.count("bytes")?,
        bad_rows: row.count("bad_rows")?,
        recorded_at: row.time("recorded_at")?,
        committed_at: row.optional_time("committed_at")?,
        run: row.optional_int("generation")?,
    })
}

pub(super) async fn page(transaction: Within<'_>, page: &LoadPage) -> Result<Vec<LoadRecord>> {
    let mut conditions = Conditions::default();
    if !page.locations.is_empty() {
        conditions.and_one_of("s.location", &page.locations);
    }
    conditions.and_if("f.pipeline = ?", page.pipeline.as_deref());
    conditions.and_if("e.generation = ?", page.run);
    conditions.and_if("coalesce(f.landed_at, e.recorded_at) >= ?", page.since);
    conditions.and_if("f.rowid < ?", page.before);
    let query =
        "SELECT f.rowid AS position, f.pipeline, f.epoch, s.sink, f.mode, f.rows, f.files, f.bytes, f.bad_rows, f.landed_at,
                        f.landed, e.recorded_at, e.committed_at, e.generation
                   FROM epoch_flows f
                   JOIN sinks s ON s.id = f.sink
                   JOIN epochs e ON e.pipeline = f.pipeline AND e.incarnation = f.incarnation AND e.epoch = f.epoch
                 {where} ORDER BY f.rowid DESC {limit}";
    let (sql, values) = conditions.apply(query, Some(page.limit));
    transaction.rows(&sql, &values).await?.iter().map(load).collect()
}

fn load(row: &Row) -> Result<LoadRecord> {
    let sink: TableSpec = row.json("sink")?;
    Ok(LoadRecord {
        position: row.int("position")?,
        pipeline: row.text("pipeline")?.to_owned(),
        run: row.optional_int("generation")?,
        epoch: row.count("epoch")?,
        table: sink.location,
        connector: sink.connector,
        mode: row.json("mode")?,
        rows: row.count("rows")?,
        bytes: row.count("bytes")?,
        files: row.count("files")?,
        bad_rows: row.count("bad_rows")?,
        landed_at: row.optional_time("landed_at")?,
        recorded_at: row.time("recorded_at")?,
        committed_at: row.optional_time("committed_at")?,
        landed: landed(row)?,
    })
}

/// Keeps what the flows of an epoch bring.
pub(super) async fn keep(transaction: Within<'_>, lease: &Lease, checkpoint: &Checkpoint) -> Result<()> {
    // Positions are given by the database.
    let epoch = EpochEntry::of(checkpoint, lease.generation, 0);
    for load in &epoch.loads {
        insert(transaction, (&checkpoint.pipeline, &epoch.incarnation, epoch.epoch), load).await?;
    }
    Ok(())
}

/// Adds what an epoch brought to a sink.
pub(super) async fn insert(
    transaction: Within<'_>,
    (pipeline, incarnation, epoch): (&str, &str, u64),
    load: &LoadEntry,
) -> Result<()> {
    let sink = sink_id(transaction, &load.sink).await?;
    let landed = load.landed.as_ref().map(serde_json::to_string).transpose()?;
    transaction
        .execute(
            "INSERT INTO epoch_flows (pipeline, incarnation, epoch, flow, sink, place, mode, rows_in, rows, files, bytes, bad_rows,
                                      landed_at, landed)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
            values![
                pipeline,
                incarnation,
                signed(epoch)?,
                &load.flow,
                sink,
                load.place.as_deref(),
                serde_json::to_string(&load.mode)?,
                signed(load.rows_in)?,
                signed(load.rows)?,
                signed(load.files)?,
                signed(load.bytes)?,
                signed(load.bad_rows)?,
                load.landed_at,
                landed.as_deref(),
            ],
        )
        .await?;
    Ok(())
}

/// Forgets those of an epoch that is pending.
pub(super) async fn forget_pending(transaction: Within<'_>, pipeline: &str) -> Result<()> {
    let forget = "DELETE FROM epoch_flows WHERE pipeline = $1 AND (incarnation, epoch) IN
                      (SELECT incarnation, epoch FROM epochs WHERE pipeline = $1 AND committed_at IS NULL)";
    transaction.execute(forget, values![pipeline]).await?;
    Ok(())
}

/// A table is kept once, however many epochs it gets.
async fn sink_id(transaction: Within<'_>, sink: &TableSpec) -> Result<i64> {
    let text = serde_json::to_string(sink)?;
    let known = transaction.rows("SELECT id FROM sinks WHERE sink = $1 ORDER BY id LIMIT 1", values![&text]).await?;
    if let Some(row) = known.first() {
        return row.int("id");
    }
    let add = "INSERT INTO sinks (sink, location) VALUES ($1, $2) RETURNING id";
    let added = transaction.rows(add, values![&text, sink.location.to_lowercase()]).await?;
    added.first().ok_or_else(|| StateError::Corrupt { message: format!("sink {} was not kept", sink.name) })?.int("id")
}
