//! Rows by partition: which rows of a batch go to which folder, and what folders and values are called.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Schema, SchemaRef, TimeUnit};
use arrow::row::{RowConverter, SortField};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::error::{Error, Result};

/// The folder of NULL, as Hive, Spark and Delta call it.
pub(crate) const NULL_FOLDER: &str = "__HIVE_DEFAULT_PARTITION__";

/// The values of a partition's columns, in their order, written as Delta's protocol does.
pub(crate) type PartitionValues = Vec<Option<String>>;

/// Splits batches by the values of the partition columns.
#[derive(Debug)]
pub(crate) struct Partitioner {
    names: Vec<String>,
    partition_columns: Vec<usize>,
    file_columns: Vec<usize>,
    file_schema: SchemaRef,
    rows: Option<RowConverter>,
}

impl Partitioner {
    pub(crate) fn new(schema: &SchemaRef, partition_by: &[String]) -> Result<Self> {
        let mut partition_columns = Vec::with_capacity(partition_by.len());
        for name in partition_by {
            let index = schema
                .index_of(name)
                .map_err(|_| Error::config_at(name, format!("partition column '{name}' is not among the columns")))?;
            check_type(name, schema.field(index).data_type())?;
            partition_columns.push(index);
        }
        let file_columns: Vec<usize> = (0..schema.fields().len()).filter(|i| !partition_columns.contains(i)).collect();
        if file_columns.is_empty() {
            return Err(Error::config("a partitioned table needs at least one column that is not in PARTITIONED BY"));
        }
        let file_schema = Arc::new(Schema::new(schema.project(&file_columns)?.fields().clone()));
        let rows = if partition_columns.is_empty() {
            None
        } else {
            let fields = partition_columns.iter().map(|i| SortField::new(schema.field(*i).data_type().clone())).collect();
            Some(RowConverter::new(fields)?)
        };
        Ok(Self { names: partition_by.to_vec(), partition_columns, file_columns, file_schema, rows })
    }

    /// Columns of the files: all but the partition columns.
    pub(crate) fn file_schema(&self) -> &SchemaRef {
        &self.file_schema
    }

    /// The columns that go into the files.
    pub(crate) fn file_batch(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let columns: Vec<ArrayRef> = self.file_columns.iter().map(|i| Arc::clone(batch.column(*i))).collect();
        Ok(RecordBatch::try_new(Arc::clone(&self.file_schema), columns)?)
    }

    /// Names with their values.
    pub(crate) fn named(&self, values: &PartitionValues) -> Vec<(String, Option<String>)> {
        self.names.iter().cloned().zip(values.iter().cloned()).collect()
    }

    /// The rows of each partition, all columns kept, partitions in order of appearance.
    pub(crate) fn split(&self, batch: &RecordBatch) -> Result<Vec<(PartitionValues, RecordBatch)>> {
        let Some(converter) = &self.rows else { return Ok(vec![(Vec::new(), batch.clone())]) };
        let columns: Vec<ArrayRef> = self.partition_columns.iter().map(|i| Arc::clone(batch.column(*i))).collect();
        let rows = converter.convert_columns(&columns)?;
        let mut groups: Vec<Vec<u32>> = Vec::new();
        let mut group_of: HashMap<&[u8], usize> = HashMap::new();
        for (row, index) in rows.iter().zip(0_u32..) {
            let group = *group_of.entry(row.data()).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
            groups[group].push(index);
        }
        let mut parts = Vec::with_capacity(groups.len());
        for indices in groups {
            let first = indices.first().map_or(0, |index| *index as usize);
            let values = columns.iter().map(|column| partition_value(column, first)).collect::<Result<_>>()?;
            let rows = if indices.len() == batch.num_rows() {
                batch.clone()
            } else {
                take_record_batch(batch, &UInt32Array::from(indices))?
            };
            parts.push((values, rows));
        }
        Ok(parts)
    }
}

