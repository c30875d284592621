//! A whole catalog in memory, and what changes it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    Alteration, CrawlState, CrawledTable, Database, Registration, SchemaVersion, Statistics, Table, TableName, refusals,
};
use crate::drift::NewVersion;
use crate::error::Result;

/// Databases and tables.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Content {
    pub(super) databases: BTreeMap<String, Database>,
    tables: Vec<Entry>,
}

/// A table with all that is kept of it.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    table: Table,
    /// The first one first.
    versions: Vec<SchemaVersion>,
    crawl: Option<CrawlState>,
}

impl Content {
    pub(super) fn create_database(&mut self, name: &str, comment: Option<&str>, now: DateTime<Utc>) {
        let made = || Database { name: name.to_owned(), comment: None, created_at: now };
        let database = self.databases.entry(name.to_owned()).or_insert_with(made);
        if let Some(comment) = comment {
            database.comment = Some(comment.to_owned());
        }
    }

    fn entry(&self, name: &TableName) -> Result<&Entry> {
        let found = self.tables.iter().find(|entry| entry.table.name() == name);
        found.ok_or_else(|| refusals::missing(name, &self.names()))
    }

    fn entry_mut(&mut self, name: &TableName) -> Result<&mut Entry> {
        match self.tables.iter().position(|entry| entry.table.name() == name) {
            Some(index) => Ok(&mut self.tables[index]),
            None => Err(refusals::missing(name, &self.names())),
        }
    }

    fn names(&self) -> Vec<TableName> {
        self.tables.iter().map(|entry| entry.table.name().clone()).collect()
    }

    pub(super) fn register(&mut self, table: &Registration, why: &str, now: DateTime<Utc>) -> Result<Table> {
        if let Some(known) = self.tables.iter().find(|entry| *entry.table.name() == table.name) {
            return Err(refusals::taken(&known.table));
        }
        self.create_database(&table.name.database, None, now);
        let first = SchemaVersion { version: 1, at: now, why: why.to_owned(), schema: table.schema.clone(), changes: Vec::new() };
        let table = Table {
            registration: table.clone(),
            version: 1,
            column_comments: BTreeMap::new(),
            statistics: Statistics::default(),
            created_at: now,
            updated_at: now,
        };
        self.tables.push(Entry { table: table.clone(), versions: vec![first], crawl: None });
        self.tables.sort_by(|one, other| one.table.name().cmp(other.table.name()));
        Ok(table)
    }

    pub(super) fn get(&self, name: &TableName) -> Result<Table> {
        Ok(self.entry(name)?.table.clone())
    }

    pub(super) fn list(&self, database: Option<&str>) -> Vec<Table> {
        let wanted = self.tables.iter().filter(|entry| database.is_none_or(|database| entry.table.name().database == database));
        wanted.map(|entry| entry.table.clone()).collect()
    }

    pub(super) fn evolve(
        &mut self,
        (name, after): (&TableName, u32),
        version: &NewVersion,
        why: &str,
        now: DateTime<Utc>,
    ) -> Result<Table> {
        let entry = self.entry_mut(name)?;
        refusals::check_version(name, entry.table.version, after)?;
        entry.table.version = after + 1;
        entry.table.updated_at = now;
        entry.table.registration.schema = version.schema.clone();
        entry.versions.push(SchemaVersion {
            version: after + 1,
            at: now,
            why: why.to_owned(),
            schema: version.schema.clone(),
            changes: version.changes.clone(),
        });
        Ok(entry.table.clone())
    }

    pub(super) fn alter(&mut self, name: &TableName, alteration: &Alteration, now: DateTime<Utc>) -> Result<Table> {
        let table = &mut self.entry_mut(name)?.table;
        match alteration {
            Alteration::Statistics(statistics) => table.statistics = *statistics,
            Alteration::ColumnComment { column, comment } => {
                refusals::check_column(table, column)?;
                match comment {
                    Some(comment) => table.column_comments.insert(column.clone(), comment.clone()),
                    None => table.column_comments.remove(column),
                };
            }
            _ => table.registration = alteration.of(&table.registration),
        }
        if !matches!(alteration, Alteration::Statistics(_)) {
            table.updated_at = now;
        }
        Ok(table.clone())
    }

    pub(super) fn history(&self, name: &TableName) -> Result<Vec<SchemaVersion>> {
        Ok(self.entry(name)?.versions.clone())
    }

    pub(super) fn remove(&mut self, name: &TableName) -> Result<()> {
        self.entry(name)?;
        self.tables.retain(|entry| entry.table.name() != name);
        Ok(())
    }

    pub(super) fn crawl_state(&self, name: &TableName) -> Option<CrawlState> {
        self.entry(name).ok()?.crawl.clone()
    }

    pub(super) fn record_crawls(&mut self, ledger: &str, crawled_at: DateTime<Utc>, tables: &[CrawledTable]) -> Result<()> {
        for CrawledTable { name, observed } in tables {
            let crawl = &mut self.entry_mut(name)?.crawl;
            let before = crawl.take().map(|crawl| crawl.observed);
            let observed = observed.clone().or(before);
            *crawl = observed.map(|observed| CrawlState { crawled_at, ledger: ledger.to_owned(), observed });
        }
        Ok(())
    }
}
