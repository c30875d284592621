//! Values are checked before they are uploaded: COPY from Parquet has neither MAXERROR nor TRUNCATECOLUMNS, and its message about a
//! value that does not fit names a file and no row.
//!
//! The same pass gives rows the types of the files, and finds how wide columns of text have to be.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Date32Type, SchemaRef, TimeUnit, TimestampMicrosecondType};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde::de::IgnoredAny;

use crate::error::{Error, Result};
use crate::upserts::deletions;
use crate::warehouse::gate::{Cut, Misfit};
use crate::warehouse::redshift::columns::{Form, LoadColumn, file_schema};
use crate::warehouse::redshift::nested::misfit_rows;
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
        let (columns, mut misfits) = self.examine(rows)?;
        misfits.sort_by_key(|misfit| misfit.row);
        if let Some(misfit) = misfits.first() {
            return Err(self.error(misfit, rows));
        }
        self.rows += rows.num_rows() as u64;
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }

    /// The columns as they go into a file, and the values that do not fit.
    ///
    /// # Errors
    /// When a column cannot be cast.
    pub(crate) fn examine(&mut self, given: &RecordBatch) -> Result<(Vec<ArrayRef>, Vec<Misfit>)> {
        let (mut columns, mut misfits) = (Vec::with_capacity(self.columns.len()), Vec::new());
        let deletes = self.columns.iter().position(|column| column.deletes);
        let deletions = deletes.map(|deletes| deletions(given.column(deletes))).transpose()?;
        let is_deleted = |row: &usize| deletions.as_ref().is_some_and(|deletions| deletions.is_valid(*row));
        for index in 0..self.columns.len() {
            let (values, narrow) = self.cast(index, given)?;
            let mut note_with = |rows: Vec<usize>, what: &dyn Fn(usize) -> String, cut: &dyn Fn(usize) -> Option<Cut>| {
                let reason = |row| format!("'{}' {}", shown(given.column(index), row), what(row));
                misfits.extend(rows.into_iter().map(|row| Misfit { row, column: index, reason: reason(row), cut: cut(row) }));
            };
            let column = &self.columns[index];
            for (row, why) in narrow {
                note_with(vec![row], &|_| why.clone(), &|_| None);
            }
            match misfits_of(column, &values) {
                (rows, Reason::Said(what)) => note_with(rows, &|_| what.to_owned(), &|_| None),
                (rows, Reason::Text) if self.too_long == TooLong::Truncate && column.form == Form::Plain => drop(rows),
                (rows, Reason::Text) => {
                    let text = |row| values.as_string::<i32>().value(row);
                    let fitting =
                        |row| Cut { text: cut(text(row), &column.target), reason: cut_reason(text(row), &column.target) };
                    let is_plain = column.form == Form::Plain;
                    note_with(rows, &|row| misfit(text(row), &column.target), &|row| is_plain.then(|| fitting(row)));
                }
            }
            let mut note = |rows, what: &dyn Fn(usize) -> String| note_with(rows, what, &|_| None);
            let values = self.truncated(index, values);
            if column.required {
                // What is deleted need not say what it was.
                let nulls = nulls(given.column(index)).into_iter().filter(|row| !is_deleted(row)).collect();
                note(nulls, &|_| "is NULL, and the column is NOT NULL; give it a value, as in coalesce(..)".to_owned());
            }
            if self.key.contains(&index) {
                let name = &column.name;
                note(nulls(given.column(index)), &|_| {
                    format!(
                        "is part of the key and NULL, which equals nothing; leave such rows out with WHERE {name} IS NOT NULL"
                    )
                });
                note(blank_at_the_end(&values), &|_| {
                    format!(
                        "is part of the key and ends in a blank, and Redshift compares texts without the blanks at their ends; write \
                         rtrim({name}) AS {name}"
                    )
                });
            }
            if let Some(texts) = values.as_string_opt::<i32>() {
                let longest = texts.iter().flatten().map(str::len).max().unwrap_or_default();
                self.longest[index] = self.longest[index].max(longest as u64);
            }
            columns.push(values);
        }
        Ok((columns, misfits))
    }

    /// The values in the type of the files, and those that are numbers of more digits than the column has, with the reason: these are NULL, or
    /// rounded.
    fn cast(&self, index: usize, rows: &RecordBatch) -> Result<(ArrayRef, Vec<(usize, String)>)> {
        let (given, wanted) = (rows.column(index), &self.columns[index].file_type);
        if given.data_type() == wanted {
            return Ok((Arc::clone(given), Vec::new()));
        }
        let target = &self.columns[index].target;
        let narrow = match target.room().filter(|_| target.accepts(given.data_type()).is_none()) {
            Some(room) => room.mistakes(given.as_ref(), target)?,
            None => Vec::new(),
        };
        let options = CastOptions { safe: !narrow.is_empty(), ..CastOptions::default() };
        cast_with_options(given, wanted, &options).map(|values| (values, narrow)).map_err(|error| {
            let (name, target) = (&self.columns[index].name, &self.columns[index].target);
            Error::data(format!("table '{}': column '{name}' is {target}, and a value does not fit: {error}", self.table))
        })
    }

    /// Texts cut to what fits, where that is asked for.
    fn truncated(&self, index: usize, values: ArrayRef) -> ArrayRef {
        let column = &self.columns[index];
        let texts = match values.as_string_opt::<i32>() {
            Some(texts) if self.too_long == TooLong::Truncate && column.form == Form::Plain => texts,
            _ => return values,
        };
        if texts.iter().flatten().all(|text| is_fit(text, &column.target)) {
            return values;
        }
        Arc::new(texts.iter().map(|value| value.map(|text| cut(text, &column.target))).collect::<StringArray>())
    }

    /// `"table 's.t': column 'v' of row 17 (k = 42): 'long...' has 70,000 bytes, ..."`.
    fn error(&self, misfit: &Misfit, rows: &RecordBatch) -> Error {
        let Misfit { row, column, reason, .. } = misfit;
        let names = if self.key.is_empty() { vec![0] } else { self.key.clone() };
        let which = names
            .iter()
            .filter(|other| *other != column)
            .map(|other| format!("{} = {}", self.columns[*other].name, shown(rows.column(*other), *row)));
        let which: Vec<String> = which.collect();
        let which = if which.is_empty() { String::new() } else { format!(" ({})", which.join(", ")) };
        let number = self.rows + *row as u64 + 1;
        let (table, column) = (&self.table, &self.columns[*column].name);
        Error::data(format!("table '{table}', column '{column}', row {number} of the epoch{which}: {reason}"))
    }
}

