//! Files of JSON objects, whose keys are the names of columns (copy-usage_notes-copy-from-json).

use serde_json::{Map, Value};

use super::files::whole;
use super::options::JsonKeys;
use super::text::put;
use super::{Column, ColumnType, Failure, LoadError, Options, SourceFile, Target};

/// The longest object, in bytes (copy-usage_notes-copy-from-json).
const LONGEST_OBJECT: usize = 4 << 20;
/// Rows that are handed on at a time.
const ROWS: u64 = 8_192;

/// A file that is being read.
pub(crate) struct JsonFile {
    text: Vec<u8>,
    position: usize,
    columns: Vec<Column>,
    options: Options,
    url: String,
    /// Objects that were passed over (MAXERROR).
    pub(crate) rejected: Vec<LoadError>,
}

impl JsonFile {
    pub(crate) async fn open(file: &SourceFile, target: &Target, options: &Options) -> Result<Self, Failure> {
        let text = whole(file, options).await?;
        let (columns, options, url) = (target.columns.clone(), options.clone(), file.url.clone());
        Ok(Self { text, position: 0, columns, options, url, rejected: Vec::new() })
    }

    /// The next rows in the text format of PostgreSQL's COPY, with their number; `None` after the last.
    pub(crate) fn next(&mut self) -> Result<Option<(Vec<u8>, u64)>, Failure> {
        let (mut out, mut rows) = (Vec::new(), 0);
        while rows < ROWS {
            let (start, before) = (self.position, out.len());
            let rest = self.text.get(start..).unwrap_or_default();
            let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<Value>();
            let result = match values.next() {
                None => break,
                Some(Ok(Value::Object(object))) => {
                    self.position += values.byte_offset();
                    self.row(&object, start, &mut out)
                }
                Some(Ok(_)) => Err(record(1216, "Invalid JSONPath format: an object is expected")),
                Some(Err(error)) => Err(record(1216, &format!("Invalid JSON: {error}"))),
            };
            match result {
                Ok(()) => rows += 1,
                // What is no JSON has no end either.
                Err(error) if self.options.max_errors > 0 && self.position > start => {
                    out.truncate(before);
                    let error = self.locate(*error, start);
                    self.rejected.push(error);
                }
                Err(error) => return Err(Failure::Record(Box::new(self.locate(*error, start)))),
            }
        }
        Ok((rows > 0).then_some((out, rows)))
    }

    fn row(&self, object: &Map<String, Value>, start: usize, out: &mut Vec<u8>) -> Result<(), Box<LoadError>> {
        if self.position - start > LONGEST_OBJECT {
            return Err(record(1224, "JSON object is longer than 4 MB"));
        }
        for (position, column) in self.columns.iter().enumerate() {
            if position > 0 {
                out.push(b'\t');
            }
            let value = match self.options.json_keys {
                JsonKeys::Auto => object.get(&column.name),
                JsonKeys::IgnoreCase => object.iter().find(|(key, _)| key.to_lowercase() == column.name).map(|(_, value)| value),
            };
            let text = match value {
                None | Some(Value::Null) => None,
                Some(value) if column.column_type == ColumnType::Super => Some(value.to_string()),
                Some(Value::String(text)) => Some(text.clone()),
                Some(other) => Some(other.to_string()),
            };
            put(text.as_deref(), column, &self.options, out)?;
        }
        out.push(b'\n');
        Ok(())
    }

    fn locate(&self, error: LoadError, start: usize) -> LoadError {
        let before = self.text.get(..start).unwrap_or_default();
        let blanks = self.text.get(start..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_whitespace());
        let lines = before.iter().chain(blanks).filter(|byte| **byte == b'\n').count();
        let line = i64::try_from(lines).map_or(0, |lines| lines + 1);
        let raw = self
            .text
            .get(start..)
            .unwrap_or_default()
            .split(|byte| *byte == b'\n')
            .find(|line| !line.is_empty())
            .unwrap_or_default();
        let raw_line = String::from_utf8_lossy(raw).chars().take(1_024).collect();
        LoadError { file: self.url.clone(), line, raw_line, ..error }
    }
}

/// The error of a whole record.
fn record(code: i32, reason: &str) -> Box<LoadError> {
    Box::new(LoadError { code, reason: reason.to_owned(), ..LoadError::default() })
}
