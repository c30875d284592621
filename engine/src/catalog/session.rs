//! The catalogs `lake`, `warehouse` and `system` in a DataFusion session, and the default catalog of a pipeline.

use std::sync::Arc;

use connectors::warehouse::LAKE_FOLDER;
use datafusion::catalog::{CatalogProvider, MemorySchemaProvider, SchemaProvider, TableProvider};
use datafusion::prelude::SessionContext;

use super::lake::{Files, LAKE, LakeCatalog, LakeIndex, PUBLIC};
use super::system::SystemCatalog;
use crate::session::Session;

/// The catalog of what `[warehouse]` is: `warehouse.public.posts`.
pub(crate) const WAREHOUSE: &str = "warehouse";

/// The catalog of what was run.
pub(crate) const SYSTEM: &str = "system";

/// Shows `context` all catalogs.
pub(crate) fn install(context: &SessionContext, index: &Arc<LakeIndex>) -> Arc<LakeCatalog> {
    let state = context.state_weak_ref();
    let state = Box::new(move || state.upgrade().map(|state| state.read().clone()));
    let files = Arc::new(Files::new(index.session().clone(), state));
    let lake = Arc::new(LakeCatalog::new(Arc::clone(index), files));
    let catalogs = Arc::clone(context.state().catalog_list());
    catalogs.register_catalog(LAKE.to_owned(), Arc::clone(&lake) as Arc<dyn CatalogProvider>);
    catalogs.register_catalog(WAREHOUSE.to_owned(), warehouse(index, &lake));
    catalogs.register_catalog(SYSTEM.to_owned(), Arc::new(SystemCatalog::new(index)));
    lake
}

/// The warehouse, where it is in the lake; nothing of a database, which a pipeline reads as a source.
fn warehouse(index: &LakeIndex, lake: &Arc<LakeCatalog>) -> Arc<dyn CatalogProvider> {
    match index.context().warehouse.url {
        None => Arc::new(WarehouseInLake(Arc::clone(lake))),
        Some(_) => Arc::new(Empty),
    }
}

/// The folders of the lake that stand for schemas of the warehouse.
#[derive(Debug)]
struct WarehouseInLake(Arc<LakeCatalog>);

impl CatalogProvider for WarehouseInLake {
    fn schema_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .0
            .schema_names()
            .iter()
            .filter_map(|name| Some(name.strip_prefix(LAKE_FOLDER)?.strip_prefix('/')?.to_owned()))
            .collect();
        // It is there before its first table, as everywhere.
        if !names.iter().any(|name| name == PUBLIC) {
            names.push(PUBLIC.to_owned());
        }
        names
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        self.0.schema(&format!("{LAKE_FOLDER}/{name}"))
    }
}

/// A catalog with nothing in it.
#[derive(Debug)]
struct Empty;

impl CatalogProvider for Empty {
    fn schema_names(&self) -> Vec<String> {
        vec![PUBLIC.to_owned()]
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        (name == PUBLIC).then(|| Arc::new(MemorySchemaProvider::new()) as Arc<dyn SchemaProvider>)
    }
}

/// What a pipeline sees of the catalogs.
#[derive(Debug)]
pub(crate) struct PipelineCatalog {
    pub(crate) index: Arc<LakeIndex>,
    lake: Arc<LakeCatalog>,
}

impl PipelineCatalog {
    /// Shows `context`, which has a pipeline's own tables in `datafusion.public`, all catalogs.
    pub(crate) fn install(context: &SessionContext, session: &Session) -> Self {
        let index = Arc::new(LakeIndex::new(session));
        let lake = install(context, &index);
        let default = context.state().config_options().catalog.default_catalog.clone();
        let own = context.catalog(&default).and_then(|catalog| catalog.schema(PUBLIC));
        let own = own.unwrap_or_else(|| Arc::new(MemorySchemaProvider::new()));
        let catalogs = Arc::clone(context.state().catalog_list());
        catalogs.register_catalog(default, Arc::new(DefaultCatalog { own, lake: Arc::clone(&lake), others: others(context) }));
        Self { index, lake }
    }

    /// From now on the name stands for `table`.
    pub(crate) fn pin(&self, schema: &str, name: &str, table: Arc<dyn TableProvider>) {
        self.lake.pin(schema, name, table);
    }
}

fn others(context: &SessionContext) -> Vec<(&'static str, Arc<dyn CatalogProvider>)> {
    [LAKE, WAREHOUSE, SYSTEM].into_iter().filter_map(|name| Some((name, context.catalog(name)?))).collect()
}

/// The default catalog of a pipeline: its schema `public` has the pipeline's own tables, a schema called like a catalog that
/// catalog's, and every other one is a database of the lake, so that names mean what they mean in the shell.
#[derive(Debug)]
struct DefaultCatalog {
    own: Arc<dyn SchemaProvider>,
    lake: Arc<LakeCatalog>,
    others: Vec<(&'static str, Arc<dyn CatalogProvider>)>,
}

impl CatalogProvider for DefaultCatalog {
    fn schema_names(&self) -> Vec<String> {
        vec![PUBLIC.to_owned()]
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        if name == PUBLIC {
            return Some(Arc::clone(&self.own));
        }
        match self.others.iter().find(|(other, _)| *other == name) {
            Some((_, catalog)) => catalog.schema(PUBLIC),
            None => self.lake.schema(name),
        }
    }
}
