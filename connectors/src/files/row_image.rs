//! One row kept exactly, types and all, in a text: a bad row of a Parquet file has no bytes of its own that could be kept.
//!
//! It is Arrow's IPC stream in hexadecimal. What a person reads of the row is [`super::parquet`]'s.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

use crate::error::{Error, Result};

/// The row at `index` of `batch`.
///
/// # Errors
/// [`Error::Internal`].
pub(super) fn of(batch: &RecordBatch, index: usize) -> Result<String> {
    let row = one(batch, index)?;
    let mut writer = StreamWriter::try_new(Vec::new(), &row.schema())?;
    writer.write(&row)?;
    Ok(hex::encode(writer.into_inner()?))
}

/// Copied out of its batch: of a slice, the whole batch would be written.
fn one(batch: &RecordBatch, index: usize) -> Result<RecordBatch> {
    let index = UInt32Array::from(vec![u32::try_from(index).map_err(|_| Error::internal("a batch of too many rows"))?]);
    let (mut fields, mut columns) = (Vec::new(), Vec::<ArrayRef>::new());
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let value = take(column, &index, None)?;
        // All values of a dictionary would go with the one.
        let value = match value.data_type().clone() {
            DataType::Dictionary(_, values) => cast(&value, &values)?,
            _ => value,
        };
        fields.push(Field::new(field.name(), value.data_type().clone(), true));
        columns.push(value);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
}

/// The row that [`of`] made `image` of.
///
/// # Errors
/// [`Error::Data`] when it is none.
pub(super) fn read(image: &str) -> Result<RecordBatch> {
    let wrong = |error: &dyn std::fmt::Display| Error::data(format!("what was kept of the row cannot be read: {error}"));
    let bytes = hex::decode(image).map_err(|error| wrong(&error))?;
    let mut reader = StreamReader::try_new(bytes.as_slice(), None).map_err(|error| wrong(&error))?;
    let row = reader.next().ok_or_else(|| wrong(&"it is empty"))?;
    row.map_err(|error| wrong(&error))
}

#[cfg(test)]
mod tests {
    use arrow::array::{DictionaryArray, Float64Array, ListArray, StringArray, TimestampMicrosecondArray};
    use arrow::datatypes::{Float64Type, Int8Type};

    use super::*;

    #[test]
    fn a_row_comes_back_with_its_types_and_no_other_rows() {
        let words: DictionaryArray<Int8Type> =
            (0..100).map(|n| format!("word {n}")).collect::<Vec<_>>().iter().map(|w| Some(w.as_str())).collect();
        let lists = ListArray::from_iter_primitive::<Float64Type, _, _>((0..100).map(|n| Some(vec![Some(f64::from(n)), None])));
        let batch = RecordBatch::try_from_iter([
            ("double", Arc::new(Float64Array::from(vec![f64::NAN; 100])) as ArrayRef),
            ("at", Arc::new(TimestampMicrosecondArray::from(vec![1_795_000_000_123_456; 100]).with_timezone("UTC"))),
            ("list", Arc::new(lists)),
            ("word", Arc::new(words)),
            ("long", Arc::new(StringArray::from_iter_values((0..100).map(|n| "x".repeat(n * 100))))),
        ])
        .unwrap();
        let image = of(&batch, 3).unwrap();
        assert!(image.len() < 6_000, "{} letters for one row", image.len());
        let row = read(&image).unwrap();
        assert_eq!((row.num_rows(), row.column(3).data_type()), (1, &DataType::Utf8));
        for column in [1, 2, 4] {
            assert_eq!(row.column(column).as_ref(), batch.column(column).slice(3, 1).as_ref());
        }
        let double = row.column(0).as_any().downcast_ref::<Float64Array>().unwrap();
        assert!(double.value(0).is_nan());
        assert!(read("00ff").unwrap_err().to_string().contains("cannot be read"));
    }
}
