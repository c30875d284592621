//! Values as they are sent, into the columns of a batch: no value is allocated by itself.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Decimal128Builder, Decimal256Builder, ListArray, NullBufferBuilder,
    PrimitiveBuilder, StringBuilder,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{
    DataType, Date32Type, Field, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType,
    TimestampMicrosecondType,
};

use catalog::sql_type;

use crate::postgres::numeric::Numeric;
use crate::postgres::types::Wire;

/// Days and microseconds from 1970-01-01 to 2000-01-01, where PostgreSQL counts from.
pub(in crate::postgres) const EPOCH_DAYS: i32 = 10_957;
pub(in crate::postgres) const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// A `time` may be 24:00:00, which is no time of a day.
pub(super) const DAY_MICROS: i64 = 86_400_000_000;

/// A value that its column's type cannot be, in words: `"'infinity' is no DATE"`. Where it was, NULL was put.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::postgres) struct Unfit(pub(in crate::postgres) String);

/// One column of a batch being filled.
#[derive(Debug)]
pub(in crate::postgres) struct Column {
    wire: Wire,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Bool(BooleanBuilder),
    Int16(PrimitiveBuilder<Int16Type>),
    Int32(PrimitiveBuilder<Int32Type>),
    Int64(PrimitiveBuilder<Int64Type>),
    Float32(PrimitiveBuilder<Float32Type>),
    Float64(PrimitiveBuilder<Float64Type>),
    Text(StringBuilder),
    Bytes(BinaryBuilder),
    Date(PrimitiveBuilder<Date32Type>),
    Time(PrimitiveBuilder<Time64MicrosecondType>),
    Timestamp(PrimitiveBuilder<TimestampMicrosecondType>),
    Decimal128(Decimal128Builder),
    Decimal256(Decimal256Builder),
    Numeric(StringBuilder, String),
    List(Box<ListValues>),
}

#[derive(Debug)]
struct ListValues {
    items: Column,
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
    length: i32,
}

impl Column {
    pub(in crate::postgres) fn new(wire: &Wire) -> Self {
        let values = match wire {
            Wire::Bool => Values::Bool(BooleanBuilder::new()),
            Wire::Int16 => Values::Int16(PrimitiveBuilder::new()),
            Wire::Int32 => Values::Int32(PrimitiveBuilder::new()),
            Wire::Int64 => Values::Int64(PrimitiveBuilder::new()),
            Wire::Float32 => Values::Float32(PrimitiveBuilder::new()),
            Wire::Float64 => Values::Float64(PrimitiveBuilder::new()),
            Wire::Text | Wire::Jsonb | Wire::Uuid => Values::Text(StringBuilder::new()),
            Wire::Bytes => Values::Bytes(BinaryBuilder::new()),
            Wire::Date => Values::Date(PrimitiveBuilder::new()),
            Wire::Time => Values::Time(PrimitiveBuilder::new()),
            Wire::Timestamp { .. } => Values::Timestamp(PrimitiveBuilder::new().with_data_type(wire.arrow())),
            Wire::Decimal128 { .. } => Values::Decimal128(Decimal128Builder::new().with_data_type(wire.arrow())),
            Wire::Decimal256 { .. } => Values::Decimal256(Decimal256Builder::new().with_data_type(wire.arrow())),
            Wire::NumericText => Values::Numeric(StringBuilder::new(), String::new()),
            Wire::List(item) => Values::List(Box::new(ListValues {
                items: Self::new(item),
                offsets: vec![0],
                nulls: NullBufferBuilder::new(0),
                length: 0,
            })),
        };
        Self { wire: wire.clone(), values }
    }

    pub(in crate::postgres) fn append_null(&mut self) {
        match &mut self.values {
            Values::Bool(values) => values.append_null(),
            Values::Int16(values) => values.append_null(),
            Values::Int32(values) => values.append_null(),
            Values::Int64(values) => values.append_null(),
            Values::Float32(values) => values.append_null(),
            Values::Float64(values) => values.append_null(),
            Values::Text(values) | Values::Numeric(values, _) => values.append_null(),
            Values::Bytes(values) => values.append_null(),
            Values::Date(values) => values.append_null(),
            Values::Time(values) => values.append_null(),
            Values::Timestamp(values) => values.append_null(),
            Values::Decimal128(values) => values.append_null(),
            Values::Decimal256(values) => values.append_null(),
            Values::List(list) => list.end(false),
        }
    }

