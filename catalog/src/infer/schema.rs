//! What was seen of a table: its columns in order, in how many files each appeared, and as what.

use arrow_schema::{Fields, Schema};
use serde::{Deserialize, Serialize};

use super::evidence::Evidence;
use super::ordered::Ordered;
use super::place::Place;
use super::resolve::{ResolveOptions, Resolved};

/// How many files have a column as one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileTally {
    /// The type in SQL's words, with its form; `None` where a file has no value of it.
    pub type_name: Option<String>,
    /// How many files.
    pub files: u64,
    /// The value that decided it in the first of them.
    pub first: Place,
}

/// Records that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusals {
    /// How many.
    pub records: u64,
    /// The first of them.
    pub first: Place,
    /// What is wrong with that one.
    pub why: String,
}

impl Refusals {
    /// Adds those of another file.
    pub(super) fn merge(mine: &mut Option<Self>, other: Option<&Self>) {
        let Some(other) = other else { return };
        match mine {
            None => *mine = Some(other.clone()),
            Some(mine) => {
                mine.records += other.records;
                if (&other.first, &other.why) < (&mine.first, &mine.why) {
                    mine.first = other.first.clone();
                    mine.why.clone_from(&other.why);
                }
            }
        }
    }
}

/// One column of a table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ObservedColumn {
    /// All values of all files.
    pub evidence: Evidence,
    /// In how many files it appeared.
    pub files: u64,
    /// What each of these files alone would have made of it.
    pub types: Vec<FileTally>,
}

impl ObservedColumn {
    pub(super) fn merge(&mut self, other: &Self) {
        self.evidence.merge(&other.evidence);
        self.files += other.files;
        for tally in &other.types {
            match self.types.iter_mut().find(|mine| mine.type_name == tally.type_name) {
                Some(mine) => {
                    mine.files += tally.files;
                    if tally.first < mine.first {
                        mine.first = tally.first.clone();
                    }
                }
                None => self.types.push(tally.clone()),
            }
        }
    }
}

/// What was seen of a file, or, [merged](Self::merge), of a table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ObservedSchema {
    /// How many rows were read: all, or a sample.
    pub rows: u64,
    /// How many files.
    pub files: u64,
    /// How many of these were read in part only.
    #[serde(default)]
    pub sampled: u64,
    /// Whether the columns have no names but those made from their positions, `column_1` and so on.
    pub positional: bool,
    /// Whether there were more columns than are kept.
    pub truncated: bool,
    /// Whether some of it is JSON as programs print it that were not asked for JSON: with single quotes, `None`, `True`.
    #[serde(default)]
    pub lenient: bool,
    /// Records that could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refusals>,
    /// The columns, in order of first appearance.
    pub columns: Ordered<ObservedColumn>,
}

impl ObservedSchema {
    /// Adds what was seen in other files. The result does not depend on the order, but for that of the columns.
    pub fn merge(&mut self, other: &Self) {
        self.positional = other.positional && (self.positional || self.files == 0);
        self.truncated |= other.truncated;
        self.lenient |= other.lenient;
        Refusals::merge(&mut self.refused, other.refused.as_ref());
        self.rows += other.rows;
        self.files += other.files;
        self.sampled += other.sampled;
        for (name, column) in other.columns.iter() {
            self.columns.get_or_insert_with(name, ObservedColumn::default).merge(column);
        }
    }

    /// The same with those of its columns only whose names `keep` wants.
    #[must_use]
    pub fn only(&self, keep: impl Fn(&str) -> bool) -> Self {
        let mut columns = Ordered::default();
        for (name, column) in self.columns.iter().filter(|(name, _)| keep(name)) {
            columns.get_or_insert_with(name, || column.clone());
        }
        Self { columns, ..self.clone() }
    }

    /// The columns' types, in order.
    pub fn resolve(&self, options: &ResolveOptions) -> Vec<(String, Resolved)> {
        let resolve = |(name, column): (&str, &ObservedColumn)| {
            let mut resolved = column.evidence.resolve(options);
            resolved.nullable |= column.evidence.observed() < self.rows;
            (name.to_owned(), resolved)
        };
        self.columns.iter().map(resolve).collect()
    }

    /// The schema: every column may be null, since what was not read may be.
    pub fn schema(&self, options: &ResolveOptions) -> Schema {
        Schema::new(self.resolve(options).iter().map(|(name, resolved)| resolved.field(name)).collect::<Fields>())
    }

    /// A number that is equal for files with equal columns and types, whatever their values.
    pub fn shape(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        self.positional.hash(&mut hasher);
        for (name, column) in self.columns.iter() {
            name.hash(&mut hasher);
            for tally in &column.types {
                tally.type_name.hash(&mut hasher);
            }
        }
        hasher.finish()
    }
}
