//! From staged files that COPY cannot read as they are to those that it does: rows are checked and written anew, in the types of the
//! table and as Parquet that Redshift reads, then the manifest is.
//!
//! Mostly this is not needed, and [`super::copied`] does: columns that COPY cannot fill, or a table that is another than when the rows
//! were staged, are why it is. It streams: what is held is one batch of rows and one open file.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::runtime_env::RuntimeEnv;
use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::arrow::ParquetRecordBatchStreamBuilder;

use crate::error::Result;
use crate::lake::files::staged_path;
use crate::parquet_object::ObjectReader;
use crate::sink::{Batch, BatchId};
use crate::staging::file::ParquetFile;
use crate::staging::{FileForm, StagingSizes};
use crate::stores::Location;
use crate::warehouse::redshift::check::Checker;
use crate::warehouse::redshift::manifest::Manifest;
use crate::warehouse::redshift::names::Relation;
use crate::warehouse::redshift::parquet::writer_options;

/// Rows read at a time.
const BATCH_ROWS: usize = 1_024;
/// A batch of fewer bytes is one file.
const ONE_FILE_BYTES: u64 = 16 << 20;
/// Bytes of a file, where there are many: 1 MB to 1 GB is advised, and COPY splits Parquet above 128 MB by itself ("Loading data
/// files", `c_best-practices-use-multiple-files`).
const FILE_BYTES: u64 = 96 << 20;
/// A slice is given a file of its own when there are that many bytes for each.
const SLICE_BYTES: u64 = 4 << 20;

/// Where the files of one table and writer wait for COPY.
#[derive(Debug)]
pub(crate) struct StagingArea(pub(super) Location);

/// What was uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Upload {
    /// The manifest's URL.
    pub(crate) manifest: String,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// Bytes of the longest text of each column.
    pub(crate) longest: Vec<u64>,
}

impl StagingArea {
    /// Below `staging`: `<schema>.<table>/<writer>/<epoch>/part-00000.parquet`.
    pub(crate) fn new(staging: &Location, table: &Relation, id: &BatchId) -> Self {
        let plain = |text: &str| -> String {
            text.chars().map(|c| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '_' }).collect()
        };
        let writer = format!("{}-{}-{}", id.pipeline, id.incarnation, id.flow);
        Self(staging.join(&plain(&table.to_string())).join(&plain(&writer)))
    }

    pub(super) fn epoch(&self, epoch: u64) -> Location {
        self.0.join(&format!("{epoch:08}"))
    }

    /// Removes what was uploaded for the batch.
    pub(crate) async fn clear(&self, id: &BatchId) -> Result<()> {
        self.epoch(id.epoch).clear(None).await
    }

    /// Removes what killed runs left of earlier epochs. Those of one writer follow each other, so that nobody loads them any more.
    pub(crate) async fn clear_before(&self, id: &BatchId) -> Result<()> {
        let folders = self.0.store.list_with_delimiter(Some(&self.0.path)).await?.common_prefixes;
        for folder in folders {
            let epoch = folder.filename().and_then(|name| name.parse().ok());
            if let Some(epoch) = epoch.filter(|epoch| *epoch < id.epoch) {
                self.epoch(epoch).clear(None).await?;
            }
        }
        Ok(())
    }

    /// Checks the rows of `batch` and uploads them. Names and contents are the same each time.
    ///
    /// # Errors
    /// [`crate::Error::Data`] for a value that does not fit; when a store refuses.
    pub(crate) async fn upload(
        &self,
        batch: &Batch,
        lake: &Location,
        checker: &mut Checker<'_>,
        slices: u64,
        sizes: StagingSizes,
        runtime: &Arc<RuntimeEnv>,
    ) -> Result<Upload> {
        let rows = batch.files.iter().map(|file| file.rows).sum();
        let staged_bytes = batch.files.iter().map(|file| file.bytes).sum();
        let rows_a_file = rows_a_file(rows, staged_bytes, slices);
        let started = Instant::now();
        let mut parts = Parts::new(self.epoch(batch.id.epoch), Arc::clone(checker.schema()), rows_a_file, sizes, runtime)?;
        if let Err(error) = write_all(batch, lake, checker, &mut parts).await {
            // Nothing can be loaded of it, and S3 bills the parts of an upload that nobody completes.
            parts.abort().await;
            self.clear(&batch.id).await?;
            return Err(error);
        }
        let (manifest, bytes) = parts.finish().await?;
        tracing::info!(rows, bytes, seconds = started.elapsed().as_secs_f64(), manifest, anew = true, "uploaded");
        Ok(Upload { manifest, rows, bytes, longest: checker.longest().to_vec() })
    }
}

