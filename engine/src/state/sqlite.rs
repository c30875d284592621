//! The state store in a SQLite file: made and migrated by itself, safe for several processes.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use catalog::sqlite::{self, SqliteFile, Unavailable};
use chrono::{DateTime, Utc};
use connectors::faults::{AFTER_STATE, BEFORE_STATE, point};
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row, Sqlite, Transaction};

use super::epoch_flows;
use super::rows::{EPOCHS, RUNS, epoch_record, run_record};
use super::{
    Acquired, Checkpoint, EpochFlow, EpochRecord, FlowProgress, FlowRecord, Holder, Lease, Page, Progress, Result, RunRecord,
    StateError, StateStore, Totals,
};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

const KEPT: SqliteFile<'static> = SqliteFile {
    what: "state store",
    without_it: "; the next run then reads the sources from the beginning: what REPLACE INTO writes stays right, INSERT INTO adds its \
                 rows again",
    migrations: &MIGRATIONS,
};

/// The store's file in the state folder.
const FILE: &str = "state.db";

/// State in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    pool: SqlitePool,
}

impl From<sqlx::Error> for StateError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable { message: format!("state store: {error}"), source: Some(Box::new(error)) }
    }
}

impl From<serde_json::Error> for StateError {
    fn from(error: serde_json::Error) -> Self {
        Self::Corrupt { message: error.to_string() }
    }
}

impl SqliteStore {
    /// Opens the store, making it if it is not there.
    ///
    /// # Errors
    /// [`StateError::Unavailable`] with the path.
    pub async fn open(path: &Path) -> Result<Self> {
        let pool = KEPT.open(path).await;
        let pool = pool.map_err(|Unavailable { message, source }| StateError::Unavailable { message, source: Some(source) })?;
        Ok(Self { pool })
    }

    /// Opens the store of a state folder, making it if it is not there.
    ///
    /// # Errors
    /// [`StateError::Unavailable`] with the path.
    pub async fn open_in(folder: &Path) -> Result<Self> {
        Self::open(&folder.join(FILE)).await
    }

    /// Opens the store of a state folder if it is there, for who only looks.
    ///
    /// # Errors
    /// [`StateError::Unavailable`] with the path.
    pub async fn open_existing(folder: &Path) -> Result<Option<Self>> {
        if folder.join(FILE).exists() { Self::open_in(folder).await.map(Some) } else { Ok(None) }
    }

    /// A transaction that holds the write lock from its beginning.
    async fn begin(&self) -> Result<Transaction<'static, Sqlite>> {
        point(BEFORE_STATE);
        Ok(sqlite::begin(&self.pool).await?)
    }

    /// A transaction of the lease's holder.
    async fn begin_fenced(&self, lease: &Lease) -> Result<Transaction<'static, Sqlite>> {
        let mut transaction = self.begin().await?;
        let current: Option<i64> = sqlx::query_scalar("SELECT generation FROM leases WHERE pipeline = ? AND holder IS NOT NULL")
            .bind(&lease.pipeline)
            .fetch_optional(&mut *transaction)
            .await?;
        if current == Some(lease.generation) {
            Ok(transaction)
        } else {
            Err(StateError::Fenced { pipeline: lease.pipeline.clone(), generation: lease.generation })
        }
    }
}

async fn commit(transaction: Transaction<'static, Sqlite>) -> Result<()> {
    transaction.commit().await?;
    point(AFTER_STATE);
    Ok(())
}

/// Adds an epoch, which is pending then.
async fn insert(transaction: &mut Transaction<'static, Sqlite>, lease: &Lease, checkpoint: &Checkpoint) -> Result<()> {
    let totals = Totals::of(checkpoint);
    sqlx::query(
        "INSERT INTO epochs (pipeline, incarnation, epoch, recorded_at, checkpoint, generation, rows_in, rows_written, bad_rows,
                             files, bytes)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&checkpoint.pipeline)
    .bind(&checkpoint.incarnation)
    .bind(signed(checkpoint.epoch)?)
    .bind(checkpoint.recorded_at.timestamp_millis())
    .bind(serde_json::to_string(checkpoint)?)
    .bind(lease.generation)
    .bind(signed(totals.rows_in)?)
    .bind(signed(totals.rows_written)?)
    .bind(signed(totals.bad_rows)?)
    .bind(signed(totals.files)?)
    .bind(signed(totals.bytes)?)
    .execute(&mut **transaction)
    .await?;
    epoch_flows::keep(transaction, checkpoint).await?;
    sqlx::query("UPDATE pipelines SET next_epoch = ? WHERE name = ?")
        .bind(signed(checkpoint.epoch + 1)?)
        .bind(&checkpoint.pipeline)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

