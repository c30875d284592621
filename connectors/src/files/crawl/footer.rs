//! What a Parquet file says of itself: columns, rows, nulls and ranges, from its footer.

use arrow::datatypes::{DataType, Field};
use catalog::infer::{FileObservation, ObservedSchema, ResolveOptions};
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;

use super::look::anew;
use crate::error::{Error, Result};
use crate::files::listing::Place;
use crate::files::object::Object;
use crate::files::parquet::{reader, store_error};

/// Reads the footer.
///
/// # Errors
/// [`Error::Data`] when it is no Parquet file; when the store does not answer.
pub(super) async fn observe(place: &Place, object: &Object) -> Result<ObservedSchema> {
    let address = place.address(&object.path);
    let builder = ParquetRecordBatchStreamBuilder::new(reader(place, object)).await;
    let builder = builder.map_err(|error| match store_error(&error) {
        Some(object_store::Error::Precondition { .. }) => anew(),
        _ => Error::from(error).context(format!("'{address}'")),
    })?;
    let metadata = builder.metadata();
    let rows = count(metadata.file_metadata().num_rows());
    let mut observation = FileObservation::new(address);
    observation.begin_declared(rows);
    for field in builder.schema().fields() {
        let (nulls, range) = leaf(metadata, field).map_or((0, None), |leaf| statistics(metadata, leaf, field));
        observation.declare_column(field, rows, nulls, range);
    }
    Ok(observation.finish(&ResolveOptions::default()))
}

/// The column of the file that holds a field which is neither object nor list.
fn leaf(metadata: &ParquetMetaData, field: &Field) -> Option<usize> {
    let columns = metadata.file_metadata().schema_descr().columns();
    columns.iter().position(|column| matches!(column.path().parts(), [name] if name == field.name()))
}

/// How many values are null, and the least and greatest whole number, as far as every row group says.
fn statistics(metadata: &ParquetMetaData, leaf: usize, field: &Field) -> (u64, Option<(i64, i64)>) {
    let of_groups = || metadata.row_groups().iter().map(|group| group.column(leaf).statistics());
    let nulls = of_groups().map(|statistics| statistics.and_then(Statistics::null_count_opt).unwrap_or(0)).sum();
    let is_signed = matches!(field.data_type(), DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64);
    let ranges: Option<Vec<(i64, i64)>> = of_groups().map(|statistics| statistics.and_then(range)).collect();
    let range = ranges.filter(|_| is_signed).and_then(|ranges| {
        ranges.into_iter().reduce(|(low, high), (other_low, other_high)| (low.min(other_low), high.max(other_high)))
    });
    (nulls, range)
}

fn range(statistics: &Statistics) -> Option<(i64, i64)> {
    match statistics {
        Statistics::Int32(values) => Some((i64::from(*values.min_opt()?), i64::from(*values.max_opt()?))),
        Statistics::Int64(values) => Some((*values.min_opt()?, *values.max_opt()?)),
        _ => None,
    }
}

fn count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or(0)
}
