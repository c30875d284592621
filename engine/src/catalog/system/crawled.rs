//! `system.crawled_objects`: the objects that the last crawls found, as their lists have them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use catalog::store::{CatalogStore, Table};
use chrono::{DateTime, Utc};
use connectors::files::crawl::{ListedObject, listed};
use datafusion::error::{DataFusionError, Result};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use super::batches::{batch, numbers, texts, times};
use super::described::failed;
use super::table::{Rows, Wanted};
use crate::catalog::Lookup;
use crate::crawl::examine::{CRAWL, format, ledger_folder};
use crate::session::Session;

/// Objects of a batch.
const BATCH: usize = 8_192;

#[derive(Debug)]
pub(super) struct CrawledObjects(pub(super) Session, pub(super) Lookup);

/// A list, and the tables whose objects are in it.
#[derive(Debug, Clone)]
struct List {
    name: String,
    tables: Vec<Table>,
    crawled_at: DateTime<Utc>,
}

type Batches = BoxStream<'static, Result<RecordBatch>>;

impl Rows for CrawledObjects {
    fn empty(&self) -> Result<RecordBatch> {
        let list = List { name: String::new(), tables: Vec::new(), crawled_at: DateTime::UNIX_EPOCH };
        objects(&list, &[])
    }

    fn keys(&self) -> &'static [&'static str] {
        &["database", "table"]
    }

    fn stream(&self, wanted: Wanted) -> BoxStream<'static, Result<RecordBatch>> {
        stream::once(all(self.0.clone(), self.1.clone(), wanted)).try_flatten().boxed()
    }
}

async fn all(session: Session, catalog: Lookup, wanted: Wanted) -> Result<Batches> {
    let Some(store) = catalog.store().await.map_err(failed)? else { return Ok(stream::empty().boxed()) };
    let mut lists = lists(store, wanted.key("database")).await?;
    if let Some(name) = wanted.key("table") {
        lists.retain(|list| list.tables.iter().any(|table| table.name().table == name));
    }
    let batches = stream::iter(lists).then(move |list| one(session.clone(), list));
    Ok(batches.try_flatten().boxed())
}

/// The lists of all crawled tables, each once.
async fn lists(store: &Arc<dyn CatalogStore>, database: Option<&str>) -> Result<Vec<List>> {
    let mut lists: BTreeMap<String, List> = BTreeMap::new();
    for table in store.list(database).await.map_err(failed)? {
        if table.registration.registered_by != CRAWL {
            continue;
        }
        let Some(state) = store.crawl_state(table.name()).await.map_err(failed)? else { continue };
        let new = || List { name: state.ledger.clone(), tables: Vec::new(), crawled_at: state.crawled_at };
        lists.entry(state.ledger.clone()).or_insert_with(new).tables.push(table);
    }
    Ok(lists.into_values().collect())
}

async fn one(session: Session, list: List) -> Result<Batches> {
    let folder = ledger_folder(&session).map_err(|error| DataFusionError::External(error.into()))?;
    let place = |table: &Table| (table.registration.location.clone(), format(&table.registration.connector));
    let tables: Vec<_> = list.tables.iter().map(place).collect();
    let found = listed(folder, &list.name, &tables).await?;
    // What is of none was of a table that the catalog has no more.
    let found = found.try_filter(|object| std::future::ready(object.table.is_some()));
    let batches = found.try_chunks(BATCH).map_err(|error| DataFusionError::from(error.1));
    Ok(batches.and_then(move |found| std::future::ready(objects(&list, &found))).boxed())
}

fn objects(list: &List, found: &[ListedObject]) -> Result<RecordBatch> {
    let names = || found.iter().map(|object| object.table.and_then(|index| list.tables.get(index)).map(Table::name));
    batch([
        ("database", texts(names().map(|name| name.map(|name| &name.database)))),
        ("table", texts(names().map(|name| name.map(|name| &name.table)))),
        ("object", texts(found.iter().map(|object| Some(&object.address)))),
        ("bytes", numbers(found.iter().map(|object| Some(object.bytes)))),
        ("crawled_at", times(found.iter().map(|_| Some(list.crawled_at)))),
    ])
}
