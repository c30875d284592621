//! One Parquet file on its way to an object store: encoded here, uploaded part by part.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use object_store::ObjectStore;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use tokio::io::AsyncWriteExt;

use crate::error::{Error, Result};
use crate::staging::StagingSizes;
use crate::staging::form::{FileForm, PAGE_BYTES, longest_note};

/// Parts of one file in flight: one is sent while the next is encoded.
const PARTS_IN_FLIGHT: usize = 1;

/// Encoded bytes are handed over in pieces of this size, so that no buffer of a whole row group is ever grown.
const PIECE_BYTES: usize = 1 << 20;

/// What a column's compressor holds once it has compressed a page, until its row group is closed. Parquet's encoder does not count it.
const COMPRESSOR_BYTES: usize = 512 << 10;

/// Rows encoded between two looks at the memory.
const SLICE_ROWS: usize = 1024;

/// What the encoder wrote and the upload has not taken yet.
#[derive(Debug, Default)]
struct Pieces {
    full: Vec<Bytes>,
    open: Vec<u8>,
}

impl Pieces {
    fn len(&self) -> usize {
        self.full.iter().map(Bytes::len).sum::<usize>() + self.open.capacity()
    }

    fn take(&mut self) -> Vec<Bytes> {
        if !self.open.is_empty() {
            self.full.push(std::mem::take(&mut self.open).into());
        }
        std::mem::take(&mut self.full)
    }
}

impl Write for Pieces {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        if self.open.len() + data.len() > PIECE_BYTES && !self.open.is_empty() {
            self.full.push(std::mem::take(&mut self.open).into());
        }
        self.open.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A file that is being written. Nobody sees it before [`ParquetFile::finish`].
pub(crate) struct ParquetFile {
    path: Path,
    encoder: ArrowWriter<Pieces>,
    upload: BufWriter,
    handed_over: usize,
    rows: u64,
    columns: usize,
    /// Bytes of the longest text of each column, where the footer is to say them.
    longest: Option<Vec<usize>>,
    row_group_bytes: usize,
    part_bytes: usize,
}

impl std::fmt::Debug for ParquetFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetFile").field("path", &self.path).field("rows", &self.rows).finish_non_exhaustive()
    }
}

/// A finished file.
#[derive(Debug)]
pub(crate) struct WrittenFile {
    pub(crate) path: Path,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
    pub(crate) footer: ParquetMetaData,
}

impl ParquetFile {
    pub(crate) fn create(
        store: &Arc<dyn ObjectStore>,
        path: Path,
        schema: &SchemaRef,
        form: &FileForm,
        sizes: &StagingSizes,
    ) -> Result<Self> {
        let StagingSizes { row_group_bytes, part_bytes, .. } = *sizes;
        let mut encoder = ArrowWriter::try_new_with_options(Pieces::default(), Arc::clone(schema), form.options.clone())?;
        let upload = BufWriter::with_capacity(Arc::clone(store), path.clone(), part_bytes).with_max_concurrency(PARTS_IN_FLIGHT);
        let columns = schema.flattened_fields().len();
        let longest = form.note.is_some().then(|| vec![0; schema.fields().len()]);
        if let Some((key, value)) = &form.note {
            encoder.append_key_value_metadata(KeyValue::new((*key).to_owned(), value.clone()));
        }
        Ok(Self { path, encoder, upload, handed_over: 0, rows: 0, columns, longest, row_group_bytes, part_bytes })
    }

    /// Adds rows, and closes row groups as they get large enough. How rows come in batches makes no difference to the
    /// file but by [`SLICE_ROWS`].
    pub(crate) async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if let Some(longest) = &mut self.longest {
            for (longest, column) in longest.iter_mut().zip(batch.columns()) {
                *longest = longest_text(column).max(*longest);
            }
        }
        for start in (0..batch.num_rows()).step_by(SLICE_ROWS) {
            let slice = batch.slice(start, SLICE_ROWS.min(batch.num_rows() - start));
            self.encoder.write(&slice)?;
            self.rows += slice.num_rows() as u64;
            if self.encoder.in_progress_size() >= self.row_group_bytes {
                self.encoder.flush()?;
            }
            self.hand_over().await?;
        }
        Ok(())
    }

    /// Closes the row group that is open.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        self.encoder.flush()?;
        self.hand_over().await
    }

    /// Bytes held: of the row group that is open, and of the part that is not full yet.
    pub(crate) fn memory(&self) -> usize {
        self.row_group_memory() + self.encoder.inner().len() + self.part_memory()
    }

    /// Bytes held for the row group that is open; a flush turns them into fewer.
    pub(crate) fn row_group_memory(&self) -> usize {
        let held = self.encoder.memory_size();
        held + COMPRESSOR_BYTES * (held / (2 * PAGE_BYTES)).min(self.columns)
    }

    /// Encoded bytes so far, the open row group estimated.
    pub(crate) fn bytes(&self) -> u64 {
        (self.encoder.bytes_written() + self.encoder.in_progress_size()) as u64
    }

    /// Whether there are rows in the open row group.
    pub(crate) fn has_open_rows(&self) -> bool {
        self.encoder.in_progress_rows() > 0
    }

    /// Completes the file, which is durable and visible then.
    pub(crate) async fn finish(mut self) -> Result<WrittenFile> {
        if let Some(longest) = &self.longest {
            self.encoder.append_key_value_metadata(longest_note(longest));
        }
        let footer = self.encoder.finish()?;
        self.hand_over().await?;
        self.upload.shutdown().await.map_err(upload_error)?;
        Ok(WrittenFile { path: self.path, bytes: self.handed_over as u64, rows: self.rows, footer })
    }

    /// Gives up; what was uploaded is removed.
    pub(crate) async fn abort(mut self) -> Result<()> {
        Ok(self.upload.abort().await?)
    }

    fn part_memory(&self) -> usize {
        if self.handed_over < self.part_bytes { self.handed_over } else { self.handed_over % self.part_bytes }
    }

    async fn hand_over(&mut self) -> Result<()> {
        for piece in self.encoder.inner_mut().take() {
            self.handed_over += piece.len();
            self.upload.put(piece).await?;
        }
        Ok(())
    }
}

/// Bytes of the longest text of a column; 0 of another type.
fn longest_text(column: &dyn Array) -> usize {
    let Some(texts) = column.as_string_opt::<i32>() else { return 0 };
    let lengths = texts.value_offsets().windows(2).map(|pair| pair[1] - pair[0]);
    usize::try_from(lengths.max().unwrap_or_default()).unwrap_or_default()
}

/// `BufWriter` wraps the store's error into an I/O error when it shuts down.
pub(crate) fn upload_error(error: std::io::Error) -> Error {
    match error.downcast::<object_store::Error>() {
        Ok(store) => store.into(),
        Err(io) => io.into(),
    }
}
