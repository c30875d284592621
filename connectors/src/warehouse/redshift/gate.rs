//! The columns of a table as a gate looks at them.

use arrow::array::RecordBatch;

use crate::error::Result;
use crate::staging::FileForm;
use crate::warehouse::gate::{Columns, Misfit};
use crate::warehouse::redshift::check::Checker;
use crate::warehouse::redshift::columns::LoadColumn;
use crate::warehouse::redshift::options::TooLong;

/// The columns of one table.
#[derive(Debug)]
pub(crate) struct GateColumns {
    pub(crate) table: String,
    pub(crate) columns: Vec<LoadColumn>,
    /// As the table calls them.
    pub(crate) key: Vec<String>,
    /// That of files that COPY reads as they are.
    pub(crate) form: Option<FileForm>,
}

impl Columns for GateColumns {
    fn form(&self) -> Option<FileForm> {
        self.form.clone()
    }

    fn misfits(&self, rows: &RecordBatch) -> Result<Vec<Misfit>> {
        let mut checker = Checker::new(self.table.clone(), &self.columns, &self.key, TooLong::Fail);
        Ok(checker.examine(rows)?.1)
    }

    fn name(&self, column: usize) -> &str {
        &self.columns[column].name
    }

    fn may_be_null(&self, column: usize) -> bool {
        let column = &self.columns[column];
        !column.required && !self.key.contains(&column.name)
    }

    fn may_be_cut(&self, column: usize) -> bool {
        !self.key.contains(&self.columns[column].name)
    }
}
