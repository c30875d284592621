//! What the load log says of a file of a landing zone beside what it says of every load.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A file that was loaded or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LandedFile {
    /// Its key in the zone: `dev/append/users/a.csv`.
    pub key: String,
    /// Its version, as the zone tells versions apart.
    pub version: String,
    /// Bytes, as stored.
    pub size: u64,
    /// When it was written.
    pub landed_at: DateTime<Utc>,
    /// How it asked to be loaded: `append`, `truncate`, `schema`; what else its key has there, of one that was refused.
    pub action: String,
    /// The table, as `schema.table`; what the key has there, of one that was refused for it.
    pub table: String,
    /// The version of the schema that it was held against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<String>,
    /// Whether the table was there before.
    pub table_existed: bool,
    /// Why it was refused; none of one that was loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl LandedFile {
    /// Tells it from every other file, and from itself when it is written anew.
    pub fn mark(&self) -> String {
        format!("{} {}", self.version, self.key)
    }
}
