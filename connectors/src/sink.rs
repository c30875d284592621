//! What is written: the [`Sink`] trait and the batch of staged files that it commits.
//!
//! A sink is handed Parquet files that nobody else can see, and makes all of them visible at once. The id of a batch is the same each time the
//! batch is tried, so that a commit can be repeated. One that is slow to take rows may begin with them while they are staged: [`Preload`].

use std::fmt::{self, Debug};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::options::OptionSpec;
use crate::source::BadRecord;
use crate::staging::{FileForm, StagedFile};

/// The option of tables that are written, by which a file says that one was moved.
pub const MOVED_FROM: OptionSpec = OptionSpec {
    name: "moved_from",
    default: "the table is where it was, or is a new one",
    help: "the LOCATION that the table had before it was moved, with its rows, to where it is now: what feeds it goes on where it was, as in \
           'moved_from' 'public.orders'. Once a run has written to it there, it says nothing more",
};

/// How the rows of a flow meet the rows that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WriteMode {
    /// `INSERT INTO`: added.
    Append,
    /// `INSERT OVERWRITE`: all of the table is replaced.
    Overwrite,
    /// `REPLACE INTO`: rows with the same key are replaced, others added.
    Upsert,
}

impl WriteMode {
    /// By what [`fmt::Display`] writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Append, Self::Overwrite, Self::Upsert].into_iter().find(|mode| mode.to_string() == text)
    }
}

impl fmt::Display for WriteMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Append => "append",
            Self::Overwrite => "overwrite",
            Self::Upsert => "upsert",
        })
    }
}

/// Names one epoch of one flow for ever. The same rows carry the same id however often they are tried.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BatchId {
    /// The pipeline.
    pub pipeline: String,
    /// Made anew when a pipeline's progress is forgotten, so that old batches do not count as these.
    pub incarnation: String,
    /// The flow, in letters that are safe in a file name.
    pub flow: String,
    /// The epoch; grows within (pipeline, incarnation, flow).
    pub epoch: u64,
}

impl BatchId {
    /// Who writes: what stays the same from epoch to epoch.
    pub fn writer(&self) -> String {
        format!("engine:{}:{}:{}", self.pipeline, self.incarnation, self.flow)
    }

    /// The id as a file name.
    pub fn file_stem(&self) -> String {
        format!("{}-{}-{}-{:08}", self.pipeline, self.incarnation, self.flow, self.epoch)
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.writer(), self.epoch)
    }
}

/// What a sink would do with the rows of a query, and how it wants them staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkPlan {
    /// The columns and types to stage, in the table's order, partition columns among them. The engine casts to these.
    pub schema: SchemaRef,
    /// Columns whose values become folders; they are not in the files.
    pub partition_by: Vec<String>,
    /// The key of an upsert; rows of one epoch are unique by it when they are staged.
    pub key: Vec<String>,
    /// Which of several rows with one key wins within an epoch: the last by these columns, then the last to arrive.
    pub order_by: Vec<String>,
    /// Whether rows are staged in the order in which they came: the table itself says which of those have one key.
    pub in_order: bool,
    /// What a first commit would create or alter.
    pub changes: Vec<Change>,
}

/// Refuses a key that has a float in it: of two that print alike one may be another.
///
/// # Errors
/// [`Error::Config`] at the column.
pub(crate) fn check_key(table: &str, schema: &Schema, key: &[String]) -> Result<()> {
    for name in key {
        let data_type = schema.field_with_name(name)?.data_type();
        if data_type.is_floating() {
            return Err(incomparable_key(table, name, data_type));
        }
    }
    Ok(())
}

/// A column that tells no rows apart.
pub(crate) fn incomparable_key(table: &str, name: &str, data_type: &DataType) -> Error {
    let message = format!(
        "key column '{name}' of table '{table}' is {data_type}, which is not compared for equality safely; cast it, as in CAST({name} AS \
         VARCHAR), or choose another key"
    );
    Error::config_at(name, message)
}

