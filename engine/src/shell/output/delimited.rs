//! CSV and TSV.

use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::cells::{Cells, names};
use super::{RowWriter, Wanted};

/// Values with something between them.
pub(super) struct Delimited {
    header: Option<Vec<String>>,
    dialect: Dialect,
}

#[derive(Clone, Copy)]
enum Dialect {
    Csv,
    Tsv,
}

impl Delimited {
    pub(super) fn csv(schema: &SchemaRef) -> Self {
        Self { header: Some(names(schema)), dialect: Dialect::Csv }
    }

    pub(super) fn tsv(schema: &SchemaRef) -> Self {
        Self { header: Some(names(schema)), dialect: Dialect::Tsv }
    }

    fn header(&mut self, to: &mut dyn Write) -> io::Result<()> {
        let Some(header) = self.header.take() else { return Ok(()) };
        self.line(header.into_iter().map(Some), to)
    }

    fn line(&self, values: impl Iterator<Item = Option<String>>, to: &mut dyn Write) -> io::Result<()> {
        let (delimiter, cell): (&str, fn(Option<String>) -> String) = match self.dialect {
            Dialect::Csv => (",", csv_cell),
            Dialect::Tsv => ("\t", tsv_cell),
        };
        let line: Vec<String> = values.map(cell).collect();
        writeln!(to, "{}", line.join(delimiter))
    }
}

impl RowWriter for Delimited {
    fn write(&mut self, batch: &RecordBatch, to: &mut dyn Write) -> io::Result<Wanted> {
        self.header(to)?;
        let cells = Cells::new(batch)?;
        for row in 0..cells.rows {
            self.line(cells.row(row), to)?;
        }
        Ok(Wanted::More)
    }

    fn finish(&mut self, to: &mut dyn Write) -> io::Result<()> {
        self.header(to)
    }
}

/// As RFC 4180, section 2, and with quotes around what a reader would trim or take for NULL.
fn csv_cell(value: Option<String>) -> String {
    let Some(text) = value else { return String::new() };
    let plain = !text.is_empty() && !text.contains([',', '"', '\n', '\r']) && text.trim() == text;
    if plain { text } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

/// As `COPY` of PostgreSQL writes its text format.
fn tsv_cell(value: Option<String>) -> String {
    let Some(text) = value else { return "\\N".to_owned() };
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}
