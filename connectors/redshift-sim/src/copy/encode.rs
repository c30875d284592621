//! Values of Arrow in the text format of PostgreSQL's COPY.

use std::io::Write as _;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, FieldRef, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow::json::writer::{EncoderOptions, make_encoder};

use super::limits::{date, moment, super_fits};
use super::{Column, ColumnType};

/// A value that does not fit its column.
#[derive(Debug)]
pub(super) enum Misfit {
    TooLong { column: String, longest: usize, length: usize },
    Value { column: String, reason: String },
}

/// Where a column of a file goes.
#[derive(Debug)]
pub(super) struct Mapped {
    pub(super) column: Column,
    /// Whether it has moments of the old 96-bit type, whose nanoseconds are read as what they are.
    pub(super) int96: bool,
}

/// Writes the rows of a batch, whose columns go to `columns`; `missing` further ones are NULL.
pub(super) fn rows(batch: &RecordBatch, columns: &[Mapped], missing: usize, out: &mut Vec<u8>) -> Result<(), Misfit> {
    let mut cells: Vec<Cells> = Vec::with_capacity(columns.len());
    for ((array, field), column) in batch.columns().iter().zip(batch.schema_ref().fields()).zip(columns) {
        cells.push(Cells::of(array.as_ref(), field, column)?);
    }
    for row in 0..batch.num_rows() {
        for (position, column) in cells.iter().enumerate() {
            if position > 0 {
                out.push(b'\t');
            }
            match column.value(row) {
                Some(value) => out.extend_from_slice(value),
                None => out.extend_from_slice(b"\\N"),
            }
        }
        (0..missing).for_each(|_| out.extend_from_slice(b"\t\\N"));
        out.push(b'\n');
    }
    Ok(())
}

/// The values of a column as text, one after another.
struct Cells {
    bytes: Vec<u8>,
    /// Where each value ends, and whether there is one.
    ends: Vec<(usize, bool)>,
}

impl Cells {
    fn of(array: &dyn Array, field: &FieldRef, mapped: &Mapped) -> Result<Self, Misfit> {
        let column = &mapped.column;
        let mut cells = Self { bytes: Vec::new(), ends: Vec::with_capacity(array.len()) };
        if column.column_type == ColumnType::Super {
            cells.json(array, field, column)?;
            return Ok(cells);
        }
        match array.data_type() {
            DataType::Boolean => {
                let values = array.as_boolean();
                cells.fill(array, |row, out| out.push(if values.value(row) { b't' } else { b'f' }));
            }
            DataType::Int8 => cells.numbers::<Int8Type>(array),
            DataType::Int16 => cells.numbers::<Int16Type>(array),
            DataType::Int32 => cells.numbers::<Int32Type>(array),
            DataType::Int64 => cells.numbers::<Int64Type>(array),
            DataType::UInt8 => cells.numbers::<UInt8Type>(array),
            DataType::UInt16 => cells.numbers::<UInt16Type>(array),
            DataType::UInt32 => cells.numbers::<UInt32Type>(array),
            DataType::UInt64 => cells.numbers::<UInt64Type>(array),
            DataType::Float32 => cells.numbers::<Float32Type>(array),
            DataType::Float64 => cells.numbers::<Float64Type>(array),
            DataType::Decimal128(..) => {
                let values = array.as_primitive::<Decimal128Type>();
                cells.fill(array, |row, out| out.extend_from_slice(values.value_as_string(row).as_bytes()));
            }
            DataType::Date32 => {
                let values = array.as_primitive::<Date32Type>();
                cells.fill(array, |row, out| date(i64::from(values.value(row)), out));
            }
            DataType::Timestamp(unit, _) => cells.moments(array, *unit, mapped),
            DataType::Utf8 => cells.strings(array, column)?,
            DataType::Binary => {
                let values = array.as_binary::<i32>();
                cells.fill(array, |row, out| {
                    out.extend_from_slice(b"\\\\x");
                    values.value(row).iter().for_each(|byte| write_to(out, format_args!("{byte:02x}")));
                });
            }
            other => {
                return Err(Misfit::Value {
                    column: column.name.clone(),
                    reason: format!("values of type {other} are not loaded"),
                });
            }
        }
        Ok(cells)
    }

