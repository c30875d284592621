//! Values as text.

use std::io;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// The cells of a batch.
pub(super) struct Cells<'a> {
    columns: Vec<(&'a dyn Array, ArrayFormatter<'a>)>,
    pub(super) rows: usize,
}

impl<'a> Cells<'a> {
    pub(super) fn new(batch: &'a RecordBatch) -> io::Result<Self> {
        const OPTIONS: FormatOptions<'static> = FormatOptions::new().with_display_error(true);
        let column = |array: &'a dyn Array| Ok((array, ArrayFormatter::try_new(array, &OPTIONS).map_err(io::Error::other)?));
        let columns = batch.columns().iter().map(|array| column(array.as_ref())).collect::<io::Result<_>>()?;
        Ok(Self { columns, rows: batch.num_rows() })
    }

    /// The values of a row; `None` is NULL.
    pub(super) fn row(&self, row: usize) -> impl Iterator<Item = Option<String>> + '_ {
        // A column of the type NULL has no validity bitmap, and is NULL all the same.
        let is_null = move |array: &dyn Array| array.is_null(row) || array.data_type() == &DataType::Null;
        self.columns.iter().map(move |(array, formatter)| (!is_null(*array)).then(|| formatter.value(row).to_string()))
    }
}

/// The cells of batches as texts, row by row; `None` is NULL.
///
/// # Errors
/// When a value cannot be shown.
pub(in crate::shell) fn cells_of(batches: &[RecordBatch]) -> io::Result<Vec<Vec<Option<String>>>> {
    let mut rows = Vec::new();
    for batch in batches {
        let batch = super::readable::readable(batch).map_err(io::Error::other)?;
        let cells = Cells::new(&batch)?;
        rows.extend((0..cells.rows).map(|row| cells.row(row).collect()));
    }
    Ok(rows)
}

pub(super) fn names(schema: &SchemaRef) -> Vec<String> {
    schema.fields().iter().map(|field| field.name().clone()).collect()
}

/// Text that stays on its line and moves no cursor: a value of a table must not be able to draw over the others.
pub(super) fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            c if c.is_control() => line.extend(c.escape_default()),
            c => line.push(c),
        }
    }
    line
}
