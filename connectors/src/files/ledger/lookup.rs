//! Single files in the list of those that were read, without reading the list.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use futures::TryStreamExt;
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::file::metadata::RowGroupMetaData;

use super::offset::Progress;
use super::run::{BATCH, Entry, Ledger, entries};
use crate::error::Result;

impl Ledger {
    /// What `progress` knows of the files at `paths`. Of a run, only the parts are read that may hold one of them.
    ///
    /// # Errors
    /// When a run is gone or cannot be read.
    pub(crate) async fn lookup(&self, progress: &Progress, paths: &BTreeSet<String>) -> Result<BTreeMap<String, Entry>> {
        let mut found = BTreeMap::new();
        for entry in progress.recent.iter().filter(|entry| paths.contains(&entry.path)) {
            found.insert(entry.path.clone(), entry.clone());
        }
        // Of one path, what is in the last run counts.
        for (name, _) in progress.runs.iter().rev() {
            let open: BTreeSet<&str> = paths.iter().map(String::as_str).filter(|path| !found.contains_key(*path)).collect();
            if open.is_empty() {
                break;
            }
            let more = self.find(name, &open).await?;
            found.extend(more.into_iter().map(|entry| (entry.path.clone(), entry)));
        }
        Ok(found)
    }

    async fn find(&self, run: &str, paths: &BTreeSet<&str>) -> Result<Vec<Entry>> {
        let reader = self.open(run).await?;
        let builder = ParquetRecordBatchStreamBuilder::new(reader).await?;
        let groups = builder.metadata().row_groups().iter().enumerate();
        let groups: Vec<usize> = groups.filter(|(_, group)| may_hold(group, paths)).map(|(index, _)| index).collect();
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let mut batches = builder.with_row_groups(groups).with_batch_size(BATCH).build()?;
        let mut found = Vec::new();
        while let Some(batch) = batches.try_next().await? {
            found.extend(entries(&batch)?.into_iter().filter(|entry| paths.contains(entry.path.as_str())));
        }
        Ok(found)
    }
}

/// Whether one of `paths` may be in a part of a run, as the smallest and the greatest path in it say.
fn may_hold(group: &RowGroupMetaData, paths: &BTreeSet<&str>) -> bool {
    let bounds = group.column(0).statistics().and_then(|statistics| {
        Some((std::str::from_utf8(statistics.min_bytes_opt()?).ok()?, std::str::from_utf8(statistics.max_bytes_opt()?).ok()?))
    });
    let Some((first, last)) = bounds else { return true };
    first > last || paths.range::<str, _>((Bound::Included(first), Bound::Included(last))).next().is_some()
}
