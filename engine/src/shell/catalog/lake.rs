//! The catalog `lake`: a schema a folder.

use std::sync::Arc;

use async_trait::async_trait;
use connectors::registry::{Moment, connector};
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::logical_expr::TableType;

use super::files::Files;
use super::index::{self, FolderKind, LakeIndex, LakeTable};
use super::{PUBLIC, spec};

/// What a table of bad records is called after its source.
const BAD: &str = "$bad";

/// All of the lake.
#[derive(Debug)]
pub(in crate::shell) struct LakeCatalog {
    pub(super) index: Arc<LakeIndex>,
    pub(super) files: Arc<Files>,
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
        Some(Arc::new(LakeSchema { folder: name.to_owned(), index, files }))
    }
}

/// One folder of the lake.
#[derive(Debug)]
pub(super) struct LakeSchema {
    /// As the schema is called.
    pub(super) folder: String,
    pub(super) index: Arc<LakeIndex>,
    pub(super) files: Arc<Files>,
}

impl LakeSchema {
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
pub(super) async fn open(
    index: &LakeIndex,
    files: &Files,
    table: &LakeTable,
    moment: Option<&Moment>,
) -> Result<Option<Arc<dyn TableProvider>>> {
    open_folder(index, files, &table.location(), moment).await
}

/// Opens what a folder anywhere holds; `None` when it is no table.
pub(super) async fn open_folder(
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
        Some(FolderKind::Delta) => "DELTA",
        Some(FolderKind::Parquet) => "PARQUET",
    };
    let (connector, spec) = (connector(name)?, spec(called, name, location));
    let found = match moment {
        None => connector.table(&spec, context).await?,
        Some(moment) => connector.table_at(&spec, moment, context).await?,
    };
    Ok(found.map(|found| found.provider))
}
