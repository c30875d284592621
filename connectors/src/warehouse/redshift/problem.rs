//! Why a try to commit failed: what the database said to what it was asked, or something of ours.

use crate::error::{Error, Result};
use crate::warehouse::redshift::fault::Fault;
use crate::warehouse::redshift::names::Relation;

/// Why a try failed.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The database, and what it was asked to do.
    Database(Fault, &'static str),
    /// Anything else.
    Ours(Error),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl Problem {
    /// Whether the whole may succeed if it is tried again.
    pub(crate) fn passes(&self) -> bool {
        match self {
            Self::Database(fault, _) => fault.passes(),
            Self::Ours(error) => error.retry(),
        }
    }

    /// For the user.
    pub(crate) fn into_error(self, table: &Relation) -> Error {
        match self {
            Self::Ours(error) => error,
            Self::Database(fault, doing) => fault.into_error(&format!("{doing} '{table}' in Redshift")),
        }
    }
}

/// Says what a statement was for.
pub(crate) trait While<T> {
    /// `doing` reads well before the name of the table.
    fn when(self, doing: &'static str) -> Result<T, Problem>;
}

impl<T> While<T> for Result<T, Fault> {
    fn when(self, doing: &'static str) -> Result<T, Problem> {
        self.map_err(|fault| Problem::Database(fault, doing))
    }
}
