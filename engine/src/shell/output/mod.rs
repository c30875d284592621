//! Rows as text: the formats, and where the text goes.

mod cells;
mod delimited;
mod destination;
mod json;
mod markdown;
mod readable;
mod table;
mod vertical;

use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use connectors::options::unknown;

pub(super) use cells::cells_of;
pub(super) use destination::{Destination, Screen};
pub(super) use table::TableLimits;

/// How rows look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns; at most --max-rows rows, because widths are known only at the end
    Table,
    /// One column a line
    Vertical,
    /// RFC 4180 with a header; NULL is empty, an empty text is ""
    Csv,
    /// Tabs between values; \t, \n, \\ within them, and \N for NULL
    Tsv,
    /// One array of objects
    Json,
    /// One object a line
    Ndjson,
    /// A table of a README
    Markdown,
}

/// Every format by its name.
const FORMATS: [(&str, Format); 7] = [
    ("table", Format::Table),
    ("vertical", Format::Vertical),
    ("csv", Format::Csv),
    ("tsv", Format::Tsv),
    ("json", Format::Json),
    ("ndjson", Format::Ndjson),
    ("markdown", Format::Markdown),
];

impl Format {
    /// By its name, in any case.
    ///
    /// # Errors
    /// With the nearest name.
    pub(super) fn parse(name: &str) -> Result<Self, String> {
        let found = FORMATS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, format)| *format);
        found.ok_or_else(|| unknown("format", name, "the shell", Self::names()))
    }

    pub(super) fn names() -> [&'static str; 7] {
        FORMATS.map(|(name, _)| name)
    }

    pub(super) fn name(self) -> &'static str {
        FORMATS.iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }

    /// A writer of one result.
    pub(super) fn writer(self, schema: &SchemaRef, limits: TableLimits) -> Box<dyn RowWriter> {
        let writer: Box<dyn RowWriter> = match self {
            Self::Table => Box::new(table::Table::new(schema, limits)),
            Self::Vertical => Box::new(vertical::Vertical::new(schema)),
            Self::Csv => Box::new(delimited::Delimited::csv(schema)),
            Self::Tsv => Box::new(delimited::Delimited::tsv(schema)),
            Self::Json => Box::new(json::Json::array()),
            Self::Ndjson => Box::new(json::Json::lines()),
            Self::Markdown => Box::new(markdown::Markdown::new(schema)),
        };
        Box::new(readable::Readable(writer))
    }
}

/// Whether more rows are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    More,
    /// What was written so far is all that is shown.
    Enough,
}

/// One result, batch by batch. All but the table hold one batch at most.
pub(super) trait RowWriter: Send {
    /// The next rows.
    fn write(&mut self, batch: &RecordBatch, to: &mut dyn Write) -> io::Result<Wanted>;

    /// After the last rows; also when there were none.
    fn finish(&mut self, to: &mut dyn Write) -> io::Result<()>;

    /// Whether nothing is written before the end.
    fn waits(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests;
