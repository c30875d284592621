//! The catalog `session`: what the user declared, and behind it everything that a shorter name can mean.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use connectors::context::TableSpec;
use connectors::registry::{Connector, Moment};
use datafusion::catalog::{CatalogProvider, MemorySchemaProvider, SchemaProvider, TableProvider};
use datafusion::common::{TableReference, plan_err};
use datafusion::datasource::ViewTable;
use datafusion::error::Result;
use datafusion::logical_expr::{DdlStatement, LogicalPlan, TableType};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement as Parsed;

use crate::catalog::lake::{
    Files, FolderKind, LAKE, LakeIndex, LakeSchema, LakeTable, PUBLIC, is_folder, looks_like_a_place, open, open_folder,
};
use crate::catalog::{Database, WAREHOUSE, install};
use crate::shell::time_travel;

/// The default catalog.
pub(in crate::shell) const SESSION: &str = "session";

/// A name of the session.
#[derive(Debug, Clone)]
pub(in crate::shell) enum Declared {
    /// A table that a connector opens anew for every statement, so that its newest rows are seen. Options are resolved.
    Table { connector: &'static dyn Connector, spec: Box<TableSpec>, sql: String },
    /// A table of files, or of a source, whose rows are found when it is read.
    Place { sql: String },
    /// A query that is planned anew whenever it is read.
    View { statement: Box<Parsed>, sql: String },
}

impl Declared {
    /// The statement that declared it.
    pub(in crate::shell) fn sql(&self) -> &str {
        match self {
            Self::Table { sql, .. } | Self::Place { sql } | Self::View { sql, .. } => sql,
        }
    }
}

/// The default catalog: its schema `public` is the session's own, every other one is another catalog or a folder of the lake.
#[derive(Debug)]
pub(in crate::shell) struct SessionCatalog {
    public: Arc<SessionSchema>,
}

impl SessionCatalog {
    /// Shows `context` the session's own tables and the lake.
    pub(in crate::shell) fn install(context: &SessionContext, index: &Arc<LakeIndex>) -> Arc<SessionSchema> {
        let lake = install(context, index);
        let files = Arc::clone(lake.files());
        let public = Arc::new(SessionSchema {
            own: MemorySchemaProvider::new(),
            declared: Mutex::default(),
            planning: Mutex::default(),
            only_own: AtomicBool::new(false),
            only_tables: AtomicBool::new(false),
            has_refused: AtomicBool::new(false),
            index: Arc::clone(index),
            files: Arc::clone(&files),
        });
        let state = context.state_ref();
        let mut state = state.write();
        let catalog = &mut state.config_mut().options_mut().catalog;
        SESSION.clone_into(&mut catalog.default_catalog);
        PUBLIC.clone_into(&mut catalog.default_schema);
        drop(state);
        let catalogs = Arc::clone(context.state().catalog_list());
        if index.context().warehouse.url.is_some() {
            catalogs.register_catalog(WAREHOUSE.to_owned(), Arc::new(Database(Arc::clone(index))));
        }
        catalogs.register_catalog(SESSION.to_owned(), Arc::new(Self { public: Arc::clone(&public) }));
        public
    }
}

impl CatalogProvider for SessionCatalog {
    fn schema_names(&self) -> Vec<String> {
        vec![PUBLIC.to_owned()]
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        if name == PUBLIC {
            return Some(Arc::clone(&self.public) as Arc<dyn SchemaProvider>);
        }
        let state = self.public.files.state().ok()?;
        // `lake.posts`: a table of another catalog that lies in no schema to speak of.
        if name != SESSION
            && let Some(catalog) = state.catalog_list().catalog(name)
        {
            return catalog.schema(PUBLIC);
        }
        let (index, files) = (Arc::clone(&self.public.index), Arc::clone(&self.public.files));
        Some(Arc::new(LakeSchema::new(name, index, files)))
    }
}

/// What a name without a schema means.
pub(in crate::shell) struct SessionSchema {
    /// Tables whose rows or place DataFusion holds.
    own: MemorySchemaProvider,
    declared: Mutex<BTreeMap<String, Declared>>,
    /// Views that are being planned: one of them that reads itself would never be.
    planning: Mutex<BTreeSet<String>>,
    only_own: AtomicBool,
    /// No name stands for a file or folder.
    only_tables: AtomicBool,
    has_refused: AtomicBool,
    index: Arc<LakeIndex>,
    files: Arc<Files>,
}

impl std::fmt::Debug for SessionSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionSchema").field("tables", &self.own.table_names()).finish_non_exhaustive()
    }
}

