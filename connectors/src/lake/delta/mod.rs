//! `STORED AS DELTA`: append, overwrite and upsert, each one transaction of Delta's log.
//!
//! The transaction carries the batch's writer and epoch as Delta's application transaction: whether a batch is in the table
//! is a question to the table itself. Readers are any that know Delta (reader version 1, no features).

use std::sync::Arc;

use async_trait::async_trait;

use crate::context::{Context, TableSpec};
use crate::error::Result;
use crate::options::{OptionSpec, Options};
use crate::registry::{BoundedTable, Connector, Moment, TableFacts};
use crate::sink::{MOVED_FROM, Sink, WriteMode};
use crate::upserts::{DELETED, DELETES, UPSERT, Upserts};

mod audit;
mod keys;
mod log;
mod parts;
mod reader;
mod schema;
mod sink;
mod stats;
mod table;
#[cfg(test)]
mod tests;
mod upsert;

pub use parts::{Part, Parts};

/// `STORED AS DELTA`.
#[derive(Debug)]
pub struct Delta;

/// Whether an overwrite gives a table other columns.
///
/// # Errors
/// [`crate::Error::Config`] for a value that is none.
pub(crate) fn replaces_columns(options: &Options) -> Result<bool> {
    Ok(options.choice("columns", &["add", "replace"])? == Some("replace"))
}

const OPTIONS: &[OptionSpec] = &[
    MOVED_FROM,
    OptionSpec {
        name: "key",
        default: "the declared PRIMARY KEY",
        help: "the columns that tell rows apart for REPLACE INTO, separated by commas: 'key' 'id'",
    },
    OptionSpec {
        name: "order_by",
        default: "order of arrival",
        help: "of several rows with one key in an epoch the last by these columns wins: 'order_by' 'updated_at'",
    },
    UPSERT,
    DELETED,
    DELETES,
    OptionSpec {
        name: "columns",
        default: "add",
        help: "INSERT OVERWRITE: 'add' keeps the columns of the table, and adds those that the query has more; 'replace' gives the table the \
               columns of the query, whatever it had",
    },
];

#[async_trait]
impl Connector for Delta {
    fn name(&self) -> &'static str {
        "DELTA"
    }

    fn is_sink(&self) -> bool {
        true
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn explain(&self, table: &TableSpec, mode: WriteMode, _context: &Context) -> Result<Option<String>> {
        Ok(Upserts::read(&Options::parse("DELTA", OPTIONS, &table.options)?)?.explain(mode))
    }

    async fn sink(&self, table: &TableSpec, context: &Context) -> Result<Arc<dyn Sink>> {
        Ok(Arc::new(sink::DeltaSink::open(table, context)?))
    }

    async fn table(&self, table: &TableSpec, context: &Context) -> Result<Option<BoundedTable>> {
        table::open(table, None, context).await
    }

    async fn facts(&self, table: &TableSpec, context: &Context) -> Result<Option<TableFacts>> {
        table::facts(table, context).await
    }

    async fn table_at(&self, table: &TableSpec, moment: &Moment, context: &Context) -> Result<Option<BoundedTable>> {
        table::open(table, Some(moment), context).await
    }
}
