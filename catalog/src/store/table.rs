//! What the catalog knows of a table.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use arrow_schema::Schema;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::drift::{Change, Policy};
use crate::error::Error;
use crate::infer::ObservedSchema;
use crate::partitions::Partitioning;
use crate::quoted;

/// A database and a table in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableName {
    /// The database.
    pub database: String,
    /// The table.
    pub table: String,
}

impl TableName {
    /// A table of a database.
    pub fn new(database: impl Into<String>, table: impl Into<String>) -> Self {
        Self { database: database.into(), table: table.into() }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", quoted(&self.database), quoted(&self.table))
    }
}

impl FromStr for TableName {
    type Err = Error;

    /// `database.table`, without quotes.
    fn from_str(text: &str) -> Result<Self, Error> {
        match text.split_once('.') {
            Some((database, table)) if !database.is_empty() && !table.is_empty() => Ok(Self::new(database, table)),
            _ => Err(Error::config(format!("'{text}' does not name a table, expected 'database.table'"))),
        }
    }
}

/// A group of tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub comment: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// The `OPTIONS` of a table, as they are written: secrets are named in them (`${secret:…}`), never resolved.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TableOptions(pub BTreeMap<String, String>);

impl fmt::Debug for TableOptions {
    /// Names only: a value may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A table to be registered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Registration {
    /// Its name.
    pub name: TableName,
    /// As `STORED AS` has it: `CSV`, `DELTA`, `POSTGRES`.
    pub connector: String,
    /// As `LOCATION` has it, before secrets are resolved.
    pub location: String,
    /// As `OPTIONS` has them.
    pub options: TableOptions,
    /// Its columns. Of a table of files, without those that are partitions; of one that a pipeline writes, with them, in its order
    /// and of its types.
    pub schema: Schema,
    /// What its folders mean.
    pub partitioning: Partitioning,
    /// The columns that tell its rows apart, if there are such.
    pub key: Vec<String>,
    /// What it does about drift.
    pub policy: Policy,
    /// What it is.
    pub comment: Option<String>,
    /// Who registered it: `crawl`, or `pipeline reddit`.
    pub registered_by: String,
}

impl Registration {
    /// All columns; those that are partitions last, unless the schema has them among the others.
    pub fn full_schema(&self) -> Schema {
        let declared = self.schema.fields();
        let partitions = self.partitioning.fields().into_iter().filter(|field| declared.find(field.name()).is_none());
        let columns = declared.iter().map(|field| field.as_ref().clone());
        Schema::new(columns.chain(partitions).collect::<Vec<_>>())
    }
}

/// A table of the catalog.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// What it was registered as, with its current schema.
    pub registration: Registration,
    /// The number of its schema, from 1.
    pub version: u32,
    /// Comments by column.
    pub column_comments: BTreeMap<String, String>,
    /// Its size, when it was last measured.
    pub statistics: Statistics,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
    /// When anything but its statistics last changed.
    pub updated_at: DateTime<Utc>,
}

impl Table {
    /// Its name.
    pub fn name(&self) -> &TableName {
        &self.registration.name
    }

    /// See [`Registration::full_schema`].
    pub fn full_schema(&self) -> Schema {
        self.registration.full_schema()
    }
}

/// How large a table is; what is not known is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// Rows.
    pub rows: Option<u64>,
    /// Bytes, as stored.
    pub bytes: Option<u64>,
    /// Files or objects.
    pub files: Option<u64>,
}

/// A change of what is not the schema.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Alteration {
    /// What it does about drift.
    Policy(Policy),
    /// What it is.
    Comment(Option<String>),
    /// What a column is.
    ColumnComment {
        /// The column.
        column: String,
        /// Its comment; nothing takes it away.
        comment: Option<String>,
    },
    /// What reads it.
    Connector(String),
    /// Where it is.
    Location(String),
    /// How it is read.
    Options(TableOptions),
    /// What its folders mean.
    Partitioning(Partitioning),
    /// The columns that tell its rows apart.
    Key(Vec<String>),
    /// How large it is.
    Statistics(Statistics),
}

impl Alteration {
    /// The registration with this change; itself when the change is of something else.
    pub(super) fn of(&self, registration: &Registration) -> Registration {
        let mut altered = registration.clone();
        match self {
            Self::Statistics(_) | Self::ColumnComment { .. } => {}
            Self::Policy(policy) => altered.policy = *policy,
            Self::Comment(comment) => altered.comment.clone_from(comment),
            Self::Connector(connector) => altered.connector.clone_from(connector),
            Self::Location(location) => altered.location.clone_from(location),
            Self::Options(options) => altered.options.clone_from(options),
            Self::Partitioning(partitioning) => altered.partitioning.clone_from(partitioning),
            Self::Key(key) => altered.key.clone_from(key),
        }
        altered
    }
}

/// One schema of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SchemaVersion {
    /// Its number, from 1.
    pub version: u32,
    /// Since when.
    pub at: DateTime<Utc>,
    /// What led to it, in words.
    pub why: String,
    /// Its columns, without those that are partitions.
    pub schema: Schema,
    /// What was different from the one before.
    pub changes: Vec<Change>,
}

/// What a crawl goes on from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CrawlState {
    /// When it was.
    pub crawled_at: DateTime<Utc>,
    /// Where the ledger of its objects is (path, size, etag of each): a file that whoever crawls keeps.
    pub ledger: String,
    /// What was seen so far, to which what is new is added.
    pub observed: ObservedSchema,
}

/// A table of a crawl.
#[derive(Debug, Clone, PartialEq)]
pub struct CrawledTable {
    /// The table.
    pub name: TableName,
    /// All that was seen of it; `None` when that is what was kept before.
    pub observed: Option<ObservedSchema>,
}
