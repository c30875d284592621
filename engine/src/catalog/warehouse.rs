//! The catalog `warehouse` where the warehouse is a database: any table of it by its name, asked for when it is named, and the names of
//! those that pipelines have written.

use std::sync::Arc;

use async_trait::async_trait;
use catalog::store::TableName;
use connectors::context::TableSpec;
use connectors::registry::connector;
use connectors::warehouse::LAKE_FOLDER;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::TableType;

use super::lake::{LakeIndex, PUBLIC};
use crate::flow::source_table::SourceTable;
use crate::session::Session;

/// The home of a table that is only looked at; nothing is written there.
const LOOKED_AT: &str = "shell";

/// What a table of the warehouse is called in the catalog, as if it were in the lake; none where it is, and for one of another
/// connector.
pub(super) fn name_of(session: &Session, connector: &str, location: &str) -> Option<connectors::Result<TableName>> {
    session.context.warehouse.url.as_ref()?;
    let named = || {
        let (schema, table) = connectors::warehouse::table_name(location)?;
        Ok(TableName::new(format!("{LAKE_FOLDER}/{schema}"), table))
    };
    connector.eq_ignore_ascii_case("WAREHOUSE").then(named)
}

/// The table at `location` of the warehouse, which is a database.
///
/// # Errors
/// When it is not there, or the database does not answer.
pub(super) async fn open(session: &Session, name: &str, location: &str) -> Result<Option<Arc<dyn TableProvider>>> {
    let warehouse = &session.context.warehouse;
    let is_postgres = |url: &&String| url.starts_with("postgres://") || url.starts_with("postgresql://");
    let Some(url) = warehouse.url.as_ref().filter(is_postgres) else {
        let found = connector("WAREHOUSE")?.table(&TableSpec::new(name, "WAREHOUSE", location), &session.context).await?;
        return Ok(found.map(|found| found.provider));
    };
    let password = warehouse.password.iter().map(|password| ("password".to_owned(), password.clone()));
    let options = std::iter::once(("url".to_owned(), url.clone())).chain(password).collect();
    let spec = TableSpec { options, ..TableSpec::new(name, "POSTGRES", location) };
    let home = session.source_folder(LOOKED_AT, name)?;
    let source = connector("POSTGRES")?.source(&spec, home, &session.context).await?;
    Ok(Some(Arc::new(SourceTable::new(name.to_owned(), source))))
}

/// All of the warehouse.
#[derive(Debug)]
pub(crate) struct Database(pub(crate) Arc<LakeIndex>);

impl Database {
    /// The schemas and names of the tables that are known to be there.
    fn known(&self) -> Vec<(String, String)> {
        let tables = self.0.known();
        let below = |folder: &str| Some(folder.strip_prefix(LAKE_FOLDER)?.strip_prefix('/')?.to_owned());
        tables.iter().filter_map(|table| Some((below(table.schema())?, table.name.clone()))).collect()
    }
}

impl CatalogProvider for Database {
    fn schema_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.known().into_iter().map(|(schema, _)| schema).collect();
        names.push(PUBLIC.to_owned());
        names.sort();
        names.dedup();
        names
    }

    /// Any: whether it is there is seen when a table in it is asked for.
    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        Some(Arc::new(DatabaseSchema { name: name.to_owned(), database: Self(Arc::clone(&self.0)) }))
    }
}

/// One schema of it.
#[derive(Debug)]
struct DatabaseSchema {
    name: String,
    database: Database,
}

#[async_trait]
impl SchemaProvider for DatabaseSchema {
    fn table_names(&self) -> Vec<String> {
        self.database.known().into_iter().filter(|(schema, _)| *schema == self.name).map(|(_, table)| table).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        open(self.database.0.session(), name, &format!("{}.{}", quoted(&self.name), quoted(name))).await
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        // Lists of tables ask for it, and connect nowhere.
        Ok(self.table_exist(name).then_some(TableType::Base))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.table_names().iter().any(|known| known == name)
    }
}
