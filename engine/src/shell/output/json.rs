//! JSON: an array of objects, or an object a line. NULLs are written, so that every object has every column.

use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;

use super::{RowWriter, Wanted};

/// Objects.
pub(super) struct Json {
    array: bool,
    begun: bool,
}

impl Json {
    pub(super) fn array() -> Self {
        Self { array: true, begun: false }
    }

    pub(super) fn lines() -> Self {
        Self { array: false, begun: false }
    }
}

impl RowWriter for Json {
    fn write(&mut self, batch: &RecordBatch, to: &mut dyn Write) -> io::Result<Wanted> {
        let mut lines = Vec::new();
        let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(&mut lines);
        writer.write(batch).map_err(io::Error::other)?;
        writer.finish().map_err(io::Error::other)?;
        drop(writer);
        if !self.array {
            to.write_all(&lines)?;
            return Ok(Wanted::More);
        }
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            to.write_all(if self.begun { b",\n " } else { b"[" })?;
            to.write_all(line)?;
            self.begun = true;
        }
        Ok(Wanted::More)
    }

    fn finish(&mut self, to: &mut dyn Write) -> io::Result<()> {
        match (self.array, self.begun) {
            (false, _) => Ok(()),
            (true, true) => to.write_all(b"]\n"),
            (true, false) => to.write_all(b"[]\n"),
        }
    }
}
