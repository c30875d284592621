//! Rows as binary COPY sends them: <https://www.postgresql.org/docs/current/sql-copy.html>, "Binary Format".
//!
//! A batch is encoded row by row into one buffer; nothing is allocated for a value. What PostgreSQL would refuse is refused here, where
//! the row and the value are known. The forms of values are those of the types' `recv` functions in PostgreSQL's source.

use std::fmt::Display;
use std::sync::Arc;

use arrow::array::{
    Array, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, Float32Array, Float64Array,
    Int16Array, Int32Array, Int64Array, RecordBatch, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, FieldRef, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    Time64MicrosecondType, TimeUnit, TimestampMicrosecondType, i256,
};
use arrow::json::writer::{EncoderOptions, NullableEncoder, make_encoder};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bytes::Bytes;

use super::array::Items;
use super::ddl::Column;
use super::decimal;
use super::digits;
use super::types::Kind;
use crate::error::{Error, Result};
use crate::warehouse::gate::{Cut, Misfit};
use crate::warehouse::room::Room;

/// What a stream of rows begins with: the signature, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// And what it ends with.
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

/// Days and microseconds from 1970 to 2000, where PostgreSQL counts from.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// What dates and timestamps may be, in PostgreSQL's count: 4713 BC, and up to but not including these
/// (`datatype/timestamp.h`: `DATE_END_JULIAN`, `END_TIMESTAMP`).
const DATES: std::ops::Range<i32> = -2_451_545..2_145_031_949;
const TIMESTAMPS: std::ops::Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;

/// How much of a value an error shows.
const SHOWN: usize = 60;

/// Rows on their way.
#[derive(Debug)]
pub(super) struct Encoder<'a> {
    table: &'a str,
    columns: &'a [Column],
    out: Vec<u8>,
    rows: u64,
}

impl<'a> Encoder<'a> {
    /// For rows of these columns.
    pub(super) fn new(table: &'a str, columns: &'a [Column]) -> Self {
        Self { table, columns, out: HEADER.to_vec(), rows: 0 }
    }

    /// Rows so far.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes that wait to be taken.
    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    /// What was encoded since the last time.
    pub(super) fn take(&mut self) -> Bytes {
        let capacity = self.out.len() + self.out.len() / 8;
        std::mem::replace(&mut self.out, Vec::with_capacity(capacity)).into()
    }

    /// Ends the stream.
    pub(super) fn finish(mut self) -> Bytes {
        self.out.extend_from_slice(&TRAILER);
        self.out.into()
    }

    /// Adds the rows of a batch whose columns are those of the encoder, in their order.
    ///
    /// # Errors
    /// [`Error::Data`] with row, column and value for the first that the table would not take.
    pub(super) fn encode(&mut self, batch: &RecordBatch) -> Result<()> {
        let schema = batch.schema();
        let options = EncoderOptions::default();
        let mut values = Vec::with_capacity(self.columns.len());
        for ((column, array), field) in self.columns.iter().zip(batch.columns()).zip(schema.fields()) {
            values.push(Values::new(column, array.as_ref(), field, &options)?);
        }
        let count = i16::try_from(values.len()).map_err(|_| Error::config("a table has at most 1,600 columns"))?;
        self.out.reserve(batch.get_array_memory_size() / 2 + batch.num_rows() * (4 * values.len() + 2));
        for row in 0..batch.num_rows() {
            self.out.extend_from_slice(&count.to_be_bytes());
            for (index, values) in values.iter_mut().enumerate() {
                if let Err(reason) = values.write(row, &mut self.out) {
                    return Err(self.refused(batch, row, index, &reason));
                }
            }
            self.rows += 1;
        }
        Ok(())
    }

    fn refused(&self, batch: &RecordBatch, row: usize, index: usize, reason: &str) -> Error {
        let name = &self.columns[index].name;
        let number = self.rows + 1;
        Error::data(format!(
            "row {number} of the epoch ({}): column '{name}' {reason}; nothing was written to table {}",
            described(batch, row),
            self.table
        ))
    }
}

