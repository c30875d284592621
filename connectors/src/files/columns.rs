//! Columns under construction: values are appended as they are decoded, and a row that turns out bad is taken back.
//!
//! Arrow's own builders cannot be shortened, so a reader that has to refuse a record half-way would have to look at every
//! record twice. Here a value is converted once, and refusing a record is a truncation of each column.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, BooleanBufferBuilder, Date32Array, Decimal128Array, Float64Array, Int64Array, ListArray, NullArray,
    RecordBatch, RecordBatchOptions, StringArray, StructArray, TimestampMicrosecondArray, new_null_array,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, FieldRef, Fields, SchemaRef, TimeUnit};

use catalog::infer::Form;

use super::lengths::Longest;
use super::misfit::{Misfit, quoted, type_name};
use super::value;
use crate::error::{Error, Result};

/// The columns of a batch under construction.
#[derive(Debug)]
pub struct Columns {
    schema: SchemaRef,
    columns: Vec<Column>,
    rows: usize,
    /// See [`Self::unread`].
    is_unread: bool,
}

impl Columns {
    /// Empty columns for the fields of `schema`.
    ///
    /// # Errors
    /// [`Error::Config`] for a type that cannot be read from text.
    pub fn new(schema: SchemaRef) -> Result<Self> {
        let columns = schema.fields().iter().map(Column::new).collect::<Result<_>>()?;
        Ok(Self { schema, columns, rows: 0, is_unread: false })
    }

    /// Empty columns of any types that no text is read to: those of files whose rows come as batches.
    pub fn unread(schema: SchemaRef) -> Self {
        let columns = schema.fields().iter().map(Column::unread).collect();
        Self { schema, columns, rows: 0, is_unread: true }
    }

    /// Complete rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The column at `index`.
    pub fn column(&mut self, index: usize) -> &mut Column {
        &mut self.columns[index]
    }

    /// Whether the row under construction has a value in the column at `index` already; takes it back if so.
    pub fn retract(&mut self, index: usize) -> bool {
        let is_set = self.columns[index].rows() > self.rows;
        if is_set {
            self.columns[index].truncate(self.rows);
        }
        is_set
    }

    /// Completes the row: columns without a value get NULL.
    ///
    /// # Errors
    /// The first column that must not be NULL and is. The row is then still open.
    pub fn end_row(&mut self) -> Result<(), Misfit> {
        let mut missing = None;
        for column in &mut self.columns {
            if column.rows() == self.rows {
                column.null();
            }
            if !column.field.is_nullable() && !column.valid.get_bit(self.rows) && missing.is_none() {
                let reason = "is missing or NULL, but the column is NOT NULL".to_owned();
                missing = Some(Misfit { column: column.field.name().clone(), reason });
            }
        }
        match missing {
            Some(misfit) => Err(misfit),
            None => {
                self.rows += 1;
                Ok(())
            }
        }
    }

    /// Takes back the row under construction.
    pub fn drop_row(&mut self) {
        for column in &mut self.columns {
            column.truncate(self.rows);
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.columns.iter().map(Column::bytes).sum()
    }

    /// The complete rows as a batch; the columns are empty afterwards.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn take(&mut self) -> Result<RecordBatch> {
        let schema = Arc::clone(&self.schema);
        let fresh = if self.is_unread { Self::unread(schema) } else { Self::new(schema)? };
        let full = std::mem::replace(self, fresh);
        let options = RecordBatchOptions::new().with_row_count(Some(full.rows));
        let arrays = full.columns.into_iter().map(Column::finish).collect::<Result<Vec<_>>>()?;
        RecordBatch::try_new_with_options(full.schema, arrays, &options)
            .map_err(|error| Error::internal(format!("a decoded batch does not fit its schema: {error}")))
    }
}

/// One column.
#[derive(Debug)]
pub struct Column {
    field: FieldRef,
    valid: BooleanBufferBuilder,
    values: Values,
    longest: Option<Longest>,
}

#[derive(Debug)]
enum Values {
    /// Of any type, and nothing but NULL.
    Unread,
    Null,
    Bool(BooleanBufferBuilder),
    /// Any integer type of up to 64 bits with a sign; the bounds are its own.
    Int {
        values: Vec<i64>,
        low: i64,
        high: i64,
    },
    Float(Vec<f64>),
    /// Decimals, and UInt64 as a decimal of scale 0.
    Decimal {
        values: Vec<i128>,
        precision: u8,
        scale: i8,
    },
    Date {
        values: Vec<i32>,
        form: Option<Form>,
    },
    /// Microseconds.
    Timestamp {
        values: Vec<i64>,
        form: Option<Form>,
    },
    Text {
        offsets: Vec<i32>,
        bytes: Vec<u8>,
    },
    Struct(Vec<Column>),
    List {
        offsets: Vec<i32>,
        item: Box<Column>,
    },
}