async fn forget_pending(transaction: &mut Transaction<'static, Sqlite>, pipeline: &str) -> Result<()> {
    epoch_flows::forget_pending(transaction, pipeline).await?;
    sqlx::query("DELETE FROM epochs WHERE pipeline = ? AND committed_at IS NULL")
        .bind(pipeline)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

fn new_incarnation() -> String {
    let mut text = uuid::Uuid::new_v4().simple().to_string();
    text.truncate(8);
    text
}

pub(super) fn signed(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| StateError::Corrupt { message: format!("epoch {number} is out of range") })
}

#[async_trait]
impl StateStore for SqliteStore {
    async fn acquire(&self, pipeline: &str, holder: &Holder, now: DateTime<Utc>, ttl: Duration) -> Result<Acquired> {
        let mut transaction = self.begin().await?;
        let row = sqlx::query("SELECT generation, holder, until FROM leases WHERE pipeline = ?").bind(pipeline);
        let mut generation: i64 = 0;
        if let Some(row) = row.fetch_optional(&mut *transaction).await? {
            generation = row.try_get("generation")?;
            let until: i64 = row.try_get("until")?;
            if let Some(text) = row.try_get::<Option<String>, _>("holder")? {
                let current: Holder = serde_json::from_str(&text)?;
                if until > now.timestamp_millis() && !current.is_dead(holder) {
                    let until = DateTime::from_timestamp_millis(until).unwrap_or(now);
                    return Ok(Acquired::Held { holder: current, until });
                }
            }
        }
        generation += 1;
        let until = now + ttl;
        sqlx::query(
            "INSERT INTO leases (pipeline, generation, holder, until) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (pipeline) DO UPDATE SET generation = ?2, holder = ?3, until = ?4",
        )
        .bind(pipeline)
        .bind(generation)
        .bind(serde_json::to_string(holder)?)
        .bind(until.timestamp_millis())
        .execute(&mut *transaction)
        .await?;
        sqlx::query("INSERT INTO pipelines (name, incarnation, next_epoch) VALUES (?, ?, 1) ON CONFLICT (name) DO NOTHING")
            .bind(pipeline)
            .bind(new_incarnation())
            .execute(&mut *transaction)
            .await?;
        sqlx::query("INSERT INTO runs (pipeline, generation, holder, started_at) VALUES (?, ?, ?, ?)")
            .bind(pipeline)
            .bind(generation)
            .bind(serde_json::to_string(holder)?)
            .bind(now.timestamp_millis())
            .execute(&mut *transaction)
            .await?;
        commit(transaction).await?;
        Ok(Acquired::Granted(Lease { pipeline: pipeline.to_owned(), generation }))
    }

    async fn renew(&self, lease: &Lease, until: DateTime<Utc>) -> Result<()> {
        let changed = sqlx::query("UPDATE leases SET until = ? WHERE pipeline = ? AND generation = ? AND holder IS NOT NULL")
            .bind(until.timestamp_millis())
            .bind(&lease.pipeline)
            .bind(lease.generation)
            .execute(&self.pool)
            .await?;
        if changed.rows_affected() == 1 {
            Ok(())
        } else {
            Err(StateError::Fenced { pipeline: lease.pipeline.clone(), generation: lease.generation })
        }
    }

