//! `system.tables`, `system.columns`, `system.schema_changes`: what the catalog knows.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use catalog::sql_type;
use catalog::store::{CatalogStore, SchemaVersion, Table, TableName};
use datafusion::error::{DataFusionError, Result};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use super::batches::{batch, flags, numbers, texts, times};
use super::table::{Rows, Wanted};
use crate::catalog::Lookup;

/// Which part of it.
#[derive(Debug, Clone)]
pub(super) enum Described {
    Tables(Lookup),
    Columns(Lookup),
    Changes(Lookup),
}

impl Rows for Described {
    fn empty(&self) -> Result<RecordBatch> {
        match self {
            Self::Tables(_) => tables(&[]),
            Self::Columns(_) => columns(&[]),
            Self::Changes(_) => changes(&TableName::new("", ""), &[]),
        }
    }

    fn keys(&self) -> &'static [&'static str] {
        &["database", "table"]
    }

    fn stream(&self, wanted: Wanted) -> BoxStream<'static, Result<RecordBatch>> {
        stream::once(self.clone().batches(wanted)).try_flatten().boxed()
    }
}

impl Described {
    async fn batches(self, wanted: Wanted) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let (Self::Tables(catalog) | Self::Columns(catalog) | Self::Changes(catalog)) = &self;
        let Some(store) = catalog.store().await.map_err(failed)? else { return Ok(stream::empty().boxed()) };
        let mut found = store.list(wanted.key("database")).await.map_err(failed)?;
        found.retain(|table| wanted.key("table").is_none_or(|name| table.name().table == name));
        Ok(match &self {
            Self::Tables(_) => stream::iter([tables(&found)]).boxed(),
            Self::Columns(_) => stream::iter([columns(&found)]).boxed(),
            Self::Changes(_) => histories(Arc::clone(store), found),
        })
    }
}

pub(super) fn failed(error: catalog::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// One table's history after the other.
fn histories(store: Arc<dyn CatalogStore>, tables: Vec<Table>) -> BoxStream<'static, Result<RecordBatch>> {
    let histories = stream::iter(tables).then(move |table| {
        let store = Arc::clone(&store);
        async move { changes(table.name(), &store.history(table.name()).await.map_err(failed)?) }
    });
    histories.boxed()
}

fn named<'a>(names: impl Iterator<Item = &'a TableName> + Clone) -> [(&'static str, ArrayRef); 2] {
    let databases = texts(names.clone().map(|name| Some(&name.database)));
    [("database", databases), ("table", texts(names.map(|name| Some(&name.table))))]
}

fn tables(tables: &[Table]) -> Result<RecordBatch> {
    let all = || tables.iter();
    let registered = || tables.iter().map(|table| &table.registration);
    let [database, table] = named(all().map(Table::name));
    let partitions = |table: &Table| {
        let names: Vec<String> = table.registration.partitioning.fields().iter().map(|field| field.name().clone()).collect();
        names.join(", ")
    };
    batch([
        database,
        table,
        ("connector", texts(registered().map(|table| Some(&table.connector)))),
        ("location", texts(registered().map(|table| Some(&table.location)))),
        ("schema_version", numbers(all().map(|table| Some(table.version.into())))),
        ("columns", numbers(all().map(|table| Some(table.full_schema().fields().len() as u64)))),
        ("partitioned_by", texts(all().map(|table| Some(partitions(table)).filter(|names| !names.is_empty())))),
        ("key", texts(registered().map(|table| Some(table.key.join(", ")).filter(|names| !names.is_empty())))),
        ("policy", texts(registered().map(|table| Some(table.policy.to_string())))),
        ("rows", numbers(all().map(|table| table.statistics.rows))),
        ("files", numbers(all().map(|table| table.statistics.files))),
        ("bytes", numbers(all().map(|table| table.statistics.bytes))),
        ("comment", texts(registered().map(|table| table.comment.as_ref()))),
        ("registered_by", texts(registered().map(|table| Some(&table.registered_by)))),
        ("created_at", times(all().map(|table| Some(table.created_at)))),
        ("updated_at", times(all().map(|table| Some(table.updated_at)))),
    ])
}

fn columns(tables: &[Table]) -> Result<RecordBatch> {
    let mut rows = Vec::new();
    for table in tables {
        let partitions = table.registration.partitioning.fields();
        for (index, field) in table.full_schema().fields().iter().enumerate() {
            let is_partition = partitions.iter().any(|partition| partition.name() == field.name());
            rows.push((table, Arc::clone(field), index as u64 + 1, is_partition));
        }
    }
    let [database, table] = named(rows.iter().map(|(table, ..)| table.name()));
    batch([
        database,
        table,
        ("column", texts(rows.iter().map(|(_, field, ..)| Some(field.name())))),
        ("position", numbers(rows.iter().map(|(_, _, position, _)| Some(*position)))),
        ("type", texts(rows.iter().map(|(_, field, ..)| Some(sql_type(field.data_type()))))),
        ("nullable", flags(rows.iter().map(|(_, field, ..)| field.is_nullable()))),
        ("partition", flags(rows.iter().map(|(.., is_partition)| *is_partition))),
        ("comment", texts(rows.iter().map(|(table, field, ..)| table.column_comments.get(field.name())))),
    ])
}

/// One row a change; the first version of a schema, which changed nothing, has one too.
fn changes(name: &TableName, versions: &[SchemaVersion]) -> Result<RecordBatch> {
    let mut rows = Vec::new();
    for version in versions {
        let mut changes: Vec<Option<String>> = version.changes.iter().map(|change| Some(change.to_string())).collect();
        if changes.is_empty() {
            changes.push(None);
        }
        rows.extend(changes.into_iter().map(|change| (version, change)));
    }
    let [database, table] = named(rows.iter().map(|_| name));
    batch([
        database,
        table,
        ("version", numbers(rows.iter().map(|(version, _)| Some(version.version.into())))),
        ("at", times(rows.iter().map(|(version, _)| Some(version.at)))),
        ("why", texts(rows.iter().map(|(version, _)| Some(&version.why)))),
        ("change", texts(rows.iter().map(|(_, change)| change.as_ref()))),
    ])
}
