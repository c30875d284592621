//! Rows with values that a table of a database cannot hold, found before they are staged.
//!
//! What a gate lets through is checked again when it is loaded: the table may have changed since.

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::{filter_record_batch, nullif};
use arrow::datatypes::Schema;

use crate::error::Result;
use crate::on_error::{OnError, shown};
use crate::sink::{Gate, Passed};
use crate::source::BadRecord;

/// A value that does not fit.
#[derive(Debug)]
pub(crate) struct Misfit {
    pub(crate) row: usize,
    /// Which of the columns.
    pub(crate) column: usize,
    /// What is wrong with it, and what to do.
    pub(crate) reason: String,
}

/// The columns of one table.
pub(crate) trait Columns: Send + Sync + std::fmt::Debug {
    /// The values that do not fit.
    ///
    /// # Errors
    /// When they cannot be looked at.
    fn misfits(&self, rows: &RecordBatch) -> Result<Vec<Misfit>>;

    /// What the table calls a column.
    fn name(&self, column: usize) -> &str;

    /// Whether the table takes NULL for it.
    fn may_be_null(&self, column: usize) -> bool;
}

/// Looks at the rows of one table.
#[derive(Debug)]
pub(crate) struct ColumnGate<C> {
    pub(crate) columns: C,
    pub(crate) on_error: OnError,
    pub(crate) max_bad_ratio: f64,
}

impl<C: Columns> ColumnGate<C> {
    fn becomes_null(&self, column: usize) -> bool {
        self.on_error == OnError::Null && self.columns.may_be_null(column)
    }
}

impl<C: Columns> Gate for ColumnGate<C> {
    fn pass(&self, rows: RecordBatch) -> Result<Passed> {
        let mut misfits = self.columns.misfits(&rows)?;
        if misfits.is_empty() {
            return Ok(Passed { rows, refused: Vec::new() });
        }
        // Of one row, what keeps it out first.
        misfits.sort_by_key(|misfit| (misfit.row, self.becomes_null(misfit.column), misfit.column));
        let mut keep = vec![true; rows.num_rows()];
        let mut nulled = vec![Vec::new(); rows.num_columns()];
        let mut refused: Vec<BadRecord> = Vec::new();
        let (schema, mut last) = (rows.schema(), None);
        for Misfit { row, column, reason } in misfits {
            let kept = keep[row] && self.becomes_null(column);
            keep[row] = kept;
            if kept {
                nulled[column].push(row);
            }
            if last.replace(row) == Some(row) {
                continue;
            }
            let names = schema.fields().iter().map(|field| field.name().as_str());
            refused.push(BadRecord {
                raw: shown(names, rows.columns(), row),
                row: Some(row as u64 + 1),
                column: Some(self.columns.name(column).to_owned()),
                reason,
                kept,
                ..BadRecord::default()
            });
        }
        let rows = without(&rows, &nulled)?;
        Ok(Passed { rows: filter_record_batch(&rows, &BooleanArray::from(keep))?, refused })
    }

    fn max_bad_ratio(&self) -> Option<f64> {
        (self.on_error != OnError::Fail).then_some(self.max_bad_ratio)
    }
}

/// The rows with NULL at the places of `nulled`, which are by column.
fn without(rows: &RecordBatch, nulled: &[Vec<usize>]) -> Result<RecordBatch> {
    let column = |(values, nulled): (&ArrayRef, &Vec<usize>)| {
        if nulled.is_empty() {
            return Ok(values.clone());
        }
        let mut mask = vec![false; values.len()];
        nulled.iter().for_each(|row| mask[*row] = true);
        nullif(values, &BooleanArray::from(mask))
    };
    let columns = rows.columns().iter().zip(nulled).map(column).collect::<std::result::Result<Vec<_>, _>>()?;
    let nullable = rows.schema().fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<_>>();
    Ok(RecordBatch::try_new(Schema::new(nullable).into(), columns)?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Array, AsArray, Int64Array, StringArray};
    use arrow::datatypes::Int64Type;

    use super::*;

    /// A key that is not NULL, and texts of three letters.
    #[derive(Debug)]
    struct Short;

    impl Columns for Short {
        fn misfits(&self, rows: &RecordBatch) -> Result<Vec<Misfit>> {
            let misfit = |row, column, reason: &str| Misfit { row, column, reason: reason.to_owned() };
            let (keys, texts) = (rows.column(0), rows.column(1).as_string::<i32>());
            let long = (0..texts.len()).filter(|row| texts.value(*row).len() > 3).map(|row| misfit(row, 1, "is long"));
            Ok(long.chain((0..keys.len()).filter(|row| keys.is_null(*row)).map(|row| misfit(row, 0, "is NULL"))).collect())
        }

        fn name(&self, column: usize) -> &str {
            ["k", "v"][column]
        }

        fn may_be_null(&self, column: usize) -> bool {
            column == 1
        }
    }

    fn passed(on_error: OnError) -> Passed {
        let keys: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(2), None, Some(4)]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["abc", "long", "longer", "longest"]));
        let gate = ColumnGate { columns: Short, on_error, max_bad_ratio: 0.5 };
        gate.pass(RecordBatch::try_from_iter([("k", keys), ("v", texts)]).unwrap()).unwrap()
    }

    fn said(passed: &Passed) -> Vec<(u64, &str, &str, bool)> {
        let said = |bad: &'_ BadRecord| (bad.row.unwrap(), bad.kept);
        let texts = passed.refused.iter().map(|bad| (bad.column.as_deref().unwrap(), bad.reason.as_str()));
        passed.refused.iter().map(said).zip(texts).map(|((row, kept), (column, reason))| (row, column, reason, kept)).collect()
    }

    #[test]
    fn rows_that_do_not_fit_are_put_aside_once_each() {
        let passed = passed(OnError::Quarantine);
        assert_eq!(passed.rows.column(0).as_primitive::<Int64Type>().values(), &[1]);
        let expected = [(2, "v", "is long", false), (3, "k", "is NULL", false), (4, "v", "is long", false)];
        assert_eq!(said(&passed), expected);
        assert_eq!(std::str::from_utf8(&passed.refused[0].raw).unwrap(), r#"{"k":"2","v":"long"}"#);
    }

    #[test]
    fn a_value_becomes_null_where_that_is_asked_for_and_its_row_stays() {
        let passed = passed(OnError::Null);
        assert_eq!(passed.rows.column(0).as_primitive::<Int64Type>().values(), &[1, 2, 4]);
        let texts = passed.rows.column(1).as_string::<i32>();
        assert_eq!((texts.value(0), texts.null_count()), ("abc", 2));
        // What may not be NULL goes all the same.
        assert_eq!(said(&passed), [(2, "v", "is long", true), (3, "k", "is NULL", false), (4, "v", "is long", true)]);
    }
}
