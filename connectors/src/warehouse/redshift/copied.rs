//! Staged files that COPY reads as they are: rows are encoded once, when they are staged, and their files are copied to where COPY
//! finds them.
//!
//! A gate that has checked the rows for the table's columns has them staged in the form that COPY reads, and has the footers say for which
//! columns that was. A commit that finds the columns so copies bytes; any other checks the rows and writes them anew ([`super::upload`]).

use std::sync::Arc;
use std::time::Instant;

use arrow::datatypes::Schema;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::runtime_env::RuntimeEnv;
use object_store::ObjectStoreExt;
use object_store::buffered::BufWriter;
use parquet::arrow::async_reader::AsyncFileReader;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use crate::error::Result;
use crate::lake::files::staged_path;
use crate::parquet_object::ObjectReader;
use crate::sink::Batch;
use crate::staging::file::upload_error;
use crate::staging::form::longest_if;
use crate::staging::{FileForm, StagedFile, StagingSizes};
use crate::stores::Location;
use crate::warehouse::redshift::columns::LoadColumn;
use crate::warehouse::redshift::parquet::writer_options;
use crate::warehouse::redshift::upload::{StagingArea, Upload, object_url, write_manifest};

/// Bytes of a file: the slices of a cluster each read files of their own, so that there should be many, and 1 MB to 1 GB is
/// advised ("Loading data files", `c_best-practices-use-multiple-files`).
const FILE_BYTES: u64 = 16 << 20;
/// Under this a footer says for which columns the rows were checked.
const COLUMNS: &str = "engine.redshift.columns";
/// Bytes of a file that are read at a time.
const PIECE: usize = 4 << 20;

/// The form of files that COPY reads as they are, for rows of `staged` that go into `columns`; `None` where their types are others.
///
/// # Errors
/// None that can happen.
pub(super) fn copied_form(staged: &Schema, columns: &[LoadColumn], key: &[String]) -> Result<Option<FileForm>> {
    let is_same = columns.len() == staged.fields().len()
        && columns.iter().zip(staged.fields()).all(|(column, field)| column.file_type == *field.data_type());
    if !is_same {
        return Ok(None);
    }
    let form = FileForm::of(writer_options(staged)?);
    Ok(Some(form.saying(FILE_BYTES, COLUMNS, signature(columns, key))))
}

/// The same for the same columns, for which rows are checked in the same way.
fn signature(columns: &[LoadColumn], key: &[String]) -> String {
    hex::encode(Sha256::digest(format!("{columns:?}{key:?}")))
}

impl StagingArea {
    /// Copies the staged files of `batch`, if they are what COPY reads into `columns`. Names and contents are the same each time.
    ///
    /// # Errors
    /// When a store refuses.
    pub(super) async fn copy(
        &self,
        batch: &Batch,
        lake: &Location,
        columns: &[LoadColumn],
        key: &[String],
        sizes: StagingSizes,
        runtime: &Arc<RuntimeEnv>,
    ) -> Result<Option<Upload>> {
        let started = Instant::now();
        let Some(longest) = longest(batch, lake, columns, key).await? else { return Ok(None) };
        let reservation = MemoryConsumer::new("copy for COPY").register(&runtime.memory_pool);
        reservation.try_grow(sizes.part_bytes + PIECE)?;
        let folder = self.epoch(batch.id.epoch);
        let mut done = Vec::with_capacity(batch.files.len());
        for (number, file) in batch.files.iter().enumerate() {
            // Not as files are called that are written anew: those of a process that tries the same batch have other rows.
            let place = folder.join(&format!("staged-{number:05}.parquet"));
            copy_file(lake, file, &place, sizes.part_bytes).await?;
            done.push((object_url(&folder, &place.path), file.bytes));
        }
        let (manifest, bytes) = write_manifest(&folder, "staged", done).await?;
        let rows = batch.files.iter().map(|file| file.rows).sum();
        tracing::info!(rows, bytes, seconds = started.elapsed().as_secs_f64(), manifest, anew = false, "uploaded");
        Ok(Some(Upload { manifest, rows, bytes, longest }))
    }
}

/// Bytes of the longest text of each column, if all files were checked for these columns.
async fn longest(batch: &Batch, lake: &Location, columns: &[LoadColumn], key: &[String]) -> Result<Option<Vec<u64>>> {
    let (wanted, mut longest) = (signature(columns, key), vec![0; columns.len()]);
    for file in &batch.files {
        let mut reader = ObjectReader::new(Arc::clone(&lake.store), staged_path(file)?, file.bytes);
        let footer = reader.get_metadata(None).await?;
        let said = footer.file_metadata().key_value_metadata();
        let Some(lengths) = longest_if(said, COLUMNS, &wanted).filter(|lengths| lengths.len() == columns.len()) else {
            return Ok(None);
        };
        for (longest, length) in longest.iter_mut().zip(lengths) {
            *longest = length.max(*longest);
        }
    }
    Ok(Some(longest))
}

async fn copy_file(lake: &Location, file: &StagedFile, to: &Location, part_bytes: usize) -> Result<()> {
    let from = staged_path(file)?;
    if lake.same_store(to) {
        return Ok(lake.store.copy(&from, &to.path).await?);
    }
    let mut upload = BufWriter::with_capacity(Arc::clone(&to.store), to.path.clone(), part_bytes).with_max_concurrency(1);
    for start in (0..file.bytes).step_by(PIECE) {
        let end = (start + PIECE as u64).min(file.bytes);
        let copied = async { upload.put(lake.store.get_range(&from, start..end).await?).await };
        if let Err(error) = copied.await {
            upload.abort().await?;
            return Err(error.into());
        }
    }
    upload.shutdown().await.map_err(upload_error)
}
