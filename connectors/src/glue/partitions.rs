//! The partitions of a table of files: the folders that there are, with their values as Glue writes them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use catalog::partitions::{PartitionValue, Partitioning};
use chrono::NaiveDate;
use futures::TryStreamExt;
use object_store::path::Path;

use crate::context::TableSpec;
use crate::error::Result;
use crate::files::listing::Place;
use crate::files::object::{Format, skip};
use crate::staging::NULL_FOLDER;
use crate::stores::Stores;

/// The partitions of a table, and the files that are in none.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    /// Locations by values: one folder a partition.
    pub(super) folders: BTreeMap<Vec<String>, String>,
    unseen: u64,
    /// The first file that is in no partition, and why.
    first: Option<String>,
}

impl Partitions {
    /// Of a table's files. They are listed, not read; the folders are held.
    ///
    /// # Errors
    /// When the files cannot be listed.
    pub(super) async fn of(partitioning: &Partitioning, spec: &TableSpec, format: Format, stores: &Stores) -> Result<Self> {
        let place = Place::parse(stores, &spec.location)?;
        let mut files = place.list().await?;
        let mut partitions = Self::default();
        let mut last: Option<(String, Option<String>)> = None;
        while let Some(object) = files.try_next().await? {
            let relative = place.relative(&object.path);
            if skip(relative, object.size, format).is_some() {
                continue;
            }
            let address = address(&place, &object.path);
            let folder = address.rsplit_once('/').map_or("", |(folder, _)| folder);
            let problem = match last.take() {
                Some((known, problem)) if known == folder => problem,
                _ => {
                    let below = place.partition_folder(&object.path, partitioning.levels().len());
                    partitions.add(partitioning, below, folder)
                }
            };
            if let Some(problem) = &problem {
                partitions.unseen += 1;
                partitions.first.get_or_insert_with(|| format!("'{address}': {problem}"));
            }
            last = Some((folder.to_owned(), problem));
        }
        Ok(partitions)
    }

    /// Takes a folder that has files, which ends in `below`, for what it is; says why it is in no partition.
    fn add(&mut self, partitioning: &Partitioning, below: &str, folder: &str) -> Option<String> {
        let segments: Vec<&str> = below.split('/').filter(|segment| !segment.is_empty()).collect();
        // Levels behind the last that is a column lie within a partition. What lies higher than that one would be in a partition that
        // has others within it, and Athena would read their rows twice.
        let depth = partitioning.levels().iter().rposition(|level| level.name.is_some()).map_or(0, |last| last + 1);
        let Some(named) = segments.get(..depth) else { return Some("it lies above the folders of partitions".to_owned()) };
        let folder = segments[depth..].iter().fold(folder, |folder, _| folder.rsplit_once('/').map_or("", |(above, _)| above));
        let values = match partitioning.values(&named.join("/")) {
            Ok(values) => values.into_iter().map(shown).collect(),
            Err(error) => return Some(error.to_string()),
        };
        let location = format!("{folder}/");
        match self.folders.entry(values) {
            Entry::Occupied(other) if *other.get() != location => Some(format!("'{}' has the same values", other.get())),
            other => {
                other.or_insert(location);
                None
            }
        }
    }

    /// What is to be known of the files that are in no partition, if there are such.
    pub(super) fn note(&self) -> Option<String> {
        let first = self.first.as_ref()?;
        Some(format!("Athena does not see {} of the files, as {first}", self.unseen))
    }
}

/// The folder that a table's location is, or begins with, as Athena takes it; and whether the table has only some of its files.
///
/// # Errors
/// When the location makes no sense.
pub(super) fn root(location: &str, stores: &Stores) -> Result<(String, bool)> {
    let place = Place::parse(stores, location)?;
    let address = address(&place, &place.root.path);
    let address = address.trim_end_matches('/');
    let is_file = place.names_one_file();
    let folder = if is_file { address.rsplit_once('/').map_or(address, |(folder, _)| folder) } else { address };
    Ok((format!("{folder}/"), is_file || place.is_pattern()))
}

/// As Athena writes it: nothing is encoded in it, and S3 has one scheme.
fn address(place: &Place, path: &Path) -> String {
    let address = place.address(path);
    match address.strip_prefix("s3a://") {
        Some(rest) => format!("s3://{rest}"),
        None => address,
    }
}

fn shown(value: Option<PartitionValue>) -> String {
    match value {
        None => NULL_FOLDER.to_owned(),
        Some(PartitionValue::Text(text)) => text,
        Some(PartitionValue::Int(number)) => number.to_string(),
        Some(PartitionValue::Date(days)) => {
            NaiveDate::from_epoch_days(days).map_or_else(|| days.to_string(), |date| date.format("%Y-%m-%d").to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field};

    use super::*;
    use crate::stores::S3Config;

    #[test]
    fn folders_are_partitions_where_their_last_column_is() {
        let fields = [Field::new("day", DataType::Date32, true), Field::new("n", DataType::Int64, true)];
        let partitioning = Partitioning::parse("raw/day={day}/{n}/*", &fields).unwrap();
        let mut partitions = Partitions::default();
        let mut add = |below: &str| partitions.add(&partitioning, below, &format!("s3://b/{below}"));
        for below in ["raw/day=2026-11-21/01/x", "raw/day=2026-11-21/01/y/z", "raw/day=__HIVE_DEFAULT_PARTITION__/2"] {
            assert_eq!(add(below), None);
        }
        assert_eq!(add("raw/day=2026-11-21/1/x").unwrap(), "'s3://b/raw/day=2026-11-21/01/' has the same values");
        assert_eq!(add("raw/day=2026-11-21").unwrap(), "it lies above the folders of partitions");
        assert!(add("raw/day=soon/1").unwrap().starts_with("folder 'raw/day=soon/1': "));
        let expected = [
            (["2026-11-21", "1"], "s3://b/raw/day=2026-11-21/01/"),
            ([NULL_FOLDER, "2"], "s3://b/raw/day=__HIVE_DEFAULT_PARTITION__/2/"),
        ];
        let expected = expected.map(|(values, place)| (values.map(str::to_owned).to_vec(), place.to_owned()));
        assert_eq!(partitions.folders, BTreeMap::from(expected));
    }

    #[test]
    fn athena_is_told_a_folder_as_it_is_called() {
        let stores = Stores::new("/tmp/lake", S3Config::default()).unwrap();
        for (location, expected) in [
            ("s3://b/my folder/é/", ("s3://b/my folder/é/", false)),
            ("s3a://b/x", ("s3://b/x/", false)),
            ("s3://b/", ("s3://b/", false)),
            ("s3://b/x/*.csv", ("s3://b/x/", true)),
            ("s3://b/x/codes.csv", ("s3://b/x/", true)),
            ("/data", ("/data/", false)),
        ] {
            let (folder, is_part) = root(location, &stores).unwrap();
            assert_eq!((folder.as_str(), is_part), expected, "{location}");
        }
    }
}
