//! Copies a catalog from beside one state to beside another.

use ::catalog::Result;
use ::catalog::drift::NewVersion;
use ::catalog::store::{Alteration, CatalogStore, Registration, Table};

use super::{at, is_at};
use crate::session::Session;
use crate::state::Place;

/// Copies databases, tables and the history of their schemas; says how many tables. Tables that are there already are left.
///
/// # Errors
/// When one of the catalogs cannot be opened, read or written.
pub(crate) async fn copy(session: &Session, from: &str, to: &str) -> anyhow::Result<usize> {
    let (from, to) = (Place::of(from, session)?, Place::of(to, session)?);
    if !is_at(&from).await? {
        return Ok(0);
    }
    let (from, to) = (at(&from).await?, at(&to).await?);
    for database in from.databases().await? {
        to.create_database(&database.name, database.comment.as_deref(), database.created_at).await?;
    }
    let tables = from.list(None).await?;
    for table in &tables {
        if to.find(table.name()).await?.is_none() {
            copy_table(from.as_ref(), to.as_ref(), table).await?;
        }
    }
    Ok(tables.len())
}

async fn copy_table(from: &dyn CatalogStore, to: &dyn CatalogStore, table: &Table) -> Result<()> {
    let name = table.name();
    let mut versions = from.history(name).await?.into_iter();
    let Some(first) = versions.next() else { return Ok(()) };
    let registration = Registration { schema: first.schema, ..table.registration.clone() };
    to.register(&registration, &first.why, first.at).await?;
    for next in versions {
        let version = NewVersion { schema: next.schema, changes: next.changes };
        to.evolve(name, next.version - 1, &version, &next.why, next.at).await?;
    }
    for (column, comment) in &table.column_comments {
        let comment = Alteration::ColumnComment { column: column.clone(), comment: Some(comment.clone()) };
        to.alter(name, &comment, table.updated_at).await?;
    }
    to.alter(name, &Alteration::Statistics(table.statistics), table.updated_at).await?;
    Ok(())
}
