//! Folders as columns: what the levels of folders below a table's root mean.
//!
//! | folders | columns |
//! |---|---|
//! | `dt=2026-11-21/country=DE` | `dt` date, `country` text; `__HIVE_DEFAULT_PARTITION__` is null, values are URL-decoded |
//! | `2026/11/21/10` | `year`, `month`, `day`, `hour`, whole numbers |
//! | `2026-11-21`, `20261121` | `date` |
//! | `eu/17` | `partition_0` text, `partition_1` a whole number |
//! | `part`, the same everywhere | none |
//!
//! [`PartitionEvidence`] looks at one path after the other and keeps a few facts a level, however many paths there are; it merges
//! in any order. [`Partitioning`] is what they amount to, and turns a path into values.

mod evidence;
mod level;
mod template;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt::Write;

use arrow_schema::{DataType, Field};
use serde::{Deserialize, Serialize};

pub use evidence::PartitionEvidence;
pub(crate) use evidence::{Likeness, likeness};
pub use level::{Level, PartitionType, PartitionValue, Segment};

use crate::error::{Error, Result};
use crate::infer::Form;

/// The levels of folders below the root of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partitioning {
    levels: Vec<Level>,
}

impl Partitioning {
    /// What these folders mean, given as paths relative to the table's root, without file names.
    pub fn infer<'a>(directories: impl IntoIterator<Item = &'a str>) -> Self {
        let mut evidence = PartitionEvidence::default();
        for directory in directories {
            evidence.observe(directory);
        }
        evidence.resolve()
    }

    /// The partition columns, outermost first.
    pub fn fields(&self) -> Vec<Field> {
        self.columns().map(|(name, level)| Field::new(name, level.data_type(), true).with_metadata(level.form())).collect()
    }

    /// Their values for a folder, in the order of [`fields`](Self::fields). A file that lies higher than others has nulls for the
    /// levels below it.
    ///
    /// # Errors
    /// [`Error::Data`] for a folder of another shape, or with a value that is not of its column's type.
    pub fn values(&self, directory: &str) -> Result<Vec<Option<PartitionValue>>> {
        let mut segments = segments(directory);
        let mut values = Vec::with_capacity(self.levels.len());
        for level in &self.levels {
            let value = match segments.next() {
                Some(segment) => {
                    level.value(segment).map_err(|problem| Error::data(format!("folder '{directory}': {problem}")))?
                }
                None => None,
            };
            if level.name.is_some() {
                values.push(value);
            }
        }
        match segments.next() {
            None => Ok(values),
            Some(_) => Err(Error::data(format!(
                "folder '{directory}' is deeper than the {} of '{}'; crawl the location again",
                if self.levels.len() == 1 { "one level".to_owned() } else { format!("{} levels", self.levels.len()) },
                self.template()
            ))),
        }
    }

    /// The shape of the folders, as in `raw/{year}/{month}/country={country}`.
    pub fn template(&self) -> String {
        let mut template = String::new();
        for level in &self.levels {
            if !template.is_empty() {
                template.push('/');
            }
            // Writing to a string cannot fail.
            let written = match (&level.segment, &level.name) {
                (Segment::Fixed(text), _) => write!(template, "{text}"),
                (Segment::Hive(key), Some(name)) => write!(template, "{key}={{{name}}}"),
                (Segment::Hive(key), None) => write!(template, "{key}=*"),
                (Segment::Plain, Some(name)) => write!(template, "{{{name}}}"),
                (Segment::Plain, None) => write!(template, "*"),
            };
            debug_assert!(written.is_ok());
        }
        template
    }

    /// Whether every level says itself which column it is, as `key=value`.
    pub fn is_hive(&self) -> bool {
        self.levels.iter().all(|level| matches!(level.segment, Segment::Hive(_)))
    }

    /// The levels, outermost first, with those that are no columns.
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    fn columns(&self) -> impl Iterator<Item = (&str, &Level)> {
        self.levels.iter().filter_map(|level| level.name.as_deref().map(|name| (name, level)))
    }
}

impl Level {
    /// How the values of a level of days are written, kept as that of a column is.
    fn form(&self) -> HashMap<String, String> {
        let PartitionType::Date(form) = self.partition_type else { return HashMap::new() };
        Form::metadata(Some(Form::Date(form)))
    }

    fn data_type(&self) -> DataType {
        match self.partition_type {
            PartitionType::Text => DataType::Utf8,
            PartitionType::Int => DataType::Int64,
            PartitionType::Date(_) => DataType::Date32,
        }
    }
}

/// The folders of a path, outermost first.
fn segments(directory: &str) -> impl Iterator<Item = &str> {
    directory.split('/').filter(|segment| !segment.is_empty())
}
