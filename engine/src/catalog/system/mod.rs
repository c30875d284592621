//! The catalog `system`: what was run, read and put aside, and what is registered, as tables.
//!
//! | table | row |
//! |---|---|
//! | `runs` | a run of a pipeline, the newest first |
//! | `epochs` | an epoch, the newest first |
//! | `loads` | what an epoch brought to a table, and files that landing zones refused, the newest first |
//! | `flows` | a flow and a source that it reads, with the offset |
//! | `objects` | a file that a flow has read |
//! | `crawled_objects` | a file that the last crawl of its table found |
//! | `tables`, `columns` | a table of the catalog, a column of one |
//! | `schema_changes` | a change between two versions of a table's schema |
//! | `bad_records` | a record that was put aside, of all tables `$bad` |
//!
//! Rows are made while they are read: a page of a history, a batch of a list at a time.

mod bad_records;
mod batches;
mod crawled;
mod described;
mod history;
mod objects;
mod table;

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::TableType;

use super::lake::{LakeIndex, PUBLIC};
use crawled::CrawledObjects;
use described::Described;
use history::History;
use objects::Objects;
use table::{Rows, SystemTable};

/// The tables.
pub(crate) const TABLES: [&str; 10] =
    ["runs", "epochs", "loads", "flows", "objects", "crawled_objects", "tables", "columns", "schema_changes", "bad_records"];

/// All of it, in one schema.
#[derive(Debug)]
pub(crate) struct SystemCatalog {
    index: Arc<LakeIndex>,
}

impl SystemCatalog {
    pub(crate) fn new(index: &Arc<LakeIndex>) -> Self {
        Self { index: Arc::clone(index) }
    }
}

impl CatalogProvider for SystemCatalog {
    fn schema_names(&self) -> Vec<String> {
        vec![PUBLIC.to_owned()]
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        (name == PUBLIC).then(|| Arc::new(SystemSchema { index: Arc::clone(&self.index) }) as Arc<dyn SchemaProvider>)
    }
}

#[derive(Debug)]
struct SystemSchema {
    index: Arc<LakeIndex>,
}

#[async_trait]
impl SchemaProvider for SystemSchema {
    fn table_names(&self) -> Vec<String> {
        TABLES.map(str::to_owned).to_vec()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let session = || self.index.session().clone();
        let catalog = || self.index.catalog().clone();
        let rows: Arc<dyn Rows> = match name {
            "runs" => Arc::new(History::Runs(session())),
            "epochs" => Arc::new(History::Epochs(session())),
            "loads" => Arc::new(History::Loads(session())),
            "flows" => Arc::new(History::Flows(session())),
            "objects" => Arc::new(Objects(session())),
            "crawled_objects" => Arc::new(CrawledObjects(session(), catalog())),
            "tables" => Arc::new(Described::Tables(catalog())),
            "columns" => Arc::new(Described::Columns(catalog())),
            "schema_changes" => Arc::new(Described::Changes(catalog())),
            "bad_records" => return bad_records::table(&self.index).await.map(Some),
            _ => return Ok(None),
        };
        Ok(Some(Arc::new(SystemTable::new(rows)?)))
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        Ok(self.table_exist(name).then_some(TableType::View))
    }

    fn table_exist(&self, name: &str) -> bool {
        TABLES.contains(&name)
    }
}
