//! Runs: written once, read in the order of their paths, merged with each other.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use object_store::buffered::BufWriter;
use parquet::arrow::{AsyncArrowWriter, ParquetRecordBatchStreamBuilder};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::offset::Progress;
use crate::error::{Error, Result};
use crate::parquet_object::ObjectReader;
use crate::stores::Location;

/// Files that an offset holds itself; with more, they become a run.
const MOST_RECENT: usize = 256;
/// A run is merged into the next when that has less than this many times its files.
const GROWTH: u64 = 4;
/// Entries of a batch of a run that is written or read.
pub(super) const BATCH: usize = 8_192;

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Its path in the store.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// See [`crate::files::object::Object::version`].
    pub version: u64,
}

impl Entry {
    /// A number for the entry, such that the sum over a set of entries tells one set from another.
    pub(super) fn digest(&self) -> u128 {
        let digest = Sha256::digest(format!("{}\n{}\n{}", self.path, self.size, self.version));
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        u128::from_le_bytes(bytes)
    }
}

/// Where the runs of a table are.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    folder: Location,
}

/// Known files, in the order of their paths.
pub(crate) type Known = BoxStream<'static, Result<Entry>>;

/// Walks along known files as others are listed: both in the order of their paths.
pub(crate) struct Walk {
    known: Known,
    /// The first that was not passed.
    head: Option<Entry>,
}

impl Walk {
    pub(crate) fn along(known: Known) -> Self {
        Self { known, head: None }
    }

    /// What is known of the file at `path`, which is behind all that were asked for.
    ///
    /// # Errors
    /// When a run is gone or cannot be read.
    pub(crate) async fn at(&mut self, path: &str) -> Result<Option<Entry>> {
        while self.head.as_ref().is_none_or(|entry| entry.path.as_str() < path) {
            self.head = self.known.try_next().await?;
            if self.head.is_none() {
                // It may not be asked behind its end.
                self.known = stream::empty().boxed();
                break;
            }
        }
        Ok(self.head.take_if(|entry| entry.path == path))
    }
}

impl Ledger {
    /// Runs below `folder`, which belongs to this table.
    pub(crate) fn new(folder: Location) -> Self {
        Self { folder }
    }

    /// Every file that `progress` knows, each once, in the order of their paths.
    ///
    /// # Errors
    /// In the stream: when a run is gone or cannot be read.
    pub(crate) async fn known(&self, progress: &Progress) -> Result<Known> {
        let mut inputs = Vec::new();
        for (name, _) in &progress.runs {
            inputs.push(self.read(name).await?);
        }
        inputs.push(sorted(&progress.recent));
        Ok(merged(inputs))
    }

    /// The same progress, with files that the offset held moved to a run when they are many.
    ///
    /// # Errors
    /// When a run cannot be written or one that is merged cannot be read.
    pub(crate) async fn compact(&self, mut progress: Progress) -> Result<Progress> {
        if progress.recent.len() <= MOST_RECENT {
            return Ok(progress);
        }
        let mut files = progress.recent.len() as u64;
        let mut inputs = Vec::new();
        while let Some((name, more)) = progress.runs.last() {
            if *more >= files * GROWTH {
                break;
            }
            inputs.push(self.read(name).await?);
            files += more;
            progress.runs.pop();
        }
        inputs.reverse();
        inputs.push(sorted(&std::mem::take(&mut progress.recent)));
        let run = self.write(merged(inputs)).await?;
        progress.runs.push(run);
        Ok(progress)
    }