/// While it lives, names mean what the session declared and nothing else: what is created or dropped is the session's own, whatever the
/// lake has of that name.
#[derive(Debug)]
pub(in crate::shell) struct OnlyOwn<'a>(&'a SessionSchema);

impl Drop for OnlyOwn<'_> {
    fn drop(&mut self) {
        self.0.only_own.store(false, Ordering::Release);
    }
}

/// A view that is being planned, until it is, or nobody waits for it any longer.
struct Planning<'a> {
    schema: &'a SessionSchema,
    name: &'a str,
}

impl Drop for Planning<'_> {
    fn drop(&mut self) {
        lock(&self.schema.planning).remove(self.name);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SessionSchema {
    pub(in crate::shell) fn only_own(&self) -> OnlyOwn<'_> {
        self.only_own.store(true, Ordering::Release);
        OnlyOwn(self)
    }

    /// From now on no name stands for a file or folder: who asks has not the rights of this process.
    pub(in crate::shell) fn only_tables(&self) {
        self.only_tables.store(true, Ordering::Release);
    }

    /// Whether a name was refused because of [`Self::only_tables`].
    pub(in crate::shell) fn refused_a_place(&self) -> bool {
        self.has_refused.load(Ordering::Acquire)
    }

    /// Whether `name` stands for a place where only tables are named.
    fn refuses(&self, name: &str) -> bool {
        let refuses = self.only_tables.load(Ordering::Acquire) && looks_like_a_place(name);
        if refuses {
            self.has_refused.store(true, Ordering::Release);
        }
        refuses
    }

    /// Remembers how `name`, which is in [`Self::own`], was declared.
    pub(in crate::shell) fn declare(&self, name: &str, declared: Declared) {
        lock(&self.declared).insert(name.to_owned(), declared);
    }

    /// How `name` was declared.
    pub(in crate::shell) fn declared(&self, name: &str) -> Option<Declared> {
        lock(&self.declared).get(name).cloned()
    }

    /// Whether the session itself has something of that name.
    pub(in crate::shell) fn owns(&self, name: &str) -> bool {
        self.own.table_exist(name)
    }

    async fn own_table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        match self.declared(name) {
            Some(Declared::Table { connector, spec, .. }) => {
                Ok(connector.table(&spec, self.index.context()).await?.map(|found| found.provider))
            }
            Some(Declared::View { statement, .. }) => self.view(name, *statement).await.map(Some),
            _ => self.own.table(name).await,
        }
    }

    async fn view(&self, name: &str, statement: Parsed) -> Result<Arc<dyn TableProvider>> {
        if !lock(&self.planning).insert(name.to_owned()) {
            return plan_err!("view '{name}' reads itself");
        }
        let _planning = Planning { schema: self, name };
        match self.files.state()?.statement_to_plan(statement).await? {
            LogicalPlan::Ddl(DdlStatement::CreateView(view)) => {
                Ok(Arc::new(ViewTable::new(view.input.as_ref().clone(), view.definition)))
            }
            _ => plan_err!("'{name}' is no view"),
        }
    }

    /// The table in the folder at a place, or the files there: those of a Delta table are not all of them rows of it.
    async fn at_place(&self, place: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if is_folder(place)
            && let Some(table) = open_folder(&self.index, &self.files, place, None).await?
        {
            return Ok(Some(table));
        }
        self.files.open(place).await.map(Some)
    }

    /// The only table of the lake with that name.
    async fn by_bare_name(&self, name: &str) -> Result<Option<LakeTable>> {
        match only_one(name, &self.index.tables().await?)? {
            Some(table) => Ok(Some(table)),
            // It may be younger than what is remembered.
            None => only_one(name, &self.index.fresh_tables().await?),
        }
    }

    /// `name` as it was at `moment`.
    async fn as_it_was(&self, name: &str, moment: &Moment) -> Result<Option<Arc<dyn TableProvider>>> {
        let reference = TableReference::parse_str(name);
        if reference.schema().is_none()
            && let Some(declared) = self.declared(reference.table())
        {
            return match declared {
                Declared::Table { connector, spec, .. } => {
                    Ok(connector.table_at(&spec, moment, self.index.context()).await?.map(|found| found.provider))
                }
                _ => plan_err!("'{name}' keeps no history; DELTA tables do"),
            };
        }
        let table = match (reference.catalog(), reference.schema()) {
            _ if is_folder(name) => return open_folder(&self.index, &self.files, name, Some(moment)).await,
            (None, None) => self.by_bare_name(reference.table()).await?,
            (None | Some(LAKE | SESSION), Some(PUBLIC | LAKE)) => Some(lake_table(reference.table())),
            (None | Some(LAKE | SESSION), Some(folder)) => Some(lake_table(&format!("{folder}/{}", reference.table()))),
            _ => None,
        };
        match table {
            Some(table) => open(&self.index, &self.files, &table, Some(moment)).await,
            None => Ok(None),
        }
    }
}

