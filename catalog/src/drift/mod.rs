//! What has changed between a table's schema and what its files have now, and what its policy makes of that.
//!
//! [`compare`] says what changed; [`Policy::decide`] says whether the table may follow. A column that new files do not have stays
//! and reads as null: nothing is taken away. Only a table that is one as a whole, in a database, loses columns
//! ([`Drift::removing_missing`]).

mod compare;
mod policy;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use compare::{Drift, compare, exchanged};
pub use policy::{NewVersion, Policy, Refusal};

/// One difference. Types are in SQL's words, with their form; a key of an object is named after a dot, the items of a list by
/// brackets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "lowercase")]
pub enum Change {
    /// The files have a column that the table has not.
    Added {
        /// The column.
        column: String,
        /// Its type.
        to: String,
    },
    /// The files have values that the column's type does not hold, and another type holds both.
    Widened {
        /// The column.
        column: String,
        /// Its type so far.
        from: String,
        /// The type that holds both.
        to: String,
    },
    /// The files do not have the column.
    Missing {
        /// The column.
        column: String,
    },
    /// The table has no values of the column any more, nor of the rows that had some: it goes.
    Removed {
        /// The column.
        column: String,
    },
    /// A guess, for people to read: a missing and an added column may be the same. Both are listed as well.
    Renamed {
        /// The missing column.
        from: String,
        /// The added one.
        to: String,
        /// What speaks for it.
        why: String,
    },
    /// The files have values that the column's type does not hold, and nothing but text holds both.
    Incompatible {
        /// The column.
        column: String,
        /// Its type.
        from: String,
        /// The type in the files.
        to: String,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { column, to } => write!(f, "`{column}` is new, {to}"),
            Self::Widened { column, from, to } => write!(f, "`{column}` was {from} and becomes {to}"),
            Self::Missing { column } => write!(f, "`{column}` is missing; it reads as null"),
            Self::Removed { column } => write!(f, "`{column}` is gone"),
            Self::Renamed { from, to, why } => write!(f, "`{from}` may have been renamed to `{to}`: {why}"),
            Self::Incompatible { column, from, to } => write!(f, "`{column}` is {from}, and {to} in the files"),
        }
    }
}
