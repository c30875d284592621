//! A file of Parquet, as rows for PostgreSQL.

use std::ops::Range;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use object_store::ObjectStoreExt as _;
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStream};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::schema::types::SchemaDescriptor;

use super::encode::{Mapped, Misfit, rows};
use super::failure::spectrum;
use super::parquet_types::check;
use super::{Column, Failure, Options, SourceFile, Target};
use crate::rules::{PARQUET_COLUMNS_ARE_POSITIONAL, PARQUET_STRINGS_FIT_THE_COLUMN};
use crate::sql_error::{SqlError, SqlResult};

/// Rows that are turned into text at a time.
const ROWS: usize = 8_192;

impl AsyncFileReader for SourceFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        async move { Ok(self.store.get_range(&self.path, range).await?) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        async move {
            let size = self.size;
            Ok(Arc::new(ParquetMetaDataReader::new().load_and_finish(self, size).await?))
        }
        .boxed()
    }
}

/// An open file whose columns fit the table.
pub(crate) struct ParquetFile {
    stream: ParquetRecordBatchStream<SourceFile>,
    columns: Vec<Mapped>,
    /// How many columns of the table the file lacks at the end.
    missing: usize,
    url: String,
}

impl ParquetFile {
    /// Opens a file, and holds its columns against the table's by position.
    pub(crate) async fn open(file: &SourceFile, target: &Target, options: &Options) -> SqlResult<Self> {
        // What Arrow noted about its types is not looked at by others.
        let settings = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder = ParquetRecordBatchStreamBuilder::new_with_options(file.clone(), settings).await;
        let invalid = |error: parquet::errors::ParquetError| {
            spectrum(&PARQUET_COLUMNS_ARE_POSITIONAL, 15_007, format!("File '{}' is not a valid Parquet file: {error}", file.url))
        };
        let builder = builder.map_err(invalid)?;
        let columns = positional(builder.schema().fields().len(), target, options, &file.url)?;
        for (position, (column, field)) in columns.iter().zip(builder.schema().fields()).enumerate() {
            check(column, field, position, builder.parquet_schema(), &file.url, options)?;
        }
        let int96 = |position| is_int96(builder.parquet_schema(), position);
        let columns = columns.into_iter().enumerate().map(|(position, column)| Mapped { column, int96: int96(position) });
        let columns: Vec<Mapped> = columns.collect();
        let stream = builder.with_batch_size(ROWS).build().map_err(invalid)?;
        let missing = target.columns.len() - columns.len();
        Ok(Self { stream, columns, missing, url: file.url.clone() })
    }

    /// The next rows in the text format of PostgreSQL's COPY, with their number; `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<(Vec<u8>, u64)>, Failure> {
        let batch = self.stream.next().await.transpose().map_err(|error| {
            let context = format!("File '{}' cannot be read: {error}", self.url);
            spectrum(&PARQUET_COLUMNS_ARE_POSITIONAL, 15_007, context)
        })?;
        batch.map(|batch| self.text(&batch)).transpose()
    }

    fn text(&self, batch: &RecordBatch) -> Result<(Vec<u8>, u64), Failure> {
        let mut text = Vec::new();
        rows(batch, &self.columns, self.missing, &mut text).map_err(|error| self.explain(error))?;
        Ok((text, batch.num_rows() as u64))
    }

    fn explain(&self, error: Misfit) -> SqlError {
        let context = match error {
            Misfit::TooLong { column, longest, length } => {
                format!(
                    "The length of the data column {column} is longer than the length defined in the table. Table: {longest}, Data: {length}"
                )
            }
            Misfit::Value { column, reason } => format!("File '{}', column {column}: {reason}", self.url),
        };
        spectrum(&PARQUET_STRINGS_FIT_THE_COLUMN, 15_007, context)
    }
}

/// Whether a column holds moments of the old 96-bit type.
fn is_int96(schema: &SchemaDescriptor, position: usize) -> bool {
    let mut leaves = (0..schema.num_columns()).filter(|leaf| schema.get_column_root_idx(*leaf) == position);
    leaves.next().is_some_and(|leaf| schema.column(leaf).physical_type() == parquet::basic::Type::INT96)
}

/// The columns of the table that the columns of a file go to.
fn positional(count: usize, target: &Target, options: &Options, url: &str) -> SqlResult<Vec<Column>> {
    let enough = count == target.columns.len() || (options.fill_record && count < target.columns.len());
    if enough {
        return Ok(target.columns.iter().take(count).cloned().collect());
    }
    let context = format!(
        "Unmatched number of columns between table and file. Table columns: {}, Data columns: {count}, File name: {url}",
        target.columns.len()
    );
    Err(spectrum(&PARQUET_COLUMNS_ARE_POSITIONAL, 15_007, context))
}
