//! The catalog `lake` as DataFusion sees it: a schema a folder, or a database.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use catalog::store::TableName;
use connectors::context::{Context, TableSpec};
use connectors::registry::{Moment, connector};
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::logical_expr::TableType;

use super::PUBLIC;
use super::files::Files;
use super::index::{self, FolderKind, LakeIndex, LakeTable};
use crate::catalog::registered;

/// What a table of bad records is called after its source.
const BAD: &str = "$bad";

/// Tables by schema and name.
type Pinned = Arc<Mutex<BTreeMap<(String, String), Arc<dyn TableProvider>>>>;

/// All of the lake.
#[derive(Debug)]
pub(crate) struct LakeCatalog {
    index: Arc<LakeIndex>,
    files: Arc<Files>,
    pinned: Pinned,
}

impl LakeCatalog {
    pub(crate) fn new(index: Arc<LakeIndex>, files: Arc<Files>) -> Self {
        Self { index, files, pinned: Pinned::default() }
    }

    /// What opens files.
    pub(crate) fn files(&self) -> &Arc<Files> {
        &self.files
    }

    /// From now on the name stands for `table`, whatever is found in its place.
    pub(crate) fn pin(&self, schema: &str, name: &str, table: Arc<dyn TableProvider>) {
        lock(&self.pinned).insert((schema.to_owned(), name.to_owned()), table);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CatalogProvider for LakeCatalog {
    fn schema_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.index.known().iter().map(|table| table.schema().to_owned()).collect();
        names.dedup();
        names.sort();
        names.dedup();
        names
    }

    /// Any: whether a folder is there is seen when a table in it is asked for.
    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let (index, files) = (Arc::clone(&self.index), Arc::clone(&self.files));
        Some(Arc::new(LakeSchema { pinned: Arc::clone(&self.pinned), ..LakeSchema::new(name, index, files) }))
    }
}

/// One folder of the lake.
#[derive(Debug)]
pub(crate) struct LakeSchema {
    /// As the schema is called.
    folder: String,
    index: Arc<LakeIndex>,
    files: Arc<Files>,
    pinned: Pinned,
}

impl LakeSchema {
    /// The schema of a name; tables in it are what their folders and the catalog say.
    pub(crate) fn new(name: &str, index: Arc<LakeIndex>, files: Arc<Files>) -> Self {
        Self { folder: name.to_owned(), index, files, pinned: Pinned::default() }
    }

    fn table_below(&self, folder: &str, name: &str) -> LakeTable {
        LakeTable { folder: folder.to_owned(), name: name.to_owned(), kind: FolderKind::Files }
    }

    /// Where a table of that name may be.
    fn places(&self, name: &str) -> Vec<LakeTable> {
        let mut places = Vec::new();
        if self.folder == PUBLIC {
            places.push(self.table_below("", name));
        }
        places.push(self.table_below(&self.folder, name));
        // In the schema of a pipeline, its bad records are there by the name that the pipeline knows them by.
        places.extend(name.strip_suffix(BAD).map(|source| self.table_below(&format!("bad/{}", self.folder), source)));
        places
    }
}

#[async_trait]
impl SchemaProvider for LakeSchema {
    fn table_names(&self) -> Vec<String> {
        self.index.known().iter().filter(|table| table.schema() == self.folder).map(|table| table.name.clone()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let pinned = lock(&self.pinned).get(&(self.folder.clone(), name.to_owned())).cloned();
        if pinned.is_some() {
            return Ok(pinned);
        }
        for table in self.places(name) {
            if let Some(found) = open(&self.index, &self.files, &table, None).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        Ok(self.table_exist(name).then_some(TableType::Base))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.index.known().iter().any(|table| table.schema() == self.folder && table.name == name)
    }

    fn register_table(&self, name: String, _table: Arc<dyn TableProvider>) -> Result<Option<Arc<dyn TableProvider>>> {
        plan_err!("'{name}' would be in the lake, which is written by `engine run` only; leave its catalog and schema out")
    }

    fn deregister_table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        plan_err!("'{name}' is in the lake, where the shell removes nothing")
    }
}

/// Opens a table of the lake, whatever its kind, as it is or as it was; `None` when there is none.
pub(crate) async fn open(
    index: &LakeIndex,
    files: &Files,
    table: &LakeTable,
    moment: Option<&Moment>,
) -> Result<Option<Arc<dyn TableProvider>>> {
    if let Some(found) = index.registered(table).await
        && let Some(opened) = registered::open(index.session(), &found, moment).await?
    {
        return Ok(Some(opened));
    }
    open_folder(index, files, &table.location(), moment).await
}

/// Opens what a folder anywhere holds; `None` when it is no table.
pub(crate) async fn open_folder(
    index: &LakeIndex,
    files: &Files,
    location: &str,
    moment: Option<&Moment>,
) -> Result<Option<Arc<dyn TableProvider>>> {
    let (context, location) = (index.context(), location.trim_end_matches('/'));
    let called = location.rsplit('/').next().unwrap_or(location);
    let place = context.locate(location)?;
    let kind = match index::list(&place).await {
        Ok(listing) => index::kind(&listing),
        // A name that is no path is the name of nothing.
        Err(connectors::Error::Config { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let name = match kind {
        None => return Ok(None),
        Some(FolderKind::Files) if moment.is_some() => {
            return plan_err!("'{called}' is a folder of Parquet files and keeps no history; DELTA tables do");
        }
        Some(FolderKind::Files) => return files.open(&format!("{location}/")).await.map(Some),
        Some(FolderKind::Registered) => return Ok(None),
        Some(FolderKind::Delta) => "DELTA",
        Some(FolderKind::Parquet) => "PARQUET",
    };
    let (connector, spec) = (connector(name)?, TableSpec::new(called, name, location));
    let found = match moment {
        None => connector.table(&spec, context).await?,
        Some(moment) => connector.table_at(&spec, moment, context).await?,
    };
    Ok(found.map(|found| found.provider))
}

/// What a folder of the lake that is not in the catalog would be declared as, under the name `called`; `None` when it is no table.
pub(crate) async fn connector_at(context: &Context, name: &TableName, called: &str) -> connectors::Result<Option<TableSpec>> {
    let path = if name.database == PUBLIC { name.table.clone() } else { format!("{}/{}", name.database, name.table) };
    let location = format!("lake://{path}");
    let found = index::kind(&index::list(&context.locate(&location)?).await?);
    Ok(match found {
        Some(FolderKind::Delta) => Some(TableSpec::new(called, "DELTA", location)),
        Some(FolderKind::Parquet | FolderKind::Files) => Some(TableSpec::new(called, "PARQUET", location)),
        Some(FolderKind::Registered) | None => None,
    })
}
