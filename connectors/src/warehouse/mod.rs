//! `STORED AS WAREHOUSE`: tables of whatever `[warehouse]` is, so that one `.sql` runs on a laptop and on a warehouse unchanged.
//!
//! `config` says which warehouse is meant, `name` what a `LOCATION` calls a table. Without a URL, tables are Delta tables in the lake:
//! `public.posts` is `lake://warehouse/public/posts`. A new kind of warehouse is a folder here, a scheme in `config`, and a line
//! in each `match` of this file.

mod config;
mod examine;
mod gate;
mod name;
mod postgres;
mod redshift;
mod rights;
mod room;
#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;

pub use config::WarehouseConfig;
pub use examine::examine;
pub(crate) use name::TableName;

use crate::context::{Context, TableSpec};
use crate::error::{Error, Result};
use crate::lake::Delta;
use crate::options::{OptionSpec, Options};
use crate::registry::{BoundedTable, Connector, Moment, TableFacts};
use crate::sink::{Sink, WriteMode};
use crate::upserts::Upserts;
use config::Target;

/// The folder of the lake that stands for the warehouse where there is no other.
pub const LAKE_FOLDER: &str = "warehouse";

/// Schema and name of the table that a `LOCATION` of the warehouse means.
///
/// # Errors
/// [`Error::Config`] when it is no name of a table.
pub fn table_name(location: &str) -> Result<(String, String)> {
    TableName::parse(location).map(|name| (name.schema, name.table))
}

/// `STORED AS WAREHOUSE`.
#[derive(Debug)]
pub struct Warehouse;

#[async_trait]
impl Connector for Warehouse {
    fn name(&self) -> &'static str {
        "WAREHOUSE"
    }

    fn is_sink(&self) -> bool {
        true
    }

    /// Those of DELTA, and those that only Redshift has a meaning for: elsewhere they are passed over, as rows do not differ for it.
    fn options(&self) -> &'static [OptionSpec] {
        &OPTIONS
    }

    fn stands_for(&self, table: &TableSpec, context: &Context) -> Result<Option<TableSpec>> {
        Ok(match context.warehouse.target()? {
            Target::Lake => Some(in_lake(table)?),
            Target::Postgres(_) | Target::Redshift(_) => None,
        })
    }

    fn explain(&self, table: &TableSpec, mode: WriteMode, context: &Context) -> Result<Option<String>> {
        let options = Options::parse("WAREHOUSE", Self.options(), &table.options)?;
        match context.warehouse.target()? {
            Target::Redshift(_) => redshift::explain(&options, mode),
            Target::Lake | Target::Postgres(_) => Ok(Upserts::read(&options)?.explain(mode)),
        }
    }

    fn place(&self, _table: &TableSpec, context: &Context) -> Result<Option<String>> {
        Ok(match context.warehouse.target()? {
            Target::Lake => None,
            Target::Postgres(database) => Some(config::place(&database)),
            Target::Redshift(url) => Some(redshift::place(&url, context)?),
        })
    }

    fn address(&self, table: &TableSpec, context: &Context) -> Result<String> {
        let target = context.warehouse.target()?;
        if let Target::Lake = target {
            return Delta.address(&in_lake(table)?, context);
        }
        let TableName { schema, table: name } = TableName::parse(&table.location)?;
        let name = format!("{} {schema:?}.{name:?}", self.place(table, context)?.unwrap_or_default());
        // Redshift does not tell capitals from small letters.
        Ok(if let Target::Redshift(_) = target { name.to_lowercase() } else { name })
    }

    async fn sink(&self, table: &TableSpec, context: &Context) -> Result<Arc<dyn Sink>> {
        check(table)?;
        match context.warehouse.target()? {
            Target::Lake => Delta.sink(&in_lake(table)?, context).await,
            Target::Postgres(database) => Ok(Arc::new(postgres::PostgresSink::open(table, &database, context)?)),
            Target::Redshift(url) => Ok(Arc::new(redshift::RedshiftSink::open(table, &url, context)?)),
        }
    }

    async fn table(&self, table: &TableSpec, context: &Context) -> Result<Option<BoundedTable>> {
        match context.warehouse.target()? {
            Target::Lake => Delta.table(&in_lake(table)?, context).await,
            Target::Postgres(database) => postgres::table(table, &database).await,
            Target::Redshift(url) => redshift::table(table, &url, context).await,
        }
    }

    async fn facts(&self, table: &TableSpec, context: &Context) -> Result<Option<TableFacts>> {
        match context.warehouse.target()? {
            Target::Lake => Delta.facts(&in_lake(table)?, context).await,
            Target::Postgres(database) => postgres::facts(table, &database).await,
            Target::Redshift(url) => redshift::facts(table, &url, context).await,
        }
    }

    fn is_metered(&self, context: &Context) -> bool {
        matches!(context.warehouse.target(), Ok(Target::Redshift(_)))
    }

    async fn table_at(&self, table: &TableSpec, moment: &Moment, context: &Context) -> Result<Option<BoundedTable>> {
        match context.warehouse.target()? {
            Target::Lake => Delta.table_at(&in_lake(table)?, moment, context).await,
            Target::Postgres(_) | Target::Redshift(_) => Err(Error::config(format!(
                "table '{}' is in {}, which keeps no history; tables written as DELTA can be read as they were",
                table.name,
                self.place(table, context)?.unwrap_or_default()
            ))),
        }
    }
}

