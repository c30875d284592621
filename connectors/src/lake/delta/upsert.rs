//! `REPLACE INTO`, by copy-on-write in bounded memory: files that hold a key of the batch are written anew without those rows.
//!
//! Not the crate's MERGE, which joins whole files in memory: what is held here is the batch's keys, and of one file at a time
//! a row group and the positions of its hits. Rows of the batch that do not get into the table (they say that a row is deleted, or that one
//! is there already) are left out of its files, which then are written anew too instead of copied.

use std::pin::pin;
use std::sync::Arc;

use futures::{Stream, TryStreamExt};
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use sha2::{Digest, Sha256};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use deltalake_core::kernel::{Action, Add, EagerSnapshot, LogicalFileView};
use deltalake_core::logstore::LogStoreRef;

use crate::error::{Error, Result};
use crate::lake::delta::keys::KeySet;
use crate::lake::delta::reader::{DataFile, KeyReader, partition_scalar};
use crate::lake::delta::stats;
use crate::staging::file::{ParquetFile, WrittenFile};
use crate::staging::{FileForm, StagingSizes};
use crate::upserts::{self, without};

/// One upsert against one snapshot.
#[derive(Debug)]
pub(crate) struct Upsert<'a> {
    pub(crate) log: &'a LogStoreRef,
    pub(crate) table: &'a str,
    pub(crate) stem: &'a str,
    pub(crate) keys: &'a KeySet,
    /// Columns of the table, partition columns among them.
    pub(crate) columns: &'a SchemaRef,
    pub(crate) form: &'a FileForm,
    pub(crate) sizes: StagingSizes,
    pub(crate) upsert: upserts::Upsert,
    /// The column of the table in which rows are marked as deleted, where they stay.
    pub(crate) mark: Option<&'a str>,
}

/// What an upsert makes of the table's files.
#[derive(Debug, Default)]
pub(crate) struct Upserted {
    pub(crate) actions: Vec<Action>,
    /// By the number of a key, whether the table has a row of it that stays; empty where none does.
    pub(crate) there: Vec<bool>,
}

/// Rows of one file whose key is in the batch, by their positions, which ascend.
#[derive(Debug, Default)]
struct Hits {
    dropped: Vec<u64>,
    /// With the number of the key.
    marked: Vec<(u64, usize)>,
}

