//! One file as it is read: columns, rows and the place of each value.

use std::sync::Arc;

use arrow_schema::{Field, Schema};

use super::evidence::Evidence;
use super::ordered::Ordered;
use super::place::{Place, Position};
use super::resolve::ResolveOptions;
use super::schema::{FileTally, ObservedColumn, ObservedSchema};

/// What is seen of one file while it is read.
///
/// ```
/// use catalog::infer::{FileObservation, ObservedSchema, ResolveOptions};
///
/// let options = ResolveOptions::default();
/// let mut file = FileObservation::new("s3://bucket/people.csv");
/// file.header(["name", "age"]);
/// for row in [["Ada", "36"], ["Alan", "41"]] {
///     file.begin_row();
///     for (column, text) in row.iter().enumerate() {
///         file.cell(column, text);
///     }
/// }
/// let mut table = ObservedSchema::default();
/// table.merge(&file.finish(&options));
/// assert_eq!(table.schema(&options).to_string(), "Field { \"name\": nullable Utf8 }, Field { \"age\": nullable Int64 }");
/// ```
#[derive(Debug)]
pub struct FileObservation {
    place: Place,
    /// A file is a list of objects without the list.
    root: Evidence,
    rows: u64,
    positional: bool,
}

impl FileObservation {
    /// A file of which nothing is read yet.
    pub fn new(file: impl Into<Arc<str>>) -> Self {
        Self { place: Place::row(file, 0), root: Evidence::default(), rows: 0, positional: false }
    }

    /// The names of a text file's columns. One without a name is called by its position, one that comes again gets a number.
    pub fn header<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        for (index, name) in names.into_iter().enumerate() {
            let name = if name.is_empty() { format!("column_{}", index + 1) } else { name.to_owned() };
            let is_new = |name: &str| self.root.children().get(name).is_none();
            let unique = (1_u32..).map(|n| if n == 1 { name.clone() } else { format!("{name}_{n}") }).find(|name| is_new(name));
            self.root.child(&unique.unwrap_or(name));
        }
    }

    /// A text file without header: so many columns, `column_1` and on.
    pub fn without_header(&mut self, columns: usize) {
        self.positional = true;
        for column in 1..=columns {
            self.root.child(&format!("column_{column}"));
        }
    }

    /// The next row begins.
    pub fn begin_row(&mut self) {
        let next = match self.place.at {
            Position::Row(row) => Position::Row(row + 1),
            // How many rows are before a sample is not known; all of its rows are at its beginning.
            Position::Byte(offset) => Position::Byte(offset),
        };
        self.begin_row_at(next);
    }

    /// A row begins at a place that is known; rows after it count on from there.
    pub fn begin_row_at(&mut self, at: Position) {
        self.place.at = at;
        self.rows += 1;
    }

    /// What follows is at this byte of the file, and so many rows before it are not known.
    pub fn jump(&mut self, offset: u64) {
        self.place.at = Position::Byte(offset);
    }

    /// A cell of the row that was begun. One beyond the header belongs to no column and is not observed.
    pub fn cell(&mut self, column: usize, text: &str) {
        if let Some(evidence) = self.root.child_at(column) {
            evidence.observe_cell(text, &self.place);
        }
    }

    /// A null of the row that was begun.
    pub fn null(&mut self, column: usize) {
        if let Some(evidence) = self.root.child_at(column) {
            evidence.observe_null(&self.place);
        }
    }

    /// The row that was begun, as a JSON object whose keys are to be observed, and its place.
    pub fn object(&mut self) -> (&mut Evidence, &Place) {
        (&mut self.root, &self.place)
    }

    /// The schema of a file that declares one, and its number of rows.
    pub fn declare(&mut self, schema: &Schema, rows: u64) {
        self.begin_declared(rows);
        schema.fields().iter().for_each(|field| self.declare_column(field, rows, 0, None));
    }

    /// So many rows of a file that declares its columns; these follow.
    pub fn begin_declared(&mut self, rows: u64) {
        self.place.at = Position::Row(1);
        self.rows += rows;
    }

    /// One of the columns that the file declares, with what it says of their values.
    pub fn declare_column(&mut self, field: &Field, rows: u64, nulls: u64, range: Option<(i64, i64)>) {
        let evidence = self.root.child(field.name());
        evidence.observe_declared(field.data_type(), rows, nulls, &self.place);
        if let Some((low, high)) = range {
            evidence.observe_range(low, high);
        }
    }

    /// What was seen, with what this file alone makes of each column.
    pub fn finish(self, options: &ResolveOptions) -> ObservedSchema {
        let truncated = self.root.has_too_many_keys();
        let mut columns = Ordered::default();
        for (name, evidence) in self.root.children().iter() {
            let resolved = evidence.resolve(options);
            let tally = FileTally {
                type_name: resolved.seen.then(|| resolved.type_name()),
                files: 1,
                first: resolved.decided_at.unwrap_or_else(|| Place { file: self.place.file.clone(), at: Position::Row(1) }),
            };
            columns.get_or_insert_with(name, || ObservedColumn { evidence: evidence.clone(), files: 1, types: vec![tally] });
        }
        ObservedSchema { rows: self.rows, files: 1, positional: self.positional, truncated, columns, ..ObservedSchema::default() }
    }
}
