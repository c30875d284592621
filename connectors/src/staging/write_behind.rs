//! Rows are encoded and written while the next ones are read or computed: two cores instead of one, and one more batch in memory.

use arrow::array::RecordBatch;
use datafusion::common::runtime::SpawnedTask;

use crate::error::{Error, Result};
use crate::staging::{StagedFile, StagingWriter};

/// A [`StagingWriter`] that works in the background, on one batch at a time.
#[derive(Debug)]
pub struct WriteBehind {
    at: At,
    rows: u64,
}

#[derive(Debug)]
enum At {
    Rest(Box<StagingWriter>),
    Work(SpawnedTask<Result<Box<StagingWriter>>>),
    /// It has failed, and said so.
    Nowhere,
}

impl WriteBehind {
    /// Nothing is written yet.
    pub fn new(writer: StagingWriter) -> Self {
        Self { rows: writer.rows(), at: At::Rest(Box::new(writer)) }
    }

    /// Adds rows, when those before are written.
    ///
    /// # Errors
    /// As [`StagingWriter::write`], for these rows or for those before.
    pub async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        let mut writer = self.rest().await?;
        self.at = At::Work(SpawnedTask::spawn(async move { writer.write(batch).await.map(|()| writer) }));
        Ok(())
    }

    /// Rows so far, those among them that are being written.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// See [`StagingWriter::finish`].
    ///
    /// # Errors
    /// The same.
    pub async fn finish(mut self) -> Result<Vec<StagedFile>> {
        self.rest().await?.finish().await
    }

    /// See [`StagingWriter::abort`].
    ///
    /// # Errors
    /// The same.
    pub async fn abort(mut self) -> Result<()> {
        self.rest().await?.abort().await
    }

    async fn rest(&mut self) -> Result<Box<StagingWriter>> {
        match std::mem::replace(&mut self.at, At::Nowhere) {
            At::Rest(writer) => Ok(writer),
            At::Work(task) => {
                task.join_unwind().await.map_err(|error| Error::internal(format!("writing staged rows: {error}")))?
            }
            At::Nowhere => Err(Error::internal("rows are written after an error")),
        }
    }
}