    /// Appends a value; one that does not fit becomes NULL, and is told of.
    pub(in crate::postgres) fn append(&mut self, bytes: &[u8]) -> Result<(), Unfit> {
        let appended = self.try_append(bytes);
        if appended.is_err() {
            self.append_null();
        }
        appended
    }

    fn try_append(&mut self, bytes: &[u8]) -> Result<(), Unfit> {
        let (wire, values) = (&self.wire, &mut self.values);
        match values {
            Values::Bool(values) => values.append_value(fixed::<1>(bytes, wire)? != [0]),
            Values::Int16(values) => values.append_value(i16::from_be_bytes(fixed(bytes, wire)?)),
            Values::Int32(values) => values.append_value(i32::from_be_bytes(fixed(bytes, wire)?)),
            Values::Int64(values) => values.append_value(i64::from_be_bytes(fixed(bytes, wire)?)),
            Values::Float32(values) => values.append_value(f32::from_be_bytes(fixed(bytes, wire)?)),
            Values::Float64(values) => values.append_value(f64::from_be_bytes(fixed(bytes, wire)?)),
            Values::Text(values) => match wire {
                Wire::Uuid => {
                    let mut text = [0; 36];
                    values.append_value(uuid_text(fixed(bytes, wire)?, &mut text));
                }
                Wire::Jsonb => values.append_value(text_of(bytes.get(1..).unwrap_or_default())?),
                _ => values.append_value(text_of(bytes)?),
            },
            Values::Bytes(values) => values.append_value(bytes),
            Values::Date(values) => values.append_value(date(i32::from_be_bytes(fixed(bytes, wire)?))?),
            Values::Time(values) => match i64::from_be_bytes(fixed(bytes, wire)?) {
                micros if (0..DAY_MICROS).contains(&micros) => values.append_value(micros),
                _ => return Err(Unfit("'24:00:00' is no time of a day".to_owned())),
            },
            Values::Timestamp(values) => values.append_value(timestamp(i64::from_be_bytes(fixed(bytes, wire)?))?),
            Values::Decimal128(values) => {
                let scale = if let Wire::Decimal128 { scale, .. } = wire { *scale } else { 0 };
                let numeric = finite(bytes, wire)?;
                values.append_value(numeric.to_i128(scale).ok_or_else(|| too_precise(&numeric, wire))?);
            }
            Values::Decimal256(values) => {
                let scale = if let Wire::Decimal256 { scale, .. } = wire { *scale } else { 0 };
                let numeric = finite(bytes, wire)?;
                values.append_value(numeric.to_i256(scale).ok_or_else(|| too_precise(&numeric, wire))?);
            }
            Values::Numeric(values, text) => {
                text.clear();
                Numeric::read(bytes).ok_or_else(|| cut(wire))?.write(text);
                values.append_value(&*text);
            }
            Values::List(list) => list.append(bytes)?,
        }
        Ok(())
    }

    /// What was appended; the column is empty then.
    pub(in crate::postgres) fn finish(&mut self) -> ArrayRef {
        match &mut self.values {
            Values::Bool(values) => Arc::new(values.finish()),
            Values::Int16(values) => Arc::new(values.finish()),
            Values::Int32(values) => Arc::new(values.finish()),
            Values::Int64(values) => Arc::new(values.finish()),
            Values::Float32(values) => Arc::new(values.finish()),
            Values::Float64(values) => Arc::new(values.finish()),
            Values::Text(values) | Values::Numeric(values, _) => Arc::new(values.finish()),
            Values::Bytes(values) => Arc::new(values.finish()),
            Values::Date(values) => Arc::new(values.finish()),
            Values::Time(values) => Arc::new(values.finish()),
            Values::Timestamp(values) => Arc::new(values.finish()),
            Values::Decimal128(values) => Arc::new(values.finish()),
            Values::Decimal256(values) => Arc::new(values.finish()),
            Values::List(list) => list.finish(&self.wire.arrow()),
        }
    }
}

