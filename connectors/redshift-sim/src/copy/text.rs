//! Files of delimited text and CSV, as rows for PostgreSQL.

use super::files::whole;
use super::{Column, ColumnType, Failure, Format, LoadError, Options, SourceFile, Target, escape_into};

/// Rows that are handed on at a time.
const ROWS: u64 = 8_192;

/// A file that is being read.
pub(crate) struct TextFile {
    text: Vec<u8>,
    position: usize,
    line: i64,
    columns: Vec<Column>,
    options: Options,
    url: String,
    /// Records that were passed over (MAXERROR).
    pub(crate) rejected: Vec<LoadError>,
}

/// A field as it stands in the file, and whether it stood in quotes.
struct Field {
    value: String,
    quoted: bool,
}

impl TextFile {
    pub(crate) async fn open(file: &SourceFile, target: &Target, options: &Options) -> Result<Self, Failure> {
        let text = whole(file, options).await?;
        let (columns, options, url) = (target.columns.clone(), options.clone(), file.url.clone());
        let skipped = options.ignore_header;
        let mut opened = Self { text, position: 0, line: 1, columns, options, url, rejected: Vec::new() };
        for _ in 0..skipped {
            opened.record();
        }
        Ok(opened)
    }

    /// The next rows in the text format of PostgreSQL's COPY, with their number; `None` after the last.
    pub(crate) fn next(&mut self) -> Result<Option<(Vec<u8>, u64)>, Failure> {
        let (mut out, mut rows) = (Vec::new(), 0);
        while rows < ROWS && self.position < self.text.len() {
            let (line, start) = (self.line, self.position);
            let fields = self.record();
            let raw = String::from_utf8_lossy(self.text.get(start..self.position).unwrap_or_default()).trim_end().to_owned();
            if raw.is_empty() {
                continue;
            }
            let before = out.len();
            match self.row(&fields, &mut out) {
                Ok(()) => rows += 1,
                Err(error) => {
                    let error = LoadError { file: self.url.clone(), line, raw_line: raw, ..*error };
                    if self.options.max_errors == 0 {
                        return Err(Failure::Record(Box::new(error)));
                    }
                    out.truncate(before);
                    self.rejected.push(error);
                }
            }
        }
        Ok((rows > 0).then_some((out, rows)))
    }

    /// Reads a record, and where the next one begins.
    fn record(&mut self) -> Vec<Field> {
        let csv = self.options.format == Format::Csv;
        let delimiter = self.options.delimiter.unwrap_or(if csv { ',' } else { '|' }) as u8;
        let quote = self.options.quote.unwrap_or('"') as u8;
        let mut fields = Vec::new();
        let (mut value, mut quoted, mut inside) = (Vec::new(), false, false);
        while let Some(byte) = self.text.get(self.position).copied() {
            self.position += 1;
            let next = self.text.get(self.position).copied();
            self.line += i64::from(byte == b'\n');
            match byte {
                _ if inside && byte == quote && next == Some(quote) => {
                    value.push(quote);
                    self.position += 1;
                }
                _ if inside => {
                    inside = byte != quote;
                    if inside {
                        value.push(byte);
                    }
                }
                _ if csv && byte == quote && value.is_empty() => (inside, quoted) = (true, true),
                b'\\' if self.options.escape && next.is_some() => {
                    value.extend(next);
                    self.position += 1;
                }
                b'\r' if next == Some(b'\n') => {}
                b'\n' => break,
                _ if byte == delimiter => {
                    let whole = std::mem::take(&mut value);
                    fields
                        .push(Field { value: String::from_utf8_lossy(&whole).into_owned(), quoted: std::mem::take(&mut quoted) });
                }
                _ => value.push(byte),
            }
        }
        fields.push(Field { value: String::from_utf8_lossy(&value).into_owned(), quoted });
        fields
    }

