//! Names that are another table's already: a table that is to be made must have one of its own, or nobody could ask for it.

use catalog::store::Table;
use connectors::context::TableSpec;
use connectors::{Error, Result};
use object_store::path::Path;

use super::lake::{PUBLIC, list_folder};
use super::register::name_of;
use super::{Lookup, registered, warehouse};
use crate::session::Session;

/// The table that the catalog has under the name that the sink `spec` of `pipeline` would have, if that is another one.
///
/// # Errors
/// [`Error::Config`] for a location that makes no sense.
pub(crate) async fn other(lookup: &Lookup, session: &Session, pipeline: &str, spec: &TableSpec) -> Result<Option<Table>> {
    let spec = session.resolve(spec)?;
    let name = name_of(session, pipeline, &spec).map_err(|error| Error::config(format!("{error:#}")))?;
    let Some(known) = lookup.find(&name).await else { return Ok(None) };
    // The warehouse has its names to itself, wherever it is or was.
    let is_database = warehouse::name_of(session, &spec.connector, &spec.location).is_some();
    if is_database || known.registration.connector.eq_ignore_ascii_case("WAREHOUSE") {
        return Ok(None);
    }
    // Who registered a table may move it.
    let is_ours = || known.registration.registered_by == format!("pipeline {pipeline}");
    let is_same =
        known.registration.connector.eq_ignore_ascii_case(&spec.connector) && (is_ours() || is_at(session, &known, &spec)?);
    Ok(Some(known).filter(|_| !is_same))
}

fn is_at(session: &Session, known: &Table, spec: &TableSpec) -> Result<bool> {
    let known = session.resolve(&registered::spec(known, ""))?;
    Ok(session.context.locate(&known.location)?.url == session.context.locate(&spec.location)?.url)
}

/// The folders of the lake that the tables of `database` are in, by the names of these: what a pipeline writes there is asked for by
/// them, whether the catalog was told of it or not.
///
/// # Errors
/// When the lake cannot be listed.
pub(crate) async fn folders(session: &Session, database: &str) -> Result<Vec<(String, String)>> {
    let lake = session.context.stores.lake()?;
    let place = if database == PUBLIC { lake } else { lake.join(database) };
    let found = list_folder(&place).await?;
    let address = |path: &Path| match place.url.scheme() {
        "file" => format!("/{path}"),
        scheme => format!("{scheme}://{}/{path}", place.url.authority()),
    };
    let named = found.common_prefixes.iter().filter_map(|path| Some((path.filename()?.to_owned(), address(path))));
    Ok(named.filter(|(name, _)| !name.starts_with(['.', '_'])).collect())
}