    async fn release(&self, lease: &Lease, error: Option<&str>, now: DateTime<Utc>) -> Result<()> {
        sqlx::query("UPDATE runs SET ended_at = ?, error = ? WHERE pipeline = ? AND generation = ?")
            .bind(now.timestamp_millis())
            .bind(error)
            .bind(&lease.pipeline)
            .bind(lease.generation)
            .execute(&self.pool)
            .await?;
        sqlx::query("UPDATE leases SET holder = NULL WHERE pipeline = ? AND generation = ?")
            .bind(&lease.pipeline)
            .bind(lease.generation)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    async fn progress(&self, pipeline: &str) -> Result<Progress> {
        let row = sqlx::query("SELECT incarnation, next_epoch FROM pipelines WHERE name = ?").bind(pipeline);
        let Some(row) = row.fetch_optional(&self.pool).await? else {
            return Ok(Progress { next_epoch: 1, ..Progress::default() });
        };
        let mut progress = Progress {
            incarnation: row.try_get("incarnation")?,
            next_epoch: u64::try_from(row.try_get::<i64, _>("next_epoch")?).unwrap_or(1),
            ..Progress::default()
        };
        for row in sqlx::query("SELECT flow, progress FROM flows WHERE pipeline = ?").bind(pipeline).fetch_all(&self.pool).await?
        {
            let flow: FlowProgress = serde_json::from_str(row.try_get("progress")?)?;
            progress.flows.insert(row.try_get("flow")?, flow);
        }
        let pending = sqlx::query("SELECT checkpoint FROM epochs WHERE pipeline = ? AND committed_at IS NULL").bind(pipeline);
        if let Some(row) = pending.fetch_optional(&self.pool).await? {
            progress.pending = Some(serde_json::from_str(row.try_get("checkpoint")?)?);
        }
        Ok(progress)
    }

    async fn record(&self, lease: &Lease, checkpoint: &Checkpoint) -> Result<()> {
        let mut transaction = self.begin_fenced(lease).await?;
        insert(&mut transaction, lease, checkpoint).await?;
        commit(transaction).await
    }

    async fn drop_pending(&self, lease: &Lease, kept: Option<&Checkpoint>) -> Result<()> {
        let mut transaction = self.begin_fenced(lease).await?;
        forget_pending(&mut transaction, &lease.pipeline).await?;
        if let Some(kept) = kept {
            insert(&mut transaction, lease, kept).await?;
        }
        commit(transaction).await
    }

    async fn advance(&self, lease: &Lease, epoch: u64, now: DateTime<Utc>) -> Result<()> {
        let mut transaction = self.begin_fenced(lease).await?;
        let text: Option<String> =
            sqlx::query_scalar("SELECT checkpoint FROM epochs WHERE pipeline = ? AND epoch = ? AND committed_at IS NULL")
                .bind(&lease.pipeline)
                .bind(signed(epoch)?)
                .fetch_optional(&mut *transaction)
                .await?;
        let text = text.ok_or_else(|| StateError::Corrupt { message: format!("epoch {epoch} is not pending") })?;
        let checkpoint: Checkpoint = serde_json::from_str(&text)?;
        for (flow, progress) in checkpoint.progress() {
            sqlx::query("INSERT INTO flows (pipeline, flow, progress) VALUES (?1, ?2, ?3) ON CONFLICT (pipeline, flow) DO UPDATE SET progress = ?3")
                .bind(&lease.pipeline)
                .bind(flow)
                .bind(serde_json::to_string(&progress)?)
                .execute(&mut *transaction)
                .await?;
        }
        sqlx::query(
            "UPDATE epochs SET committed_at = ?, checkpoint = NULL WHERE pipeline = ? AND epoch = ? AND committed_at IS NULL",
        )
        .bind(now.timestamp_millis())
        .bind(&lease.pipeline)
        .bind(signed(epoch)?)
        .execute(&mut *transaction)
        .await?;
        commit(transaction).await
    }

    async fn forget(&self, lease: &Lease) -> Result<()> {
        let mut transaction = self.begin_fenced(lease).await?;
        sqlx::query("DELETE FROM flows WHERE pipeline = ?").bind(&lease.pipeline).execute(&mut *transaction).await?;
        forget_pending(&mut transaction, &lease.pipeline).await?;
        sqlx::query("UPDATE pipelines SET incarnation = ?, next_epoch = 1 WHERE name = ?")
            .bind(new_incarnation())
            .bind(&lease.pipeline)
            .execute(&mut *transaction)
            .await?;
        commit(transaction).await
    }

    async fn runs(&self, page: &Page, now: DateTime<Utc>) -> Result<Vec<RunRecord>> {
        let rows =
            sqlx::query(RUNS).bind(page.pipeline.as_deref()).bind(page.before).bind(page.limit).fetch_all(&self.pool).await?;
        let here = Holder::current();
        rows.iter().map(|row| run_record(row, now, &here)).collect()
    }

    async fn epochs(&self, page: &Page) -> Result<Vec<EpochRecord>> {
        let rows =
            sqlx::query(EPOCHS).bind(page.pipeline.as_deref()).bind(page.before).bind(page.limit).fetch_all(&self.pool).await?;
        rows.iter().map(epoch_record).collect()
    }

    async fn epoch_flows(&self, pipeline: &str) -> Result<Vec<EpochFlow>> {
        epoch_flows::of_pipeline(&self.pool, pipeline).await
    }

    async fn flows(&self, pipeline: Option<&str>) -> Result<Vec<FlowRecord>> {
        let query = "SELECT pipeline, flow, progress FROM flows WHERE ?1 IS NULL OR pipeline = ?1 ORDER BY pipeline, flow";
        let rows = sqlx::query(query).bind(pipeline).fetch_all(&self.pool).await?;
        let record = |row: &SqliteRow| {
            let progress = serde_json::from_str(row.try_get("progress")?)?;
            Ok(FlowRecord { pipeline: row.try_get("pipeline")?, flow: row.try_get("flow")?, progress })
        };
        rows.iter().map(record).collect()
    }
}
