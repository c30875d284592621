//! Which columns of Parquet fit which columns of a table. What nobody has reported to load is refused.

use arrow::datatypes::{DataType, Field, TimeUnit};
use parquet::basic::{Repetition, Type as Physical};
use parquet::schema::types::SchemaDescriptor;

use super::failure::spectrum;
use super::{Column, ColumnType, Options};
use crate::rules::{
    NESTED_NEEDS_SERIALIZETOJSON, PARQUET_DECIMAL_LENGTH_IS_EXACT, PARQUET_TIME_IS_REFUSED, PARQUET_TYPES_ARE_EXACT,
    SUPER_NEEDS_SERIALIZETOJSON,
};
use crate::sql_error::{SqlError, SqlResult};

/// Holds one column of a file against one of the table.
pub(super) fn check(
    column: &Column,
    field: &Field,
    position: usize,
    schema: &SchemaDescriptor,
    url: &str,
    options: &Options,
) -> SqlResult<()> {
    let leaf = leaf_of(position, schema);
    let physical = leaf.map(|leaf| schema.column(leaf).physical_type());
    let incompatible = || {
        let described = leaf.map_or_else(|| field.data_type().to_string(), |leaf| describe(schema, leaf, field));
        let context = format!(
            "File '{url}' has an incompatible Parquet schema for column '{url}.{}'. Column type: {}, Parquet schema:\\n{described}",
            column.name, column.column_type
        );
        spectrum(&PARQUET_TYPES_ARE_EXACT, 15_007, context)
    };
    match column.column_type {
        ColumnType::Super => super_column(column, field.data_type(), options),
        ColumnType::Time | ColumnType::TimeTz => {
            Err(SqlError { detail: incompatible().detail, ..spectrum(&PARQUET_TIME_IS_REFUSED, 15_007, "") })
        }
        ColumnType::Decimal(precision, scale) => match field.data_type() {
            DataType::Decimal128(found, digits) if (*found, *digits) == (precision, scale) => {
                decimal_length(column, precision, physical, leaf.map(|leaf| schema.column(leaf).type_length()))
            }
            _ => Err(incompatible()),
        },
        plain if fits(plain, field.data_type(), physical) => Ok(()),
        _ => Err(incompatible()),
    }
}

/// Whether a plain column fits.
fn fits(column: ColumnType, file: &DataType, physical: Option<Physical>) -> bool {
    let int96 = physical == Some(Physical::INT96);
    match column {
        ColumnType::Boolean => *file == DataType::Boolean,
        ColumnType::SmallInt => matches!(file, DataType::Int8 | DataType::Int16 | DataType::UInt8),
        ColumnType::Integer => matches!(file, DataType::Int32 | DataType::UInt16),
        ColumnType::BigInt => matches!(file, DataType::Int64),
        ColumnType::Real => *file == DataType::Float32,
        ColumnType::Double => *file == DataType::Float64,
        ColumnType::Varchar(_) | ColumnType::Char(_) => *file == DataType::Utf8,
        ColumnType::Varbyte => *file == DataType::Binary,
        ColumnType::Date => *file == DataType::Date32,
        // Clients write moments with a zone into TIMESTAMP columns, and it loads (aws-sdk-pandas#2413).
        ColumnType::Timestamp => matches!(file, DataType::Timestamp(unit, _) if *unit != TimeUnit::Second || int96),
        ColumnType::TimestampTz => matches!(file, DataType::Timestamp(_, Some(_))) || int96,
        ColumnType::Decimal(..) | ColumnType::Super | ColumnType::Time | ColumnType::TimeTz => false,
    }
}

fn super_column(column: &Column, file: &DataType, options: &Options) -> SqlResult<()> {
    if options.serialize_to_json {
        return Ok(());
    }
    if file.is_nested() {
        let context = format!(
            "Column '{}' is nested: Parquet and ORC files with nested columns are loaded into SUPER with SERIALIZETOJSON",
            column.name
        );
        return Err(spectrum(&NESTED_NEEDS_SERIALIZETOJSON, 15_007, context));
    }
    let context = format!("Invalid type: 4000 of column '{}'", column.name);
    Err(spectrum(&SUPER_NEEDS_SERIALIZETOJSON, 1224, context))
}

/// The bytes that the largest number of so many digits takes.
fn least_bytes(precision: u8) -> i32 {
    (1..=16).find(|bytes| 10_f64.powi(i32::from(precision)) <= 2_f64.powi(8 * bytes - 1)).unwrap_or(16)
}

fn decimal_length(column: &Column, precision: u8, physical: Option<Physical>, length: Option<i32>) -> SqlResult<()> {
    let expected = least_bytes(precision);
    let found = match physical {
        Some(Physical::INT32) if precision <= 9 => return Ok(()),
        Some(Physical::INT64) if precision > 9 && precision <= 18 => return Ok(()),
        Some(Physical::INT32) => 4,
        Some(Physical::INT64) => 8,
        _ => length.unwrap_or_default(),
    };
    if found == expected {
        return Ok(());
    }
    let context = format!("column '{}' has an invalid type length. Expecting: {expected} len in file: {found}", column.name);
    Err(spectrum(&PARQUET_DECIMAL_LENGTH_IS_EXACT, 15_001, context))
}

/// The leaf of a column that is not nested.
fn leaf_of(position: usize, schema: &SchemaDescriptor) -> Option<usize> {
    let mut leaves = (0..schema.num_columns()).filter(|leaf| schema.get_column_root_idx(*leaf) == position);
    leaves.next().filter(|_| leaves.next().is_none())
}

/// A column in the notation of the error: `optional int64 id [i:0 d:1 r:0]`.
fn describe(schema: &SchemaDescriptor, leaf: usize, field: &Field) -> String {
    let column = schema.column(leaf);
    let repetition = match column.self_type().get_basic_info().repetition() {
        Repetition::REQUIRED => "required",
        Repetition::OPTIONAL => "optional",
        Repetition::REPEATED => "repeated",
    };
    let physical = match column.physical_type() {
        Physical::BYTE_ARRAY => "byte_array".to_owned(),
        Physical::FIXED_LEN_BYTE_ARRAY => format!("fixed_len_byte_array({})", column.type_length()),
        other => other.to_string().to_lowercase(),
    };
    let (depth, repeats) = (column.max_def_level(), column.max_rep_level());
    format!("{repetition} {physical} {} [i:{leaf} d:{depth} r:{repeats}]", field.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_length_of_a_decimal_is_that_of_the_format() {
        let lengths: Vec<i32> = [2, 4, 9, 10, 18, 19, 29, 38].into_iter().map(least_bytes).collect();
        assert_eq!(lengths, [1, 2, 4, 5, 8, 9, 13, 16]);
    }
}
