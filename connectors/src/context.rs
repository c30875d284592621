//! What every connector is given: the stores, the settings, the clock and the memory it may use.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::execution::runtime_env::RuntimeEnv;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::error::Result;
use crate::reddit::RedditConfig;
use crate::staging::StagingSizes;
use crate::stores::{Location, Stores};
use crate::warehouse::WarehouseConfig;

/// Shared by every table of a run.
#[derive(Debug, Clone)]
pub struct Context {
    /// Object stores by location.
    pub stores: Arc<Stores>,
    /// `[reddit]`.
    pub reddit: RedditConfig,
    /// `[warehouse]`.
    pub warehouse: WarehouseConfig,
    /// Sizes of staged files and row groups.
    pub sizes: StagingSizes,
    /// Memory pool and spill files.
    pub runtime: Arc<RuntimeEnv>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl Context {
    /// Resolves a `LOCATION`: `lake://...`, `s3://...`, `file:///...` or a path.
    ///
    /// # Errors
    /// [`crate::Error::Config`] for a scheme that is not known.
    pub fn locate(&self, location: &str) -> Result<Location> {
        self.stores.locate(location)
    }
}

/// A table as its `CREATE EXTERNAL TABLE` says, with options resolved. What a checkpoint keeps of it is enough to commit
/// to the table again without the pipeline file; [`TableSpec::options`] are therefore kept as written, unresolved.
#[derive(Clone, Serialize, Deserialize)]
pub struct TableSpec {
    /// The table's name.
    pub name: String,
    /// `STORED AS`, in capitals.
    pub connector: String,
    /// `LOCATION`.
    pub location: String,
    /// The same for every run's date, where the location has it in it: a source of files reads one series of folders, and not another for each day.
    #[serde(skip)]
    pub series: Option<String>,
    /// `PARTITIONED BY`.
    pub partition_by: Vec<String>,
    /// Declared columns.
    #[serde(skip)]
    pub columns: Option<SchemaRef>,
    /// Declared `PRIMARY KEY`.
    pub primary_key: Vec<String>,
    /// `OPTIONS`, in the order of the file.
    pub options: Vec<(String, String)>,
    /// What a table that is made, and columns that are added, are said to be.
    #[serde(default, skip_serializing_if = "TableComments::is_empty")]
    pub comments: TableComments,
}

/// What a column's comment is called among its metadata, and a table's among those of its columns: as Delta's protocol has it.
pub(crate) const COMMENT: &str = "comment";

/// What somebody says of a table and of its columns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableComments {
    /// Of the table.
    #[serde(default)]
    pub table: Option<String>,
    /// By column.
    #[serde(default)]
    pub columns: BTreeMap<String, String>,
}

impl TableComments {
    /// The same columns, each with its comment.
    pub(crate) fn on(&self, schema: &Schema) -> SchemaRef {
        let said = |comment: Option<&str>| comment.map(|comment| (COMMENT.to_owned(), comment.to_owned()));
        let field = |field: &FieldRef| {
            let metadata = field.metadata().clone().into_iter().chain(said(self.column(field.name()))).collect();
            field.as_ref().clone().with_metadata(metadata)
        };
        let metadata = schema.metadata().clone().into_iter().chain(said(self.table.as_deref())).collect();
        Arc::new(Schema::new_with_metadata(schema.fields().iter().map(field).collect::<Vec<_>>(), metadata))
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.table.is_none() && self.columns.is_empty()
    }

    /// What is said of a column, by its name in any case; the exact one first.
    pub fn column(&self, name: &str) -> Option<&str> {
        let exact = self.columns.get(name);
        let any = || self.columns.iter().find(|(column, _)| column.eq_ignore_ascii_case(name)).map(|(_, comment)| comment);
        exact.or_else(any).map(String::as_str)
    }
}

impl TableSpec {
    /// Of columns that are found, without options.
    pub fn new(name: impl Into<String>, connector: impl Into<String>, location: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            connector: connector.into(),
            location: location.into(),
            series: None,
            partition_by: Vec::new(),
            columns: None,
            primary_key: Vec::new(),
            options: Vec::new(),
            comments: TableComments::default(),
        }
    }

    /// Whether what it is depends on the date of a run: `${run.date}` is in its location or options, which are as they were declared.
    pub fn has_run_date(&self) -> bool {
        self.options.iter().map(|(_, value)| value).chain([&self.location]).any(|text| text.contains("${run."))
    }
}

impl std::fmt::Debug for TableSpec {
    /// Option names only: a value may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableSpec")
            .field("name", &self.name)
            .field("connector", &self.connector)
            .field("location", &self.location)
            .field("options", &self.options.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