/// A value as it is said to a person.
fn shown(values: &dyn Array, row: usize) -> String {
    let formatter = ArrayFormatter::try_new(values, &FormatOptions::default().with_null("NULL"));
    let text = formatter.map_or_else(|_| "?".to_owned(), |formatter| formatter.value(row).to_string());
    let text = text.replace('\0', "\\0");
    if text.chars().count() > SHOWN { format!("{}...", text.chars().take(SHOWN).collect::<String>()) } else { text }
}

/// Why the values that [`misfits_of`] finds do not fit.
enum Reason {
    Said(&'static str),
    /// What [`misfit`] says of each.
    Text,
}

/// The rows of a column, as it goes into a file, whose values the table's column cannot hold.
fn misfits_of(column: &LoadColumn, values: &ArrayRef) -> (Vec<usize>, Reason) {
    match values.data_type() {
        DataType::Utf8 if column.form == Form::Json => {
            let is_json = |text: &str| text.len() <= MAX_VARCHAR as usize && serde_json::from_str::<IgnoredAny>(text).is_ok();
            let broken = rows_where(values.as_string::<i32>().iter(), |text| !is_json(text));
            (broken, Reason::Said("is no JSON of at most 65,535 bytes, and the column is a SUPER; check it in the query"))
        }
        DataType::Utf8 => (rows_where(values.as_string::<i32>().iter(), |text| !is_fit(text, &column.target)), Reason::Text),
        DataType::Date32 => {
            let days = values.as_primitive::<Date32Type>().iter();
            (rows_where(days, |day| !DAYS.contains(&i64::from(day))), Reason::Said("is not between 4713 BC and AD 294247"))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let moments = values.as_primitive::<TimestampMicrosecondType>().iter();
            let wrong = rows_where(moments, |moment| !DAYS.contains(&moment.div_euclid(MICROS_A_DAY)));
            (wrong, Reason::Said("is not between 4713 BC and AD 294247"))
        }
        DataType::Binary => {
            let wrong = rows_where(values.as_binary::<i32>().iter(), |value| value.len() > MAX_VARBYTE);
            (wrong, Reason::Said("has more than the 64,000 bytes of a VARBYTE; leave it out"))
        }
        data_type if data_type.is_nested() => {
            let what =
                "does not fit into a SUPER, which has at most 16 MB, and 65,535 bytes a text in it; shorten it in the query";
            (misfit_rows(values), Reason::Said(what))
        }
        _ => (Vec::new(), Reason::Said("")),
    }
}

fn rows_where<T>(values: impl Iterator<Item = Option<T>>, is_wrong: impl Fn(T) -> bool) -> Vec<usize> {
    values.enumerate().filter_map(|(row, value)| value.is_some_and(&is_wrong).then_some(row)).collect()
}

fn nulls(values: &ArrayRef) -> Vec<usize> {
    if values.null_count() == 0 { Vec::new() } else { (0..values.len()).filter(|row| values.is_null(*row)).collect() }
}

fn blank_at_the_end(values: &ArrayRef) -> Vec<usize> {
    values.as_string_opt::<i32>().map(|texts| rows_where(texts.iter(), |text| text.ends_with(' '))).unwrap_or_default()
}

/// The most bytes of a text.
fn limit(target: &ColumnType) -> usize {
    match target {
        ColumnType::Char(width) => *width as usize,
        _ => MAX_VARCHAR as usize,
    }
}

fn is_fit(text: &str, target: &ColumnType) -> bool {
    text.len() <= limit(target) && !text.contains('\0') && (!matches!(target, ColumnType::Char(_)) || text.is_ascii())
}

/// Why a text does not fit.
fn misfit(text: &str, target: &ColumnType) -> String {
    let limit = limit(target);
    if text.contains('\0') {
        return "has a NUL in it, which Redshift does not store; write replace(.., chr(0), ''), or set 'too_long' 'truncate'"
            .to_owned();
    }
    if text.len() <= limit {
        return format!("has letters beyond ASCII, which {target} does not store; make the column a VARCHAR");
    }
    // CHAR holds letters of one byte; those of others have up to four.
    let (holder, letters) = match target {
        ColumnType::Char(_) => (target.to_string(), limit),
        _ => ("the widest VARCHAR".to_owned(), limit / 4),
    };
    format!(
        "has {} bytes, and {holder} holds {limit}; set 'too_long' 'truncate', or shorten it in the query, as in left(.., {letters}), which \
         always fits",
        text.len()
    )
}

/// What was wrong with a text that was cut.
fn cut_reason(text: &str, target: &ColumnType) -> String {
    let limit = limit(target);
    if text.len() > limit {
        return format!("had {} bytes, and the column holds {limit}: it was cut", text.len());
    }
    if text.contains('\0') {
        return "had a NUL in it, which was taken out".to_owned();
    }
    format!("had letters beyond ASCII, which {target} does not store: each became '?'")
}

/// What fits of a text: no NUL, cut between two letters.
fn cut(text: &str, target: &ColumnType) -> String {
    let is_ascii = matches!(target, ColumnType::Char(_));
    let kept: String = text.chars().filter(|c| *c != '\0').map(|c| if is_ascii && !c.is_ascii() { '?' } else { c }).collect();
    kept[..kept.floor_char_boundary(limit(target))].to_owned()
}

#[cfg(test)]
mod tests;