    /// Removes runs that none of `live` names.
    ///
    /// # Errors
    /// When the store refuses.
    pub(crate) async fn retain(&self, live: &BTreeSet<String>) -> Result<()> {
        let objects = self.folder.store.list(Some(&self.folder.path));
        let is_gone = |path: &object_store::path::Path| path.filename().is_some_and(|name| !live.contains(name));
        let gone: Vec<_> = objects.map_ok(|object| object.location).try_collect().await?;
        for path in gone.into_iter().filter(is_gone) {
            match self.folder.store.delete(&path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn write(&self, mut entries: Known) -> Result<(String, u64)> {
        let mut run = self.begin(format!("{:032x}.parquet", rand::random::<u128>()))?;
        while let Some(entry) = entries.try_next().await? {
            run.push(entry).await?;
        }
        run.finish().await
    }

    /// Begins a run of a name that no other has.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub(crate) fn begin(&self, name: String) -> Result<RunWriter> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_dictionary_enabled(false)
            .set_column_encoding("path".into(), Encoding::DELTA_BYTE_ARRAY)
            .set_max_row_group_row_count(Some(1 << 17))
            .build();
        let sink = BufWriter::new(Arc::clone(&self.folder.store), self.folder.join(&name).path);
        let writer = AsyncArrowWriter::try_new(sink, schema(), Some(properties))?;
        Ok(RunWriter { name, writer, batch: Vec::with_capacity(BATCH), files: 0 })
    }

    /// The files of a run, in the order of their paths.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the run is gone; in the stream, when it cannot be read.
    pub(crate) async fn read(&self, name: &str) -> Result<Known> {
        let builder = ParquetRecordBatchStreamBuilder::new(self.open(name).await?).await?;
        let batches = builder.with_batch_size(BATCH).build()?;
        let entries = batches.map_err(Error::from).and_then(|batch| std::future::ready(entries(&batch)));
        Ok(entries.map_ok(|entries| stream::iter(entries.into_iter().map(Ok))).try_flatten().boxed())
    }

    pub(super) async fn open(&self, name: &str) -> Result<ObjectReader> {
        let place = self.folder.join(name);
        let found = place.store.head(&place.path).await.map_err(|error| match Error::from(error) {
            Error::NotFound { .. } => Error::not_found(format!(
                "the list of files that were read before is gone: {}; if the lake was emptied on purpose, run with --from-scratch",
                place.url
            )),
            other => other,
        })?;
        Ok(ObjectReader::new(Arc::clone(&place.store), place.path, found.size))
    }
}

/// A run that is being written.
pub(crate) struct RunWriter {
    name: String,
    writer: AsyncArrowWriter<BufWriter>,
    batch: Vec<Entry>,
    files: u64,
}

impl RunWriter {
    /// The next file, which comes behind the one before in the order of paths.
    ///
    /// # Errors
    /// When the store refuses.
    pub(crate) async fn push(&mut self, entry: Entry) -> Result<()> {
        self.batch.push(entry);
        if self.batch.len() == BATCH { self.flush().await } else { Ok(()) }
    }

    /// The run is complete: its name, and how many files it holds.
    ///
    /// # Errors
    /// When the store refuses.
    pub(crate) async fn finish(mut self) -> Result<(String, u64)> {
        self.flush().await?;
        self.writer.close().await?;
        Ok((self.name, self.files))
    }

    async fn flush(&mut self) -> Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.files += self.batch.len() as u64;
        self.writer.write(&as_batch(&self.batch)?).await?;
        self.batch.clear();
        Ok(())
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("path", DataType::Utf8, false),
        Field::new("size", DataType::UInt64, false),
        Field::new("version", DataType::UInt64, false),
    ]))
}

fn as_batch(entries: &[Entry]) -> Result<RecordBatch> {
    let paths = StringArray::from_iter_values(entries.iter().map(|entry| &entry.path));
    let sizes = UInt64Array::from_iter_values(entries.iter().map(|entry| entry.size));
    let versions = UInt64Array::from_iter_values(entries.iter().map(|entry| entry.version));
    Ok(RecordBatch::try_new(schema(), vec![Arc::new(paths), Arc::new(sizes), Arc::new(versions)])?)
}

pub(super) fn entries(batch: &RecordBatch) -> Result<Vec<Entry>> {
    let column = |index: usize| batch.column(index);
    let paths = column(0).as_any().downcast_ref::<StringArray>();
    let numbers = |index: usize| column(index).as_any().downcast_ref::<UInt64Array>();
    let (Some(paths), Some(sizes), Some(versions)) = (paths, numbers(1), numbers(2)) else {
        return Err(Error::internal("a run of known files has other columns than expected"));
    };
    let entry = |row| Entry { path: paths.value(row).to_owned(), size: sizes.value(row), version: versions.value(row) };
    Ok((0..paths.len()).map(entry).collect())
}

/// In the order of their paths; of one path, the entry that came last.
fn sorted(recent: &[Entry]) -> Known {
    let mut entries = recent.to_vec();
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    entries.reverse();
    entries.dedup_by(|a, b| a.path == b.path);
    entries.reverse();
    stream::iter(entries.into_iter().map(Ok)).boxed()
}

/// One ordered stream of several; of one path, the entry of the last input.
fn merged(inputs: Vec<Known>) -> Known {
    let heads = inputs.into_iter().map(|input| (None, input)).collect::<Vec<(Option<Entry>, Known)>>();
    stream::try_unfold(heads, |mut heads| async move {
        for (head, input) in &mut heads {
            if head.is_none() {
                *head = input.try_next().await?;
            }
        }
        heads.retain(|(head, _)| head.is_some());
        let Some(first) = heads.iter().filter_map(|(head, _)| head.as_ref()).map(|entry| entry.path.clone()).min() else {
            return Ok(None);
        };
        let mut newest = None;
        for (head, _) in &mut heads {
            if head.as_ref().is_some_and(|entry| entry.path == first) {
                newest = head.take();
            }
        }
        Ok(newest.map(|entry| (entry, heads)))
    })
    .boxed()
}