impl Values {
    fn new(field: &FieldRef) -> Result<Self> {
        let int = |low: i64, high: i64| Self::Int { values: Vec::new(), low, high };
        Ok(match field.data_type() {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Bool(BooleanBufferBuilder::new(0)),
            DataType::Int8 => int(i8::MIN.into(), i8::MAX.into()),
            DataType::Int16 => int(i16::MIN.into(), i16::MAX.into()),
            DataType::Int32 => int(i32::MIN.into(), i32::MAX.into()),
            DataType::Int64 => int(i64::MIN, i64::MAX),
            DataType::UInt8 => int(0, u8::MAX.into()),
            DataType::UInt16 => int(0, u16::MAX.into()),
            DataType::UInt32 => int(0, u32::MAX.into()),
            DataType::UInt64 => Self::Decimal { values: Vec::new(), precision: 20, scale: 0 },
            DataType::Float16 | DataType::Float32 | DataType::Float64 => Self::Float(Vec::new()),
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale) => {
                Self::Decimal { values: Vec::new(), precision: *precision, scale: *scale }
            }
            DataType::Date32 | DataType::Date64 => Self::Date { values: Vec::new(), form: value::form(field)? },
            DataType::Timestamp(_, _) => Self::Timestamp { values: Vec::new(), form: value::form(field)? },
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Text { offsets: vec![0], bytes: Vec::new() },
            DataType::Struct(fields) => Self::Struct(fields.iter().map(Column::new).collect::<Result<_>>()?),
            DataType::List(item) | DataType::LargeList(item) => {
                Self::List { offsets: vec![0], item: Box::new(Column::new(item)?) }
            }
            other => {
                let message = format!("column '{}': {other} cannot be read from text; declare it as VARCHAR", field.name());
                return Err(Error::config_at(field.name(), message));
            }
        })
    }
}

impl Column {
    fn new(field: &FieldRef) -> Result<Self> {
        let (values, longest) = (Values::new(field)?, Longest::of(field));
        Ok(Self { values, field: Arc::clone(field), valid: BooleanBufferBuilder::new(0), longest })
    }

    fn unread(field: &FieldRef) -> Self {
        Self { values: Values::Unread, field: Arc::clone(field), valid: BooleanBufferBuilder::new(0), longest: None }
    }

    /// Values, NULLs among them.
    pub fn rows(&self) -> usize {
        self.valid.len()
    }

    /// Its field.
    pub fn field(&self) -> &FieldRef {
        &self.field
    }

    fn bytes(&self) -> usize {
        let own = match &self.values {
            Values::Unread | Values::Null => 0,
            Values::Bool(values) => values.len() / 8,
            Values::Int { values, .. } | Values::Timestamp { values, .. } => values.len() * 8,
            Values::Float(values) => values.len() * 8,
            Values::Decimal { values, .. } => values.len() * 16,
            Values::Date { values, .. } => values.len() * 4,
            Values::Text { offsets, bytes } => offsets.len() * 4 + bytes.len(),
            Values::Struct(children) => children.iter().map(Self::bytes).sum(),
            Values::List { offsets, item } => offsets.len() * 4 + item.bytes(),
        };
        own + self.valid.len() / 8
    }

    fn truncate(&mut self, rows: usize) {
        if self.rows() <= rows {
            return;
        }
        self.valid.truncate(rows);
        match &mut self.values {
            Values::Unread | Values::Null => {}
            Values::Bool(values) => values.truncate(rows),
            Values::Int { values, .. } | Values::Timestamp { values, .. } => values.truncate(rows),
            Values::Float(values) => values.truncate(rows),
            Values::Decimal { values, .. } => values.truncate(rows),
            Values::Date { values, .. } => values.truncate(rows),
            Values::Text { offsets, bytes } => {
                offsets.truncate(rows + 1);
                bytes.truncate(position(offsets));
            }
            Values::Struct(children) => children.iter_mut().for_each(|child| child.truncate(rows)),
            Values::List { offsets, item } => {
                offsets.truncate(rows + 1);
                item.truncate(position(offsets));
            }
        }
    }

