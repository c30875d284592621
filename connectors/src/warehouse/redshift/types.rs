//! Which type of Redshift holds a column, and which Arrow type is staged for it.
//!
//! Three types belong to a column: what the query gives, what is staged ([`staged`]: plain Arrow, the same for every
//! warehouse), and the column's own ([`ColumnType`]). COPY from Parquet maps columns by position and takes no other type than
//! the column's ("COPY from columnar data formats", `copy-usage_notes-copy-from-columnar`), so that files are written in the
//! column's type, never in the query's.

use std::fmt;

use arrow::datatypes::{DataType, TimeUnit};

use crate::error::Result;
use crate::stored::Target;
use crate::warehouse::room::Room;

/// The bytes of the widest VARCHAR ("Character types", `r_Character_types`).
pub(crate) const MAX_VARCHAR: u32 = 65_535;
/// The widths that columns of text get, in bytes: with steps, a column is widened a few times and no more.
const LADDER: [u32; 7] = [16, 64, 256, 1_024, 4_096, 16_383, MAX_VARCHAR];
/// The width of a column whose text is not known yet.
pub(crate) const UNKNOWN_WIDTH: u32 = 256;

/// The type of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ColumnType {
    SmallInt,
    Integer,
    BigInt,
    Real,
    Double,
    /// Digits, and how many of them are behind the point.
    Decimal(u8, i8),
    Boolean,
    /// Bytes.
    Varchar(u32),
    /// Bytes; shorter values are filled up with blanks.
    Char(u32),
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Varbyte,
    Super,
    /// One that is not written, as the catalog calls it.
    Other(String),
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SmallInt => f.write_str("SMALLINT"),
            Self::Integer => f.write_str("INTEGER"),
            Self::BigInt => f.write_str("BIGINT"),
            Self::Real => f.write_str("REAL"),
            Self::Double => f.write_str("DOUBLE PRECISION"),
            Self::Decimal(digits, scale) => write!(f, "DECIMAL({digits},{scale})"),
            Self::Boolean => f.write_str("BOOLEAN"),
            Self::Varchar(width) => write!(f, "VARCHAR({width})"),
            Self::Char(width) => write!(f, "CHAR({width})"),
            Self::Date => f.write_str("DATE"),
            Self::Time => f.write_str("TIME"),
            Self::Timestamp => f.write_str("TIMESTAMP"),
            Self::TimestampTz => f.write_str("TIMESTAMPTZ"),
            Self::Varbyte => f.write_str("VARBYTE"),
            Self::Super => f.write_str("SUPER"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

impl ColumnType {
    /// Whether the values of a column keep their meaning when it becomes one of `wanted`: a person may be told to change it.
    pub(crate) fn may_become(&self, wanted: &Self) -> bool {
        let is_whole = matches!(self, Self::SmallInt | Self::Integer | Self::BigInt);
        match wanted {
            Self::Varchar(_) | Self::Super => true,
            Self::SmallInt | Self::Integer | Self::BigInt | Self::Real | Self::Decimal(..) => is_whole,
            Self::Double => is_whole || matches!(self, Self::Real | Self::Decimal(..)),
            Self::Timestamp => *self == Self::Date,
            Self::TimestampTz => matches!(self, Self::Date | Self::Timestamp),
            Self::Boolean | Self::Char(_) | Self::Date | Self::Time | Self::Varbyte | Self::Other(_) => false,
        }
    }

    /// The type that a new column gets for what is [`staged`]; text gets [`UNKNOWN_WIDTH`] until its values are known.
    pub(crate) fn for_staged(staged: &DataType) -> Self {
        match staged {
            DataType::Boolean => Self::Boolean,
            DataType::Int16 => Self::SmallInt,
            DataType::Int32 => Self::Integer,
            DataType::Int64 => Self::BigInt,
            DataType::Float32 => Self::Real,
            DataType::Float64 => Self::Double,
            DataType::Decimal128(digits, scale) => Self::Decimal(*digits, *scale),
            DataType::Utf8 => Self::Varchar(UNKNOWN_WIDTH),
            DataType::Binary => Self::Varbyte,
            DataType::Date32 => Self::Date,
            DataType::Time64(_) => Self::Time,
            DataType::Timestamp(_, None) => Self::Timestamp,
            DataType::Timestamp(_, Some(_)) => Self::TimestampTz,
            _ => Self::Super,
        }
    }

    /// From the catalog view `svv_columns`: `data_type`, `character_maximum_length`, `numeric_precision`, `numeric_scale`.
    pub(crate) fn from_catalog(data_type: &str, width: Option<u32>, digits: Option<u8>, scale: Option<i8>) -> Self {
        let name = data_type.trim().to_ascii_lowercase();
        match name.split('(').next().unwrap_or_default().trim() {
            "smallint" | "int2" => Self::SmallInt,
            "integer" | "int" | "int4" => Self::Integer,
            "bigint" | "int8" => Self::BigInt,
            "real" | "float4" => Self::Real,
            "double precision" | "float" | "float8" => Self::Double,
            "numeric" | "decimal" => Self::Decimal(digits.unwrap_or(18), scale.unwrap_or(0)),
            "boolean" | "bool" => Self::Boolean,
            "character varying" | "varchar" | "nvarchar" | "text" => Self::Varchar(width.unwrap_or(UNKNOWN_WIDTH)),
            "character" | "char" | "nchar" | "bpchar" => Self::Char(width.unwrap_or(1)),
            "date" => Self::Date,
            "time without time zone" | "time" => Self::Time,
            "timestamp without time zone" | "timestamp" => Self::Timestamp,
            "timestamp with time zone" | "timestamptz" => Self::TimestampTz,
            "binary varying" | "varbyte" | "varbinary" => Self::Varbyte,
            "super" => Self::Super,
            _ => Self::Other(name),
        }
    }

    /// The type to stage for a column of the query that goes into this one; `None` when values could be lost or mean another
    /// thing.
    pub(crate) fn accepts(&self, given: &DataType) -> Option<DataType> {
        if let DataType::Dictionary(_, values) = given {
            return self.accepts(values);
        }
        let text = matches!(given, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        let digits = integer_digits(given);
        let up_to = |most: u8, staged: DataType| digits.is_some_and(|digits| digits <= most).then_some(staged);
        match self {
            Self::SmallInt => up_to(5, DataType::Int16).filter(|_| *given != DataType::UInt16),
            Self::Integer => up_to(10, DataType::Int32).filter(|_| *given != DataType::UInt32),
            Self::BigInt => up_to(19, DataType::Int64),
            Self::Real => up_to(5, DataType::Float32)
                .or_else(|| matches!(given, DataType::Float16 | DataType::Float32).then_some(DataType::Float32)),
            Self::Double => {
                let float = matches!(given, DataType::Float16 | DataType::Float32 | DataType::Float64);
                up_to(10, DataType::Float64).or_else(|| float.then_some(DataType::Float64))
            }
            Self::Decimal(to, scale) => {
                let room = i16::from(*to) - i16::from(*scale);
                let fits = match given {
                    DataType::Decimal32(p, s)
                    | DataType::Decimal64(p, s)
                    | DataType::Decimal128(p, s)
                    | DataType::Decimal256(p, s) => s <= scale && i16::from(*p) - i16::from(*s) <= room,
                    _ => digits.is_some_and(|digits| i16::from(digits) <= room),
                };
                fits.then_some(DataType::Decimal128(*to, *scale))
            }
            Self::Boolean => (*given == DataType::Boolean).then_some(DataType::Boolean),
            Self::Varchar(_) | Self::Char(_) => text.then_some(DataType::Utf8),
            Self::Date => matches!(given, DataType::Date32 | DataType::Date64).then_some(DataType::Date32),
            Self::Time => {
                matches!(given, DataType::Time32(_) | DataType::Time64(_)).then_some(DataType::Time64(TimeUnit::Microsecond))
            }
            Self::Timestamp => is_utc(given).then_some(DataType::Timestamp(TimeUnit::Microsecond, None)),
            Self::TimestampTz => matches!(given, DataType::Timestamp(..)).then(utc),
            Self::Varbyte => binary(given).then_some(DataType::Binary),
            Self::Super if text => Some(DataType::Utf8),
            Self::Super => staged("", given).ok().filter(DataType::is_nested),
            Self::Other(_) => None,
        }
    }

    /// The same where values may turn out not to fit, which are looked at one by one: exact numbers of more digits than this one has
    /// [`Self::room`] for are staged as they are.
    pub(crate) fn takes(&self, given: &DataType) -> Option<DataType> {
        self.accepts(given).or_else(|| {
            let staged = staged("", given).ok()?;
            let is_whole = matches!(staged, DataType::Int16 | DataType::Int32 | DataType::Int64);
            let is_taken = match self {
                Self::SmallInt | Self::Integer => is_whole,
                Self::Decimal(..) => is_whole || matches!(staged, DataType::Decimal128(..)),
                _ => false,
            };
            is_taken.then_some(staged)
        })
    }

    /// What a column of exact numbers holds.
    pub(crate) fn room(&self) -> Option<Room> {
        Some(match self {
            Self::SmallInt => Room::Whole(i16::MIN.into(), i16::MAX.into()),
            Self::Integer => Room::Whole(i32::MIN.into(), i32::MAX.into()),
            Self::Decimal(digits, scale) => {
                let behind = u8::try_from(*scale).unwrap_or_default();
                Room::Digits(digits.saturating_sub(behind), behind)
            }
            _ => return None,
        })
    }

    /// The type to stage where the query has nothing but NULL.
    pub(crate) fn of_null(&self) -> DataType {
        match self {
            Self::SmallInt => DataType::Int16,
            Self::Integer => DataType::Int32,
            Self::BigInt => DataType::Int64,
            Self::Real => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Decimal(digits, scale) => DataType::Decimal128(*digits, *scale),
            Self::Boolean => DataType::Boolean,
            Self::Varchar(_) | Self::Char(_) | Self::Super | Self::Other(_) => DataType::Utf8,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::TimestampTz => utc(),
            Self::Varbyte => DataType::Binary,
        }
    }
}

/// The width for text of which the longest value has `bytes` bytes: half as much again, on the ladder. `None`: too long for any.
pub(crate) fn width_for(bytes: u64) -> Option<u32> {
    if bytes == 0 {
        return Some(UNKNOWN_WIDTH);
    }
    let wanted = bytes + bytes / 2;
    let step = LADDER.into_iter().find(|width| u64::from(*width) >= wanted);
    step.or_else(|| (bytes <= u64::from(MAX_VARCHAR)).then_some(MAX_VARCHAR))
}

/// What is staged for a column of a query that goes into a new column: widths that Redshift has, microseconds. `UInt64` is wider
/// than BIGINT and becomes a DECIMAL.
///
/// # Errors
/// [`Error::Config`](crate::error::Error::Config) at the column for a type that has no counterpart, with the cast to write.
pub(crate) fn staged(column: &str, data_type: &DataType) -> Result<DataType> {
    const REDSHIFT: Target = Target {
        lacks: "Redshift has no type for",
        own: |data_type| match data_type {
            DataType::Int8 => Some(DataType::Int16),
            DataType::Time32(_) | DataType::Time64(_) => Some(DataType::Time64(TimeUnit::Microsecond)),
            _ => None,
        },
    };
    REDSHIFT.store(column, data_type)
}

/// Digits that hold every value of an integer type.
fn integer_digits(data_type: &DataType) -> Option<u8> {
    Some(match data_type {
        DataType::Int8 | DataType::UInt8 => 3,
        DataType::Int16 | DataType::UInt16 => 5,
        DataType::Int32 | DataType::UInt32 => 10,
        DataType::Int64 => 19,
        DataType::UInt64 => 20,
        _ => return None,
    })
}

/// A moment that reads the same with its zone left out.
fn is_utc(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(_, None) => true,
        DataType::Timestamp(_, Some(zone)) => ["utc", "z", "+00:00", "etc/utc"].iter().any(|utc| zone.eq_ignore_ascii_case(utc)),
        _ => false,
    }
}

fn binary(data_type: &DataType) -> bool {
    use DataType::{Binary, BinaryView, FixedSizeBinary, LargeBinary};
    matches!(data_type, Binary | LargeBinary | BinaryView | FixedSizeBinary(_))
}

fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::Field;

    use super::*;

    fn list(item: DataType) -> DataType {
        DataType::List(Arc::new(Field::new("item", item, true)))
    }

    #[test]
    fn every_arrow_type_has_its_column() {
        let naive = |unit| DataType::Timestamp(unit, None);
        for (given, expected) in [
            (DataType::Int8, "SMALLINT"),
            (DataType::UInt8, "SMALLINT"),
            (DataType::Int16, "SMALLINT"),
            (DataType::UInt16, "INTEGER"),
            (DataType::Int32, "INTEGER"),
            (DataType::UInt32, "BIGINT"),
            (DataType::Int64, "BIGINT"),
            (DataType::UInt64, "DECIMAL(20,0)"),
            (DataType::Float32, "REAL"),
            (DataType::Float64, "DOUBLE PRECISION"),
            (DataType::Decimal128(18, 9), "DECIMAL(18,9)"),
            (DataType::Decimal256(38, 3), "DECIMAL(38,3)"),
            (DataType::Decimal128(5, -2), "DECIMAL(7,0)"),
            (DataType::Boolean, "BOOLEAN"),
            (DataType::Utf8View, "VARCHAR(256)"),
            (DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::LargeUtf8)), "VARCHAR(256)"),
            (DataType::Date32, "DATE"),
            (naive(TimeUnit::Nanosecond), "TIMESTAMP"),
            (DataType::Timestamp(TimeUnit::Second, Some("Europe/Rome".into())), "TIMESTAMPTZ"),
            (DataType::Time32(TimeUnit::Second), "TIME"),
            (DataType::FixedSizeBinary(16), "VARBYTE"),
            (list(DataType::Utf8View), "SUPER"),
        ] {
            let stored = staged("c", &given).unwrap();
            assert_eq!(ColumnType::for_staged(&stored).to_string(), expected, "{given}");
        }
        assert_eq!(staged("c", &naive(TimeUnit::Nanosecond)).unwrap(), naive(TimeUnit::Microsecond));
        assert_eq!(staged("c", &list(DataType::UInt32)).unwrap(), list(DataType::Int64));
    }

    #[test]
    fn types_without_a_counterpart_say_the_cast() {
        for (given, cast) in [
            (DataType::Null, "CAST(NULL AS VARCHAR)"),
            (DataType::Duration(TimeUnit::Second), "CAST(d AS BIGINT)"),
            (DataType::Decimal256(50, 4), "CAST(d AS DECIMAL(38, 4))"),
        ] {
            let error = staged("d", &given).unwrap_err();
            assert_eq!(error.subject(), Some("d"));
            assert!(error.to_string().contains(cast), "{error}");
        }
    }

    #[test]
    fn columns_take_what_loses_nothing_and_nothing_else() {
        use ColumnType::*;
        let naive = DataType::Timestamp(TimeUnit::Microsecond, None);
        for (column, given, expected) in [
            (BigInt, DataType::Int32, Some(DataType::Int64)),
            (Integer, DataType::Int64, None),
            (Integer, DataType::UInt32, None),
            (SmallInt, DataType::UInt16, None),
            (SmallInt, DataType::UInt8, Some(DataType::Int16)),
            (BigInt, DataType::Float64, None),
            (Double, DataType::Int32, Some(DataType::Float64)),
            (Double, DataType::Int64, None),
            (Decimal(18, 2), DataType::Decimal128(10, 2), Some(DataType::Decimal128(18, 2))),
            (Decimal(18, 2), DataType::Decimal128(10, 4), None),
            (Decimal(18, 2), DataType::Decimal128(18, 1), None),
            (Decimal(20, 0), DataType::UInt64, Some(DataType::Decimal128(20, 0))),
            (Varchar(16), DataType::Utf8View, Some(DataType::Utf8)),
            (Varchar(16), DataType::Int64, None),
            (Timestamp, DataType::Timestamp(TimeUnit::Nanosecond, Some("+00:00".into())), Some(naive.clone())),
            (Timestamp, DataType::Timestamp(TimeUnit::Nanosecond, Some("Europe/Rome".into())), None),
            (TimestampTz, naive, Some(utc())),
            (Super, DataType::Utf8View, Some(DataType::Utf8)),
            (Super, list(DataType::Int64), Some(list(DataType::Int64))),
            (Super, DataType::Int64, None),
            (Other("geometry".into()), DataType::Binary, None),
        ] {
            assert_eq!(column.accepts(&given), expected, "{column} of {given}");
        }
    }

    #[test]
    fn exact_numbers_of_more_digits_are_taken_to_be_looked_at_and_floats_are_not() {
        use ColumnType::*;
        for (column, given, expected) in [
            (SmallInt, DataType::Int64, Some(DataType::Int64)),
            (SmallInt, DataType::UInt16, Some(DataType::Int32)),
            (Integer, DataType::UInt32, Some(DataType::Int64)),
            (Integer, DataType::Int32, Some(DataType::Int32)),
            (Integer, DataType::UInt64, None),
            (Integer, DataType::Decimal128(5, 0), None),
            (Integer, DataType::Float64, None),
            (Decimal(6, 2), DataType::Decimal128(38, 4), Some(DataType::Decimal128(38, 4))),
            (Decimal(6, 2), DataType::Decimal128(5, 2), Some(DataType::Decimal128(6, 2))),
            (Decimal(6, 2), DataType::Decimal256(50, 4), None),
            (Decimal(6, 2), DataType::Int64, Some(DataType::Int64)),
            (Decimal(6, 2), DataType::UInt64, Some(DataType::Decimal128(20, 0))),
            (Decimal(6, 2), DataType::Float64, None),
            (Varchar(16), DataType::Int64, None),
        ] {
            let taken = column.takes(&given);
            assert_eq!(taken, expected, "{column} of {given}");
            // What is staged is taken when it is loaded.
            assert!(taken.is_none_or(|staged| column.takes(&staged) == Some(staged)), "{column} of {given}");
        }
    }

    #[test]
    fn text_gets_half_as_much_again_on_the_ladder() {
        let widths = [0, 1, 10, 12, 42, 43, 171, 10_922, 43_690, 65_535].map(|bytes| width_for(bytes).unwrap());
        assert_eq!(widths, [256, 16, 16, 64, 64, 64, 256, 16_383, 65_535, 65_535]);
        assert_eq!(width_for(65_536), None);
    }

    #[test]
    fn catalog_names_are_read() {
        for (name, width, digits, scale, expected) in [
            ("character varying", Some(300), None, None, "VARCHAR(300)"),
            ("character varying(24)", None, None, None, "VARCHAR(256)"),
            ("numeric", None, Some(18), Some(9), "DECIMAL(18,9)"),
            ("timestamp with time zone", None, None, None, "TIMESTAMPTZ"),
            ("super", None, None, None, "SUPER"),
            ("GEOMETRY", None, None, None, "geometry"),
        ] {
            assert_eq!(ColumnType::from_catalog(name, width, digits, scale).to_string(), expected);
        }
    }
}
