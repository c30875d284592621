//! What every catalog says to what it does not do.

use super::{Table, TableName};
use crate::error::{Error, Result};

/// So many names are listed for one that is not there.
const MOST_NAMES: usize = 5;

/// There is no such table; `known` are those that there are.
pub(super) fn missing(name: &TableName, known: &[TableName]) -> Error {
    let alike =
        |other: &TableName| strsim::normalized_damerau_levenshtein(&other.table.to_lowercase(), &name.table.to_lowercase());
    let mut near: Vec<(f64, &TableName)> = known.iter().map(|other| (alike(other), other)).collect();
    near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let near: Vec<String> =
        near.iter().take(MOST_NAMES).filter(|(alike, _)| *alike >= 0.6).map(|(_, name)| name.to_string()).collect();
    let hint = match near.as_slice() {
        [] if known.is_empty() => "the catalog is empty; register tables with `engine crawl`".to_owned(),
        [] => "`engine catalog list` lists what there is".to_owned(),
        near => format!("did you mean {}?", near.join(" or ")),
    };
    Error::not_found(format!("there is no table {name} in the catalog; {hint}"))
}

/// There is such a table already.
pub(super) fn taken(known: &Table) -> Error {
    let name = known.name();
    Error::Conflict {
        message: format!(
            "table {name} is in the catalog already, registered by {}, at {}; choose another name, or take it out: engine catalog forget \
             {name}",
            known.registration.registered_by, known.registration.location
        ),
    }
}

/// Whether a change that was decided for version `after` still holds.
///
/// # Errors
/// [`Error::Conflict`] when the table has another by now.
pub(super) fn check_version(name: &TableName, current: u32, after: u32) -> Result<()> {
    if current == after {
        return Ok(());
    }
    let message = format!("table {name} has schema version {current} by now, and the change was decided for {after}");
    Err(Error::Conflict { message })
}

/// Whether a table has a column.
///
/// # Errors
/// [`Error::Config`] with those that it has.
pub(super) fn check_column(table: &Table, column: &str) -> Result<()> {
    let schema = table.full_schema();
    if schema.fields().find(column).is_some() {
        return Ok(());
    }
    let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    Err(Error::config(format!("table {} has no column `{column}`; there are: {}", table.name(), columns.join(", "))))
}
