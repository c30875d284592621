//! `STORED AS PARQUET`: a folder of Parquet files, Hive partitions inside; append and overwrite. A folder that the engine did not
//! write is read as other files are ([`crate::files`]).
//!
//! Which files are the table is said by the records in its folder `_engine` (`log`). Whoever reads through the engine sees a
//! batch whole or not at all. A tool that reads the folder itself sees whole files only, but may see some files of a batch before the
//! others, and for a moment both the old and the new files of an overwrite: use DELTA where that matters.

use std::sync::Arc;

use async_trait::async_trait;

use crate::context::{Context, TableSpec};
use crate::error::Result;
use crate::files;
use crate::options::OptionSpec;
use crate::registry::{BoundedTable, Connector, TableFacts};
use crate::sink::Sink;
use crate::source::Source;
use crate::stores::Location;

mod log;
mod sink;
mod table;
#[cfg(test)]
mod tests;

/// `STORED AS PARQUET`.
#[derive(Debug)]
pub struct Parquet;

#[async_trait]
impl Connector for Parquet {
    fn name(&self) -> &'static str {
        "PARQUET"
    }

    fn options(&self) -> &'static [OptionSpec] {
        files::PARQUET_OPTIONS
    }

    fn is_source(&self) -> bool {
        true
    }

    fn is_sink(&self) -> bool {
        true
    }

    async fn source(&self, table: &TableSpec, home: Location, context: &Context) -> Result<Arc<dyn Source>> {
        files::open_parquet(table, home, context).await
    }

    async fn sink(&self, table: &TableSpec, context: &Context) -> Result<Arc<dyn Sink>> {
        Ok(Arc::new(sink::ParquetSink::open(table, context)?))
    }

    async fn table(&self, table: &TableSpec, context: &Context) -> Result<Option<BoundedTable>> {
        table::open(table, context).await
    }

    async fn facts(&self, table: &TableSpec, context: &Context) -> Result<Option<TableFacts>> {
        table::facts(table, context).await
    }
}
