//! A table as GitHub's Markdown has it.

use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::cells::{Cells, names};
use super::{RowWriter, Wanted};

/// Rows between bars.
pub(super) struct Markdown {
    header: Option<(Vec<String>, Vec<&'static str>)>,
}

impl Markdown {
    pub(super) fn new(schema: &SchemaRef) -> Self {
        let numeric = schema.fields().iter().map(|field| if field.data_type().is_numeric() { "--:" } else { "---" });
        Self { header: Some((names(schema), numeric.collect())) }
    }

    fn header(&mut self, to: &mut dyn Write) -> io::Result<()> {
        let Some((names, rules)) = self.header.take() else { return Ok(()) };
        let names: Vec<String> = names.iter().map(|name| cell(name)).collect();
        writeln!(to, "| {} |\n|{}|", names.join(" | "), rules.join("|"))
    }
}

impl RowWriter for Markdown {
    fn write(&mut self, batch: &RecordBatch, to: &mut dyn Write) -> io::Result<Wanted> {
        self.header(to)?;
        let cells = Cells::new(batch)?;
        for row in 0..cells.rows {
            let line: Vec<String> =
                cells.row(row).map(|value| value.map_or_else(|| "NULL".to_owned(), |text| cell(&text))).collect();
            writeln!(to, "| {} |", line.join(" | "))?;
        }
        Ok(Wanted::More)
    }

    fn finish(&mut self, to: &mut dyn Write) -> io::Result<()> {
        self.header(to)
    }
}

fn cell(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace("\r\n", "<br>").replace('\n', "<br>")
}