static OPTIONS: LazyLock<Vec<OptionSpec>> = LazyLock::new(|| [Delta.options(), ON_ERROR, redshift::OPTIONS].concat());

/// Of databases: a table of the lake holds whatever a query gives.
const ON_ERROR: &[OptionSpec] = &[
    OptionSpec {
        name: "on_error",
        default: "fail",
        help: "what happens to rows with a value that a table of a database cannot hold: 'fail' stops the run and names the first, \
               'quarantine' puts them into \"<table>$bad\", 'null' writes NULL instead of the value and notes it there, 'truncate' cuts texts \
               to what fits, notes the whole of them there, and puts aside rows with other values that do not fit",
    },
    OptionSpec {
        name: "too_long",
        default: "fail",
        help: "text that is longer than its column holds, or has a NUL in it: 'fail' leaves it to on_error, 'truncate' cuts it between two \
               letters, and notes the whole of it in \"<table>$bad\"; texts of a key are not cut",
    },
    OptionSpec {
        name: "max_bad_ratio",
        default: "0.1",
        help: "with on_error 'quarantine', 'null' or 'truncate': the share of the rows of an epoch that may be bad before the run fails, from \
               0 to 1; rows of which only a text was cut do not count",
    },
];

/// What holds for every warehouse, so that a file that one takes the others take too.
fn check(table: &TableSpec) -> Result<()> {
    let options = Options::parse("WAREHOUSE", Warehouse.options(), &table.options)?;
    redshift::TableOptions::read(&options)?;
    if !table.partition_by.is_empty() {
        let message =
            format!("table '{}': a table of the warehouse is not laid out in folders; leave PARTITIONED BY out", table.name);
        return Err(Error::config_at("PARTITIONED", message));
    }
    Ok(())
}

/// The Delta table that stands for one of the warehouse.
fn in_lake(table: &TableSpec) -> Result<TableSpec> {
    let TableName { schema, table: name } = TableName::parse(&table.location)?;
    if let Some(part) = [&schema, &name].into_iter().find(|part| part.contains('/') || part.starts_with(['.', '_'])) {
        return Err(Error::config_at(
            &table.location,
            format!("location '{}': '{part}' is no folder of the lake; leave '/' and a first '.' or '_' out", table.location),
        ));
    }
    let location = format!("lake://{LAKE_FOLDER}/{schema}/{name}");
    let is_for_all = |name: &str| Delta.options().iter().any(|option| option.name.eq_ignore_ascii_case(name));
    let options = table.options.iter().filter(|(name, _)| is_for_all(name)).cloned().collect();
    Ok(TableSpec { connector: Delta.name().to_owned(), location, options, ..table.clone() })
}
