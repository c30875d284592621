//! Names that are another table's already: a table that is to be made must have one of its own, or nobody could ask for it.

use catalog::store::Table;
use connectors::context::TableSpec;
use connectors::registry::connector;
use connectors::{Error, Result};
use object_store::path::Path;

use super::lake::{PUBLIC, list_folder};
use super::register::{name_of, registered_by};
use super::{Lookup, registered};
use crate::session::Session;

/// The connector of the warehouse's tables.
pub(super) const WAREHOUSE: &str = "WAREHOUSE";

/// The table that the catalog has under the name that the sink `spec` of `pipeline` would have, if that is another one.
///
/// # Errors
/// [`Error::Config`] for a location that makes no sense.
pub(crate) async fn other(lookup: &Lookup, session: &Session, pipeline: &str, spec: &TableSpec) -> Result<Option<Table>> {
    let spec = session.resolve(spec)?;
    let meant = meant(session, &spec)?;
    let meant = meant.as_ref().unwrap_or(&spec);
    let name = name_of(session, pipeline, meant).map_err(|error| Error::config(format!("{error:#}")))?;
    let Some(known) = lookup.find(&name).await else { return Ok(None) };
    // In a database, and where it was in one, it is the warehouse's own.
    let was = &known.registration.connector;
    let is_own = is_warehouse(&spec) && (is_warehouse(meant) || was.eq_ignore_ascii_case(WAREHOUSE));
    let is_same = is_own || is_same(session, &known, meant, &registered_by(pipeline))?;
    Ok(Some(known).filter(|_| !is_same))
}

/// What a table is in the catalog, where its connector stands for another: one of the warehouse is what it is there.
pub(super) fn meant(session: &Session, spec: &TableSpec) -> Result<Option<TableSpec>> {
    connector(&spec.connector)?.stands_for(spec, &session.context)
}

/// Whether a table is of the warehouse, wherever that is.
pub(super) fn is_warehouse(spec: &TableSpec) -> bool {
    spec.connector.eq_ignore_ascii_case(WAREHOUSE)
}

/// Whether `ours`, which `registered_by` is about to register, is the table that is known under its name.
pub(super) fn is_same(session: &Session, known: &Table, ours: &TableSpec, registered_by: &str) -> Result<bool> {
    if !known.registration.connector.eq_ignore_ascii_case(&ours.connector) {
        return Ok(false);
    }
    // Who registered a table may move it.
    if known.registration.registered_by == registered_by {
        return Ok(true);
    }
    let known = session.resolve(&registered::spec(known, ""))?;
    Ok(session.context.locate(&known.location)?.url == session.context.locate(&ours.location)?.url)
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
