//! How Athena is to read the files of a table: input and output format, SerDe, and their parameters.
//!
//! - CSV: <https://docs.aws.amazon.com/athena/latest/ug/csv-serde.html>, <https://docs.aws.amazon.com/athena/latest/ug/lazy-simple-serde.html>
//! - JSON: <https://docs.aws.amazon.com/athena/latest/ug/openx-json-serde.html>
//! - Delta: <https://docs.aws.amazon.com/athena/latest/ug/delta-lake-tables.html>

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Field};
use catalog::infer::FORM_KEY;

use super::types::hive_type;
use crate::context::TableSpec;
use crate::error::{Error, Result};
use crate::files::csv::dialect::character;

const TEXT_INPUT: &str = "org.apache.hadoop.mapred.TextInputFormat";
const TEXT_OUTPUT: &str = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat";
const LAZY_SIMPLE: &str = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe";

/// How the files are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) input: &'static str,
    pub(super) output: &'static str,
    pub(super) serde: &'static str,
    pub(super) serde_parameters: BTreeMap<String, String>,
    /// Parameters of the table.
    pub(super) parameters: BTreeMap<String, String>,
    /// The SerDe gives every column as text.
    all_text: bool,
    /// Dates and times that are not written as Athena writes them cannot be read as such.
    is_text_file: bool,
    /// Folders are partitions that Glue has to know.
    pub(super) has_partitions: bool,
    /// What a reader of the exported table should know.
    pub(super) notes: Vec<String>,
}

impl Format {
    /// Of the table that `spec` declares.
    ///
    /// # Errors
    /// [`Error::Config`] for a connector whose tables Athena does not read, and for a dialect of CSV that it does not.
    pub(super) fn of(spec: &TableSpec) -> Result<Self> {
        match spec.connector.as_str() {
            "PARQUET" => Ok(Self::parquet()),
            "DELTA" => Ok(Self::delta()),
            "JSON" => Ok(Self::json()),
            "CSV" => Self::csv(spec),
            other => Err(Error::config(format!("tables of {other} are not files, and Athena does not read them"))),
        }
    }

    pub(super) fn parquet() -> Self {
        Self {
            input: "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
            output: "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
            serde: "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
            serde_parameters: texts([("serialization.format", "1")]),
            parameters: texts([("EXTERNAL", "TRUE"), ("classification", "parquet")]),
            all_text: false,
            is_text_file: false,
            has_partitions: true,
            notes: Vec::new(),
        }
    }

    /// Athena reads columns, files and partitions from Delta's log; Glue's are for people.
    fn delta() -> Self {
        Self {
            input: "org.apache.hadoop.mapred.SequenceFileInputFormat",
            output: "org.apache.hadoop.hive.ql.io.HiveSequenceFileOutputFormat",
            serde: LAZY_SIMPLE,
            serde_parameters: texts([("serialization.format", "1")]),
            parameters: texts([
                ("EXTERNAL", "TRUE"),
                ("classification", "delta"),
                ("spark.sql.sources.provider", "delta"),
                ("table_type", "DELTA"),
            ]),
            all_text: false,
            is_text_file: false,
            has_partitions: false,
            notes: Vec::new(),
        }
    }

    fn json() -> Self {
        Self {
            input: TEXT_INPUT,
            output: TEXT_OUTPUT,
            serde: "org.openx.data.jsonserde.JsonSerDe",
            serde_parameters: texts([("case.insensitive", "TRUE"), ("serialization.format", "1")]),
            parameters: texts([("EXTERNAL", "TRUE"), ("classification", "json")]),
            all_text: false,
            is_text_file: true,
            has_partitions: true,
            notes: vec!["Athena reads JSON with one record a line only".to_owned()],
        }
    }

    fn csv(spec: &TableSpec) -> Result<Self> {
        let option = |name: &str| spec.options.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let wrong = |name: &str, error: &dyn std::fmt::Display| Error::config_at(name, format!("option '{name}': {error}"));
        let read = |name: &str, default: u8| match option(name) {
            Some(text) => character(text).map_err(|error| wrong(name, &error)),
            None => Ok(Some(default)),
        };
        let text = |byte: u8| char::from(byte).to_string();
        let delimiter = text(read("delimiter", b',')?.unwrap_or(b','));
        let mut notes = Vec::new();
        if option("comment").is_some_and(|comment| comment != "none") {
            notes.push("Athena does not skip lines of comments".to_owned());
        }
        let (serde, serde_parameters, all_text) = match read("quote", b'"')? {
            None => (LAZY_SIMPLE, owned([("field.delim", delimiter.clone()), ("serialization.format", delimiter)]), false),
            Some(quote) => {
                notes.push("every column is text in Athena, as cells may stand in quotes: CAST them in a view".to_owned());
                let escape = read("escape", b'\\')?.unwrap_or(b'\\');
                let parameters = owned([("separatorChar", delimiter), ("quoteChar", text(quote)), ("escapeChar", text(escape))]);
                ("org.apache.hadoop.hive.serde2.OpenCSVSerde", parameters, true)
            }
        };
        let mut parameters = texts([("EXTERNAL", "TRUE"), ("classification", "csv")]);
        match option("header") {
            Some("false") => {}
            said => {
                parameters.insert("skip.header.line.count".to_owned(), "1".to_owned());
                if said != Some("true") {
                    notes
                        .push("the first line of each file is taken for a header; say 'header' 'false' if it is none".to_owned());
                }
            }
        }
        let (input, output, is_text_file) = (TEXT_INPUT, TEXT_OUTPUT, true);
        Ok(Self { input, output, serde, serde_parameters, parameters, all_text, is_text_file, has_partitions: true, notes })
    }

    /// The type of a column of the files. Athena reads a date in text only as `2026-11-21`, and a time only without `T` and zone.
    pub(super) fn column_type(&self, field: &Field) -> String {
        let is_time = matches!(field.data_type(), DataType::Timestamp(..));
        let is_unreadable = self.is_text_file && (is_time || field.metadata().contains_key(FORM_KEY));
        if self.all_text || is_unreadable { "string".to_owned() } else { hive_type(field.data_type()) }
    }
}

fn texts<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn owned<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