/// The values of a batch that the table would not take.
///
/// # Errors
/// When a column was not staged for it.
pub(super) fn misfits(batch: &RecordBatch, columns: &[Column]) -> Result<Vec<Misfit>> {
    let (schema, options) = (batch.schema(), EncoderOptions::default());
    let (mut found, mut out) = (Vec::new(), Vec::new());
    for (index, ((column, array), field)) in columns.iter().zip(batch.columns()).zip(schema.fields()).enumerate() {
        let mut values = Values::new(column, array.as_ref(), field, &options)?;
        if values.fit_all() {
            continue;
        }
        for row in 0..batch.num_rows() {
            out.clear();
            if let Err(reason) = values.write(row, &mut out) {
                found.push(Misfit { row, column: index, reason, cut: values.cut(row) });
            }
        }
    }
    Ok(found)
}

/// The first values of a row, so that a person finds it again.
fn described(batch: &RecordBatch, row: usize) -> String {
    let options = FormatOptions::default().with_null("NULL");
    let schema = batch.schema();
    let shown = batch.columns().iter().zip(schema.fields()).take(4).map(|(array, field)| {
        let text = ArrayFormatter::try_new(array.as_ref(), &options).map(|formatter| formatter.value(row).to_string());
        format!("{} = {}", field.name(), cut(&text.unwrap_or_default()))
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// One column of a batch, or the items of its lists.
pub(super) struct Values<'a> {
    form: Form<'a>,
    nulls: Option<NullBuffer>,
    /// Why there may be no NULL.
    required: Option<&'static str>,
    /// The server makes something else of it.
    is_cast: bool,
}

/// How its values are sent.
enum Form<'a> {
    Boolean(&'a BooleanArray),
    SmallInt(&'a Int16Array),
    Integer(&'a Int32Array),
    BigInt(&'a Int64Array),
    Real(&'a Float32Array),
    Double(&'a Float64Array),
    /// With the digits behind the point, and what the column has room for if some value may have none.
    Numeric(&'a Decimal128Array, u8, Option<Narrow>),
    /// Of whole numbers that may be larger.
    NarrowSmallInt(&'a Int64Array),
    NarrowInteger(&'a Int64Array),
    /// With the most characters, and whether some value may hold a NUL.
    Text(&'a StringArray, Option<usize>, bool),
    Bytea(&'a BinaryArray),
    Date(&'a Date32Array),
    Time(&'a Time64MicrosecondArray),
    Timestamp(&'a TimestampMicrosecondArray),
    Uuid(&'a StringArray),
    /// Any number, as its digits.
    Digits(&'a StringArray),
    Wide(&'a Decimal256Array, u8, Option<Narrow>),
    Oid(&'a Int64Array),
    List(Items<'a>),
    /// Text that should be JSON; `true` where `jsonb` has its version before it.
    JsonText(&'a StringArray, bool),
    Nested(NullableEncoder<'a>, bool),
}

/// A column that is narrower than what is staged for it.
struct Narrow {
    room: Room,
    /// What the column is called.
    name: String,
}

impl Narrow {
    /// Where numbers of `digits`, of which `scale` are behind the point, may be more than the column holds.
    fn of(column: &Column, digits: u8, scale: u8) -> Option<Self> {
        let room = column.data_type.kind.room()?;
        let is_narrow = matches!(room, Room::Digits(before, behind) if digits.saturating_sub(scale) > before || scale > behind);
        is_narrow.then(|| Self { room, name: column.data_type.name.clone() })
    }

    fn check(&self, number: i256, scale: u8, shown: impl Fn() -> String) -> Result<(), String> {
        match self.room.mistake(number, scale, &self.name) {
            Some(mistake) => Err(format!("is {}, which {mistake}", shown())),
            None => Ok(()),
        }
    }
}

impl<'a> Values<'a> {
    pub(super) fn new(column: &Column, array: &'a dyn Array, field: &'a FieldRef, options: &'a EncoderOptions) -> Result<Self> {
        let form = match (&column.data_type.kind, array.data_type()) {
            (Kind::Boolean, DataType::Boolean) => Form::Boolean(array.as_boolean()),
            (Kind::SmallInt, DataType::Int16) => Form::SmallInt(array.as_primitive::<Int16Type>()),
            (Kind::Integer, DataType::Int32) => Form::Integer(array.as_primitive::<Int32Type>()),
            (Kind::BigInt, DataType::Int64) => Form::BigInt(array.as_primitive::<Int64Type>()),
            (Kind::Real, DataType::Float32) => Form::Real(array.as_primitive::<Float32Type>()),
            (Kind::Double, DataType::Float64) => Form::Double(array.as_primitive::<Float64Type>()),
            (Kind::SmallInt, DataType::Int64) => Form::NarrowSmallInt(array.as_primitive::<Int64Type>()),
            (Kind::Integer, DataType::Int64) => Form::NarrowInteger(array.as_primitive::<Int64Type>()),
            (Kind::Numeric(_), DataType::Decimal128(digits, scale)) => {
                let scale = u8::try_from(*scale).unwrap_or(0);
                Form::Numeric(array.as_primitive::<Decimal128Type>(), scale, Narrow::of(column, *digits, scale))
            }
            (Kind::Numeric(_), DataType::Decimal256(digits, scale)) => {
                let scale = u8::try_from(*scale).unwrap_or(0);
                Form::Wide(array.as_primitive::<Decimal256Type>(), scale, Narrow::of(column, *digits, scale))
            }
            (Kind::Numeric(_), DataType::Utf8) => Form::Digits(array.as_string::<i32>()),
            (Kind::Oid, DataType::Int64) => Form::Oid(array.as_primitive::<Int64Type>()),
            (kind @ (Kind::Text(_) | Kind::Other), DataType::Utf8) => {
                let texts = array.as_string::<i32>();
                let limit = if let Kind::Text(limit) = kind { *limit } else { None };
                Form::Text(texts, limit, texts.values().contains(&0))
            }
            (Kind::Array(item, element), DataType::List(field)) => {
                Form::List(Items::new(&column.name, (item.as_ref(), *element), array.as_list::<i32>(), field, options)?)
            }
            (Kind::Bytea, DataType::Binary) => Form::Bytea(array.as_binary::<i32>()),
            (Kind::Date, DataType::Date32) => Form::Date(array.as_primitive::<Date32Type>()),
            (Kind::Time, DataType::Time64(TimeUnit::Microsecond)) => Form::Time(array.as_primitive::<Time64MicrosecondType>()),
            (Kind::Timestamp | Kind::TimestampTz, DataType::Timestamp(TimeUnit::Microsecond, _)) => {
                Form::Timestamp(array.as_primitive::<TimestampMicrosecondType>())
            }
            (Kind::Uuid, DataType::Utf8) => Form::Uuid(array.as_string::<i32>()),
            (kind @ (Kind::Json | Kind::Jsonb), DataType::Utf8) => Form::JsonText(array.as_string::<i32>(), *kind == Kind::Jsonb),
            (kind @ (Kind::Json | Kind::Jsonb), nested) if nested.is_nested() => {
                Form::Nested(make_encoder(field, array, options)?, *kind == Kind::Jsonb)
            }
            (_, staged) => {
                let (name, is) = (&column.name, &column.data_type.name);
                return Err(Error::internal(format!("column '{name}' is {is} and was staged as {staged}")));
            }
        };
        let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        Ok(Self { form, nulls, required: column.required, is_cast: column.data_type.sent_as().is_some() })
    }

    /// Whether no value needs to be looked at: none of this form can be wrong.
    pub(super) fn fit_all(&self) -> bool {
        let never_wrong = match &self.form {
            Form::Boolean(_)
            | Form::SmallInt(_)
            | Form::Integer(_)
            | Form::BigInt(_)
            | Form::Real(_)
            | Form::Double(_)
            | Form::Time(_) => true,
            Form::Numeric(_, _, narrow) | Form::Wide(_, _, narrow) => narrow.is_none(),
            Form::Text(texts, limit, has_nul) => limit.is_none() && !has_nul && texts.values().len() < 1 << 30,
            Form::Bytea(values) => values.values().len() < 1 << 30,
            Form::List(items) => items.fit_all(),
            Form::Date(_)
            | Form::Timestamp(_)
            | Form::Uuid(_)
            | Form::Digits(_)
            | Form::Oid(_)
            | Form::NarrowSmallInt(_)
            | Form::NarrowInteger(_)
            | Form::JsonText(..)
            | Form::Nested(..) => false,
        };
        never_wrong && (self.nulls.is_none() || self.required.is_none())
    }

    /// What a column of texts holds of one that it does not take.
    fn cut(&self, row: usize) -> Option<Cut> {
        let Form::Text(texts, limit, _) = &self.form else { return None };
        if texts.is_null(row) || self.is_cast {
            return None;
        }
        let whole = texts.value(row);
        let text: String = whole.chars().filter(|letter| *letter != '\0').take(limit.unwrap_or(usize::MAX)).collect();
        let why = match limit {
            Some(limit) if whole.chars().count() > *limit => {
                format!("had {} characters, and the column takes {limit}: it was cut", whole.chars().count())
            }
            _ => "had a NUL character, which was taken out".to_owned(),
        };
        Some(Cut { text, reason: why })
    }

    /// Adds the value of a row, with its length before it, or says why it cannot be in the table.
    #[inline]
    pub(super) fn write(&mut self, row: usize, out: &mut Vec<u8>) -> Result<(), String> {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            if let Some(why) = self.required {
                return Err(format!("is NULL, and {why}"));
            }
            out.extend_from_slice(&(-1_i32).to_be_bytes());
            return Ok(());
        }
        match &mut self.form {
            Form::Boolean(values) => fixed::<1, 5>(out, [u8::from(values.value(row))]),
            Form::SmallInt(values) => fixed::<2, 6>(out, values.value(row).to_be_bytes()),
            Form::Integer(values) => fixed::<4, 8>(out, values.value(row).to_be_bytes()),
            Form::BigInt(values) => fixed::<8, 12>(out, values.value(row).to_be_bytes()),
            Form::Real(values) => fixed::<4, 8>(out, values.value(row).to_be_bytes()),
            Form::Double(values) => fixed::<8, 12>(out, values.value(row).to_be_bytes()),
            Form::NarrowSmallInt(values) => {
                fixed::<2, 6>(out, narrow(values.value(row), i16::MIN, i16::MAX)?.to_be_bytes());
            }
            Form::NarrowInteger(values) => {
                fixed::<4, 8>(out, narrow(values.value(row), i32::MIN, i32::MAX)?.to_be_bytes());
            }
            Form::Numeric(values, scale, narrow) => {
                let value = values.value(row);
                if let Some(narrow) = narrow {
                    narrow.check(i256::from_i128(value), *scale, || values.value_as_string(row))?;
                }
                decimal::write(out, value, *scale);
            }
            Form::Text(values, limit, has_nul) => {
                let text = values.value(row);
                if let Some(reason) = text_mistake(text, *limit, *has_nul) {
                    return Err(reason);
                }
                return sized(out, text.as_bytes());
            }
            Form::Bytea(values) => return sized(out, values.value(row)),
            Form::Date(values) => fixed::<4, 8>(out, date(values.value(row))?.to_be_bytes()),
            Form::Time(values) => fixed::<8, 12>(out, values.value(row).to_be_bytes()),
            Form::Timestamp(values) => fixed::<8, 12>(out, timestamp(values.value(row))?.to_be_bytes()),
            Form::Uuid(values) => fixed::<16, 20>(out, uuid(values.value(row))?),
            Form::Digits(values) => return digits::write(out, values.value(row)),
            Form::Wide(values, scale, narrow) => {
                let shown = values.value_as_string(row);
                if let Some(narrow) = narrow {
                    narrow.check(values.value(row), *scale, || shown.clone())?;
                }
                return digits::write(out, &shown);
            }
            Form::Oid(values) => {
                let value = values.value(row);
                let oid = u32::try_from(value).map_err(|_| format!("is {value}, and an oid is from 0 to {}", u32::MAX))?;
                fixed::<4, 8>(out, oid.to_be_bytes());
            }
            Form::List(items) => {
                let start = out.len();
                out.extend_from_slice(&[0; 4]);
                items.write(row, out)?;
                let length = length(out.len() - start - 4)?;
                out[start..start + 4].copy_from_slice(&length);
            }
            Form::JsonText(values, is_binary) => {
                let text = values.value(row);
                if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
                    return Err(format!("is no JSON ({error}): '{}'", cut(text)));
                }
                return json(out, *is_binary, |out| out.extend_from_slice(text.as_bytes()));
            }
            Form::Nested(encoder, is_binary) => return json(out, *is_binary, |out| encoder.encode(row, out)),
        }
        Ok(())
    }
}

/// A whole number as a column of `least` to `most` has it.
fn narrow<T: TryFrom<i64> + Display>(value: i64, least: T, most: T) -> Result<T, String> {
    T::try_from(value).map_err(|_| format!("is {value}, which is not between {least} and {most}"))
}

/// `ALL` is 4 more than `SIZE`: the length and the value in one piece.
#[inline]
fn fixed<const SIZE: usize, const ALL: usize>(out: &mut Vec<u8>, value: [u8; SIZE]) {
    let mut field = [0; ALL];
    field[..4].copy_from_slice(&i32::try_from(SIZE).unwrap_or_default().to_be_bytes());
    field[4..].copy_from_slice(&value);
    out.extend_from_slice(&field);
}

#[inline]
fn sized(out: &mut Vec<u8>, value: &[u8]) -> Result<(), String> {
    let length = length(value.len())?;
    out.extend_from_slice(&length);
    out.extend_from_slice(value);
    Ok(())
}

/// PostgreSQL takes a field of 1 GB at most.
fn length(bytes: usize) -> Result<[u8; 4], String> {
    match i32::try_from(bytes) {
        Ok(length) if length < 1 << 30 => Ok(length.to_be_bytes()),
        _ => Err(format!("has {bytes} bytes, and a value of PostgreSQL has 1 GB at most")),
    }
}

/// Writes a text of a length that is known when it is written.
fn json(out: &mut Vec<u8>, is_binary: bool, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), String> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    if is_binary {
        out.push(1);
    }
    write(out);
    let length = length(out.len() - start - 4)?;
    out[start..start + 4].copy_from_slice(&length);
    if has_escaped_nul(&out[start + 4..]) {
        return Err("has a NUL ('\\u0000') in a text, which PostgreSQL's json cannot hold; take it out with replace".to_owned());
    }
    Ok(())
}

/// Whether a JSON text has the escape of NUL: the backslash before it must not be escaped itself.
fn has_escaped_nul(text: &[u8]) -> bool {
    let mut rest = text.iter().enumerate();
    while let Some((index, byte)) = rest.next() {
        if *byte == b'\\' {
            if text[index..].starts_with(b"\\u0000") {
                return true;
            }
            rest.next();
        }
    }
    false
}

fn text_mistake(text: &str, limit: Option<usize>, has_nul: bool) -> Option<String> {
    if has_nul && text.as_bytes().contains(&0) {
        let shown = cut(&text.replace('\0', "\u{2400}"));
        return Some(format!(
            "has a NUL character, which PostgreSQL's text cannot hold: '{shown}'; take it out with replace(.., chr(0), '')"
        ));
    }
    let limit = limit.filter(|limit| text.len() > *limit)?;
    let count = text.chars().count();
    (count > limit).then(|| {
        format!(
            "has {count} characters, and the column takes {limit}: '{}'; widen it with ALTER TABLE .. ALTER COLUMN .. TYPE text",
            cut(text)
        )
    })
}

fn date(days: i32) -> Result<i32, String> {
    let there = days.checked_sub(EPOCH_DAYS).filter(|days| DATES.contains(days));
    there.ok_or_else(|| format!("is a date {days} days from 1970, and PostgreSQL's are from 4713 BC to 5874897 AD"))
}

fn timestamp(micros: i64) -> Result<i64, String> {
    let there = micros.checked_sub(EPOCH_MICROS).filter(|micros| TIMESTAMPS.contains(micros));
    there.ok_or_else(|| format!("is a time {micros} microseconds from 1970, and PostgreSQL's are from 4713 BC to 294276 AD"))
}

/// 32 hexadecimal digits, with or without the usual dashes and braces.
fn uuid(text: &str) -> Result<[u8; 16], String> {
    let mut value = [0; 16];
    let mut digits = 0;
    let mut wrong = false;
    for byte in text.bytes().filter(|byte| !matches!(byte, b'-' | b'{' | b'}')) {
        match char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()) {
            Some(digit) if digits < 32 => value[digits / 2] |= digit << (4 * (1 - digits % 2)),
            _ => wrong = true,
        }
        digits += 1;
    }
    if wrong || digits != 32 { Err(format!("is no UUID: '{}'", cut(text))) } else { Ok(value) }
}

/// What the encoder takes of a type, so that a column can be cast to it.
pub(super) fn cast_to(batch: &RecordBatch, columns: &[Column]) -> Result<RecordBatch> {
    let schema = batch.schema();
    let same = schema.fields().iter().zip(columns).all(|(field, column)| *field.data_type() == column.staged);
    if same {
        return Ok(batch.clone());
    }
    let mut fields = Vec::with_capacity(columns.len());
    let mut arrays = Vec::with_capacity(columns.len());
    for ((array, field), column) in batch.columns().iter().zip(schema.fields()).zip(columns) {
        arrays.push(arrow::compute::cast(array, &column.staged)?);
        fields.push(Arc::new(field.as_ref().clone().with_data_type(column.staged.clone())));
    }
    Ok(RecordBatch::try_new(Arc::new(arrow::datatypes::Schema::new(fields)), arrays)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nul_is_found_behind_its_own_backslash_only() {
        assert!(has_escaped_nul(br#"{"a":"\u0000"}"#));
        assert!(has_escaped_nul(br#""\\\u0000""#));
        assert!(!has_escaped_nul(br#""\\u0000""#));
        assert!(!has_escaped_nul(br#""\u0001""#));
    }

    #[test]
    fn uuids_are_read_with_and_without_dashes() {
        let value = uuid("a0EEbc99-9c0b-4ef8-bb6d-6bb9bd380a11").unwrap();
        assert_eq!(value[..4], [0xa0, 0xee, 0xbc, 0x99]);
        assert_eq!(uuid("{a0eebc999c0b4ef8bb6d6bb9bd380a11}").unwrap(), value);
        assert!(uuid("a0eebc99").is_err() && uuid("zz").is_err());
    }

    #[test]
    fn dates_and_times_outside_of_postgres_are_refused() {
        assert_eq!(date(EPOCH_DAYS), Ok(0));
        assert!(date(i32::MIN).is_err() && date(i32::MAX).is_err() && date(-2_451_545 + EPOCH_DAYS - 1).is_err());
        assert!(timestamp(i64::MIN).is_err() && timestamp(i64::MAX).is_ok());
    }
}
