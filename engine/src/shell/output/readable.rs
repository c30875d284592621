//! Bytes that are text, as the records among bad ones nearly always are, shown as text in every format; other bytes stay hexadecimal.

use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;

use super::{RowWriter, Wanted};

/// A writer to which columns of bytes are text.
pub(super) struct Readable(pub(super) Box<dyn RowWriter>);

impl RowWriter for Readable {
    fn write(&mut self, batch: &RecordBatch, to: &mut dyn Write) -> io::Result<Wanted> {
        self.0.write(&readable(batch).map_err(io::Error::other)?, to)
    }

    fn finish(&mut self, to: &mut dyn Write) -> io::Result<()> {
        self.0.finish(to)
    }

    fn waits(&self) -> bool {
        self.0.waits()
    }
}

pub(super) fn readable(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let is_bytes = |data_type: &DataType| matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView);
    let schema = batch.schema_ref();
    if !schema.fields().iter().any(|field| is_bytes(field.data_type())) {
        return Ok(batch.clone());
    }
    let mut fields = Vec::with_capacity(schema.fields().len());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        if is_bytes(field.data_type()) {
            let bytes = cast(column, &DataType::LargeBinary)?;
            let texts: StringArray = bytes.as_binary::<i64>().iter().map(|bytes| bytes.map(text)).collect();
            fields.push(Arc::new(Field::new(field.name(), DataType::Utf8, true)));
            columns.push(Arc::new(texts));
        } else {
            fields.push(Arc::clone(field));
            columns.push(Arc::clone(column));
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

fn text(bytes: &[u8]) -> String {
    let is_text = |text: &&str| !text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r'));
    match std::str::from_utf8(bytes).ok().filter(is_text) {
        Some(text) => text.to_owned(),
        None => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::BinaryArray;

    use super::*;

    #[test]
    fn bytes_that_are_text_are_shown_as_such() {
        let bytes: ArrayRef =
            Arc::new(BinaryArray::from_opt_vec(vec![Some("1,é\n".as_bytes()), Some(&[0xff, 0x0a]), Some(&[1, 2]), None]));
        let batch = RecordBatch::try_from_iter([("raw", bytes)]).unwrap();
        let shown = readable(&batch).unwrap();
        let shown: Vec<Option<&str>> = shown.column(0).as_string::<i32>().iter().collect();
        assert_eq!(shown, [Some("1,é\n"), Some("ff0a"), Some("0102"), None]);
    }
}
