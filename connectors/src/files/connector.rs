//! The connectors as the registry knows them: their options, and a table made into a source.

use std::sync::Arc;

use async_trait::async_trait;

use super::config::{FileTable, common_options};
use super::ledger::Ledger;
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
        open(table, home, context, Format::Json, JSON_OPTIONS)
    }
}

fn open(
    table: &TableSpec,
    home: Location,
    context: &Context,
    format: Format,
    options: &[OptionSpec],
) -> Result<Arc<dyn Source>> {
    let table = FileTable::parse(table, context, format, options)?;
    Ok(Arc::new(FileSource { table: Arc::new(table), ledger: Ledger::new(home), parked: Parking::default() }))
}