impl Upsert<'_> {
    /// Writes the files anew that lose rows, or have rows that are marked. `written` is told of each, also when a later one fails.
    pub(crate) async fn run(&self, snapshot: &EagerSnapshot, written: &mut Vec<String>) -> Result<Upserted> {
        let mut upserted = Upserted::default();
        if self.upsert == upserts::Upsert::Insert {
            upserted.there = vec![false; self.keys.len()];
        }
        for view in snapshot.log_data().iter() {
            if !self.may_hold(&view)? {
                continue;
            }
            if view.deletion_vector_descriptor().is_some() {
                return Err(Error::config(format!(
                    "table '{}' has deletion vectors, which REPLACE INTO does not read; run REORG TABLE ... APPLY (PURGE) where they \
                     were made",
                    self.table
                )));
            }
            let path = view.path().into_owned();
            let file = DataFile {
                store: self.log.object_store(None),
                path: view.object_store_path(),
                bytes: u64::try_from(view.size()).unwrap_or(0),
                partition: view.partition_values_map(),
            };
            let reader = KeyReader::open(&file, self.keys.fields()).await?;
            let (hits, rows) = self.hits(&reader, &mut upserted.there).await?;
            if hits.dropped.is_empty() && hits.marked.is_empty() {
                continue;
            }
            upserted.actions.push(Action::Remove(view.remove_action(true)));
            if (hits.dropped.len() as u64) < rows {
                let name = rewritten_name(&path, self.stem);
                written.push(name.clone());
                let file = self.rewrite(&file, &reader, &hits, rows, &name).await?;
                upserted.actions.push(Action::Add(self.add(name, &file, &view)));
            }
        }
        Ok(upserted)
    }

    /// Whether the file's partition and statistics leave it possible that it holds a key.
    fn may_hold(&self, view: &LogicalFileView) -> Result<bool> {
        let partition = view.partition_values_map();
        let statistics: serde_json::Value = view.stats().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        for (index, field) in self.keys.fields().iter().enumerate() {
            if let Some(value) = partition.get(field.name()) {
                let value = partition_scalar(value.as_deref(), field.data_type())?;
                if value.is_null() || !self.keys.overlaps(index, &value, &value) {
                    return Ok(false);
                }
                continue;
            }
            let bound = |side: &str| file_bound(&statistics[side][field.name().as_str()], field.data_type());
            if let (Some(low), Some(high)) = (bound("minValues"), bound("maxValues"))
                && !self.keys.overlaps(index, &low, &high)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The rows to drop and to mark, and how many rows there are; of those that stay as they are, `there` says which they are.
    async fn hits(&self, reader: &KeyReader, there: &mut [bool]) -> Result<(Hits, u64)> {
        let (mut hits, mut start) = (Hits::default(), 0);
        for group in 0..reader.row_groups() {
            let bounds = (0..self.keys.fields().len()).map(|key| (key, reader.bounds(key, group)));
            let possible =
                bounds.into_iter().all(|(key, bounds)| bounds.is_none_or(|(low, high)| self.keys.overlaps(key, &low, &high)));
            if possible {
                let mut position = start;
                let mut batches = reader.keys(group)?;
                while let Some(columns) = batches.try_next().await? {
                    self.keys.find(&columns, position, |position, key| {
                        if let Some(there) = there.get_mut(key) {
                            *there = true;
                        } else if self.mark.is_some() && self.keys.deletion(key).is_some() {
                            hits.marked.push((position, key));
                        } else {
                            hits.dropped.push(position);
                        }
                    })?;
                    position += columns.first().map_or(0, |column| column.len() as u64);
                }
            }
            start += reader.rows(group);
        }
        Ok((hits, start))
    }

    async fn rewrite(&self, old: &DataFile, reader: &KeyReader, hits: &Hits, rows: u64, name: &str) -> Result<WrittenFile> {
        let schema = match self.mark.filter(|_| !hits.marked.is_empty()) {
            // The column may be younger than the file.
            Some(mark) if reader.file_schema().index_of(mark).is_err() => {
                let mark = self.columns.field_with_name(mark)?.clone();
                with(reader.file_schema(), mark)
            }
            _ => Arc::clone(reader.file_schema()),
        };
        let mut marking = Marking { keys: self.keys, mark: self.mark, schema: &schema, hits, row: 0 };
        let batches = reader.remaining(selection(&hits.dropped, rows)?, None)?;
        let batches = batches.map_err(Error::from).and_then(|batch| std::future::ready(marking.mark(batch)));
        write(&old.store, name, &schema, self.form, &self.sizes, batches).await
    }

    fn add(&self, name: String, file: &WrittenFile, old: &LogicalFileView) -> Add {
        Add {
            path: name,
            partition_values: old.partition_values_map(),
            size: i64::try_from(file.bytes).unwrap_or(i64::MAX),
            modification_time: chrono::Utc::now().timestamp_millis(),
            data_change: true,
            stats: Some(stats::of(&file.footer, self.columns)),
            ..Add::default()
        }
    }
}

/// Writes rows as a file of the table. Row groups are cut by their own size alone, not by what the pool has left: two processes that try the
/// same batch write the same bytes under the same name, and either's commit describes both.
async fn write(
    store: &Arc<dyn ObjectStore>,
    name: &str,
    schema: &SchemaRef,
    form: &FileForm,
    sizes: &StagingSizes,
    batches: impl Stream<Item = Result<RecordBatch>>,
) -> Result<WrittenFile> {
    let path = Path::parse(name).map_err(|error| Error::internal(format!("path '{name}': {error}")))?;
    let mut file = ParquetFile::create(store, path, schema, form, sizes)?;
    let mut batches = pin!(batches);
    loop {
        let step = match batches.try_next().await {
            Ok(Some(batch)) => file.write(&batch).await,
            Ok(None) => return file.finish().await,
            Err(error) => Err(error),
        };
        if let Err(error) = step {
            file.abort().await?;
            return Err(error);
        }
    }
}

/// Rows of a file that stay in the table and are marked as deleted from now on.
#[derive(Debug)]
struct Marking<'a> {
    keys: &'a KeySet,
    mark: Option<&'a str>,
    schema: &'a SchemaRef,
    hits: &'a Hits,
    /// The next row of the file.
    row: u64,
}

