//! The key columns of one data file, a row group at a time.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use datafusion::scalar::ScalarValue;
use futures::{Stream, StreamExt};
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, RowSelection};
use parquet::arrow::async_reader::{ParquetRecordBatchStream, ParquetRecordBatchStreamBuilder};

use crate::error::{Error, Result};
use crate::parquet_object::ObjectReader;

/// Rows of one batch.
const BATCH_ROWS: usize = 4096;

/// A data file: staged, or of the table.
#[derive(Debug, Clone)]
pub(crate) struct DataFile {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) path: Path,
    pub(crate) bytes: u64,
    /// Values of the partition columns, which are not in the file.
    pub(crate) partition: HashMap<String, Option<String>>,
}

/// Where the values of a key column come from.
#[derive(Debug)]
enum Origin {
    /// The column of the file at this index.
    File(usize),
    /// The folder; or the column is younger than the file, and NULL.
    Constant(ScalarValue),
}

/// A file whose footer has been read.
#[derive(Debug)]
pub(crate) struct KeyReader {
    input: ObjectReader,
    metadata: ArrowReaderMetadata,
    origins: Vec<(Origin, DataType)>,
}

/// A value of a partition column, from its text in the log.
pub(crate) fn partition_scalar(value: Option<&str>, data_type: &DataType) -> Result<ScalarValue> {
    let text = ScalarValue::Utf8(value.filter(|text| !text.is_empty()).map(str::to_owned));
    Ok(text.cast_to(data_type)?)
}

impl KeyReader {
    pub(crate) async fn open(file: &DataFile, keys: &[Arc<Field>]) -> Result<Self> {
        let mut input = ObjectReader::new(Arc::clone(&file.store), file.path.clone(), file.bytes);
        let metadata = ArrowReaderMetadata::load_async(&mut input, ArrowReaderOptions::new()).await?;
        let mut origins = Vec::with_capacity(keys.len());
        for key in keys {
            let origin = match (file.partition.get(key.name()), metadata.schema().index_of(key.name())) {
                (Some(value), _) => Origin::Constant(partition_scalar(value.as_deref(), key.data_type())?),
                (None, Ok(index)) => Origin::File(index),
                (None, Err(_)) => Origin::Constant(ScalarValue::try_from(key.data_type())?),
            };
            origins.push((origin, key.data_type().clone()));
        }
        Ok(Self { input, metadata, origins })
    }

    pub(crate) fn row_groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    /// Rows of a row group.
    pub(crate) fn rows(&self, row_group: usize) -> u64 {
        u64::try_from(self.metadata.metadata().row_group(row_group).num_rows()).unwrap_or(0)
    }

    /// The whole file's rows, without those that `selection` leaves out and the column that `left_out` is.
    pub(crate) fn remaining(
        &self,
        selection: RowSelection,
        left_out: Option<usize>,
    ) -> Result<ParquetRecordBatchStream<ObjectReader>> {
        let builder = ParquetRecordBatchStreamBuilder::new_with_metadata(self.input.clone(), self.metadata.clone());
        let roots = (0..self.metadata.schema().fields().len()).filter(|root| Some(*root) != left_out);
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
        Ok(builder.with_projection(mask).with_batch_size(BATCH_ROWS / 4).with_row_selection(selection).build()?)
    }

    /// Columns of the file.
    pub(crate) fn file_schema(&self) -> &arrow::datatypes::SchemaRef {
        self.metadata.schema()
    }

    /// The values of the keys in one row group.
    pub(crate) fn keys(&self, row_group: usize) -> Result<impl Stream<Item = Result<Vec<ArrayRef>>> + Send + '_> {
        let mut roots: Vec<usize> = self.origins.iter().filter_map(|(origin, _)| origin.column()).collect();
        roots.sort_unstable();
        roots.dedup();
        let builder = ParquetRecordBatchStreamBuilder::new_with_metadata(self.input.clone(), self.metadata.clone());
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots.iter().copied());
        let stream = builder.with_projection(mask).with_row_groups(vec![row_group]).with_batch_size(BATCH_ROWS).build()?;
        Ok(stream.map(move |batch| {
            let batch = batch?;
            let column = |(origin, data_type): &(Origin, DataType)| -> Result<ArrayRef> {
                match origin {
                    Origin::Constant(value) if value.is_null() => Ok(new_null_array(data_type, batch.num_rows())),
                    Origin::Constant(value) => Ok(value.to_array_of_size(batch.num_rows())?),
                    Origin::File(index) => {
                        let position = roots.binary_search(index).map_err(|_| Error::internal("key column not read"))?;
                        Ok(cast(batch.column(position), data_type)?)
                    }
                }
            };
            self.origins.iter().map(column).collect()
        }))
    }

    /// The least and greatest value of key column `key` in a row group, or wider; `None` where it is not known.
    pub(crate) fn bounds(&self, key: usize, row_group: usize) -> Option<(ScalarValue, ScalarValue)> {
        let (origin, data_type) = self.origins.get(key)?;
        let name = match origin {
            Origin::Constant(value) if value.is_null() => return None,
            Origin::Constant(value) => return Some((value.clone(), value.clone())),
            Origin::File(index) => self.metadata.schema().field(*index).name(),
        };
        // Bounds of floats say nothing of NaN.
        if data_type.is_floating() {
            return None;
        }
        let metadata = self.metadata.metadata();
        let converter =
            StatisticsConverter::try_new(name, self.metadata.schema(), metadata.file_metadata().schema_descr()).ok()?;
        let group = std::iter::once(metadata.row_group(row_group));
        let low = cast(&converter.row_group_mins(group.clone()).ok()?, data_type).ok()?;
        let high = cast(&converter.row_group_maxes(group).ok()?, data_type).ok()?;
        if low.is_null(0) || high.is_null(0) {
            return None;
        }
        Some((ScalarValue::try_from_array(&low, 0).ok()?, ScalarValue::try_from_array(&high, 0).ok()?))
    }
}

impl Origin {
    fn column(&self) -> Option<usize> {
        match self {
            Self::File(index) => Some(*index),
            Self::Constant(_) => None,
        }
    }
}
