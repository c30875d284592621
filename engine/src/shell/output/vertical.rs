//! One column a line, for rows that are wider than a screen.

use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use unicode_width::UnicodeWidthStr;

use super::cells::{Cells, names};
use super::{RowWriter, Wanted};

/// Records.
pub(super) struct Vertical {
    names: Vec<String>,
    width: usize,
    records: usize,
}

impl Vertical {
    pub(super) fn new(schema: &SchemaRef) -> Self {
        let names = names(schema);
        let width = names.iter().map(|name| name.width()).max().unwrap_or(0);
        Self { names, width, records: 0 }
    }
}

impl RowWriter for Vertical {
    fn write(&mut self, batch: &RecordBatch, to: &mut dyn Write) -> io::Result<Wanted> {
        let cells = Cells::new(batch)?;
        for row in 0..cells.rows {
            self.records += 1;
            writeln!(to, "-[ {} ]{}", self.records, "-".repeat(self.width.max(12)))?;
            for (name, value) in self.names.iter().zip(cells.row(row)) {
                let padding = " ".repeat(self.width - name.width());
                let value = value.unwrap_or_else(|| "NULL".to_owned());
                // Further lines of a value stand below its first.
                let value = value.replace('\n', &format!("\n{} | ", " ".repeat(self.width)));
                writeln!(to, "{name}{padding} | {value}")?;
            }
        }
        Ok(Wanted::More)
    }

    fn finish(&mut self, _to: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}