    /// Appends NULL.
    pub fn null(&mut self) {
        self.valid.append(false);
        match &mut self.values {
            Values::Unread | Values::Null => {}
            Values::Bool(values) => values.append(false),
            Values::Int { values, .. } | Values::Timestamp { values, .. } => values.push(0),
            Values::Float(values) => values.push(0.0),
            Values::Decimal { values, .. } => values.push(0),
            Values::Date { values, .. } => values.push(0),
            Values::Text { offsets, .. } | Values::List { offsets, .. } => offsets.push(*offsets.last().unwrap_or(&0)),
            Values::Struct(children) => children.iter_mut().for_each(Self::null),
        }
    }

    /// Appends a value written as text: a cell of a CSV file, a string of a JSON document, a part of a path.
    ///
    /// # Errors
    /// When the text is no value of the column; nothing is appended then.
    pub fn text(&mut self, text: &str) -> Result<(), Misfit> {
        if let Some(why) = self.longest.and_then(|longest| longest.refuses(text)) {
            return Err(Misfit { column: self.field.name().clone(), reason: format!("{} {why}", quoted(text)) });
        }
        let trimmed = catalog::values::trimmed(text);
        let fits = match &mut self.values {
            Values::Unread | Values::Null => false,
            Values::Text { offsets, bytes } => {
                bytes.extend_from_slice(text.as_bytes());
                push_end(offsets, bytes.len())
            }
            Values::Bool(values) => catalog::values::boolean(trimmed).map(|value| values.append(value)).is_some(),
            Values::Int { values, low, high } => {
                push(values, catalog::values::integer(trimmed).filter(|value| (*low..=*high).contains(value)))
            }
            Values::Float(values) => {
                let is_single = matches!(self.field.data_type(), DataType::Float16 | DataType::Float32);
                // The greatest REAL is 3.4e38; what is greater would be infinite.
                let fits = |value: &f64| !is_single || !value.is_finite() || value.abs() <= f64::from(f32::MAX);
                push(values, catalog::values::float(trimmed).filter(fits))
            }
            Values::Decimal { values, precision, scale } => {
                let number = value::decimal(trimmed, *precision, *scale);
                let is_unsigned = *self.field.data_type() == DataType::UInt64;
                push(values, number.filter(|number| !is_unsigned || (0..=i128::from(u64::MAX)).contains(number)))
            }
            Values::Date { values, form } => push(values, value::date(trimmed, *form)),
            Values::Timestamp { values, form } => {
                let micros = value::timestamp(trimmed, *form);
                // A timestamp in nanoseconds ends in the year 2262.
                let is_fine = matches!(self.field.data_type(), DataType::Timestamp(TimeUnit::Nanosecond, _));
                push(values, micros.filter(|micros| !is_fine || micros.checked_mul(1_000).is_some()))
            }
            Values::Struct(_) | Values::List { .. } => false,
        };
        self.settle(fits, || quoted(text))
    }

    /// Appends a number as JSON writes it.
    ///
    /// # Errors
    /// When the number is no value of the column; nothing is appended then.
    pub fn number(&mut self, raw: &str) -> Result<(), Misfit> {
        match &mut self.values {
            // 17 is no date, nor is 1.0 one: only what reads like a date in a string is.
            Values::Date { .. } | Values::Timestamp { .. } | Values::Bool(_) => self.settle(false, || raw.to_owned()),
            Values::Int { values, low, high } => {
                let number = catalog::values::integer(raw).or_else(|| value::whole(raw));
                let fits = push(values, number.filter(|value| (*low..=*high).contains(value)));
                self.settle(fits, || raw.to_owned())
            }
            _ => self.text(raw),
        }
    }

    /// Appends a day, counted from 1970-01-01.
    ///
    /// # Errors
    /// [`Error::Internal`] for a column of anything else.
    pub fn date(&mut self, days: i32) -> Result<()> {
        let Values::Date { values, .. } = &mut self.values else {
            return Err(Error::internal(format!("column '{}' holds no dates", self.field.name())));
        };
        values.push(days);
        self.valid.append(true);
        Ok(())
    }

    /// Appends `true` or `false`.
    ///
    /// # Errors
    /// When the column is neither of booleans nor of text; nothing is appended then.
    pub fn boolean(&mut self, value: bool) -> Result<(), Misfit> {
        match &mut self.values {
            Values::Bool(values) => {
                values.append(value);
                self.settle(true, String::new)
            }
            Values::Text { .. } => self.text(if value { "true" } else { "false" }),
            _ => self.settle(false, || value.to_string()),
        }
    }

    /// Whether the column holds text.
    pub fn is_text(&self) -> bool {
        matches!(self.values, Values::Text { .. })
    }

    /// The columns of its members, of a struct.
    pub fn members(&mut self) -> Option<&mut [Self]> {
        match &mut self.values {
            Values::Struct(children) => Some(children),
            _ => None,
        }
    }

