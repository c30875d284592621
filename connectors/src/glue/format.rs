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
use crate::files::csv::Dialect;
use crate::files::object::Format as FileFormat;
use crate::files::written::Written;
use crate::files::{Json, Text};
use crate::registry::Connector;
use crate::stores::Stores;

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

/// Whether Athena reads tables of `connector`.
pub(super) fn is_of_files(connector: &str) -> bool {
    matches!(connector, "PARQUET" | "DELTA" | "JSON" | "CSV")
}

impl Format {
    /// Of the table of files that `spec` declares. CSV files are looked into: what they are written with is found out file by file,
    /// and Athena has to be told.
    ///
    /// # Errors
    /// [`Error::Config`] for CSV files that Athena would read otherwise than they are; when they cannot be read.
    pub(super) async fn of(spec: &TableSpec, stores: &Stores) -> Result<Self> {
        match spec.connector.as_str() {
            "DELTA" => Ok(Self::delta()),
            "JSON" => Self::json(spec),
            "CSV" => Self::csv(&Written::of(spec, stores).await?),
            _ => Ok(Self::parquet()),
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

    fn json(spec: &TableSpec) -> Result<Self> {
        let mut notes = vec!["Athena reads JSON with one record a line only".to_owned()];
        if matches!(Text::of(spec, FileFormat::Json, Json.options())?, Text::Json { lenient: true }) {
            notes.push("Athena fails on records that are read with 'mode' 'lenient' here".to_owned());
        }
        Ok(Self {
            input: TEXT_INPUT,
            output: TEXT_OUTPUT,
            serde: "org.openx.data.jsonserde.JsonSerDe",
            serde_parameters: texts([("case.insensitive", "TRUE"), ("serialization.format", "1")]),
            parameters: texts([("EXTERNAL", "TRUE"), ("classification", "json")]),
            all_text: false,
            is_text_file: true,
            has_partitions: true,
            notes,
        })
    }

    fn csv(written: &Written) -> Result<Self> {
        let dialect = common(written)?;
        let text = |byte: u8| char::from(byte).to_string();
        // What separates the cells of files with one column occurs in none.
        let delimiter = text(if dialect.delimiter == Dialect::ONE_COLUMN { 1 } else { dialect.delimiter });
        let mut parameters = texts([("EXTERNAL", "TRUE"), ("classification", "csv")]);
        if dialect.header {
            parameters.insert("skip.header.line.count".to_owned(), "1".to_owned());
        }
        let mut notes = csv_notes(written, &dialect);
        let (serde, serde_parameters, all_text) = match dialect.quote {
            None => (LAZY_SIMPLE, owned([("field.delim", delimiter.clone()), ("serialization.format", delimiter)]), false),
            Some(quote) => {
                notes.push("every column is text in Athena, as cells may stand in quotes: CAST them in a view".to_owned());
                let escape = text(dialect.escape.unwrap_or(b'\\'));
                let parameters = owned([("separatorChar", delimiter), ("quoteChar", text(quote)), ("escapeChar", escape)]);
                ("org.apache.hadoop.hive.serde2.OpenCSVSerde", parameters, true)
            }
        };
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

/// The one way in which all files are written: Athena takes no other, and columns by their position.
fn common(written: &Written) -> Result<Dialect> {
    if let Some(file) = written.files.iter().find(|file| !file.is_in_order) {
        return Err(Error::config(format!(
            "Athena takes columns by their position, and those of '{}' stand in another order than the table's",
            file.address
        )));
    }
    let Some(first) = written.files.first() else {
        let hints = &written.options.hints;
        let given = |found: Option<Option<u8>>, default| found.unwrap_or(default);
        return Ok(Dialect {
            delimiter: hints.delimiter.unwrap_or(b','),
            quote: given(hints.quote, Some(b'"')),
            escape: given(hints.escape, None),
            comment: given(hints.comment, None),
            header: hints.header.unwrap_or(true),
            trim: false,
        });
    };
    // Whether there are escapes and comments is told by the files that have some.
    let plain = |dialect: Dialect| Dialect { escape: None, comment: None, trim: false, ..dialect };
    if let Some(other) = written.files.iter().find(|file| plain(file.dialect) != plain(first.dialect)) {
        return Err(Error::config(format!(
            "its files are not all written alike: '{}' with {}, '{}' with {}; Athena reads all files of a table in one way",
            first.address, first.dialect, other.address, other.dialect
        )));
    }
    let dialects = || written.files.iter().map(|file| file.dialect);
    Ok(Dialect {
        escape: dialects().find_map(|dialect| dialect.escape),
        comment: dialects().find_map(|dialect| dialect.comment),
        ..first.dialect
    })
}

/// What Athena makes of the files otherwise.
fn csv_notes(written: &Written, dialect: &Dialect) -> Vec<String> {
    let mut notes = Vec::new();
    if dialect.comment.is_some() {
        notes.push("Athena does not skip lines of comments".to_owned());
    }
    if let Some(file) = written.files.iter().find(|file| !file.is_utf8) {
        notes.push(format!("Athena reads UTF-8, and '{}' is written in another encoding", file.address));
    }
    if !written.options.nulls.is_empty() {
        notes.push(format!("Athena does not take {} for NULL", written.options.nulls.join(", ")));
    }
    notes
}

fn texts<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn owned<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::files::csv::Hints;
    use crate::files::csv::decode::CsvOptions;
    use crate::files::csv::encoding::Choice;
    use crate::files::written::WrittenFile;

    fn written(dialects: &[Dialect]) -> Written {
        let hints = Hints { delimiter: Some(b'|'), quote: Some(None), header: Some(false), ..Hints::default() };
        let encoding = Choice::Auto;
        let options = CsvOptions { hints, encoding, renames: Default::default(), nulls: vec!["NA".into()], ragged: false };
        let file = |(index, dialect): (usize, &Dialect)| WrittenFile {
            address: format!("s3://b/{index}.csv"),
            dialect: *dialect,
            is_utf8: index != 1,
            is_in_order: true,
        };
        Written { options: Arc::new(options), files: dialects.iter().enumerate().map(file).collect() }
    }

    #[test]
    fn athena_is_told_what_the_files_are_written_with() {
        let semicolons = Dialect { delimiter: b';', ..Dialect::default() };
        let escaped = Dialect { escape: Some(b'~'), comment: Some(b'#'), ..semicolons };
        let format = Format::csv(&written(&[semicolons, escaped])).unwrap();
        let expected = owned([("separatorChar", ";".into()), ("quoteChar", "\"".into()), ("escapeChar", "~".into())]);
        assert_eq!(format.serde_parameters, expected);
        assert_eq!(format.parameters["skip.header.line.count"], "1");
        let notes = [
            "Athena does not skip lines of comments",
            "Athena reads UTF-8, and 's3://b/1.csv' is written in another encoding",
            "Athena does not take NA for NULL",
            "every column is text in Athena, as cells may stand in quotes: CAST them in a view",
        ];
        assert_eq!(format.notes, notes);
        let one = Format::csv(&written(&[Dialect { delimiter: Dialect::ONE_COLUMN, ..semicolons }])).unwrap();
        assert_eq!(one.serde_parameters["separatorChar"], "\u{1}");
    }

    #[test]
    fn of_a_table_without_files_its_options_tell() {
        let format = Format::csv(&written(&[])).unwrap();
        assert_eq!((format.serde, format.serde_parameters["field.delim"].as_str()), (LAZY_SIMPLE, "|"));
        assert!(!format.parameters.contains_key("skip.header.line.count"));
    }

    #[test]
    fn files_that_athena_would_read_otherwise_are_refused() {
        let plain = Dialect::default();
        for other in [Dialect { delimiter: b';', ..plain }, Dialect { header: false, ..plain }, Dialect { quote: None, ..plain }]
        {
            let error = Format::csv(&written(&[plain, other])).unwrap_err().to_string();
            assert!(error.starts_with("its files are not all written alike: 's3://b/0.csv' with delimiter `,`"), "{error}");
        }
        let mut turned = written(&[plain]);
        turned.files[0].is_in_order = false;
        let error = Format::csv(&turned).unwrap_err().to_string();
        assert!(error.contains("those of 's3://b/0.csv' stand in another order"), "{error}");
    }
}
