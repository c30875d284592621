//! What a file teaches of the columns of a table that declares none: columns that it has not, and types that hold more.
//!
//! It is written down, and the pipeline is planned anew ([`Error::SchemaChanged`]): what was decoded and not handed out is read again
//! then, into the new columns.

use arrow::datatypes::FieldRef;
use catalog::infer::ObservedSchema;

use super::config::{FileTable, Inferred, OnConflict};
use super::csv::decode::NOT_TEXT;
use super::decode::Refused;
use super::object::Object;
use super::reading::Reading;
use crate::error::{Error, Result};

/// A file as far as it was decoded.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) object: Object,
    /// Bytes of the decompressed file.
    pub(super) decoded: u64,
}

impl Seen {
    async fn observe(&self, table: &FileTable) -> Result<ObservedSchema> {
        let columns = table.layout.columns_in_files();
        let names: Vec<String> = columns.fields().iter().map(|field| field.name().clone()).collect();
        table.files().observe(&self.object, self.decoded.saturating_add(1), &names).await
    }
}

/// The `unknown` columns of a file that the table has not, learnt.
///
/// # Errors
/// When that cannot be written down.
pub(super) async fn new_columns(table: &FileTable, known: &Inferred, file: &Seen, unknown: &[String]) -> Result<Error> {
    let observed = file.observe(table).await?;
    learn(table, known, &table.place.address(&file.object.path), &observed, unknown).await
}

/// Why columns may have to be wider, in words: the first of `refused` that does not fit one, or the `fault` for which a file cannot
/// be read as the columns are. None where they are to stay as they are.
pub(super) fn conflict<'a>(
    table: &FileTable,
    reading: &Reading,
    mut refused: impl Iterator<Item = &'a Refused>,
    fault: Option<&Error>,
) -> Option<String> {
    if table.faults.on_conflict != Some(OnConflict::Widen) {
        return None;
    }
    let is_misfit = |refused: &&Refused| refused.column.is_some() && !refused.reason.starts_with(NOT_TEXT);
    match (refused.find(is_misfit), fault) {
        (Some(misfit), _) => Some(reading.describe(misfit)),
        (None, Some(Error::Data { message })) => Some(message.clone()),
        (None, _) => None,
    }
}

/// Types that hold what the file has too, learnt because of what `why` says; none where they would be the same.
///
/// # Errors
/// When that cannot be written down.
pub(super) async fn widened(table: &FileTable, file: &Seen, why: &str) -> Result<Option<Error>> {
    let Some(known) = &table.inferred else { return Ok(None) };
    let observed = file.observe(table).await?;
    let all = known.memory.load().await?.unwrap_or_else(|| known.observed.clone());
    // New columns are learnt by themselves.
    let is_known = table.files().knows(&all);
    let all = table.files().merged(all, &observed.only(is_known));
    let (schema, now) = (known.schema(&all), table.layout.columns_in_files());
    let is_wider = |field: &&FieldRef| now.field_with_name(field.name()).is_ok_and(|old| *old != ***field);
    let wider = schema.fields().iter().filter(is_wider);
    let wider: Vec<String> = wider.map(|field| format!("{} {}", field.name(), catalog::sql_type(field.data_type()))).collect();
    if wider.is_empty() {
        return Ok(None);
    }
    known.memory.store(&all).await?;
    Ok(Some(Error::SchemaChanged {
        message: format!("{why}; from here on, table '{}' has the columns {}", table.name, wider.join(", ")),
    }))
}

/// Adds the new columns among what was `observed` in the file at `address` to what is known of the table's columns.
///
/// # Errors
/// When that cannot be written down.
pub(super) async fn learn(
    table: &FileTable,
    known: &Inferred,
    address: &str,
    observed: &ObservedSchema,
    unknown: &[String],
) -> Result<Error> {
    let all = known.memory.load().await?.unwrap_or_else(|| known.observed.clone());
    let before = known.schema(&all);
    let all = table.files().adopted(all, observed);
    if known.schema(&all) == before && before == table.layout.columns_in_files() {
        return Ok(Error::data(format!(
            "'{address}' has columns that cannot become columns of table '{}': {}; declare the table's columns, or rename them",
            table.name,
            unknown.join(", ")
        )));
    }
    known.memory.store(&all).await?;
    Ok(Error::SchemaChanged {
        message: format!("'{address}' has columns that table '{}' had not: {}", table.name, unknown.join(", ")),
    })
}