/// A change to a table that a commit makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The table does not exist yet.
    Create,
    /// A column is added; rows that are there get NULL.
    AddColumn {
        /// Its name.
        name: String,
        /// Its type.
        data_type: DataType,
    },
    /// A column gets a type that holds more; each of its values stays what it is.
    WidenColumn {
        /// Its name.
        name: String,
        /// The type it has, as the warehouse calls it.
        from: String,
        /// The type it gets.
        to: String,
    },
}

/// The staged rows of one flow and epoch, to be made visible at once.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Deterministic: see [`BatchId`].
    pub id: BatchId,
    /// How the rows meet those that are there.
    pub mode: WriteMode,
    /// Columns of the rows as staged, partition columns among them.
    pub schema: SchemaRef,
    /// Columns that are folders.
    pub partition_by: Vec<String>,
    /// The key of an upsert.
    pub key: Vec<String>,
    /// The files; empty for an overwrite by nothing. `path` is relative to the root of the lake's store.
    pub files: Vec<StagedFile>,
}

impl Batch {
    /// What a commit of it brings, whether it is done now or was before.
    pub fn receipt(&self) -> Receipt {
        Receipt {
            rows: self.files.iter().map(|file| file.rows).sum(),
            files: self.files.len() as u64,
            bytes: self.files.iter().map(|file| file.bytes).sum(),
        }
    }
}

/// What a commit did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Rows the batch brought.
    pub rows: u64,
    /// Data files it made visible.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Looks at rows before they are staged: what a table cannot hold fails the run before anything is recorded, or is put aside.
pub trait Gate: Send + Sync + Debug {
    /// Parts rows of the columns that [`SinkPlan::schema`] has.
    ///
    /// # Errors
    /// When they cannot be looked at.
    fn pass(&self, rows: RecordBatch) -> Result<Passed>;

    /// How the sink wants the files to be encoded that the rows are staged in; `None` where it does not matter.
    fn form(&self) -> Option<FileForm> {
        None
    }

    /// The share of the rows of an epoch that may be put aside before the run fails; `None`: the first that is refused fails it.
    fn max_bad_ratio(&self) -> Option<f64>;
}

/// What a [`Gate`] makes of rows.
#[derive(Debug)]
pub struct Passed {
    /// The rows that the table takes, in their order.
    pub rows: RecordBatch,
    /// What it refuses, one record a row; `row` counts from 1 among the rows that were given. Those that are `kept` are among the rows.
    pub refused: Vec<BadRecord>,
    /// Rows that are among the rows with a text that was cut, as its user wants it: noted, and no reason to fail.
    pub cut: Vec<BadRecord>,
}

/// Rows on their way into a table while they are staged: the work of a commit, begun early and seen by nobody. It may fail at any time, and
/// is dropped then: what is staged is what counts, and [`Sink::commit`] does without.
#[async_trait]
pub trait Preload: Send + Sync + Debug {
    /// Takes rows, as they are staged: waits while the table is behind, and for no longer than the preload may take. Rows that it cannot take
    /// are let go.
    async fn write(&mut self, rows: RecordBatch);

    /// There are no more rows. Waits as [`Self::write`] does.
    async fn end(&mut self);

    /// Waits until the rows are taken, or the preload was given up because that takes too long.
    ///
    /// # Errors
    /// When the table refuses them. Alone in its epoch, it always would; beside others it may lack rows that these bring.
    async fn taken(&mut self) -> Result<()>;

    /// Makes the batch visible, unless it is already; `None` when that is left to [`Sink::commit`].
    async fn commit(self: Box<Self>, batch: &Batch) -> Option<Receipt>;

    /// Gives the rows up, and waits until that is done.
    async fn abandon(self: Box<Self>);
}

/// What a table, and the ledger that is written with its rows, say of what was written to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// The batches of all writers, in the order of their commits.
    pub entries: Vec<LedgerEntry>,
    /// Whether there were none before these: a table's log may be shortened.
    pub is_complete: bool,
    /// Rows in the table; `None` when there is no table, or it does not say.
    pub rows: Option<u64>,
    /// Whether there is a table.
    pub exists: bool,
    /// Whether an upsert may remove rows.
    pub deletes: bool,
    /// Keys that several rows of a table have that is upserted; `None` when nobody looked.
    pub repeated_keys: Option<u64>,
    /// Changes of rows that no batch made, as somebody who wrote to the table himself leaves them.
    pub foreign: Vec<String>,
}

