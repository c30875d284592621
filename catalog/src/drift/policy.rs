//! What a table does about drift.

use std::fmt;
use std::str::FromStr;

use arrow_schema::Schema;
use serde::{Deserialize, Serialize};

use super::{Change, Drift};
use crate::error::Error;

/// What a table may do when its files have changed. Columns that are missing in new files stay, and read as null, under each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Columns are added, types are widened.
    #[default]
    Evolve,
    /// Types are widened; a new column is refused.
    Widen,
    /// Nothing changes.
    Freeze,
}

/// A table's next schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVersion {
    /// Its columns, without those that are partitions.
    pub schema: Schema,
    /// What is different from the version before.
    pub changes: Vec<Change>,
}

/// A change that a table's policy does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The column at fault.
    pub column: String,
    /// What changed, and what to do about it.
    pub message: String,
}

impl Policy {
    /// The table's next schema, or nothing when it need not change.
    ///
    /// # Errors
    /// [`Refusal`] of the first change that is not allowed.
    pub fn decide(self, table: &str, drift: &Drift) -> Result<Option<NewVersion>, Refusal> {
        for change in &drift.changes {
            if let Some((column, fix)) = self.objection(change) {
                return Err(Refusal { column: column.to_owned(), message: format!("table {table}: {change}; {fix}") });
            }
        }
        let changed = drift
            .changes
            .iter()
            .any(|change| matches!(change, Change::Added { .. } | Change::Widened { .. } | Change::Removed { .. }));
        Ok(changed.then(|| NewVersion { schema: drift.schema.clone(), changes: drift.changes.clone() }))
    }

    /// The column and the fix, when the change is not allowed.
    fn objection(self, change: &Change) -> Option<(&str, String)> {
        match (change, self) {
            (Change::Missing { .. } | Change::Renamed { .. }, _)
            | (Change::Added { .. } | Change::Removed { .. }, Self::Evolve)
            | (Change::Widened { .. }, Self::Evolve | Self::Widen) => None,
            (Change::Added { column, to }, _) => Some((
                column,
                format!("the policy '{self}' takes no new columns: add {column} {to} yourself, or set the policy to 'evolve'"),
            )),
            (Change::Removed { column }, _) => Some((
                column,
                format!(
                    "the policy '{self}' lets go of no column, and queries of the table fail without it: set the policy to 'evolve', or \
                     register the table anew"
                ),
            )),
            (Change::Widened { column, to, .. }, Self::Freeze) => Some((
                column,
                format!("the policy 'freeze' changes no type: declare {column} as {to} yourself, or set the policy to 'widen'"),
            )),
            (Change::Incompatible { column, .. }, _) => Some((
                column,
                format!(
                    "no type but text holds both: declare {column} as VARCHAR, or set on_error to 'quarantine' to keep such rows apart"
                ),
            )),
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::config(refusal.message)
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Evolve => "evolve",
            Self::Widen => "widen",
            Self::Freeze => "freeze",
        })
    }
}

impl FromStr for Policy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        [Self::Evolve, Self::Widen, Self::Freeze]
            .into_iter()
            .find(|policy| policy.to_string() == text.to_ascii_lowercase())
            .ok_or_else(|| Error::config(format!("unknown policy '{text}', expected 'evolve', 'widen' or 'freeze'")))
    }
}