/// The table of that name, or, of a name with `$bad`, the bad records of the source of that name.
fn only_one(name: &str, tables: &[LakeTable]) -> Result<Option<LakeTable>> {
    let source = name.strip_suffix("$bad");
    let is_meant = |table: &&LakeTable| table.name == source.unwrap_or(name) && table.is_bad() == source.is_some();
    let found: Vec<&LakeTable> = tables.iter().filter(is_meant).collect();
    // What lies right below the lake's root has no other name.
    match (found.as_slice(), found.iter().find(|table| table.folder.is_empty())) {
        ([], _) => Ok(None),
        ([one], _) | (_, Some(one)) => Ok(Some((*one).clone())),
        (several, None) => {
            let names: Vec<String> = several.iter().map(|table| table.reference()).collect();
            plan_err!("'{name}' may be one of several tables: {}", names.join(", "))
        }
    }
}

/// The table at a path below the lake.
fn lake_table(path: &str) -> LakeTable {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    LakeTable { folder: folder.to_owned(), name: name.to_owned(), kind: FolderKind::Files }
}

#[async_trait]
impl SchemaProvider for SessionSchema {
    fn table_names(&self) -> Vec<String> {
        self.own.table_names()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if self.own.table_exist(name) {
            return self.own_table(name).await;
        }
        if self.only_own.load(Ordering::Acquire) {
            return Ok(None);
        }
        if self.refuses(time_travel::decode(name).map_or(name, |(name, _)| name)) {
            return plan_err!("'{name}' is a path, and no table");
        }
        if let Some((name, moment)) = time_travel::decode(name) {
            return self.as_it_was(name, &moment).await;
        }
        if looks_like_a_place(name) {
            return self.at_place(name).await;
        }
        match self.by_bare_name(name).await? {
            Some(table) => open(&self.index, &self.files, &table, None).await,
            None => Ok(None),
        }
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        Ok(self.own.table(name).await?.map(|table| table.table_type()))
    }

    fn register_table(&self, name: String, table: Arc<dyn TableProvider>) -> Result<Option<Arc<dyn TableProvider>>> {
        lock(&self.declared).remove(&name);
        self.own.register_table(name, table)
    }

    fn deregister_table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        lock(&self.declared).remove(name);
        self.own.deregister_table(name)
    }

    fn table_exist(&self, name: &str) -> bool {
        self.own.table_exist(name)
    }
}