impl Marking<'_> {
    /// The rows that come next, marked.
    fn mark(&mut self, batch: RecordBatch) -> Result<RecordBatch> {
        let Some(mark) = self.mark.filter(|_| !self.hits.marked.is_empty()) else { return Ok(batch) };
        let dropped = &self.hits.dropped;
        let mut positions = Vec::with_capacity(batch.num_rows());
        let mut next = dropped.partition_point(|position| *position < self.row);
        while positions.len() < batch.num_rows() {
            if dropped.get(next) == Some(&self.row) {
                next += 1;
            } else {
                positions.push(self.row);
            }
            self.row += 1;
        }
        let index = self.schema.index_of(mark)?;
        let mut columns = batch.columns().to_vec();
        let old = (index < columns.len()).then(|| cast(&columns[index], &DataType::Utf8)).transpose()?;
        let old = old.as_ref().map(|old| old.as_string::<i32>());
        let text = |(row, position): (usize, &u64)| match self.hits.marked.binary_search_by_key(position, |(marked, _)| *marked) {
            Ok(found) => self.keys.deletion(self.hits.marked[found].1),
            Err(_) => old.filter(|old| old.is_valid(row)).map(|old| old.value(row)),
        };
        let texts: StringArray = positions.iter().enumerate().map(text).collect();
        let marks: ArrayRef = cast(&texts, self.schema.field(index).data_type())?;
        if index < columns.len() {
            columns[index] = marks
        } else {
            columns.push(marks)
        }
        Ok(RecordBatch::try_new(Arc::clone(self.schema), columns)?)
    }
}

/// Columns, and one more.
fn with(schema: &Schema, more: Field) -> SchemaRef {
    Schema::new(schema.fields().iter().cloned().chain([Arc::new(more)]).collect::<Vec<_>>()).into()
}

/// A staged file whose rows do not all get into the table, or not with all of their columns.
#[derive(Debug)]
pub(crate) struct Sifted<'a> {
    pub(crate) staged: &'a DataFile,
    /// What its copy would be called, from the table's root.
    pub(crate) path: &'a str,
    /// Positions of the rows that are left out, which ascend.
    pub(crate) left_out: &'a [u64],
    /// The column that is.
    pub(crate) marker: Option<&'a str>,
}

impl Sifted<'_> {
    /// What it is called in the table. What is left out may be other rows at another try, if the table was changed meanwhile.
    pub(crate) fn name(&self) -> String {
        let mut digest = Sha256::new();
        self.left_out.iter().for_each(|position| digest.update(position.to_le_bytes()));
        let digest = hex::encode(digest.finalize());
        let stem = self.path.strip_suffix(".parquet").unwrap_or(self.path);
        format!("{stem}-sifted-{}.parquet", digest.get(..16).unwrap_or(&digest))
    }

    /// Writes it into `table`.
    pub(crate) async fn write(&self, table: &Arc<dyn ObjectStore>, form: &FileForm, sizes: &StagingSizes) -> Result<WrittenFile> {
        let reader = KeyReader::open(self.staged, &[]).await?;
        let rows: u64 = (0..reader.row_groups()).map(|group| reader.rows(group)).sum();
        let schema = reader.file_schema();
        let marker = self.marker.and_then(|marker| schema.index_of(marker).ok());
        let kept = marker.map_or_else(|| Arc::clone(schema), |marker| without(schema, marker));
        let batches = reader.remaining(selection(self.left_out, rows)?, marker)?.map_err(Error::from);
        write(table, &self.name(), &kept, form, sizes, batches).await
    }
}

/// In the old file's folder; the same for each try of the batch.
fn rewritten_name(old: &str, stem: &str) -> String {
    let digest = hex::encode(Sha256::digest(old));
    let name = format!("{stem}-without-{}.parquet", digest.get(..16).unwrap_or(&digest));
    old.rsplit_once('/').map_or(name.clone(), |(folder, _)| format!("{folder}/{name}"))
}

/// All rows but `hits`, which ascend.
fn selection(hits: &[u64], rows: u64) -> Result<RowSelection> {
    let count = |rows: u64| usize::try_from(rows).map_err(|_| Error::internal("file of too many rows"));
    let (mut selectors, mut next) = (Vec::new(), 0);
    for hit in hits {
        if *hit > next {
            selectors.push(RowSelector::select(count(hit - next)?));
        }
        selectors.push(RowSelector::skip(1));
        next = hit + 1;
    }
    if rows > next {
        selectors.push(RowSelector::select(count(rows - next)?));
    }
    Ok(selectors.into())
}

/// A bound from `Add.stats`, of the types whose JSON says it exactly.
fn file_bound(value: &serde_json::Value, data_type: &arrow::datatypes::DataType) -> Option<datafusion::scalar::ScalarValue> {
    use arrow::datatypes::DataType;
    let text = match (value, data_type) {
        (serde_json::Value::String(text), DataType::Utf8 | DataType::Date32) => text.clone(),
        (serde_json::Value::Number(number), _) if data_type.is_integer() => number.to_string(),
        _ => return None,
    };
    partition_scalar(Some(&text), data_type).ok().filter(|value| !value.is_null())
}
