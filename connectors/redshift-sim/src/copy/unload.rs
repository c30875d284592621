//! UNLOAD (r_UNLOAD): its grammar, and its files.

use std::io;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBuilder, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::options::authorization;
use super::{ColumnType, Credentials};
use crate::sql::{Cursor, statements};
use crate::sql_error::{SqlError, SqlResult};

/// An UNLOAD statement.
#[derive(Debug, Clone)]
pub(crate) struct Unload {
    pub(crate) query: String,
    pub(crate) to: String,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) format: UnloadFormat,
    pub(crate) manifest: bool,
    pub(crate) header: bool,
    pub(crate) allow_overwrite: bool,
    pub(crate) clean_path: bool,
    pub(crate) parallel: bool,
    pub(crate) delimiter: char,
    pub(crate) null: String,
}

/// What the files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnloadFormat {
    Delimited,
    Csv,
    Parquet,
}

/// An object that was written.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) url: String,
    pub(crate) bytes: usize,
    pub(crate) rows: usize,
}

impl Unload {
    /// Reads what follows the word UNLOAD.
    pub(crate) fn parse(mut cursor: Cursor<'_>) -> SqlResult<Self> {
        cursor.expect("(")?;
        let query = cursor.string()?;
        cursor.expect(")")?;
        cursor.expect("to")?;
        let to = cursor.string()?;
        let query = checked_query(&query)?;
        let mut unload = Self {
            query,
            to,
            credentials: None,
            format: UnloadFormat::Delimited,
            manifest: false,
            header: false,
            allow_overwrite: false,
            clean_path: false,
            parallel: true,
            delimiter: '|',
            null: String::new(),
        };
        while !cursor.at_end() {
            unload.clause(&mut cursor)?;
        }
        if unload.format == UnloadFormat::Parquet && unload.header {
            return Err(SqlError::new("0A000", "HEADER is not supported for UNLOAD to PARQUET"));
        }
        Ok(unload)
    }

    fn clause(&mut self, cursor: &mut Cursor<'_>) -> SqlResult<()> {
        if authorization(cursor, &mut self.credentials)? {
            return Ok(());
        }
        if cursor.take(&["format"]) {
            cursor.take(&["as"]);
        }
        if cursor.take(&["parquet"]) {
            self.format = UnloadFormat::Parquet;
        } else if cursor.take(&["csv"]) {
            (self.format, self.delimiter) = (UnloadFormat::Csv, ',');
        } else if cursor.take(&["manifest"]) {
            cursor.take(&["verbose"]);
            self.manifest = true;
        } else if cursor.take(&["header"]) {
            self.header = true;
        } else if cursor.take(&["allowoverwrite"]) {
            self.allow_overwrite = true;
        } else if cursor.take(&["cleanpath"]) {
            self.clean_path = true;
        } else if cursor.take(&["parallel"]) {
            self.parallel = !(cursor.take(&["off"]) || cursor.take(&["false"]));
            let _optional = cursor.take(&["on"]) || cursor.take(&["true"]);
        } else if cursor.take(&["delimiter"]) {
            cursor.take(&["as"]);
            self.delimiter = cursor.string()?.chars().next().unwrap_or('|');
        } else if cursor.take(&["null"]) {
            cursor.take(&["as"]);
            self.null = cursor.string()?;
        } else if cursor.take(&["maxfilesize"]) || cursor.take(&["rowgroupsize"]) {
            cursor.take(&["as"]);
            cursor.next();
            let _optional = cursor.take(&["mb"]) || cursor.take(&["gb"]);
        } else if cursor.take(&["encrypted"]) {
            // On the side of S3: whoever may read the objects sees nothing of it.
            cursor.take(&["auto"]);
        } else if cursor.take(&["region"]) {
            cursor.take(&["as"]);
            cursor.string()?;
        } else {
            return Err(SqlError::unknown(format!("UNLOAD .. {}", cursor.peek().map_or("", |token| token.text))));
        }
        Ok(())
    }
}

/// The query, for PostgreSQL; it must be a SELECT.
fn checked_query(text: &str) -> SqlResult<String> {
    let parts = statements(text)?;
    let [tokens] = parts.as_slice() else { return Err(SqlError::new("42601", "UNLOAD takes one query")) };
    match crate::sql::plan(tokens)? {
        crate::sql::Plan::Run(run) if run.writes.is_none() => Ok(run.sql),
        _ => Err(SqlError::new("42601", "UNLOAD takes a SELECT")),
    }
}

/// Rows as text, one after another.
type Rows = [Vec<Option<String>>];

/// A file of delimited text or CSV.
pub(crate) fn write_csv(unload: &Unload, names: &[String], rows: &Rows) -> Bytes {
    let mut text = String::new();
    if unload.header {
        text.push_str(&names.join(&unload.delimiter.to_string()));
        text.push('\n');
    }
    for row in rows {
        let fields: Vec<String> = row.iter().map(|value| field(unload, value.as_deref())).collect();
        text.push_str(&fields.join(&unload.delimiter.to_string()));
        text.push('\n');
    }
    text.into()
}

fn field(unload: &Unload, value: Option<&str>) -> String {
    match value {
        None => unload.null.clone(),
        Some(value) if unload.format == UnloadFormat::Csv && value.contains(['"', '\n', '\r', unload.delimiter]) => {
            format!("\"{}\"", value.replace('"', "\"\""))
        }
        Some(value) => value.to_owned(),
    }
}

/// A file of Parquet.
pub(crate) fn write_parquet(columns: &[(String, ColumnType)], rows: &Rows) -> io::Result<Bytes> {
    let fields: Vec<Field> = columns.iter().map(|(name, column)| Field::new(name, arrow_type(*column), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let arrays = columns.iter().enumerate().map(|(position, (name, column))| {
        let values = rows.iter().map(|row| row.get(position).and_then(|value| value.as_deref()));
        array(*column, values).map_err(|error| io::Error::other(format!("column {name}: {error}")))
    });
    let arrays = arrays.collect::<io::Result<Vec<ArrayRef>>>()?;
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(io::Error::other)?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut out = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut out, schema, Some(properties)).map_err(io::Error::other)?;
    writer.write(&batch).map_err(io::Error::other)?;
    writer.close().map_err(io::Error::other)?;
    Ok(out.into())
}

fn arrow_type(column: ColumnType) -> DataType {
    match column {
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::SmallInt => DataType::Int16,
        ColumnType::Integer => DataType::Int32,
        ColumnType::BigInt => DataType::Int64,
        ColumnType::Real => DataType::Float32,
        ColumnType::Double => DataType::Float64,
        ColumnType::Decimal(precision, scale) => DataType::Decimal128(precision, scale),
        ColumnType::Date => DataType::Date32,
        ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        ColumnType::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
        _ => DataType::Utf8,
    }
}

/// An array from PostgreSQL's text: Arrow reads the same forms.
fn array<'a>(column: ColumnType, values: impl Iterator<Item = Option<&'a str>>) -> Result<ArrayRef, arrow::error::ArrowError> {
    if column == ColumnType::Boolean {
        let mut builder = BooleanBuilder::new();
        values.for_each(|value| builder.append_option(value.map(|value| value == "t")));
        return Ok(Arc::new(builder.finish()));
    }
    let mut builder = StringBuilder::new();
    values.for_each(|value| builder.append_option(value));
    let strings: ArrayRef = Arc::new(builder.finish());
    cast(&strings, &arrow_type(column))
}
