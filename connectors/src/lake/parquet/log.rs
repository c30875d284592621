//! The records of a PARQUET table: one per commit, numbered without gaps, each written only if its number is free.
//!
//! ```text
//! <table>/_engine/00000000000000000000.json            what batch 0 added, or replaced everything by
//! <table>/_engine/00000000000000000015.snapshot.json   all of the table as of record 15
//! <table>/_engine/_last_snapshot                       15
//! ```
//! Two commits at once race for one number: the loser reads what the winner did and takes the next. A reader starts from the
//! last snapshot, so that its work does not grow with the table's age. Records are never removed: a number that were free again
//! could be taken by a writer that was asleep.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use deltalake_core::kernel::StructType;
use futures::{StreamExt, TryStreamExt};
use object_store::{ObjectStore, ObjectStoreExt, PutMode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::lake::files::path_in;
use crate::lake::schema::{to_arrow, to_delta};
use crate::sink::{BatchId, WriteMode};
use crate::stores::Location;

/// Records between two snapshots.
const SNAPSHOT_INTERVAL: u64 = 16;

/// Records read at the same time.
const CONCURRENT: usize = 8;

const LAST_SNAPSHOT: &str = "_engine/_last_snapshot";

/// A file of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableFile {
    /// From the table's root.
    pub(crate) path: String,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
    /// As [`crate::staging::StagedFile::partition`].
    pub(crate) partition: Vec<(String, Option<String>)>,
}

/// One commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Its number.
    version: u64,
    writer: String,
    epoch: u64,
    mode: WriteMode,
    /// All columns of the table from here on, partition columns among them, in the JSON of Spark and Delta.
    schema: StructType,
    partition_by: Vec<String>,
    files: Vec<TableFile>,
    /// Files that an earlier overwrite replaced are gone.
    tidied: bool,
}

/// The table after some record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) version: u64,
    schema: StructType,
    pub(crate) partition_by: Vec<String>,
    pub(crate) files: Vec<TableFile>,
    /// The last epoch of every writer.
    writers: BTreeMap<String, u64>,
    /// Files that the last overwrite replaced and nobody has said to be gone.
    pub(crate) replaced: Vec<String>,
}

impl State {
    /// The table's columns.
    pub(crate) fn columns(&self) -> Result<SchemaRef> {
        to_arrow(&self.schema)
    }

    /// Whether the batch is in it.
    pub(crate) fn holds(&self, id: &BatchId) -> bool {
        self.writers.get(&id.writer()).is_some_and(|epoch| *epoch >= id.epoch)
    }

    /// Names of its files.
    pub(crate) fn paths(&self) -> BTreeSet<&str> {
        self.files.iter().map(|file| file.path.as_str()).collect()
    }

    fn after(state: Option<Self>, record: Record) -> Result<Self> {
        let expected = state.as_ref().map_or(0, |state| state.version + 1);
        if record.version != expected {
            return Err(Error::data(format!("record {expected} of a PARQUET table is missing, {} is there", record.version)));
        }
        let (mut files, mut writers, mut replaced) = match state {
            Some(state) => (state.files, state.writers, state.replaced),
            None => (Vec::new(), BTreeMap::new(), Vec::new()),
        };
        if record.tidied {
            replaced.clear();
        }
        if record.mode == WriteMode::Overwrite {
            replaced.extend(files.drain(..).map(|file| file.path));
        }
        files.extend(record.files);
        writers.insert(record.writer, record.epoch);
        Ok(Self { version: record.version, schema: record.schema, partition_by: record.partition_by, files, writers, replaced })
    }
}

/// What a commit wants to record.
#[derive(Debug)]
pub(crate) struct Commit<'a> {
    pub(crate) id: &'a BatchId,
    pub(crate) mode: WriteMode,
    pub(crate) schema: &'a Schema,
    pub(crate) partition_by: &'a [String],
    pub(crate) files: Vec<TableFile>,
}