    fn value(&self, row: usize) -> Option<&[u8]> {
        let (end, present) = *self.ends.get(row)?;
        let start = row.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |(end, _)| *end);
        if present { self.bytes.get(start..end) } else { None }
    }

    fn fill(&mut self, array: &dyn Array, write: impl Fn(usize, &mut Vec<u8>)) {
        for row in 0..array.len() {
            if array.is_valid(row) {
                write(row, &mut self.bytes);
            }
            self.ends.push((self.bytes.len(), array.is_valid(row)));
        }
    }

    fn numbers<T: ArrowPrimitiveType>(&mut self, array: &dyn Array)
    where
        T::Native: std::fmt::Display,
    {
        let values = array.as_primitive::<T>();
        self.fill(array, |row, out| write_to(out, format_args!("{}", values.value(row))));
    }

    /// Moments. Nanoseconds are read as if they were microseconds: rule `parquet_nanoseconds_are_garbage`.
    fn moments(&mut self, array: &dyn Array, unit: TimeUnit, mapped: &Mapped) {
        let zoned = mapped.column.column_type == ColumnType::TimestampTz;
        let divisor = if mapped.int96 { 1_000 } else { 1 };
        match unit {
            TimeUnit::Millisecond => {
                let values = array.as_primitive::<TimestampMillisecondType>();
                self.fill(array, |row, out| moment(values.value(row).saturating_mul(1_000), zoned, out));
            }
            TimeUnit::Microsecond => {
                let values = array.as_primitive::<TimestampMicrosecondType>();
                self.fill(array, |row, out| moment(values.value(row), zoned, out));
            }
            _ => {
                let values = array.as_primitive::<TimestampNanosecondType>();
                self.fill(array, |row, out| moment(values.value(row).div_euclid(divisor), zoned, out));
            }
        }
    }

    fn strings(&mut self, array: &dyn Array, column: &Column) -> Result<(), Misfit> {
        let values = array.as_string::<i32>();
        let longest = column.column_type.longest().unwrap_or(usize::MAX);
        for row in 0..array.len() {
            if array.is_valid(row) {
                let value = values.value(row);
                if value.len() > longest {
                    return Err(Misfit::TooLong { column: column.name.clone(), longest, length: value.len() });
                }
                if value.contains('\0') {
                    return Err(Misfit::Value {
                        column: column.name.clone(),
                        reason: "a string holds the character 0x00".to_owned(),
                    });
                }
                escape_into(value, &mut self.bytes);
            }
            self.ends.push((self.bytes.len(), array.is_valid(row)));
        }
        Ok(())
    }

    /// Values of SUPER: nested ones as JSON, strings as JSON strings.
    fn json(&mut self, array: &dyn Array, field: &FieldRef, column: &Column) -> Result<(), Misfit> {
        let misfit = |reason: String| Misfit::Value { column: column.name.clone(), reason };
        let options = EncoderOptions::default().with_explicit_nulls(true);
        let mut encoder = make_encoder(field, array, &options).map_err(|error| misfit(error.to_string()))?;
        let mut value = Vec::new();
        for row in 0..array.len() {
            if array.is_valid(row) {
                value.clear();
                encoder.encode(row, &mut value);
                let text = std::str::from_utf8(&value).map_err(|error| misfit(error.to_string()))?;
                super_fits(text).map_err(misfit)?;
                escape_into(text, &mut self.bytes);
            }
            self.ends.push((self.bytes.len(), array.is_valid(row)));
        }
        Ok(())
    }
}

/// Formats into bytes, which cannot fail.
fn write_to(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let _infallible = out.write_fmt(text);
}

/// A string as the text format wants it.
pub(crate) fn escape_into(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            other => out.push(other),
        }
    }
}