impl ListValues {
    /// An array: dimensions, whether it has NULLs, the type of its elements; of each dimension the length and the first index; then the
    /// elements as fields (`arrayfuncs.c`, `array_send`).
    fn append(&mut self, bytes: &[u8]) -> Result<(), Unfit> {
        let number = |at: usize| -> Result<i32, Unfit> {
            let found = bytes.get(at..).and_then(<[u8]>::split_first_chunk::<4>);
            found.map(|(number, _)| i32::from_be_bytes(*number)).ok_or_else(|| Unfit("an array that is cut".to_owned()))
        };
        match number(0)? {
            0 => {
                self.end(true);
                return Ok(());
            }
            1 => {}
            dimensions => return Err(Unfit(format!("an array of {dimensions} dimensions is no list"))),
        }
        let mut at = 20;
        let mut unfit = None;
        for _ in 0..number(12)? {
            let length = number(at)?;
            at += 4;
            match usize::try_from(length) {
                Err(_) => self.items.append_null(),
                Ok(length) => {
                    let item = bytes.get(at..at + length).ok_or_else(|| Unfit("an array that is cut".to_owned()))?;
                    unfit = self.items.append(item).err().or(unfit);
                    at += length;
                }
            }
            self.length += 1;
        }
        // Items of an array that does not fit stay behind, within its NULL.
        match unfit {
            None => {
                self.end(true);
                Ok(())
            }
            Some(unfit) => Err(unfit),
        }
    }

    fn end(&mut self, is_valid: bool) {
        self.offsets.push(self.length);
        self.nulls.append(is_valid);
    }

    fn finish(&mut self, data_type: &DataType) -> ArrayRef {
        let items = self.items.finish();
        let offsets = OffsetBuffer::new(std::mem::replace(&mut self.offsets, vec![0]).into());
        self.length = 0;
        let field = match data_type {
            DataType::List(field) => Arc::clone(field),
            other => Arc::new(Field::new("item", other.clone(), true)),
        };
        Arc::new(ListArray::new(field, offsets, items, self.nulls.finish()))
    }
}

fn cut(wire: &Wire) -> Unfit {
    Unfit(format!("the bytes are no {}", sql_type(&wire.arrow())))
}

fn fixed<const N: usize>(bytes: &[u8], wire: &Wire) -> Result<[u8; N], Unfit> {
    bytes.try_into().map_err(|_| cut(wire))
}

/// A database whose encoding is SQL_ASCII holds any bytes.
fn text_of(bytes: &[u8]) -> Result<&str, Unfit> {
    std::str::from_utf8(bytes).map_err(|error| {
        let shown = bytes.iter().skip(error.valid_up_to()).take(4).map(|byte| format!("{byte:02x}")).collect::<String>();
        Unfit(format!("the bytes {shown} at {} are not UTF-8", error.valid_up_to()))
    })
}

fn date(days: i32) -> Result<i32, Unfit> {
    match days {
        i32::MAX => Err(Unfit("'infinity' is no DATE".to_owned())),
        i32::MIN => Err(Unfit("'-infinity' is no DATE".to_owned())),
        days => days.checked_add(EPOCH_DAYS).ok_or_else(|| Unfit("a date too far in the future".to_owned())),
    }
}

fn timestamp(micros: i64) -> Result<i64, Unfit> {
    match micros {
        i64::MAX => Err(Unfit("'infinity' is no TIMESTAMP".to_owned())),
        i64::MIN => Err(Unfit("'-infinity' is no TIMESTAMP".to_owned())),
        micros => micros.checked_add(EPOCH_MICROS).ok_or_else(|| Unfit("a time too far in the future".to_owned())),
    }
}

fn finite<'a>(bytes: &'a [u8], wire: &Wire) -> Result<Numeric<'a>, Unfit> {
    let numeric = Numeric::read(bytes).ok_or_else(|| cut(wire))?;
    match numeric.special() {
        Some(special) => Err(Unfit(format!("'{special}' is no {}", sql_type(&wire.arrow())))),
        None => Ok(numeric),
    }
}

fn too_precise(numeric: &Numeric<'_>, wire: &Wire) -> Unfit {
    let mut text = String::new();
    numeric.write(&mut text);
    Unfit(format!("{text} does not fit {}", sql_type(&wire.arrow())))
}

/// `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`.
pub(in crate::postgres) fn uuid_text(bytes: [u8; 16], text: &mut [u8; 36]) -> &str {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut at = 0;
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text[at] = b'-';
            at += 1;
        }
        text[at] = DIGITS[usize::from(byte >> 4)];
        text[at + 1] = DIGITS[usize::from(byte & 0xf)];
        at += 2;
    }
    // All of them are ASCII.
    std::str::from_utf8(text).unwrap_or_default()
}
