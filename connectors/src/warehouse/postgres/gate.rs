//! The columns of a table as a gate looks at them.

use arrow::array::{Array, RecordBatch};

use super::ddl::{Column, OF_THE_KEY};
use super::encode::{cast_to, misfits};
use crate::error::Result;
use crate::upserts::deletions;
use crate::warehouse::gate::{Columns, Misfit};

/// The columns of one table.
#[derive(Debug)]
pub(super) struct GateColumns {
    pub(super) columns: Vec<Column>,
    /// Which of them says that a row is deleted.
    pub(super) deletes: Option<usize>,
}

impl Columns for GateColumns {
    fn misfits(&self, rows: &RecordBatch) -> Result<Vec<Misfit>> {
        let mut misfits = misfits(&cast_to(rows, &self.columns)?, &self.columns)?;
        if let Some(deletes) = self.deletes {
            // What is deleted need not say what it was.
            let deletions = deletions(rows.column(deletes))?;
            let is_missed = |column: usize, row| {
                self.columns[column].required == Some(OF_THE_KEY) || !rows.column(column).is_null(row) || deletions.is_null(row)
            };
            misfits.retain(|misfit| is_missed(misfit.column, misfit.row));
        }
        Ok(misfits)
    }

    fn name(&self, column: usize) -> &str {
        &self.columns[column].name
    }

    fn may_be_null(&self, column: usize) -> bool {
        self.columns[column].required.is_none()
    }

    fn may_be_cut(&self, column: usize) -> bool {
        self.columns[column].required != Some(OF_THE_KEY)
    }
}
