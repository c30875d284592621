//! What a Parquet file that COPY reads looks like.
//!
//! Snappy is what the pages on COPY, UNLOAD and Spectrum name; whether Zstandard is read is written nowhere. A DECIMAL is a
//! `FIXED_LEN_BYTE_ARRAY` of the fewest bytes that hold its digits: what AWS's own awswrangler (through pyarrow) writes, and
//! what a file that was refused was measured against ("invalid type length. Expecting: 8 len in file: 13" for 18 digits,
//! G-Research/ParquetSharp#252).

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, LogicalType, Repetition, Type as PhysicalType};
use parquet::file::properties::EnabledStatistics;
use parquet::schema::types::{SchemaDescriptor, Type};

use crate::error::Result;
use crate::staging::form::lasting_properties;

/// How files with columns of `schema` are written.
///
/// # Errors
/// When a type has no counterpart in Parquet, which would be a bug of the plan.
pub(crate) fn writer_options(schema: &Schema) -> Result<ArrowWriterOptions> {
    // COPY reads everything: what would let it pass over a page is not worth its while.
    let properties = lasting_properties()?.into_builder().set_compression(Compression::SNAPPY);
    let properties = properties.set_statistics_enabled(EnabledStatistics::None).build();
    Ok(ArrowWriterOptions::new()
        .with_properties(properties)
        .with_skip_arrow_metadata(true)
        .with_parquet_schema(parquet_schema(schema)?))
}

/// The columns in Parquet's terms.
fn parquet_schema(schema: &Schema) -> Result<SchemaDescriptor> {
    let converted = ArrowSchemaConverter::new().convert(schema)?;
    let mut fields = Vec::with_capacity(schema.fields().len());
    for (field, converted) in schema.fields().iter().zip(converted.root_schema().get_fields()) {
        fields.push(match field.data_type() {
            DataType::Decimal128(digits, scale) => Arc::new(decimal(field, *digits, *scale)?),
            _ => Arc::clone(converted),
        });
    }
    let root = Type::group_type_builder("schema").with_fields(fields).build()?;
    Ok(SchemaDescriptor::new(Arc::new(root)))
}

fn decimal(field: &Field, digits: u8, scale: i8) -> Result<Type> {
    let (precision, scale) = (i32::from(digits), i32::from(scale));
    let repetition = if field.is_nullable() { Repetition::OPTIONAL } else { Repetition::REQUIRED };
    Ok(Type::primitive_type_builder(field.name(), PhysicalType::FIXED_LEN_BYTE_ARRAY)
        .with_repetition(repetition)
        .with_length(decimal_bytes(digits))
        .with_logical_type(Some(LogicalType::decimal(scale, precision)))
        .with_precision(precision)
        .with_scale(scale)
        .build()?)
}

/// The fewest bytes that hold every number of so many digits, and its sign.
fn decimal_bytes(digits: u8) -> i32 {
    let bits = f64::from(digits) * std::f64::consts::LOG2_10 + 1.0;
    #[expect(clippy::cast_possible_truncation, reason = "at most 16")]
    let bytes = (bits / 8.0).ceil() as i32;
    bytes
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Decimal128Array, Int16Array, RecordBatch, StringArray, TimestampMicrosecondArray};
    use arrow::datatypes::TimeUnit;
    use bytes::Bytes;
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::schema::printer::print_schema;

    use super::*;

    #[test]
    fn files_have_the_physical_types_that_copy_expects() {
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let schema = Arc::new(Schema::new(vec![
            Field::new("small", DataType::Int16, true),
            Field::new("price", DataType::Decimal128(9, 2), true),
            Field::new("sum", DataType::Decimal128(18, 9), true),
            Field::new("wide", DataType::Decimal128(38, 0), true),
            Field::new("at", utc, true),
            Field::new("text", DataType::Utf8, true),
        ]));
        let decimal = |value: i128, digits, scale| -> ArrayRef {
            Arc::new(Decimal128Array::from(vec![Some(value), None]).with_precision_and_scale(digits, scale).unwrap())
        };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int16Array::from(vec![Some(-1), None])),
            decimal(-12_345, 9, 2),
            decimal(999_999_999_999_999_999, 18, 9),
            decimal(-99_999_999_999_999_999_999_999_999_999_999_999_999, 38, 0),
            Arc::new(TimestampMicrosecondArray::from(vec![Some(1), None]).with_timezone("UTC")),
            Arc::new(StringArray::from(vec![Some("x"), None])),
        ];
        let rows = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
        let mut file = Vec::new();
        let mut writer =
            ArrowWriter::try_new_with_options(&mut file, Arc::clone(&schema), writer_options(&schema).unwrap()).unwrap();
        writer.write(&rows).unwrap();
        writer.close().unwrap();

        let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(file)).unwrap();
        let mut printed = Vec::new();
        print_schema(&mut printed, reader.parquet_schema().root_schema());
        let expected = "message schema {\n  \
            OPTIONAL INT32 small (INTEGER(16,true));\n  \
            OPTIONAL FIXED_LEN_BYTE_ARRAY (4) price (DECIMAL(9,2));\n  \
            OPTIONAL FIXED_LEN_BYTE_ARRAY (8) sum (DECIMAL(18,9));\n  \
            OPTIONAL FIXED_LEN_BYTE_ARRAY (16) wide (DECIMAL(38,0));\n  \
            OPTIONAL INT64 at (TIMESTAMP(MICROS,true));\n  \
            OPTIONAL BYTE_ARRAY text (STRING);\n}\n";
        assert_eq!(String::from_utf8(printed).unwrap(), expected);
        assert_eq!(reader.metadata().row_group(0).column(0).compression(), Compression::SNAPPY);
        let back = reader.build().unwrap().next().unwrap().unwrap();
        assert_eq!(back.columns(), rows.columns());
    }

    #[test]
    fn decimals_take_the_fewest_bytes() {
        assert_eq!([1, 2, 4, 9, 10, 18, 19, 28, 38].map(decimal_bytes), [1, 1, 2, 4, 5, 8, 9, 12, 16]);
    }
}
