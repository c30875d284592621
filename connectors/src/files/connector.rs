//! The connectors as the registry knows them: their options, and a table made into a source.

use std::sync::Arc;

use async_trait::async_trait;

use super::config::{FileTable, Findings, common_options};
use super::ledger::Ledger;
use super::news::News;
use super::object::Format;
use super::source::{FileSource, Parking};
use crate::context::{Context, TableSpec};
use crate::error::Result;
use crate::options::OptionSpec;
use crate::registry::Connector;
use crate::source::Source;
use crate::stores::Location;

/// `STORED AS JSON`: a record a line (NDJSON), records one behind the other, or a list of records.
#[derive(Debug)]
pub struct Json;

const JSON_OPTIONS: &[OptionSpec] = common_options![OptionSpec {
    name: "mode",
    default: "'strict'",
    help: "'lenient' also reads what programs print that were not asked for JSON, as Python does: single quotes, None, True, False, \
           NaN, commas behind the last member",
}];

#[async_trait]
impl Connector for Json {
    fn name(&self) -> &'static str {
        "JSON"
    }

    fn options(&self) -> &'static [OptionSpec] {
        JSON_OPTIONS
    }

    fn is_source(&self) -> bool {
        true
    }

    async fn source(&self, table: &TableSpec, home: Location, context: &Context) -> Result<Arc<dyn Source>> {
        open(table, home, context, Format::Json, JSON_OPTIONS).await
    }
}

/// `STORED AS CSV`: cells between delimiters, with a header or without, in most encodings; how a file is written is found out file by
/// file, unless the options say.
#[derive(Debug)]
pub struct Csv;

const CSV_OPTIONS: &[OptionSpec] = common_options![
    OptionSpec {
        name: "delimiter",
        default: "found out: comma, semicolon, tab, bar or Ctrl-A",
        help: "what stands between two cells, as in ';' or 'tab'",
    },
    OptionSpec { name: "quote", default: "found out: \" or '", help: "what cells may be put in; 'none' for files without" },
    OptionSpec {
        name: "escape",
        default: "found out: none or a backslash",
        help: "what stands before a character that is to be taken as it is; a doubled quote is understood in any case",
    },
    OptionSpec { name: "comment", default: "found out: none or #", help: "what lines begin with that are no records" },
    OptionSpec {
        name: "header",
        default: "'auto'",
        help: "whether the first record names the columns: 'true', 'false', or 'auto' to find out file by file. Columns of a file with a \
               header are found by name, whatever their order; those that it has not are NULL",
    },
    OptionSpec {
        name: "encoding",
        default: "'auto': a byte order mark, else UTF-8, else Windows-1252",
        help: "how characters are written, as in 'utf-8', 'utf-16le', 'latin1', 'shift_jis'",
    },
    OptionSpec {
        name: "rename",
        default: "none; case, spaces and punctuation are no difference",
        help: "names in headers and the columns that they are, as in 'VendorID=vendor_id, PULocationID=pickup_location_id'",
    },
    OptionSpec {
        name: "null",
        default: "none; an empty cell without quotes and \\N are NULL in any case",
        help: "cells that are NULL, separated by commas, as in 'NA, n/a, -'",
    },
    OptionSpec {
        name: "ragged",
        default: "'false': such a record is bad",
        help: "'true' takes records that have fewer or more cells than the header: what is missing is NULL, what is too much is dropped",
    },
];

#[async_trait]
impl Connector for Csv {
    fn name(&self) -> &'static str {
        "CSV"
    }

    fn options(&self) -> &'static [OptionSpec] {
        CSV_OPTIONS
    }

    fn is_source(&self) -> bool {
        true
    }

    async fn source(&self, table: &TableSpec, home: Location, context: &Context) -> Result<Arc<dyn Source>> {
        open(table, home, context, Format::Csv, CSV_OPTIONS).await
    }
}

/// `STORED AS PARQUET` of files that the engine did not write.
///
/// # Errors
/// [`Error::Config`] for an option or location that is wrong, or when there is no file to tell the columns from.
pub(crate) async fn open_parquet(table: &TableSpec, home: Location, context: &Context) -> Result<Arc<dyn Source>> {
    open(table, home, context, Format::Parquet, PARQUET_OPTIONS).await
}

/// The user reference.
pub(crate) const PARQUET_OPTIONS: &[OptionSpec] = common_options![];

/// The options of files of a format.
pub(super) fn options_of(format: Format) -> &'static [OptionSpec] {
    match format {
        Format::Json => JSON_OPTIONS,
        Format::Csv => CSV_OPTIONS,
        Format::Parquet => PARQUET_OPTIONS,
    }
}

async fn open(
    table: &TableSpec,
    home: Location,
    context: &Context,
    format: Format,
    options: &[OptionSpec],
) -> Result<Arc<dyn Source>> {
    let table = Arc::new(FileTable::open(table, &home, context, format, options, Findings::Kept).await?);
    let news = Arc::new(News::new(&table, context)?);
    Ok(Arc::new(FileSource { table, ledger: Ledger::new(home.join("ledger")), parked: Parking::default(), news }))
}
