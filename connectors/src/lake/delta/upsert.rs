//! `REPLACE INTO`, by copy-on-write in bounded memory: files that hold a key of the batch are written anew without those rows.
//!
//! Not the crate's MERGE, which joins whole files in memory: what is held here is the batch's keys, and of one file at a time
//! a row group and the positions of its hits.

use futures::TryStreamExt;
use object_store::path::Path;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use sha2::{Digest, Sha256};

use arrow::datatypes::SchemaRef;
use deltalake_core::kernel::{Action, Add, EagerSnapshot, LogicalFileView};
use deltalake_core::logstore::LogStoreRef;

use crate::error::{Error, Result};
use crate::lake::delta::keys::KeySet;
use crate::lake::delta::reader::{DataFile, KeyReader, partition_scalar};
use crate::lake::delta::stats;
use crate::staging::file::{ParquetFile, WrittenFile};
use crate::staging::{FileForm, StagingSizes};

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
}

impl Upsert<'_> {
    /// Writes the files anew that lose rows. `written` is told of each, also when a later one fails.
    pub(crate) async fn run(&self, snapshot: &EagerSnapshot, written: &mut Vec<String>) -> Result<Vec<Action>> {
        let mut actions = Vec::new();
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
            let (hits, rows) = self.hits(&reader).await?;
            if hits.is_empty() {
                continue;
            }
            actions.push(Action::Remove(view.remove_action(true)));
            if (hits.len() as u64) < rows {
                let name = rewritten_name(&path, self.stem);
                written.push(name.clone());
                let file = self.rewrite(&file, &reader, &hits, rows, &name).await?;
                actions.push(Action::Add(self.add(name, &file, &view)));
            }
        }
        Ok(actions)
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

    /// Positions of the rows to drop, and how many rows there are.
    async fn hits(&self, reader: &KeyReader) -> Result<(Vec<u64>, u64)> {
        let (mut hits, mut start) = (Vec::new(), 0);
        for group in 0..reader.row_groups() {
            let bounds = (0..self.keys.fields().len()).map(|key| (key, reader.bounds(key, group)));
            let possible =
                bounds.into_iter().all(|(key, bounds)| bounds.is_none_or(|(low, high)| self.keys.overlaps(key, &low, &high)));
            if possible {
                let mut position = start;
                let mut batches = reader.keys(group)?;
                while let Some(columns) = batches.try_next().await? {
                    self.keys.find(&columns, position, &mut hits)?;
                    position += columns.first().map_or(0, |column| column.len() as u64);
                }
            }
            start += reader.rows(group);
        }
        Ok((hits, start))
    }

    async fn rewrite(&self, old: &DataFile, reader: &KeyReader, hits: &[u64], rows: u64, name: &str) -> Result<WrittenFile> {
        let path = Path::parse(name).map_err(|error| Error::internal(format!("path '{name}': {error}")))?;
        // Row groups are cut by their own size alone, not by what the pool has left: two processes that try the same batch
        // write the same bytes under the same name, and either's commit describes both.
        let schema = reader.file_schema();
        let mut file = ParquetFile::create(&old.store, path, schema, self.form, &self.sizes)?;
        let mut batches = reader.remaining(selection(hits, rows)?)?;
        loop {
            let step = match batches.try_next().await {
                Ok(Some(batch)) => file.write(&batch).await,
                Ok(None) => return file.finish().await,
                Err(error) => Err(error.into()),
            };
            if let Err(error) = step {
                file.abort().await?;
                return Err(error);
            }
        }
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
