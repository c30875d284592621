//! What the whole reads of one stage find bad, kept in local files until the stage is done.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use connectors::source::BadRecord;
use datafusion::catalog::TableProvider;
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::epoch::Scope;
use crate::epoch::quarantine::{BadRows, BadTable};
use crate::flow::source_table::{Aside, SourceTable};
use crate::sql::TableKind;

/// The whole reads of a stage that is computed.
#[derive(Debug)]
pub(in crate::epoch) struct WholeReads {
    reads: BTreeMap<String, Arc<WholeRead>>,
    folder: Option<TempDir>,
}

/// What one stage found bad of one table. Its files go when this is dropped.
#[derive(Debug)]
pub(in crate::epoch) struct Found {
    /// The table.
    pub(super) source: String,
    /// The records; none if all is well.
    pub(super) records: Option<BadTable>,
    /// It was read to its end: what is not among these is not bad.
    pub(super) is_all: bool,
    _folder: Option<Arc<TempDir>>,
}

#[derive(Debug)]
struct WholeRead {
    rows: Mutex<Option<BadRows>>,
    begun: AtomicUsize,
    ended: AtomicUsize,
}

impl WholeReads {
    /// Gives `tables` those that puts bad records aside and are not in it: where a plan reads them, it reads them whole.
    ///
    /// # Errors
    /// When the local disk cannot be written.
    pub(in crate::epoch) fn begin(scope: Scope<'_>, tables: &mut BTreeMap<String, Arc<dyn TableProvider>>) -> Result<Self> {
        let mut reads = Self { reads: BTreeMap::new(), folder: None };
        for (name, table) in &scope.pipeline.tables {
            let TableKind::Source(source) = &table.kind else { continue };
            if source.max_bad_ratio() <= 0.0 || tables.contains_key(name) {
                continue;
            }
            let folder = match &reads.folder {
                Some(folder) => folder,
                None => reads.folder.insert(folder(scope)?),
            };
            let place = scope.session.context.locate(&folder.path().to_string_lossy())?.join(name);
            let rows = BadRows::new(&scope.session.context, name, place);
            let read =
                Arc::new(WholeRead { rows: Mutex::new(Some(rows)), begun: AtomicUsize::new(0), ended: AtomicUsize::new(0) });
            reads.reads.insert(name.clone(), Arc::clone(&read));
            tables.insert(name.clone(), Arc::new(SourceTable::new(name.clone(), Arc::clone(source)).with_aside(read)));
        }
        Ok(reads)
    }

    /// What the tables that were read had, now that the stage is done.
    ///
    /// # Errors
    /// When the local disk does not play along.
    pub(in crate::epoch) async fn end(self) -> Result<Vec<Found>> {
        let folder = self.folder.map(Arc::new);
        let mut found = Vec::new();
        for (source, read) in self.reads {
            let (begun, ended) = (read.begun.load(Ordering::Acquire), read.ended.load(Ordering::Acquire));
            let rows = read.rows.lock().await.take();
            let Some(rows) = rows.filter(|_| begun > 0) else { continue };
            found.push(Found { source, records: rows.table().await?, is_all: begun == ended, _folder: folder.clone() });
        }
        Ok(found)
    }
}

/// A folder for local files, which goes when it is dropped.
pub(super) fn folder(scope: Scope<'_>) -> Result<TempDir> {
    let parent = scope.session.temporary_folder(&scope.pipeline.name);
    std::fs::create_dir_all(&parent).with_context(|| format!("cannot create {}", parent.display()))?;
    TempDir::with_prefix_in("whole-", &parent).with_context(|| format!("cannot write in {}", parent.display()))
}

#[async_trait]
impl Aside for WholeRead {
    fn begins(&self) {
        self.begun.fetch_add(1, Ordering::Release);
    }

    async fn put(&self, records: Vec<BadRecord>) -> connectors::Result<()> {
        match self.rows.lock().await.as_mut() {
            Some(rows) => rows.write(records).await,
            None => Err(connectors::Error::internal("a table was read after its stage was done")),
        }
    }

    fn ends(&self) {
        self.ended.fetch_add(1, Ordering::Release);
    }
}
