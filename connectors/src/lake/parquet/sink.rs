//! The PARQUET sink: files first, then the record that makes them the table's, then what they replaced goes.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;

use crate::clock::Clock;
use crate::context::{Context, TableSpec};
use crate::error::{Error, Result};
use crate::faults::{AFTER_TABLE_COMMIT, BEFORE_REPLACED_REMOVED, BEFORE_TABLE_COMMIT, FILES_COPIED, point};
use crate::lake::COMMIT_ATTEMPTS;
use crate::lake::files::{self, Copied};
use crate::lake::parquet::log::{self, Commit, State, TableFile};
use crate::lake::schema::{canonical, grown, meet, resolve};
use crate::options::Options;
use crate::sink::{Batch, BatchId, MOVED_FROM, Receipt, Sink, SinkPlan, WriteMode};
use crate::stores::Location;

/// A PARQUET table that is written.
#[derive(Debug)]
pub(crate) struct ParquetSink {
    table: String,
    location: Location,
    lake: Location,
    partition_by: Vec<String>,
    declared: Option<SchemaRef>,
    clock: Arc<dyn Clock>,
}

/// How a try ended that was not an error.
enum Attempt {
    Committed,
    LostRace,
}

impl ParquetSink {
    pub(crate) fn open(table: &TableSpec, context: &Context) -> Result<Self> {
        Options::parse("PARQUET", &[MOVED_FROM], &table.options)?;
        Ok(Self {
            table: table.name.clone(),
            location: context.locate(&table.location)?,
            lake: context.stores.lake()?,
            partition_by: table.partition_by.clone(),
            declared: table.columns.clone(),
            clock: Arc::clone(&context.clock),
        })
    }

    fn check_mode(&self, mode: WriteMode) -> Result<()> {
        if mode == WriteMode::Upsert {
            let table = &self.table;
            let message =
                format!("REPLACE INTO {table}: PARQUET does not replace single rows; make it STORED AS DELTA with a key");
            return Err(Error::config(message));
        }
        Ok(())
    }

    fn check_partitions(&self, state: &State, wanted: &[String]) -> Result<()> {
        let there = &state.partition_by;
        if there.len() == wanted.len() && there.iter().zip(wanted).all(|(a, b)| a.eq_ignore_ascii_case(b)) {
            return Ok(());
        }
        let message = format!(
            "table '{}' exists with partitions ({}), declared are ({}); make PARTITIONED BY say what the table has, or write to a \
             new location",
            self.table,
            there.join(", "),
            wanted.join(", ")
        );
        Err(Error::config_at(wanted.first().or(there.first()).cloned().unwrap_or_default(), message))
    }

    async fn attempt(&self, batch: &Batch, copied: &[Copied], has_copied: &mut bool) -> Result<Attempt> {
        let state = log::read(&self.location).await?;
        if let Some(state) = state.as_ref().filter(|state| state.holds(&batch.id)) {
            self.finish(state, copied, *has_copied).await?;
            return Ok(Attempt::Committed);
        }
        let schema = match &state {
            Some(state) => {
                self.check_partitions(state, &batch.partition_by)?;
                let columns = state.columns()?;
                meet(&self.table, Some(columns.as_ref()), &batch.schema)?;
                // An overwrite that was cut short may have left what it replaced.
                files::remove(&self.location, &state.replaced).await?;
                grown(&columns, &batch.schema)
            }
            None => Arc::clone(&batch.schema),
        };
        if !*has_copied {
            files::copy(&self.lake, &self.location, copied).await?;
            *has_copied = true;
        }
        point(FILES_COPIED);
        let commit = Commit {
            id: &batch.id,
            mode: batch.mode,
            schema: &schema,
            partition_by: &batch.partition_by,
            files: copied.iter().map(table_file).collect(),
        };
        point(BEFORE_TABLE_COMMIT);
        let appended = log::append(&self.location, state, commit).await;
        point(AFTER_TABLE_COMMIT);
        let state = match appended {
            Ok(Some(state)) => state,
            Ok(None) => return Ok(Attempt::LostRace),
            // The record may be there and only the answer have failed.
            Err(error) => match log::read(&self.location).await {
                Ok(Some(now)) if now.holds(&batch.id) => now,
                _ => return Err(error),
            },
        };
        self.finish(&state, copied, false).await?;
        Ok(Attempt::Committed)
    }

    /// What is left to do when the record is there.
    async fn finish(&self, state: &State, copied: &[Copied], has_copied: bool) -> Result<()> {
        point(BEFORE_REPLACED_REMOVED);
        files::remove(&self.location, &state.replaced).await?;
        if has_copied {
            // Another process committed the batch, and it may have been overwritten since: copies that came late are nobody's.
            let live = state.paths();
            let stray: Vec<String> =
                copied.iter().map(|file| file.path.clone()).filter(|path| !live.contains(path.as_str())).collect();
            files::remove(&self.location, &stray).await?;
        }
        if let Err(error) = log::snapshot(&self.location, state).await {
            tracing::warn!(table = self.table, %error, "snapshot of the table's records not written; the next commits try again");
        }
        Ok(())
    }
}

#[async_trait]
impl Sink for ParquetSink {
    async fn plan(&self, query: &SchemaRef, mode: WriteMode) -> Result<SinkPlan> {
        self.check_mode(mode)?;
        let state = log::read(&self.location).await?;
        let (schema, changes) = match (&state, &self.declared) {
            (Some(state), _) => {
                self.check_partitions(state, &self.partition_by)?;
                meet(&self.table, Some(state.columns()?.as_ref()), query)?
            }
            (None, Some(declared)) => {
                let (declared, created) = meet(&self.table, None, declared)?;
                (meet(&self.table, Some(declared.as_ref()), query)?.0, created)
            }
            (None, None) => meet(&self.table, None, query)?,
        };
        Ok(SinkPlan {
            partition_by: resolve(&self.table, "partition", &schema, &self.partition_by)?,
            key: Vec::new(),
            order_by: Vec::new(),
            in_order: false,
            schema: canonical(&schema)?,
            changes,
        })
    }

    async fn committed(&self, batch: &BatchId) -> Result<bool> {
        Ok(log::read(&self.location).await?.is_some_and(|state| state.holds(batch)))
    }

    async fn commit(&self, batch: &Batch) -> Result<Receipt> {
        self.check_mode(batch.mode)?;
        let copied = files::names(batch);
        let mut has_copied = false;
        for attempt in 0..COMMIT_ATTEMPTS {
            match Box::pin(self.attempt(batch, &copied, &mut has_copied)).await? {
                Attempt::Committed => return Ok(batch.receipt()),
                Attempt::LostRace => {
                    let wait = rand::random_range(5..=20) * u64::from(attempt + 1);
                    self.clock.sleep(Duration::from_millis(wait)).await;
                }
            }
        }
        Err(Error::transient(format!(
            "table '{}': other writers were faster {COMMIT_ATTEMPTS} times; nothing was written",
            self.table
        )))
    }
}

fn table_file(file: &Copied) -> TableFile {
    TableFile {
        path: file.path.clone(),
        bytes: file.staged.bytes,
        rows: file.staged.rows,
        partition: file.staged.partition.clone(),
    }
}
