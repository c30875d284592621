//! Rows becoming a batch: decoded, cast to what was declared, and parted from those that do not fit.

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options, filter_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::util::display::array_value_to_string;
use catalog::sql_type;

use super::decode::{Column, Unfit};
use super::input::Input;
use super::query::Asked;
use super::source::Table;
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
    /// The row, the column, and what is wrong.
    unfit: Vec<(usize, usize, String)>,
}

impl Batch {
    pub(super) fn new(table: &Table, fields: &[Asked], schema: SchemaRef) -> Self {
        Self {
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
                    return Err(self.refused(index, &reason));
                }
                self.unfit.push((usize::try_from(self.rows).unwrap_or(usize::MAX), index, reason));
            }
        }
        self.rows += 1;
        Ok(())
    }

    fn refused(&self, column: usize, reason: &str) -> Error {
        Error::data(format!(
            "{}, column '{}': {reason}; 'on_error' 'quarantine' puts such rows aside, 'on_error' 'null' reads NULL instead",
            self.table, self.names[column]
        ))
    }

    /// The rows that are good, and in `bad` what is wrong with the others.
    pub(super) fn finish(&mut self, bad: &mut Vec<BadRecord>) -> Result<RecordBatch> {
        let rows = usize::try_from(std::mem::take(&mut self.rows)).map_err(|_| Error::internal("a batch is too large"))?;
        let found: Vec<ArrayRef> = self.columns.iter_mut().map(Column::finish).collect();
        let mut unfit = std::mem::take(&mut self.unfit);
        let mut arrays = Vec::with_capacity(found.len());
        for (index, array) in found.iter().enumerate() {
            arrays.push(self.cast(index, array, &mut unfit)?);
        }
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
    fn cast(&self, index: usize, found: &ArrayRef, unfit: &mut Vec<(usize, usize, String)>) -> Result<ArrayRef> {
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
                return Err(self.refused(index, &reason));
            }
            unfit.push((row, index, reason));
        }
        Ok(cast)
    }
}
