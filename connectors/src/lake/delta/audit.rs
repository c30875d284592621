//! What Delta's log says of the batches that are in a table, and of its rows: the log is the ledger.
//!
//! A commit of ours names its batch in `commitInfo`, beside the transaction that keeps it from being done twice. Rows are those of the
//! statistics of the files that were added and removed, version by version ("Delta Transaction Log Protocol", `PROTOCOL.md`).

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::sink::{Audit, LedgerEntry, WriteMode};
use crate::stores::Location;

/// The batch of a commit, in its `commitInfo`.
pub(crate) const BATCH: &str = "engineBatch";
/// How many rows the batch brought.
pub(crate) const ROWS: &str = "engineRows";
/// Versions that are read at the same time.
const CONCURRENT: usize = 16;

/// The table as the versions of its log make it.
#[derive(Debug, Default)]
struct History {
    /// Rows by file; `None` where a file does not say.
    files: BTreeMap<String, Option<u64>>,
    audit: Audit,
}

/// Reads the log from the first version that is still there.
pub(crate) async fn audit(location: &Location) -> Result<Audit> {
    let versions = versions(location).await?;
    let first = versions.first().map(|(version, _)| *version);
    let mut history = History::default();
    history.audit.exists = first.is_some();
    // Where the first versions are gone, nobody knows what was in the table before the others.
    history.audit.is_complete = first.is_none_or(|first| first == 0);
    let texts = futures::stream::iter(versions).map(|(version, path)| async move {
        let bytes = location.store.get(&path).await?.bytes().await?;
        Ok::<_, Error>((version, bytes))
    });
    let mut texts = texts.buffered(CONCURRENT);
    while let Some((version, bytes)) = texts.try_next().await? {
        history.read(version, &bytes)?;
    }
    let is_complete = history.audit.is_complete;
    history.audit.rows = history.rows().filter(|_| is_complete && history.audit.exists);
    Ok(history.audit)
}

/// The versions of the log, each a file.
async fn versions(location: &Location) -> Result<Vec<(u64, Path)>> {
    let folder = location.join("_delta_log");
    let mut versions: Vec<(u64, Path)> = Vec::new();
    for object in folder.store.list_with_delimiter(Some(&folder.path)).await?.objects {
        let name = object.location.filename().and_then(|name| name.strip_suffix(".json"));
        if let Some(version) = name.and_then(|name| name.parse().ok()) {
            versions.push((version, object.location));
        }
    }
    versions.sort();
    Ok(versions)
}

impl History {
    fn read(&mut self, version: u64, text: &[u8]) -> Result<()> {
        let (mut info, mut changes) = (Value::Null, false);
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let action: Value =
                serde_json::from_slice(line).map_err(|error| Error::data(format!("delta log: version {version}: {error}")))?;
            let path = |action: &Value| action["path"].as_str().unwrap_or_default().to_owned();
            if let Some(add) = action.get("add") {
                self.files.insert(path(add), records(add));
                changes |= add["dataChange"].as_bool().unwrap_or(true);
            } else if let Some(remove) = action.get("remove") {
                self.files.remove(&path(remove));
                changes |= remove["dataChange"].as_bool().unwrap_or(true);
            } else if let Some(commit) = action.get("commitInfo") {
                info = commit.clone();
            }
        }
        match entry(&info) {
            Some(entry) => {
                let rows_after = self.rows().filter(|_| self.audit.is_complete);
                self.audit.entries.push(LedgerEntry { rows_after, ..entry });
            }
            None if changes => {
                let operation = info["operation"].as_str().unwrap_or("a change");
                self.audit.foreign.push(format!("version {version}: {operation}"));
            }
            None => {}
        }
        Ok(())
    }

    /// Rows of all files, if all of them say.
    fn rows(&self) -> Option<u64> {
        self.files.values().copied().sum()
    }
}

/// Rows of a file, but for those that a deletion vector takes away.
fn records(add: &Value) -> Option<u64> {
    let stats: Value = serde_json::from_str(add["stats"].as_str()?).ok()?;
    let deleted = add["deletionVector"]["cardinality"].as_u64().unwrap_or_default();
    stats["numRecords"].as_u64()?.checked_sub(deleted)
}

/// The batch that a commit made, if it is one of ours.
fn entry(info: &Value) -> Option<LedgerEntry> {
    let (writer, epoch) = info[BATCH].as_str()?.rsplit_once(':')?;
    let is_overwrite = info["operationParameters"]["mode"].as_str() == Some("Overwrite");
    let mode = match info["operation"].as_str()? {
        "MERGE" => WriteMode::Upsert,
        _ if is_overwrite => WriteMode::Overwrite,
        _ => WriteMode::Append,
    };
    let rows = info[ROWS].as_u64();
    Some(LedgerEntry { writer: writer.to_owned(), epoch: epoch.parse().ok()?, mode, rows, rows_after: None })
}
