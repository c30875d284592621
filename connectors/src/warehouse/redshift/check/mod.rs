//! Values are checked before they are uploaded: COPY from Parquet has neither MAXERROR nor TRUNCATECOLUMNS, and its message about a
//! value that does not fit names a file and no row.
//!
//! The same pass gives rows the types of the files, and finds how wide columns of text have to be.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Date32Type, SchemaRef, TimeUnit, TimestampMicrosecondType};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::error::{Error, Result};
use crate::warehouse::redshift::columns::{Form, LoadColumn, file_schema};
use crate::warehouse::redshift::nested::first_misfit;
use crate::warehouse::redshift::options::TooLong;
use crate::warehouse::redshift::types::{ColumnType, MAX_VARCHAR};

/// The first day of DATE, TIMESTAMP and TIMESTAMPTZ, 4713 BC, counted from 1970 ("Datetime types", `r_Datetime_types`), and the last
/// that 64 bits of microseconds hold, which is before theirs.
const DAYS: std::ops::RangeInclusive<i64> = -2_440_588..=106_751_991;
const MICROS_A_DAY: i64 = 86_400_000_000;
/// The most bytes of a VARBYTE whose width nobody gave ("VARBYTE type", `r_VARBYTE_type`).
const MAX_VARBYTE: usize = 64_000;
/// Letters of a value that an error shows.
const SHOWN: usize = 40;

/// Checks the rows of one batch, in their order.
#[derive(Debug)]
pub(crate) struct Checker<'a> {
    table: String,
    columns: &'a [LoadColumn],
    /// Which of them are the key.
    key: Vec<usize>,
    too_long: TooLong,
    schema: SchemaRef,
    longest: Vec<u64>,
    rows: u64,
}

impl<'a> Checker<'a> {
    pub(crate) fn new(table: String, columns: &'a [LoadColumn], key: &[String], too_long: TooLong) -> Self {
        let key = (0..columns.len()).filter(|index| key.contains(&columns[*index].name)).collect();
        let (schema, longest) = (file_schema(columns), vec![0; columns.len()]);
        Self { table, columns, key, too_long, schema, longest, rows: 0 }
    }

    /// The columns of the rows that come back.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Bytes of the longest text of each column; 0 for other columns.
    pub(crate) fn longest(&self) -> &[u64] {
        &self.longest
    }

    /// The rows as they go into a file.
    ///
    /// # Errors
    /// [`Error::Data`] that names the column, the row and the value of the first that does not fit.
    pub(crate) fn check(&mut self, rows: &RecordBatch) -> Result<RecordBatch> {
        let mut columns = Vec::with_capacity(self.columns.len());
        for index in 0..self.columns.len() {
            let column = self.cast(index, rows)?;
            columns.push(self.check_column(index, &column, rows)?);
        }
        for index in self.key.clone() {
            self.check_key(index, &columns[index], rows)?;
        }
        self.rows += rows.num_rows() as u64;
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }

    fn cast(&self, index: usize, rows: &RecordBatch) -> Result<ArrayRef> {
        let (given, wanted) = (rows.column(index), &self.columns[index].file_type);
        if given.data_type() == wanted {
            return Ok(Arc::clone(given));
        }
        let options = CastOptions { safe: false, ..CastOptions::default() };
        cast_with_options(given, wanted, &options).map_err(|error| {
            let (name, target) = (&self.columns[index].name, &self.columns[index].target);
            Error::data(format!("table '{}': column '{name}' is {target}, and a value does not fit: {error}", self.table))
        })
    }

    fn check_column(&mut self, index: usize, values: &ArrayRef, rows: &RecordBatch) -> Result<ArrayRef> {
        match values.data_type() {
            DataType::Utf8 => return self.check_text(index, values.as_string(), rows),
            DataType::Date32 => {
                let days = values.as_primitive::<Date32Type>();
                let wrong = days.iter().position(|day| day.is_some_and(|day| !DAYS.contains(&i64::from(day))));
                self.refuse_if(wrong, index, values, rows, "is not between 4713 BC and AD 294247")?;
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                let moments = values.as_primitive::<TimestampMicrosecondType>();
                let is_wrong = |moment: i64| !DAYS.contains(&moment.div_euclid(MICROS_A_DAY));
                let wrong = moments.iter().position(|moment| moment.is_some_and(is_wrong));
                self.refuse_if(wrong, index, values, rows, "is not between 4713 BC and AD 294247")?;
            }
            DataType::Binary => {
                let values_of = values.as_binary::<i32>();
                let wrong = values_of.iter().position(|value| value.is_some_and(|value| value.len() > MAX_VARBYTE));
                self.refuse_if(wrong, index, values, rows, "has more than the 64,000 bytes of a VARBYTE; leave it out")?;
            }
            data_type if data_type.is_nested() => {
                let what =
                    "does not fit into a SUPER, which has at most 16 MB, and 65,535 bytes a text in it; shorten it in the query";
                self.refuse_if(first_misfit(values), index, values, rows, what)?;
            }
            _ => {}
        }
        Ok(Arc::clone(values))
    }

