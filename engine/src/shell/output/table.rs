//! Aligned columns: numbers to the right, the rest to the left. Widths are known only when all rows are, so rows are held,
//! and therefore limited.

use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::cells::{Cells, names, on_one_line};
use super::{RowWriter, Wanted};

/// What a table may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shell) struct TableLimits {
    /// Rows; the others are not shown.
    pub(in crate::shell) rows: usize,
    /// Columns of the screen that one cell takes at most; a longer one ends in `…`.
    pub(in crate::shell) cell_width: usize,
}

/// A result that is held.
pub(super) struct Table {
    header: Vec<String>,
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
    limits: TableLimits,
    is_plan: bool,
}

impl Table {
    pub(super) fn new(schema: &SchemaRef, limits: TableLimits) -> Self {
        let header = names(schema);
        // What EXPLAIN returns is a text of many lines.
        let is_plan = header == ["plan_type", "plan"];
        let right = schema.fields().iter().map(|field| field.data_type().is_numeric()).collect();
        Self { header, right, rows: Vec::new(), limits, is_plan }
    }

    fn rule(widths: &[usize]) -> String {
        let parts: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
        format!("+{}+", parts.join("+"))
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let mut line = String::from("|");
        for ((cell, width), right) in cells.iter().zip(widths).zip(&self.right) {
            let padding = " ".repeat(width.saturating_sub(cell.width()));
            line.push_str(&if *right { format!(" {padding}{cell} |") } else { format!(" {cell}{padding} |") });
        }
        line
    }
}

impl RowWriter for Table {
    fn write(&mut self, batch: &RecordBatch, _to: &mut dyn Write) -> io::Result<Wanted> {
        let cells = Cells::new(batch)?;
        for row in 0..cells.rows {
            if self.rows.len() == self.limits.rows {
                return Ok(Wanted::Enough);
            }
            let cell = |value: Option<String>| match value {
                None => "NULL".to_owned(),
                Some(text) if self.is_plan => text,
                Some(text) => shortened(&on_one_line(&text), self.limits.cell_width),
            };
            self.rows.push(cells.row(row).map(cell).collect());
        }
        Ok(Wanted::More)
    }

    fn finish(&mut self, to: &mut dyn Write) -> io::Result<()> {
        if self.is_plan {
            for row in &self.rows {
                if let [kind, plan] = row.as_slice() {
                    writeln!(to, "{kind}:\n{}", plan.trim_end())?;
                }
            }
            return Ok(());
        }
        let header: Vec<String> = self.header.iter().map(|name| on_one_line(name)).collect();
        let mut widths: Vec<usize> = header.iter().map(|name| name.width()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.width().max(*width);
            }
        }
        let rule = Self::rule(&widths);
        writeln!(to, "{rule}\n{}\n{rule}", self.line(&header, &widths))?;
        for row in &self.rows {
            writeln!(to, "{}", self.line(row, &widths))?;
        }
        writeln!(to, "{rule}")
    }

    fn waits(&self) -> bool {
        true
    }
}

/// `text`, or its beginning and `…`, in at most `width` columns of the screen.
fn shortened(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut left = width.saturating_sub(1);
    let mut short = String::new();
    for c in text.chars() {
        let Some(rest) = left.checked_sub(c.width().unwrap_or(0)) else { break };
        left = rest;
        short.push(c);
    }
    short.push('…');
    short
}
