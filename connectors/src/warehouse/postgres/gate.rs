//! The columns of a table as a gate looks at them.

use arrow::array::RecordBatch;

use super::ddl::{Column, OF_THE_KEY};
use super::encode::{cast_to, misfits};
use crate::error::Result;
use crate::warehouse::gate::{Columns, Misfit};

/// The columns of one table.
#[derive(Debug)]
pub(super) struct GateColumns(pub(super) Vec<Column>);

impl Columns for GateColumns {
    fn misfits(&self, rows: &RecordBatch) -> Result<Vec<Misfit>> {
        misfits(&cast_to(rows, &self.0)?, &self.0)
    }

    fn name(&self, column: usize) -> &str {
        &self.0[column].name
    }

    fn may_be_null(&self, column: usize) -> bool {
        self.0[column].required.is_none()
    }

    fn may_be_cut(&self, column: usize) -> bool {
        self.0[column].required != Some(OF_THE_KEY)
    }
}
