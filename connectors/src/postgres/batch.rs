//! Rows becoming a batch: decoded, cast to what was declared, and parted from those that do not fit.

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options, filter_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::util::display::array_value_to_string;
use catalog::sql_type;

use super::decode::{Column, Unfit};
use super::input::Input;
use super::literal;
use super::query::Asked;
use super::source::Table;
use super::types::Wire;
use crate::error::{Error, Result};
use crate::on_error::{OnError, shown};
use crate::source::BadRecord;

/// Characters of a value that an error shows.
const MOST_SHOWN: usize = 80;

/// A batch that is being filled.
pub(super) struct Batch {
    /// The table's name in its database.
    table: String,
    on_error: OnError,
    names: Vec<String>,
    columns: Vec<Column>,
    /// What the columns become.
    schema: SchemaRef,
    rows: u64,
    /// Those of the batches before it.
    before: u64,
    /// Which of the columns say where a row stands, and how they come.
    position: Vec<(usize, Wire)>,
    /// The row, the column, and what is wrong.
    unfit: Vec<(usize, usize, String)>,
}

impl Batch {
    pub(super) fn new(table: &Table, fields: &[Asked], schema: SchemaRef) -> Self {
        let is_place = |field: &Asked| table.query.position.iter().any(|part| part.name == field.name);
        let position = fields.iter().enumerate().filter(|(_, field)| is_place(field));
        Self {
            before: 0,
            position: position.map(|(index, field)| (index, field.read_as.wire.clone())).collect(),
            table: table.full_name.clone(),
            on_error: table.on_error,
            names: fields.iter().map(|field| field.name.clone()).collect(),
            columns: fields.iter().map(|field| Column::new(&field.read_as.wire)).collect(),
            schema,
            rows: 0,
            unfit: Vec::new(),
        }
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Appends the current row of `input`, whose first fields are the columns.
    pub(super) fn append(&mut self, input: &Input) -> Result<()> {
        for (index, column) in self.columns.iter_mut().enumerate() {
            let Some(value) = input.field(index) else {
                column.append_null();
                continue;
            };
            if let Err(Unfit(reason)) = column.append(value) {
                if self.on_error == OnError::Fail {
                    let at = |(part, wire): &(usize, Wire)| Some((*part, literal::of_value(wire, input.field(*part)?)?));
                    let place = self.position.iter().filter_map(at).collect();
                    return Err(self.refused(self.rows, index, &reason, place));
                }
                self.unfit.push((usize::try_from(self.rows).unwrap_or(usize::MAX), index, reason));
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// `row` counts from 0 in the batch; `place` is where it stands, by columns.
    fn refused(&self, row: u64, column: usize, reason: &str, place: Vec<(usize, String)>) -> Error {
        let place: Vec<String> = place.into_iter().map(|(index, value)| format!("{} = {value}", self.names[index])).collect();
        let place = if place.is_empty() { String::new() } else { format!(" ({})", place.join(", ")) };
        Error::data(format!(
            "{}, column '{}': {reason}, in row {} of those that were read{place}; 'on_error' 'quarantine' puts such rows aside, 'on_error' \
             'null' reads NULL instead",
            self.table,
            self.names[column],
            self.before + row + 1
        ))
    }

    /// The rows that are good, and in `bad` what is wrong with the others.
    pub(super) fn finish(&mut self, bad: &mut Vec<BadRecord>) -> Result<RecordBatch> {
        let rows = usize::try_from(std::mem::take(&mut self.rows)).map_err(|_| Error::internal("a batch is too large"))?;
        let found: Vec<ArrayRef> = self.columns.iter_mut().map(Column::finish).collect();
        let mut unfit = std::mem::take(&mut self.unfit);
        let mut arrays = Vec::with_capacity(found.len());
        for index in 0..found.len() {
            arrays.push(self.cast(index, &found, &mut unfit)?);
        }
        self.before += rows as u64;
        unfit.sort();
        let mut is_good = vec![true; rows];
        for of_row in unfit.chunk_by(|a, b| a.0 == b.0) {
            let Some(((row, column, reason), others)) = of_row.split_first() else { continue };
            is_good[*row] = false;
            let others =
                others.iter().map(|(_, column, reason)| format!("; beside it column '{}': {reason}", self.names[*column]));
            bad.push(BadRecord {
                raw: shown(self.names.iter().map(String::as_str), &found, *row),
                file: self.table.clone(),
                column: Some(self.names[*column].clone()),
                reason: std::iter::once(reason.clone()).chain(others).collect(),
                kept: self.on_error == OnError::Null,
                ..BadRecord::default()
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)?;
        if self.on_error == OnError::Quarantine && is_good.contains(&false) {
            return Ok(filter_record_batch(&batch, &BooleanArray::from(is_good))?);
        }
        Ok(batch)
    }

    /// The column as it was declared. A value that is none of that type is NULL, and unfit.
    fn cast(&self, index: usize, columns: &[ArrayRef], unfit: &mut Vec<(usize, usize, String)>) -> Result<ArrayRef> {
        let found = &columns[index];
        let target = self.schema.field(index).data_type();
        if found.data_type() == target {
            return Ok(found.clone());
        }
        let cast = cast_with_options(found, target, &CastOptions { safe: true, ..CastOptions::default() })?;
        if cast.null_count() == found.null_count() {
            return Ok(cast);
        }
        for row in (0..found.len()).filter(|row| found.is_valid(*row) && cast.is_null(*row)) {
            let value: String = array_value_to_string(found, row)?.chars().take(MOST_SHOWN).collect();
            let reason = format!("'{value}' is no {}", sql_type(target));
            if self.on_error == OnError::Fail {
                let at = |part: usize| Some((part, array_value_to_string(columns.get(part)?, row).ok()?));
                let place = self.position.iter().filter_map(|(part, _)| at(*part)).collect();
                return Err(self.refused(row as u64, index, &reason, place));
            }
            unfit.push((row, index, reason));
        }
        Ok(cast)
    }
}