    fn row(&self, fields: &[Field], out: &mut Vec<u8>) -> Result<(), Box<LoadError>> {
        let (found, expected) = (fields.len(), self.columns.len());
        if found > expected {
            return Err(Box::new(LoadError { code: 1202, reason: "Extra column(s) found".to_owned(), ..LoadError::default() }));
        }
        if found < expected && !self.options.fill_record {
            return Err(Box::new(LoadError { code: 1214, reason: "Delimiter not found".to_owned(), ..LoadError::default() }));
        }
        for (position, column) in self.columns.iter().enumerate() {
            if position > 0 {
                out.push(b'\t');
            }
            match fields.get(position) {
                Some(field) => put(self.value(field, column), column, &self.options, out)?,
                None => put(None, column, &self.options, out)?,
            }
        }
        out.push(b'\n');
        Ok(())
    }

    /// What a field stands for.
    fn value<'f>(&self, field: &'f Field, column: &Column) -> Option<&'f str> {
        let textual = column.column_type.longest().is_some();
        let null = self.options.null.as_deref().unwrap_or("\\N");
        let value = if self.options.trim_blanks && textual { field.value.trim_end_matches(' ') } else { field.value.as_str() };
        let is_null = (!field.quoted && value == null)
            || (value.is_empty() && (!textual || self.options.empty_as_null))
            || (self.options.blanks_as_null && textual && !value.is_empty() && value.trim().is_empty());
        if is_null { None } else { Some(value) }
    }
}

/// Writes one value, if it fits its column.
pub(super) fn put(value: Option<&str>, column: &Column, options: &Options, out: &mut Vec<u8>) -> Result<(), Box<LoadError>> {
    let Some(mut value) = value else {
        if column.required {
            return Err(failed(column, "", 1213, "Missing data for not-null field"));
        }
        out.extend_from_slice(b"\\N");
        return Ok(());
    };
    if let Some(longest) = column.column_type.longest()
        && value.len() > longest
    {
        if !options.truncate_columns {
            return Err(failed(column, value, 1204, "String length exceeds DDL length"));
        }
        let end = (0..=longest).rev().find(|end| value.is_char_boundary(*end)).unwrap_or(0);
        value = value.get(..end).unwrap_or_default();
    }
    // Otherwise it is PostgreSQL that finds them, and then no row is loaded.
    if options.max_errors > 0
        && let Some(reason) = wrong_number(value, column.column_type)
    {
        return Err(failed(column, value, 1207, &reason));
    }
    if value.contains('\0') {
        return Err(failed(column, value, 1220, "String contains invalid or unsupported UTF8 codepoints"));
    }
    if column.column_type == ColumnType::Varbyte {
        out.extend_from_slice(b"\\\\x");
    }
    escape_into(value, out);
    Ok(())
}

/// Why a value is no number of its column's type.
fn wrong_number(value: &str, column: ColumnType) -> Option<String> {
    let whole = value.trim().parse::<i64>().ok();
    let fits = match column {
        ColumnType::SmallInt => whole.is_some_and(|whole| i16::try_from(whole).is_ok()),
        ColumnType::Integer => whole.is_some_and(|whole| i32::try_from(whole).is_ok()),
        ColumnType::BigInt => whole.is_some(),
        ColumnType::Real | ColumnType::Double | ColumnType::Decimal(..) => value.trim().parse::<f64>().is_ok(),
        _ => true,
    };
    (!fits).then(|| format!("Invalid digit, Value '{}', Pos 0, Type: {column}", value.chars().next().unwrap_or(' ')))
}

/// The error of one value.
pub(super) fn failed(column: &Column, value: &str, code: i32, reason: &str) -> Box<LoadError> {
    Box::new(LoadError {
        column: column.name.clone(),
        type_name: column.column_type.to_string().to_lowercase(),
        length: column.column_type.longest().map(|bytes| bytes.to_string()).unwrap_or_default(),
        raw_value: value.chars().take(1_024).collect(),
        code,
        reason: reason.to_owned(),
        ..LoadError::default()
    })
}
