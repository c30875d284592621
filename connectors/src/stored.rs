//! What a target stores for a column of a query: one pass over Arrow's types for all of them, with what each does otherwise.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, TimeUnit};

use crate::error::{Error, Result};

/// The digits of the widest decimal that Arrow has in 128 bits, and of Delta, Parquet and Redshift ("Numeric types", `r_Numeric_types201`).
pub(crate) const MAX_DIGITS: u8 = 38;

/// How a kind of target stores what the others store in another way.
pub(crate) struct Target {
    /// The end of "which …" about a type that it has nothing for.
    pub(crate) lacks: &'static str,
    /// The type of a type that it stores in its own way.
    pub(crate) own: fn(&DataType) -> Option<DataType>,
}

impl Target {
    /// What is stored for a column, and for members of objects and items of lists in it.
    ///
    /// Text is `Utf8`, unsigned integers become the next wider signed ones, encodings of Arrow's own are undone.
    ///
    /// # Errors
    /// [`Error::Config`] at the column for a type that has no counterpart, with the cast to write.
    pub(crate) fn store(&self, column: &str, data_type: &DataType) -> Result<DataType> {
        if let Some(own) = (self.own)(data_type) {
            return Ok(own);
        }
        let inner = |field: &FieldRef| -> Result<FieldRef> {
            let stored = self.store(column, field.data_type())?;
            Ok(Arc::new(Field::new(field.name(), stored, field.is_nullable())))
        };
        Ok(match data_type {
            DataType::Boolean
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Float32
            | DataType::Float64
            | DataType::Date32
            | DataType::Utf8
            | DataType::Binary => data_type.clone(),
            DataType::UInt8 => DataType::Int16,
            DataType::UInt16 => DataType::Int32,
            DataType::UInt32 => DataType::Int64,
            // No signed integer holds all of them.
            DataType::UInt64 => DataType::Decimal128(20, 0),
            DataType::Float16 => DataType::Float32,
            DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
            DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
            DataType::Date64 => DataType::Date32,
            DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.as_ref().map(|_| "UTC".into())),
            DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) | DataType::Decimal256(p, s) => {
                self.decimal(column, *p, *s)?
            }
            DataType::Dictionary(_, values) => self.store(column, values)?,
            DataType::RunEndEncoded(_, values) => self.store(column, values.data_type())?,
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::ListView(item)
            | DataType::LargeListView(item)
            | DataType::FixedSizeList(item, _) => DataType::List(inner(item)?),
            DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect::<Result<Fields>>()?),
            DataType::Map(entries, sorted) => DataType::Map(inner(entries)?, *sorted),
            DataType::Null => return Err(self.refused(column, data_type, "give it a type, as in CAST(NULL AS VARCHAR)")),
            DataType::Duration(_) => return Err(self.refused(column, data_type, &format!("write CAST({column} AS BIGINT)"))),
            DataType::Time32(_) | DataType::Time64(_) | DataType::Interval(_) | DataType::Union(..) => {
                return Err(self.refused(column, data_type, &format!("write CAST({column} AS VARCHAR)")));
            }
        })
    }

    fn decimal(&self, column: &str, precision: u8, scale: i8) -> Result<DataType> {
        let digits = if scale < 0 { precision.saturating_add(scale.unsigned_abs()) } else { precision };
        if digits > MAX_DIGITS {
            let advice = format!("write CAST({column} AS DECIMAL({MAX_DIGITS}, {}))", scale.max(0));
            return Err(self.refused(column, &DataType::Decimal256(precision, scale), &advice));
        }
        Ok(DataType::Decimal128(digits, scale.max(0)))
    }

    fn refused(&self, column: &str, data_type: &DataType, advice: &str) -> Error {
        Error::config_at(column, format!("column '{column}' is {data_type}, which {}; {advice}", self.lacks))
    }
}
