//! The partitions of a table of files: the folders that there are, with their values as Glue writes them.

use std::collections::BTreeMap;

use catalog::partitions::{PartitionValue, Partitioning};
use chrono::NaiveDate;
use futures::TryStreamExt;

use crate::context::{Context, TableSpec};
use crate::error::{Error, Result};
use crate::files::listing::Place;
use crate::files::object::{Format, skip};
use crate::staging::NULL_FOLDER;

/// Locations by values: one folder a partition.
pub(super) type Partitions = BTreeMap<Vec<String>, String>;

/// The partitions of a table's files. Files are listed, not read; the folders are held.
///
/// # Errors
/// When the files cannot be listed, or a folder is none of those that the table has.
pub(super) async fn partitions(
    partitioning: &Partitioning,
    spec: &TableSpec,
    format: Format,
    context: &Context,
) -> Result<Partitions> {
    let place = Place::parse(&context.stores, &spec.location)?;
    let mut files = place.list().await?;
    let mut partitions = Partitions::new();
    let mut last = None;
    while let Some(object) = files.try_next().await? {
        let relative = place.relative(&object.path);
        if skip(relative, object.size, format).is_some() {
            continue;
        }
        let address = place.address(&object.path);
        let folder = address.rsplit_once('/').map_or("", |(folder, _)| folder);
        if last.as_deref() == Some(folder) {
            continue;
        }
        let all = place.folders(&object.path);
        // Of a pattern, it is not known which of its folders are fixed: all files lie equally deep.
        let below = match relative.rsplit_once('/') {
            _ if place.is_pattern() => all[all.len().saturating_sub(partitioning.levels().len())..].join("/"),
            Some((below, _)) => below.to_owned(),
            None => String::new(),
        };
        let values = partitioning.values(&below).map_err(|error| Error::data(format!("table {}: {error}", spec.name)))?;
        partitions.entry(values.into_iter().map(shown).collect()).or_insert_with(|| format!("{folder}/"));
        last = Some(folder.to_owned());
    }
    Ok(partitions)
}

/// The folder that a table's location is, or begins with, as Athena takes it.
///
/// # Errors
/// When the location makes no sense.
pub(super) fn root(spec: &TableSpec, context: &Context) -> Result<String> {
    let place = Place::parse(&context.stores, &spec.location)?;
    let url = place.root.url.as_str().trim_end_matches('/');
    // Athena takes no file for a table: its folder is.
    let folder = if place.names_one_file() { url.rsplit_once('/').map_or(url, |(folder, _)| folder) } else { url };
    Ok(format!("{folder}/"))
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