fn check_type(name: &str, data_type: &DataType) -> Result<()> {
    let nested = data_type.is_nested() || matches!(data_type, DataType::Dictionary(..));
    let bytes = matches!(
        data_type,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) | DataType::Null
    );
    if nested || bytes {
        return Err(Error::config_at(
            name,
            format!("column '{name}' is {data_type}, which cannot partition a table; use a text, number or date column"),
        ));
    }
    Ok(())
}

/// A value as Delta's protocol writes it ("Partition Value Serialization"), which makes the empty text NULL.
fn partition_value(column: &ArrayRef, row: usize) -> Result<Option<String>> {
    if column.is_null(row) {
        return Ok(None);
    }
    let text = match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        DataType::LargeUtf8 => column.as_string::<i64>().value(row).to_owned(),
        DataType::Utf8View => column.as_string_view().value(row).to_owned(),
        DataType::Timestamp(unit, _) => timestamp_value(column, row, *unit)?,
        _ => ArrayFormatter::try_new(column, &FormatOptions::default())?.value(row).to_string(),
    };
    Ok((!text.is_empty()).then_some(text))
}

/// UTC, to the microsecond: `2026-11-21 10:00:00.000000`.
fn timestamp_value(column: &ArrayRef, row: usize, unit: TimeUnit) -> Result<String> {
    let plain = arrow::compute::cast(&column.slice(row, 1), &DataType::Timestamp(unit, None))?;
    let micros = arrow::compute::cast(&plain, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
    let micros = micros.as_primitive::<arrow::datatypes::TimestampMicrosecondType>().value(0);
    chrono::DateTime::from_timestamp_micros(micros)
        .map(|time| time.format("%Y-%m-%d %H:%M:%S%.6f").to_string())
        .ok_or_else(|| Error::data(format!("timestamp {micros} µs cannot be a partition value: it is out of range")))
}

/// `created_date=2026-11-21/country=__HIVE_DEFAULT_PARTITION__`; empty when there are no partition columns. Special
/// characters are escaped as Hive and Delta do.
pub fn hive_path(partition: &[(String, Option<String>)]) -> String {
    let folders = partition.iter().map(|(name, value)| match value {
        Some(value) => format!("{}={}", escape(name), escape(value)),
        None => format!("{}={NULL_FOLDER}", escape(name)),
    });
    folders.collect::<Vec<_>>().join("/")
}

/// `ExternalCatalogUtils.escapePathName` of Spark, which is `FileUtils.escapePathName` of Hive.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        let special = c.is_ascii_control()
            || matches!(c, '"' | '#' | '%' | '\'' | '*' | '/' | ':' | '=' | '?' | '\\' | '{' | '[' | ']' | '^');
        if special {
            // Writing to a String cannot fail.
            write!(escaped, "%{:02X}", c as u32).unwrap_or_default();
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// What [`escape`] made of a text; the text itself where it made nothing of it.
pub(crate) fn unescape(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use arrow::array::{BooleanArray, Date32Array, Int64Array, StringArray, TimestampNanosecondArray};

    use super::*;

    #[test]
    fn folders_are_escaped_as_hive_does() {
        let partition = vec![("a".to_owned(), Some("x/y=z:%20 ü".to_owned())), ("b".to_owned(), None)];
        assert_eq!(hive_path(&partition), "a=x%2Fy%3Dz%3A%2520 ü/b=__HIVE_DEFAULT_PARTITION__");
        assert_eq!(hive_path(&[]), "");
    }

    #[test]
    fn values_are_written_as_delta_does() {
        let value = |column: ArrayRef| partition_value(&column, 0).unwrap();
        assert_eq!(value(Arc::new(Date32Array::from(vec![20_778]))), Some("2026-11-21".into()));
        assert_eq!(value(Arc::new(BooleanArray::from(vec![true]))), Some("true".into()));
        assert_eq!(value(Arc::new(Int64Array::from(vec![-7]))), Some("-7".into()));
        assert_eq!(value(Arc::new(StringArray::from(vec![""]))), None);
        let time = TimestampNanosecondArray::from(vec![1_500]).with_timezone("UTC");
        assert_eq!(value(Arc::new(time)), Some("1970-01-01 00:00:00.000001".into()));
    }
}