    fn check_text(&mut self, index: usize, values: &StringArray, rows: &RecordBatch) -> Result<ArrayRef> {
        let column = &self.columns[index];
        let limit = match column.target {
            ColumnType::Char(width) => width,
            _ => MAX_VARCHAR,
        } as usize;
        let is_fit = |text: &str| {
            text.len() <= limit && !text.contains('\0') && (!matches!(column.target, ColumnType::Char(_)) || text.is_ascii())
        };
        let wrong = values.iter().position(|value| value.is_some_and(|text| !is_fit(text)));
        if column.form == Form::Json {
            let is_json = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
            let broken = values.iter().position(|value| value.is_some_and(|text| !is_json(text)));
            self.refuse_if(broken, index, values, rows, "is no JSON, and the column is a SUPER; check it in the query")?;
        }
        let values: ArrayRef = match wrong {
            Some(_) if self.too_long == TooLong::Truncate && column.form == Form::Plain => {
                let is_ascii = matches!(column.target, ColumnType::Char(_));
                Arc::new(values.iter().map(|value| value.map(|text| cut(text, limit, is_ascii))).collect::<StringArray>())
            }
            Some(row) => {
                let what = misfit(values.value(row), limit, &column.target);
                return Err(self.error(row, index, values, rows, &what));
            }
            None => Arc::new(values.clone()),
        };
        let longest = values.as_string::<i32>().iter().flatten().map(str::len).max().unwrap_or_default();
        self.longest[index] = self.longest[index].max(longest as u64);
        Ok(values)
    }

    fn check_key(&self, index: usize, values: &ArrayRef, rows: &RecordBatch) -> Result<()> {
        let name = &self.columns[index].name;
        let null = (0..values.len()).find(|row| values.is_null(*row));
        let what =
            format!("is part of the key and NULL, which equals nothing; leave such rows out with WHERE {name} IS NOT NULL");
        self.refuse_if(null, index, values, rows, &what)?;
        if let Some(texts) = values.as_string_opt::<i32>() {
            let blank = texts.iter().position(|text| text.is_some_and(|text| text.ends_with(' ')));
            let what = format!(
                "is part of the key and ends in a blank, and Redshift compares texts without the blanks at their ends; write \
                 rtrim({name}) AS {name}"
            );
            self.refuse_if(blank, index, values, rows, &what)?;
        }
        Ok(())
    }

    fn refuse_if(&self, row: Option<usize>, index: usize, values: &dyn Array, rows: &RecordBatch, what: &str) -> Result<()> {
        row.map_or(Ok(()), |row| Err(self.error(row, index, values, rows, what)))
    }

    /// `"table 's.t': column 'v' of row 17 (k = 42): 'long...' has 70,000 bytes, ..."`.
    fn error(&self, row: usize, index: usize, values: &dyn Array, rows: &RecordBatch, what: &str) -> Error {
        let shown = |values: &dyn Array| {
            let formatter = ArrayFormatter::try_new(values, &FormatOptions::default().with_null("NULL"));
            let text = formatter.map_or_else(|_| "?".to_owned(), |formatter| formatter.value(row).to_string());
            let text = text.replace('\0', "\\0");
            if text.chars().count() > SHOWN { format!("{}...", text.chars().take(SHOWN).collect::<String>()) } else { text }
        };
        let names = if self.key.is_empty() { vec![0] } else { self.key.clone() };
        let which = names
            .iter()
            .filter(|other| **other != index)
            .map(|other| format!("{} = {}", self.columns[*other].name, shown(rows.column(*other).as_ref())));
        let which: Vec<String> = which.collect();
        let which = if which.is_empty() { String::new() } else { format!(" ({})", which.join(", ")) };
        let number = self.rows + row as u64 + 1;
        let (table, column) = (&self.table, &self.columns[index].name);
        Error::data(format!("table '{table}', column '{column}', row {number} of the epoch{which}: '{}' {what}", shown(values)))
    }
}

/// Why a text does not fit.
fn misfit(text: &str, limit: usize, target: &ColumnType) -> String {
    if text.contains('\0') {
        return "has a NUL in it, which Redshift does not store; write replace(.., chr(0), ''), or set 'too_long' 'truncate'"
            .to_owned();
    }
    if text.len() <= limit {
        return format!("has letters beyond ASCII, which {target} does not store; make the column a VARCHAR");
    }
    format!(
        "has {} bytes, and {} holds {limit}; shorten it in the query, as in left(.., {limit}), or set 'too_long' 'truncate'",
        text.len(),
        if matches!(target, ColumnType::Char(_)) { target.to_string() } else { "the widest VARCHAR".to_owned() }
    )
}

/// What fits of a text: no NUL, cut between two letters.
fn cut(text: &str, limit: usize, is_ascii: bool) -> String {
    let kept: String = text.chars().filter(|c| *c != '\0').map(|c| if is_ascii && !c.is_ascii() { '?' } else { c }).collect();
    kept[..kept.floor_char_boundary(limit)].to_owned()
}

#[cfg(test)]
mod tests;
