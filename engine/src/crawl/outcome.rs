//! What a crawl comes to.

use catalog::crawl::Skipped;
use catalog::drift::{Change, NewVersion};
use catalog::infer::ObservedSchema;
use catalog::store::{Alteration, Registration, Statistics, TableName};
use connectors::files::crawl::Progress;

/// What becomes of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is registered.
    Register,
    /// It stays as it is.
    Keep,
    /// It gets another schema.
    Evolve {
        /// The version that this was decided for.
        after: u32,
        /// The next one.
        version: NewVersion,
    },
    /// It stays as it is, though its files are not: its policy, or nothing but text, would have it otherwise.
    Refuse {
        /// The change, and what to do about it.
        why: String,
    },
    /// None of its objects is left, or it is no more in its database; it stays.
    Lost,
    /// The same, and it goes.
    Prune,
    /// Somebody else keeps it.
    Leave {
        /// Who.
        by: String,
    },
}

/// A table of the location.
#[derive(Debug, Clone)]
pub struct TableOutcome {
    /// As it will be in the catalog.
    pub registration: Registration,
    /// What becomes of it.
    pub decision: Decision,
    /// What is different from the catalog.
    pub changes: Vec<Change>,
    /// Whether something but the schema changes: policy or options.
    pub is_altered: bool,
    /// What else the catalog is to say of it.
    pub alterations: Vec<Alteration>,
    /// How large it is.
    pub statistics: Statistics,
    /// Objects that are new, changed and gone since the last crawl.
    pub touched: Touched,
    /// All that was seen of it; nothing when that is what is kept already.
    pub observed: Option<ObservedSchema>,
    /// What speaks for its columns, a line each.
    pub evidence: Vec<String>,
    /// What is wrong with it.
    pub problems: Vec<String>,
    /// What who reads it may stumble on, with what to do.
    pub warnings: Vec<String>,
}

/// How many objects of a table are not as they were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Touched {
    /// New.
    pub new: u64,
    /// Written anew.
    pub changed: u64,
    /// Gone.
    pub gone: u64,
}

impl TableOutcome {
    /// Its name.
    pub fn name(&self) -> &TableName {
        &self.registration.name
    }

    /// Whether it is one that crawls keep.
    pub fn is_ours(&self) -> bool {
        !matches!(self.decision, Decision::Leave { .. })
    }

    /// Why it could not become what its files are.
    pub fn refusals(&self) -> impl Iterator<Item = &str> {
        let refusal = match &self.decision {
            Decision::Refuse { why } => Some(why.as_str()),
            _ => None,
        };
        refusal.into_iter().chain(self.problems.iter().map(String::as_str))
    }
}

/// A location and its tables.
#[derive(Debug)]
pub struct Outcome {
    /// The tables, in the order of their locations.
    pub tables: Vec<TableOutcome>,
    /// Tables that go first, since they are registered anew.
    pub forgotten: Vec<TableName>,
    /// What is no data and below no table, with what is below one.
    pub skipped: Vec<Skipped>,
    /// The counts.
    pub progress: Progress,
    /// The list of objects that the next crawl goes on from; none of a database.
    pub ledger: Option<String>,
    /// What else there was and is in no table.
    pub notes: Vec<String>,
}

impl Outcome {
    /// Whether a table could not become what its files are.
    pub fn is_refused(&self) -> bool {
        self.tables.iter().any(|table| table.refusals().next().is_some())
    }
}
