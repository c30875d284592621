//! What is the same for all rows of a file: the values that its folders name, and the columns about the file.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array};
use arrow::compute::concat;
use arrow::datatypes::{FieldRef, Schema};
use catalog::partitions::{PartitionValue, Partitioning};
use datafusion::common::ScalarValue;
use object_store::path::Path;

use super::columns::Columns;
use super::config::Layout;
use super::listing::Place;
use super::object::Object;
use crate::error::{Error, Result};
use crate::options::unknown;
use crate::staging::{NULL_FOLDER, unescape};

/// The values, by the column's place behind those that are in the files. The number of a row is in no file's values.
pub(super) type FileValues = Arc<[ScalarValue]>;

/// Of one file.
///
/// # Errors
/// [`Error::Data`] when a folder of the path is missing, or its value is none of the column's type.
pub(super) fn file_values(layout: &Layout, place: &Place, object: &Object) -> Result<FileValues> {
    let mut values = partition_values(layout, place, object)?;
    if layout.file_columns {
        let size = i64::try_from(object.size).unwrap_or(i64::MAX);
        let modified = object.modified.timestamp_micros();
        values.push(ScalarValue::Utf8(Some(place.address(&object.path))));
        values.push(ScalarValue::Int64(Some(size)));
        values.push(ScalarValue::TimestampMicrosecond(Some(modified), Some("UTC".into())));
    }
    Ok(values.into())
}

fn partition_values(layout: &Layout, place: &Place, object: &Object) -> Result<Vec<ScalarValue>> {
    if layout.partitions.is_empty() {
        return Ok(Vec::new());
    }
    let mut columns = Columns::new(Arc::new(Schema::new(partition_fields(layout))))?;
    match &layout.folders {
        Some(folders) => by_place(layout, folders, place, &object.path, &mut columns)?,
        None => {
            let known = by_name(layout, place, &object.path, &mut columns)?;
            if let Some(missing) = known.iter().position(|is_known| !is_known) {
                return Err(not_in_folder(layout, place, &object.path, missing));
            }
        }
    }
    row(columns, place, &object.path)
}

/// The partition columns.
fn partition_fields(layout: &Layout) -> Vec<FieldRef> {
    layout.schema.fields()[layout.in_files..layout.in_files + layout.partitions.len()].to_vec()
}

fn row(mut columns: Columns, place: &Place, path: &Path) -> Result<Vec<ScalarValue>> {
    columns.end_row().map_err(|misfit| {
        let address = place.address(path);
        Error::data(format!("'{address}': partition column '{}' {}", misfit.column, misfit.reason))
    })?;
    let batch = columns.take()?;
    batch.columns().iter().map(|column| Ok(ScalarValue::try_from_array(column, 0)?)).collect()
}

/// The values of the partition columns that are known of all that is below `folder`.
///
/// # Errors
/// [`Error::Data`] when one is none of its column's type.
pub(super) fn known_values(layout: &Layout, place: &Place, folder: &Path) -> Result<Vec<Option<ScalarValue>>> {
    // Whether a column may be NULL is for its files to say.
    let fields = partition_fields(layout).into_iter().map(|field| field.as_ref().clone().with_nullable(true));
    let mut columns = Columns::new(Arc::new(Schema::new(fields.collect::<Vec<_>>())))?;
    let within = folder.clone().join("file");
    let known = match &layout.folders {
        Some(folders) => {
            by_place(layout, folders, place, &within, &mut columns)?;
            let depth = place.relative(&within).matches('/').count();
            let names: Vec<&str> = folders.levels().iter().take(depth).filter_map(|level| level.name.as_deref()).collect();
            layout.partitions.iter().map(|name| names.contains(&name.as_str())).collect()
        }
        None => by_name(layout, place, &within, &mut columns)?,
    };
    let values = row(columns, place, folder)?;
    Ok(values.into_iter().zip(known).map(|(value, is_known)| is_known.then_some(value)).collect())
}

/// Values of folders that are told by their place.
fn by_place(layout: &Layout, folders: &Partitioning, place: &Place, path: &Path, columns: &mut Columns) -> Result<()> {
    let address = place.address(path);
    let values = folders.values(place.partition_folder(path, folders.levels().len()));
    let values = values.map_err(|error| Error::data(format!("'{address}': {error}")))?;
    let names = folders.levels().iter().filter_map(|level| level.name.as_deref());
    for (name, value) in names.zip(values) {
        let Some(index) = layout.partitions.iter().position(|partition| partition == name) else { continue };
        let text = match value {
            None => continue,
            Some(PartitionValue::Text(text)) => text,
            Some(PartitionValue::Int(number)) => number.to_string(),
            Some(PartitionValue::Date(days)) => {
                columns.column(index).date(days)?;
                continue;
            }
        };
        set(columns, index, &text, &address)?;
    }
    Ok(())
}

fn set(columns: &mut Columns, index: usize, text: &str, address: &str) -> Result<()> {
    let set = columns.column(index).text(text);
    set.map_err(|misfit| Error::data(format!("'{address}': partition column '{}': {}", misfit.column, misfit.reason)))
}

/// The folders called `column=value`, in lower case, and the values.
fn named(folders: &[String]) -> Vec<(String, &str)> {
    let named = folders.iter().filter_map(|folder| folder.split_once('='));
    named.map(|(name, value)| (unescape(name).to_lowercase(), value)).collect()
}

fn not_in_folder(layout: &Layout, place: &Place, path: &Path, index: usize) -> Error {
    let (address, folders) = (place.address(path), place.folders(path));
    let (name, named) = (&layout.partitions[index], named(&folders));
    let help = unknown("partition column", name, "the path", named.iter().map(|(name, _)| name.as_str()));
    Error::data(format!("'{address}' is in no folder '{name}=<value>': {help}"))
}

/// Values of folders called `column=value`. Says of which columns there is such a folder.
fn by_name(layout: &Layout, place: &Place, path: &Path, columns: &mut Columns) -> Result<Vec<bool>> {
    let (address, folders) = (place.address(path), place.folders(path));
    let named = named(&folders);
    let mut known = Vec::with_capacity(layout.partitions.len());
    for (index, name) in layout.partitions.iter().enumerate() {
        let found = named.iter().find(|(folder, _)| *folder == name.to_lowercase());
        known.push(found.is_some());
        let Some((_, value)) = found else { continue };
        if *value != NULL_FOLDER {
            // `month=01` is a number where a number is declared.
            let text = unescape(value);
            let is_integer = columns.column(index).field().data_type().is_integer();
            let padded = is_integer.then(|| catalog::values::padded_integer(&text)).flatten();
            let text = padded.map_or(text, |number| number.to_string());
            set(columns, index, &text, &address)?;
        }
    }
    Ok(known)
}

/// Rows of one batch that are of one file.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) values: FileValues,
    pub(super) rows: usize,
}

/// The column behind those of the files at `place`, for the rows of `segments`.
pub(super) fn column(segments: &[Segment], place: usize, numbers: &[i64]) -> Result<ArrayRef> {
    let arrays = segments
        .iter()
        .map(|segment| match segment.values.get(place) {
            Some(value) => value.to_array_of_size(segment.rows).map(Some),
            None => Ok(None),
        })
        .collect::<datafusion::error::Result<Option<Vec<_>>>>()?;
    // Behind the values of a file there is only the number of the row.
    let Some(arrays) = arrays else { return Ok(Arc::new(Int64Array::from(numbers.to_vec()))) };
    let parts: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
    Ok(concat(&parts)?)
}