/// Checks the rows of all staged files, and writes them.
async fn write_all(batch: &Batch, lake: &Location, checker: &mut Checker<'_>, parts: &mut Parts) -> Result<()> {
    for file in &batch.files {
        let reader = ObjectReader::new(Arc::clone(&lake.store), staged_path(file)?, file.bytes);
        let mut stream = ParquetRecordBatchStreamBuilder::new(reader).await?.with_batch_size(BATCH_ROWS).build()?;
        while let Some(staged) = stream.try_next().await? {
            parts.write(&checker.check(&staged)?).await?;
        }
    }
    Ok(())
}

/// Rows of one file: files are of one size, and as many as there are slices, or twice, or three times as many.
fn rows_a_file(rows: u64, bytes: u64, slices: u64) -> u64 {
    let mut files = if bytes < ONE_FILE_BYTES { 1 } else { bytes.div_ceil(FILE_BYTES) };
    if slices > 0 && bytes >= ONE_FILE_BYTES && bytes > slices * SLICE_BYTES {
        files = files.next_multiple_of(slices);
    }
    rows.div_ceil(files).max(1)
}

/// The files of one upload.
struct Parts {
    folder: Location,
    schema: SchemaRef,
    sizes: StagingSizes,
    reservation: MemoryReservation,
    rows_a_file: u64,
    open: Option<(ParquetFile, u64)>,
    done: Vec<(String, u64)>,
}

impl Parts {
    fn new(
        folder: Location,
        schema: SchemaRef,
        rows_a_file: u64,
        sizes: StagingSizes,
        runtime: &Arc<RuntimeEnv>,
    ) -> Result<Self> {
        let reservation = MemoryConsumer::new("upload for COPY").with_can_spill(true).register(&runtime.memory_pool);
        Ok(Self { folder, schema, sizes, reservation, rows_a_file, open: None, done: Vec::new() })
    }

    async fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let mut start = 0;
        while start < rows.num_rows() {
            let (mut file, held) = match self.open.take() {
                Some(open) => open,
                None => (self.create()?, 0),
            };
            let room = usize::try_from(self.rows_a_file - held).unwrap_or(usize::MAX);
            let count = room.min(rows.num_rows() - start);
            file.write(&rows.slice(start, count)).await?;
            start += count;
            let held = held + count as u64;
            if self.reservation.try_resize(file.memory()).is_err() {
                file.flush().await?;
                self.reservation.try_resize(file.memory())?;
            }
            self.open = Some((file, held));
            if held >= self.rows_a_file {
                self.close().await?;
            }
        }
        Ok(())
    }

    fn create(&self) -> Result<ParquetFile> {
        let place = self.folder.join(&format!("part-{:05}.parquet", self.done.len()));
        let form = FileForm::of(writer_options(&self.schema)?);
        ParquetFile::create(&place.store, place.path, &self.schema, &form, &self.sizes)
    }

    async fn close(&mut self) -> Result<()> {
        let Some((file, _)) = self.open.take() else { return Ok(()) };
        let written = file.finish().await?;
        self.done.push((object_url(&self.folder, &written.path), written.bytes));
        Ok(())
    }

    async fn abort(&mut self) {
        if let Some((file, _)) = self.open.take()
            && let Err(error) = file.abort().await
        {
            tracing::warn!(folder = %self.folder.url, %error, "an upload was not taken back");
        }
    }

    /// Writes the manifest, last; its URL, and the bytes of all files.
    async fn finish(mut self) -> Result<(String, u64)> {
        self.close().await?;
        write_manifest(&self.folder, "manifest", std::mem::take(&mut self.done)).await
    }
}

