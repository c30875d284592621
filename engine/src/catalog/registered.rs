//! A table of the catalog as a connector opens it.

use std::sync::Arc;

use catalog::store::{Registration, Table};
use connectors::context::{TableComments, TableSpec};
use connectors::registry::{Connector, Moment, connector};
use datafusion::catalog::TableProvider;
use datafusion::common::plan_err;
use datafusion::error::Result;

use super::names::lake_reference;
use crate::flow::source_table::SourceTable;
use crate::session::Session;

/// The home of a source that is only looked at; nothing is written there.
const LOOKED_AT: &str = "shell";

/// The option that says what folders stand for which do not say it themselves.
const PARTITIONS: &str = "partitions";

/// What `CREATE EXTERNAL TABLE` would say of the table under `name`, `${...}` unresolved.
pub fn spec(table: &Table, name: &str) -> TableSpec {
    spec_of(&table.registration, name)
}

/// The same of one that is to be registered.
pub fn spec_of(registration: &Registration, name: &str) -> TableSpec {
    let mut options: Vec<(String, String)> = registration.options.0.clone().into_iter().collect();
    if !registration.partitioning.is_hive() && !registration.options.0.contains_key(PARTITIONS) {
        options.push((PARTITIONS.to_owned(), registration.partitioning.template()));
    }
    TableSpec {
        name: name.to_owned(),
        connector: registration.connector.to_uppercase(),
        location: registration.location.clone(),
        series: None,
        partition_by: registration.partitioning.fields().iter().map(|field| field.name().clone()).collect(),
        columns: Some(Arc::new(registration.full_schema())),
        primary_key: registration.key.clone(),
        options,
        comments: TableComments::default(),
    }
}

/// The connector of a table.
///
/// # Errors
/// [`connectors::Error::Config`] when this version of engine has none of that name.
pub fn connector_of(table: &Table) -> connectors::Result<&'static dyn Connector> {
    let name = &table.registration.connector;
    connector(name).map_err(|_| {
        connectors::Error::config(format!(
            "table {} is a {name} table, which is described in the catalog but cannot be read here yet",
            lake_reference(table.name())
        ))
    })
}

/// Opens the table for a query: all of its rows, as they are or as they were; `None` when there is nothing at its location.
///
/// # Errors
/// When it cannot be read, or keeps no history.
pub async fn open(session: &Session, table: &Table, moment: Option<&Moment>) -> Result<Option<Arc<dyn TableProvider>>> {
    // By the word that a statement has for it, so that errors point there.
    let name = table.name().table.clone();
    let spec = session.resolve(&spec(table, &name))?;
    let connector = connector_of(table)?;
    let is_database = super::warehouse::name_of(session, &spec.connector, &spec.location).is_some();
    if is_database && moment.is_none() {
        return super::warehouse::open(session, &name, &spec.location).await;
    }
    if connector.is_sink() {
        let found = match moment {
            None => connector.table(&spec, &session.context).await?,
            Some(moment) => connector.table_at(&spec, moment, &session.context).await?,
        };
        if let Some(found) = found {
            return Ok(Some(found.provider));
        }
    }
    if !connector.is_source() {
        return Ok(None);
    }
    if moment.is_some() {
        return plan_err!("'{name}' is a table of files and keeps no history; DELTA tables do");
    }
    let source = connector.source(&spec, session.source_folder(LOOKED_AT, &name)?, &session.context).await?;
    Ok(Some(Arc::new(SourceTable::new(name, source))))
}
