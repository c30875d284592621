//! Every connector, by the name that follows `STORED AS`.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;

use crate::context::{Context, TableSpec};
use crate::error::{Error, Result};
use crate::options::{OptionSpec, unknown};
use crate::sink::{Sink, WriteMode};
use crate::source::Source;
use crate::stores::Location;
use crate::{files, lake, postgres, reddit, warehouse};

/// What a connector can be: a source that is read incrementally, a sink, a bounded table that is read as it stands.
/// A connector implements what applies to it; the others answer with a [`Error::Config`] that says so.
#[async_trait]
pub trait Connector: Send + Sync + Debug {
    /// The word after `STORED AS`, in capitals.
    fn name(&self) -> &'static str;

    /// What `OPTIONS` may hold.
    fn options(&self) -> &'static [OptionSpec];

    /// Whether tables of this connector are read incrementally.
    fn is_source(&self) -> bool {
        false
    }

    /// Whether tables of this connector can be written.
    fn is_sink(&self) -> bool {
        false
    }

    /// The table of another connector that this one is, where this connector's name stands for several; its location is resolved.
    ///
    /// # Errors
    /// [`Error::Config`] for a location or a setting that is wrong.
    fn stands_for(&self, _table: &TableSpec, _context: &Context) -> Result<Option<TableSpec>> {
        Ok(None)
    }

    /// How rows meet those that are there, in a sentence, where the table's options have a say in it: for `engine plan`.
    ///
    /// # Errors
    /// [`Error::Config`] for an option or a setting that is wrong.
    fn explain(&self, _table: &TableSpec, _mode: WriteMode, _context: &Context) -> Result<Option<String>> {
        Ok(None)
    }

    /// Which of several places the table is in, where the settings say that and not its location: a flow whose table is in another
    /// place than before starts from the beginning.
    ///
    /// # Errors
    /// [`Error::Config`] for a setting that is wrong.
    fn place(&self, _table: &TableSpec, _context: &Context) -> Result<Option<String>> {
        Ok(None)
    }

    /// Where the table is kept: two tables with one address are one table.
    ///
    /// # Errors
    /// [`Error::Config`] for a location or a setting that is wrong.
    fn address(&self, table: &TableSpec, context: &Context) -> Result<String> {
        Ok(context.locate(&table.location)?.url.to_string())
    }

    /// Opens the table for incremental reading. Below `home`, which belongs to this table of one pipeline, the source may keep
    /// what its offsets refer to.
    ///
    /// # Errors
    /// [`Error::Config`] for a location or option that is wrong.
    async fn source(&self, table: &TableSpec, _home: Location, _context: &Context) -> Result<Arc<dyn Source>> {
        Err(Error::config(format!("table '{}': {} is not read incrementally", table.name, self.name())))
    }

    /// Opens the table for writing. Writes nothing.
    ///
    /// # Errors
    /// [`Error::Config`] for a location or option that is wrong.
    async fn sink(&self, table: &TableSpec, _context: &Context) -> Result<Arc<dyn Sink>> {
        Err(Error::config(format!(
            "table '{}': {} cannot be written; sinks are {}",
            table.name,
            self.name(),
            "DELTA, PARQUET and WAREHOUSE"
        )))
    }

    /// The committed rows of the table and the version they are at; `None` when it does not exist yet.
    ///
    /// # Errors
    /// [`Error::Config`] for a location or option that is wrong, or when it cannot be read.
    async fn table(&self, table: &TableSpec, _context: &Context) -> Result<Option<BoundedTable>> {
        Err(Error::config(format!("table '{}': {} is not read as a whole", table.name, self.name())))
    }

    /// What a table that was written is, without its rows; `None` when it does not exist yet.
    ///
    /// # Errors
    /// [`Error::Config`] when the connector writes no tables; when it cannot be read.
    async fn facts(&self, table: &TableSpec, _context: &Context) -> Result<Option<TableFacts>> {
        Err(Error::config(format!("table '{}': {} writes no tables", table.name, self.name())))
    }

    /// Whether each look at a table costs a session, or wakes what is paid by its use: it is asked for its [`Self::facts`] when it has got
    /// columns that nobody was told of, and not to see whether anything has changed.
    fn is_metered(&self, _context: &Context) -> bool {
        false
    }

    /// The committed rows as they were at `moment`; `None` when the table does not exist.
    ///
    /// # Errors
    /// [`Error::Config`] when the connector keeps no history, or that version is not there; as [`Self::table`].
    async fn table_at(&self, table: &TableSpec, _moment: &Moment, _context: &Context) -> Result<Option<BoundedTable>> {
        Err(Error::config(format!(
            "table '{}': {} keeps no history; tables written as DELTA can be read as they were",
            table.name,
            self.name()
        )))
    }
}

/// A point in a table's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// After the commit with this number.
    Version(u64),
    /// After the last commit that is not younger.
    Time(DateTime<Utc>),
}

/// What a table says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFacts {
    /// Its columns, those that are folders among them.
    pub schema: SchemaRef,
    /// Columns that are folders.
    pub partition_by: Vec<String>,
    /// Rows; unknown when a file of another writer does not say.
    pub rows: Option<u64>,
    /// Bytes of its data files; unknown of a table that is not made of files.
    pub bytes: Option<u64>,
    /// Data files, likewise.
    pub files: Option<u64>,
}

/// A table as it stands.
#[derive(Debug, Clone)]
pub struct BoundedTable {
    /// Its rows.
    pub provider: Arc<dyn TableProvider>,
    /// Changes whenever the rows do.
    pub version: String,
}

/// All connectors. A new one adds its line here.
pub fn connectors() -> [&'static dyn Connector; 7] {
    [&reddit::Reddit, &files::Csv, &files::Json, &postgres::Postgres, &lake::Delta, &lake::Parquet, &warehouse::Warehouse]
}

/// The connector called `name`, in any case.
///
/// # Errors
/// [`Error::Config`] with the nearest name.
pub fn connector(name: &str) -> Result<&'static dyn Connector> {
    let all = connectors();
    // DataFusion's other word for it.
    let name = if name.eq_ignore_ascii_case("NDJSON") { "JSON" } else { name };
    all.iter()
        .find(|connector| connector.name().eq_ignore_ascii_case(name))
        .copied()
        .ok_or_else(|| Error::config_at(name, unknown("connector", name, "STORED AS", all.iter().map(|c| c.name()))))
}