/// The table as it is now; `None` when it does not exist.
pub(crate) async fn read(table: &Location) -> Result<Option<State>> {
    let last = get(table, LAST_SNAPSHOT).await?.map(|bytes| parse::<u64>(LAST_SNAPSHOT, &bytes)).transpose()?;
    let mut state: Option<State> = match last {
        Some(version) => Some(get_json(table, &snapshot_path(version)).await?),
        None => None,
    };
    let folder = path_in(table, "_engine")?;
    let mut records = match last {
        // The snapshot's own name sorts behind its record's.
        Some(version) => table.store.list_with_offset(Some(&folder), &path_in(table, &snapshot_path(version))?),
        None => table.store.list(Some(&folder)),
    };
    let mut versions = Vec::new();
    while let Some(object) = records.next().await {
        let object = match object {
            Err(error) if is_below_a_file(&error) => break,
            object => object?,
        };
        let name = object.location.filename().unwrap_or_default().to_owned();
        versions.extend(name.strip_suffix(".json").and_then(|version| version.parse::<u64>().ok()));
    }
    versions.sort_unstable();
    let paths: Vec<String> = versions.into_iter().map(record_path).collect();
    let reads: Vec<_> = paths.iter().map(|path| get_json::<Record>(table, path)).collect();
    let mut reads = futures::stream::iter(reads).buffered(CONCURRENT);
    while let Some(record) = reads.try_next().await? {
        state = Some(State::after(state, record)?);
    }
    Ok(state)
}

/// Records the commit behind `state`; `None` when another commit took the number.
pub(crate) async fn append(table: &Location, state: Option<State>, commit: Commit<'_>) -> Result<Option<State>> {
    let record = Record {
        version: state.as_ref().map_or(0, |state| state.version + 1),
        writer: commit.id.writer(),
        epoch: commit.id.epoch,
        mode: commit.mode,
        schema: to_delta(commit.schema)?,
        partition_by: commit.partition_by.to_vec(),
        files: commit.files,
        tidied: true,
    };
    let path = path_in(table, &record_path(record.version))?;
    match table.store.put_opts(&path, json(&record)?.into(), PutMode::Create.into()).await {
        Ok(_) => State::after(state, record).map(Some),
        Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Writes a snapshot when it is time for one. The table is whole without it.
pub(crate) async fn snapshot(table: &Location, state: &State) -> Result<()> {
    if !(state.version + 1).is_multiple_of(SNAPSHOT_INTERVAL) {
        return Ok(());
    }
    table.store.put(&path_in(table, &snapshot_path(state.version))?, json(state)?.into()).await?;
    table.store.put(&path_in(table, LAST_SNAPSHOT)?, json(&state.version)?.into()).await?;
    Ok(())
}

fn record_path(version: u64) -> String {
    format!("_engine/{version:020}.json")
}

fn snapshot_path(version: u64) -> String {
    format!("_engine/{version:020}.snapshot.json")
}

async fn get(table: &Location, relative: &str) -> Result<Option<Bytes>> {
    match table.store.get(&path_in(table, relative)?).await {
        Ok(object) => Ok(Some(object.bytes().await?)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) if is_below_a_file(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether a local path goes on behind a file: there is nothing, as where a file is the table.
fn is_below_a_file(error: &object_store::Error) -> bool {
    let first = Some(error as &(dyn std::error::Error + 'static));
    let causes = std::iter::successors(first, |error| error.source());
    let mut faults = causes.filter_map(|error| error.downcast_ref::<std::io::Error>());
    faults.any(|fault| fault.kind() == std::io::ErrorKind::NotADirectory)
}

async fn get_json<T: DeserializeOwned>(table: &Location, relative: &str) -> Result<T> {
    let bytes = get(table, relative).await?;
    parse(relative, &bytes.ok_or_else(|| Error::data(format!("'{}/{relative}' is gone", table.url)))?)
}

fn parse<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| Error::data(format!("'{name}' of a PARQUET table: {error}")))
}

fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Error::internal(format!("record of a PARQUET table: {error}")))
}
