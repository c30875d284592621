//! What each epoch brought to each sink, in SQLite: written with the epoch, kept when its checkpoint goes.

use connectors::context::TableSpec;
use connectors::sink::WriteMode;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row, Sqlite, Transaction};

use super::sqlite::signed;
use super::{Checkpoint, EpochFlow, Result};

const KEPT: &str = "SELECT f.incarnation, f.epoch, f.flow, s.sink, f.place, f.mode, f.rows_in, f.rows, f.files, e.committed_at
  FROM epoch_flows f
  JOIN sinks s ON s.id = f.sink
  JOIN epochs e ON e.pipeline = f.pipeline AND e.incarnation = f.incarnation AND e.epoch = f.epoch
 WHERE f.pipeline = ?
 ORDER BY e.rowid, f.rowid";

/// Those of one pipeline, in the order of their epochs.
pub(super) async fn of_pipeline(pool: &SqlitePool, pipeline: &str) -> Result<Vec<EpochFlow>> {
    let rows = sqlx::query(KEPT).bind(pipeline).fetch_all(pool).await?;
    rows.iter().map(epoch_flow).collect()
}

/// Keeps what the flows of an epoch bring. Bad records that are put aside are no flow of the pipeline.
pub(super) async fn keep(transaction: &mut Transaction<'static, Sqlite>, checkpoint: &Checkpoint) -> Result<()> {
    for flow in &checkpoint.flows {
        let (Some(stage), Some(progress)) = (checkpoint.stages.get(flow.stage), &flow.progress) else { continue };
        let sink = sink_id(transaction, &flow.sink).await?;
        sqlx::query(
            "INSERT INTO epoch_flows (pipeline, incarnation, epoch, flow, sink, place, mode, rows_in, rows, files)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&checkpoint.pipeline)
        .bind(&checkpoint.incarnation)
        .bind(signed(checkpoint.epoch)?)
        .bind(&flow.flow)
        .bind(sink)
        .bind(progress.place.as_deref())
        .bind(serde_json::to_string(&flow.mode)?)
        .bind(signed(flow.rows_in)?)
        .bind(signed(stage.rows())?)
        .bind(signed(stage.files.len() as u64)?)
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}

/// Forgets those of an epoch that is pending.
pub(super) async fn forget_pending(transaction: &mut Transaction<'static, Sqlite>, pipeline: &str) -> Result<()> {
    sqlx::query(
        "DELETE FROM epoch_flows WHERE pipeline = ?1 AND (incarnation, epoch) IN
             (SELECT incarnation, epoch FROM epochs WHERE pipeline = ?1 AND committed_at IS NULL)",
    )
    .bind(pipeline)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// A table is kept once, however many epochs it gets.
async fn sink_id(transaction: &mut Transaction<'static, Sqlite>, sink: &TableSpec) -> Result<i64> {
    let text = serde_json::to_string(sink)?;
    sqlx::query("INSERT INTO sinks (sink) VALUES (?) ON CONFLICT (sink) DO NOTHING")
        .bind(&text)
        .execute(&mut **transaction)
        .await?;
    Ok(sqlx::query_scalar("SELECT id FROM sinks WHERE sink = ?").bind(&text).fetch_one(&mut **transaction).await?)
}

fn epoch_flow(row: &SqliteRow) -> Result<EpochFlow> {
    let number = |name: &str| -> Result<u64> { Ok(u64::try_from(row.try_get::<i64, _>(name)?).unwrap_or_default()) };
    let mode: WriteMode = serde_json::from_str(row.try_get("mode")?)?;
    Ok(EpochFlow {
        incarnation: row.try_get("incarnation")?,
        epoch: number("epoch")?,
        flow: row.try_get("flow")?,
        sink: serde_json::from_str(row.try_get("sink")?)?,
        place: row.try_get("place")?,
        mode,
        rows_in: number("rows_in")?,
        rows: number("rows")?,
        files: number("files")?,
        is_committed: row.try_get::<Option<i64>, _>("committed_at")?.is_some(),
    })
}