/// Writes the manifest `name` of `files`, their URLs and bytes, which are there; its URL, and the bytes of all of them.
pub(super) async fn write_manifest(folder: &Location, name: &str, files: Vec<(String, u64)>) -> Result<(String, u64)> {
    let bytes = files.iter().map(|(_, bytes)| bytes).sum();
    let place = folder.join(&format!("{name}.json"));
    place.store.put(&place.path, Manifest::new(files).to_json()?.into()).await?;
    Ok((object_url(folder, &place.path), bytes))
}

/// `s3://bucket/key`, the key as it is.
pub(super) fn object_url(near: &Location, path: &Path) -> String {
    format!("s3://{}/{path}", near.url.host_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray};
    use serde_json::Value;

    use super::*;
    use crate::lake::testing::local_lake;

    fn rows(ids: std::ops::Range<i64>) -> RecordBatch {
        let texts: StringArray = ids.clone().map(|id| Some(format!("v{id}"))).collect();
        let ids: Int64Array = ids.collect();
        RecordBatch::try_from_iter([("id", Arc::new(ids) as _), ("v", Arc::new(texts) as _)]).unwrap()
    }

    #[tokio::test]
    async fn manifest_names_every_file_and_its_exact_length() {
        let (_folder, context) = local_lake();
        let folder = context.locate("lake://staging/s.t/p-i-f/00000007").unwrap();
        let mut parts = Parts::new(folder.clone(), rows(0..1).schema(), 3, context.sizes, &context.runtime).unwrap();
        for batch in [rows(0..4), rows(4..5), rows(5..10)] {
            parts.write(&batch).await.unwrap();
        }
        let (url, bytes) = parts.finish().await.unwrap();
        assert!(url.ends_with("/staging/s.t/p-i-f/00000007/manifest.json"), "{url}");
        let place = folder.join("manifest.json");
        let text = place.store.get(&place.path).await.unwrap().bytes().await.unwrap();
        let manifest: Value = serde_json::from_slice(&text).unwrap();
        let entries = manifest["entries"].as_array().unwrap();
        assert_eq!(entries.len(), 4);
        let mut total = 0;
        for (index, entry) in entries.iter().enumerate() {
            let name = format!("part-{index:05}.parquet");
            assert!(entry["url"].as_str().unwrap().ends_with(&name), "{entry}");
            let place = folder.join(&name);
            let length = place.store.head(&place.path).await.unwrap().size;
            assert_eq!((&entry["meta"]["content_length"], &entry["mandatory"]), (&length.into(), &true.into()));
            total += length;
        }
        assert_eq!(bytes, total);
        let last = folder.join("part-00003.parquet");
        let size = last.store.head(&last.path).await.unwrap().size;
        let reader = ObjectReader::new(Arc::clone(&last.store), last.path, size);
        let stream = ParquetRecordBatchStreamBuilder::new(reader).await.unwrap().build().unwrap();
        let read: Vec<RecordBatch> = stream.try_collect().await.unwrap();
        assert_eq!(read[0].columns(), rows(9..10).columns());
    }

    #[test]
    fn files_are_equal_and_fit_the_slices() {
        let files = |rows: u64, bytes: u64, slices| rows.div_ceil(rows_a_file(rows, bytes, slices));
        assert_eq!(files(1_000, 10 << 20, 4), 1);
        assert_eq!(files(1_000, 20 << 20, 4), 4);
        assert_eq!(files(1_000, 20 << 20, 32), 1);
        assert_eq!(files(100_000, 200 << 20, 32), 32);
        assert_eq!(files(1_000_000, 1_000 << 20, 4), 12);
        assert_eq!(rows_a_file(0, 0, 2), 1);
    }
}
