//! What every connector is given: the stores, the settings, the clock and the memory it may use.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
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
    /// `PARTITIONED BY`.
    pub partition_by: Vec<String>,
    /// Declared columns.
    #[serde(skip)]
    pub columns: Option<SchemaRef>,
    /// Declared `PRIMARY KEY`.
    pub primary_key: Vec<String>,
    /// `OPTIONS`, in the order of the file.
    pub options: Vec<(String, String)>,
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