impl Audit {
    /// Whether every row came by an upsert, so that no two may have one key.
    pub(crate) fn is_only_upserted(&self) -> bool {
        !self.entries.is_empty() && self.entries.iter().all(|entry| entry.mode == WriteMode::Upsert)
    }
}

/// A batch in a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Who wrote it: [`BatchId::writer`].
    pub writer: String,
    /// Its epoch.
    pub epoch: u64,
    /// How it was written.
    pub mode: WriteMode,
    /// Rows it brought; `None` when the ledger does not say.
    pub rows: Option<u64>,
    /// Rows in the table right after it; `None` when the ledger does not say.
    pub rows_after: Option<u64>,
}

/// A table that is written.
///
/// Contract (checked by [`crate::testing::sink_contract`]):
/// - a batch is visible whole or not at all, to whoever reads the table the way its documentation says;
/// - `commit` twice with one id writes once, also when the first answer was lost, also from two processes;
/// - a `commit` that fails leaves the table as it was, and can be tried again;
/// - staged files are read, never moved or removed: the engine does that when every sink has committed.
#[async_trait]
pub trait Sink: Send + Sync + Debug {
    /// What rows of `query`'s columns would do to the table, without doing it. Columns are matched by name.
    ///
    /// # Errors
    /// [`crate::Error::Config`] with the column as subject when a column cannot be written, is missing, or would need a
    /// change that is not additive.
    async fn plan(&self, query: &SchemaRef, mode: WriteMode) -> Result<SinkPlan>;

    /// What looks at rows before they are staged; `None` where the table holds whatever its columns say.
    ///
    /// # Errors
    /// When the table cannot be read.
    async fn gate(&self, plan: &SinkPlan) -> Result<Option<Arc<dyn Gate>>> {
        let _ = plan;
        Ok(None)
    }

    /// Begins to take the rows of an epoch while they are staged; `None` where nothing is won by that. While it is open, nobody waits for another
    /// connection of the table's database without giving this one up: a pool may have a single one.
    fn preload(&self, plan: &SinkPlan, mode: WriteMode) -> Option<Box<dyn Preload>> {
        let _ = (plan, mode);
        None
    }

    /// Whether the batch is in the table already, or a later one of its writer: asked for epoch 0, whether the table has anything of it.
    ///
    /// # Errors
    /// When the table cannot be read.
    async fn committed(&self, batch: &BatchId) -> Result<bool>;

    /// Whether the table is there; `None` from a sink that tells no table from an empty one.
    ///
    /// # Errors
    /// When it cannot be looked for.
    async fn exists(&self) -> Result<Option<bool>> {
        Ok(None)
    }

    /// The ledger beside the table's count, as of one moment; `None` from a sink that keeps no ledger.
    ///
    /// # Errors
    /// When the table or its ledger cannot be read.
    async fn audit(&self) -> Result<Option<Audit>> {
        Ok(None)
    }

    /// Makes the batch visible, unless it is already.
    ///
    /// # Errors
    /// Any; the table is then as it was, or holds the whole batch.
    async fn commit(&self, batch: &Batch) -> Result<Receipt>;

    /// Removes what tries to commit a batch left outside of the table, as files that it was to be loaded from: nobody will try again.
    ///
    /// # Errors
    /// When that cannot be removed.
    async fn abandon(&self, batch: &BatchId) -> Result<()> {
        let _ = batch;
        Ok(())
    }

    /// Makes an overwriting batch visible in place of some files of the table, unless it is already: the other files stay. `files` are
    /// paths from the table's root. Only a table whose log names its files can do so.
    ///
    /// # Errors
    /// As [`Self::commit`]; when one of the files is not in the table any more, which nothing but another writer brings about.
    async fn commit_in_place_of(&self, batch: &Batch, files: &[String]) -> Result<Receipt> {
        Err(Error::internal(format!("batch {} is to replace {} files of a table that has none", batch.id, files.len())))
    }
}