    /// Completes a struct whose members were appended one by one; those that were not are NULL.
    pub fn end_struct(&mut self) {
        let rows = self.valid.len();
        if let Values::Struct(children) = &mut self.values {
            children.iter_mut().filter(|child| child.rows() == rows).for_each(Self::null);
            self.valid.append(true);
        }
    }

    /// Takes back what was appended to member `index` of the struct that is under construction.
    pub fn retract_member(&mut self, index: usize) {
        let rows = self.valid.len();
        if let Values::Struct(children) = &mut self.values {
            children[index].truncate(rows);
        }
    }

    /// The column of its items, of a list.
    pub fn items(&mut self) -> Option<&mut Self> {
        match &mut self.values {
            Values::List { item, .. } => Some(item),
            _ => None,
        }
    }

    /// Completes a list whose items were appended one by one.
    pub fn end_list(&mut self) {
        if let Values::List { offsets, item } = &mut self.values {
            push_end(offsets, item.rows());
            self.valid.append(true);
        }
    }

    /// Takes back members and items of a value that was not completed.
    pub fn abandon(&mut self) {
        let rows = self.valid.len();
        match &mut self.values {
            Values::Struct(children) => children.iter_mut().for_each(|child| child.truncate(rows)),
            Values::List { offsets, item } => item.truncate(position(offsets)),
            _ => {}
        }
    }

    /// The misfit of a value that is shown as `found`.
    pub fn misfit(&self, found: &str) -> Misfit {
        let reason = format!("{found} is not {}", type_name(self.field.data_type()));
        Misfit { column: self.field.name().clone(), reason }
    }

    fn settle(&mut self, fits: bool, found: impl FnOnce() -> String) -> Result<(), Misfit> {
        if fits {
            self.valid.append(true);
            Ok(())
        } else {
            Err(self.misfit(&found()))
        }
    }

    fn finish(mut self) -> Result<ArrayRef> {
        let rows = self.valid.len();
        let nulls = Some(NullBuffer::new(self.valid.finish())).filter(|nulls| nulls.null_count() > 0);
        let broken = |error: arrow::error::ArrowError| Error::internal(format!("column '{}': {error}", self.field.name()));
        let array: ArrayRef = match self.values {
            Values::Unread => new_null_array(self.field.data_type(), rows),
            Values::Null => Arc::new(NullArray::new(rows)),
            Values::Bool(mut values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Values::Int { values, .. } => Arc::new(Int64Array::new(values.into(), nulls)),
            Values::Float(values) => Arc::new(Float64Array::new(values.into(), nulls)),
            Values::Decimal { values, precision, scale } => {
                let array = Decimal128Array::new(values.into(), nulls).with_precision_and_scale(precision, scale);
                Arc::new(array.map_err(broken)?)
            }
            Values::Date { values, .. } => Arc::new(Date32Array::new(values.into(), nulls)),
            Values::Timestamp { values, .. } => {
                let zone = match self.field.data_type() {
                    DataType::Timestamp(_, zone) => zone.clone(),
                    _ => None,
                };
                Arc::new(TimestampMicrosecondArray::new(values.into(), nulls).with_timezone_opt(zone))
            }
            Values::Text { offsets, bytes } => {
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                Arc::new(StringArray::try_new(offsets, Buffer::from_vec(bytes), nulls).map_err(broken)?)
            }
            Values::Struct(children) => {
                let fields: Fields = children.iter().map(|child| Arc::clone(&child.field)).collect();
                let arrays = children.into_iter().map(Self::finish).collect::<Result<Vec<_>>>()?;
                Arc::new(StructArray::try_new_with_length(fields, arrays, nulls, rows).map_err(broken)?)
            }
            Values::List { offsets, item } => {
                let field = Arc::clone(&item.field);
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                Arc::new(ListArray::try_new(field, offsets, item.finish()?, nulls).map_err(broken)?)
            }
        };
        if array.data_type() == self.field.data_type() {
            return Ok(array);
        }
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        cast_with_options(&array, self.field.data_type(), &strict).map_err(broken)
    }
}

/// Where the last value ends.
fn position(offsets: &[i32]) -> usize {
    offsets.last().and_then(|end| usize::try_from(*end).ok()).unwrap_or(0)
}

/// Batches are cut long before two gibibytes, so an offset always fits.
fn push_end(offsets: &mut Vec<i32>, end: usize) -> bool {
    offsets.push(i32::try_from(end).unwrap_or(i32::MAX));
    true
}

fn push<T>(values: &mut Vec<T>, value: Option<T>) -> bool {
    value.map(|value| values.push(value)).is_some()
}
