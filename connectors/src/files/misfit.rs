//! Why a value is not one of its column, in the words of whoever wrote the table's columns.

use arrow::datatypes::{DataType, TimeUnit};

/// Why a value is not one of its column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The column, with the path into it: `address.zip`.
    pub column: String,
    /// What was found and what was expected.
    pub reason: String,
}

/// Longest piece of a value that a message shows.
const SHOWN: usize = 60;

/// A value as a message shows it.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("'{}…' ({} bytes)", &text[..end], text.len()),
        None => format!("'{text}'"),
    }
}

/// The type as a reader of SQL calls it.
pub(super) fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "NULL, the only value seen so far".to_owned(),
        DataType::Boolean => "a boolean".to_owned(),
        DataType::Int8 => "a TINYINT (-128 to 127)".to_owned(),
        DataType::Int16 => "a SMALLINT (-32768 to 32767)".to_owned(),
        DataType::Int32 => "an INT (-2147483648 to 2147483647)".to_owned(),
        DataType::Int64 => "a BIGINT".to_owned(),
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => format!("an unsigned integer ({data_type})"),
        DataType::Float16 | DataType::Float32 => "a REAL".to_owned(),
        DataType::Float64 => "a DOUBLE".to_owned(),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => {
            format!("a DECIMAL({precision}, {scale})")
        }
        DataType::Date32 | DataType::Date64 => "a DATE".to_owned(),
        DataType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond | TimeUnit::Microsecond | TimeUnit::Nanosecond, zone) => {
            if zone.is_some() {
                "a TIMESTAMP WITH TIME ZONE".to_owned()
            } else {
                "a TIMESTAMP".to_owned()
            }
        }
        DataType::Struct(_) => "an object".to_owned(),
        DataType::List(_) | DataType::LargeList(_) => "a list".to_owned(),
        other => format!("{other}"),
    }
}
