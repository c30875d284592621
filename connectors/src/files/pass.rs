//! One pass over the files of a table: those that are new, one after the other, the next ones fetched ahead.

use std::sync::Arc;

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::config::FileTable;
use super::ledger::{Entry, Ledger, Part, Progress};
use super::news::{Looked, News};
use super::open::Fetched;
use super::pending::{OnChange, Pending, Skipped, pending, unread};
use super::prune::{self, Pruning};
use super::reading::Reading;
use crate::error::{Error, Result};

/// Files that are fetched while another is decoded. On S3 a small file is mostly waiting.
const AHEAD: usize = 16;

/// A file to read, and what of it is skipped.
pub(super) struct Next {
    pub(super) pending: Pending,
    /// Or why it is none.
    pub(super) file: Result<Fetched>,
    /// Records that were read by an earlier slice.
    pub(super) skip: u64,
}

/// Files still to come, and the one that is being read.
pub(super) struct Pass {
    files: BoxStream<'static, Result<Option<Next>>>,
    pub(super) reading: Option<Reading>,
    skipped: Skipped,
    /// When all files were listed.
    listed: Listed,
}

/// When the listing began that a pass is based on.
#[derive(Debug, Clone, Copy)]
enum Listed {
    /// For this pass: what it shows is read when the pass is at its end.
    Now(Instant),
    /// For one before, which was read to its end. This pass reads what was named since.
    Before(Instant),
}

impl std::fmt::Debug for Pass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pass").finish_non_exhaustive()
    }
}

impl Pass {
    /// Begins with the files that `progress` does not know: among all, which are listed, or among those that were named to `news`.
    /// The rest of a file that was read in part comes first.
    ///
    /// # Errors
    /// When the files cannot be listed or looked at.
    pub(super) async fn begin(table: &Arc<FileTable>, ledger: &Ledger, news: &News, progress: &Progress) -> Result<Self> {
        let named = match news {
            News::Queue(queue) => queue.named(ledger, progress).await?,
            News::Nothing | News::Folder(_) => None,
        };
        Self::over(table, ledger, news, progress, named, None).await
    }

    /// Begins with all files that `pruning` may want.
    ///
    /// # Errors
    /// When the files cannot be listed.
    pub(super) async fn whole(table: &Arc<FileTable>, ledger: &Ledger, news: &News, pruning: Pruning) -> Result<Self> {
        Self::over(table, ledger, news, &Progress::default(), None, Some(Arc::new(pruning))).await
    }

    async fn over(
        table: &Arc<FileTable>,
        ledger: &Ledger,
        news: &News,
        progress: &Progress,
        named: Option<(Looked, Instant)>,
        pruning: Option<Arc<Pruning>>,
    ) -> Result<Self> {
        let skipped = Skipped::default();
        let begun = Instant::now();
        let (found, listed) = match named {
            Some((looked, listed)) => (among(table, looked, skipped.clone()), Listed::Before(listed)),
            None => {
                let all = match &pruning {
                    Some(pruning) => prune::list(table, pruning).await?,
                    None => table.place.list().await?,
                };
                let all = match news {
                    News::Folder(folder) => {
                        let is_open = folder.gate();
                        all.try_filter(move |object| std::future::ready(!is_open(object))).boxed()
                    }
                    News::Nothing | News::Queue(_) => all,
                };
                let known = ledger.known(progress).await?;
                (unread(&table.place, all, known, table.format, table.on_change, skipped.clone()), Listed::Now(begun))
            }
        };
        let part = progress.part.clone();
        let part_path = part.as_ref().map(|part| part.file.path.clone());
        let filtered = Arc::clone(table);
        let others = found.try_filter(move |found| {
            let is_other = part_path.as_ref().is_none_or(|path| path != found.object.path.as_ref());
            let is_wanted = pruning.as_ref().is_none_or(|pruning| pruning.wants_file(&filtered, &found.object));
            std::future::ready(is_other && is_wanted)
        });
        let first = Self::rest(table, part).await?;
        let table = Arc::clone(table);
        let files = futures::stream::iter(first.map(Ok)).chain(others.map_ok(|pending| (pending, 0)));
        let files = files.map(move |file| {
            let table = Arc::clone(&table);
            async move {
                let (pending, skip) = file?;
                let file = match Fetched::begin(&table.place, &pending.object, table.format).await {
                    Ok(None) => return Ok(None),
                    Ok(Some(file)) => Ok(file),
                    Err(error @ Error::Data { .. }) => Err(error),
                    Err(error) => return Err(error),
                };
                Ok(Some(Next { pending, file, skip }))
            }
        });
        Ok(Self { files: files.buffered(AHEAD).boxed(), reading: None, skipped, listed })
    }

    /// When the last listing began of which everything is read; `ended`: the pass is at its end.
    pub(super) fn listed(&self, ended: bool) -> Option<Instant> {
        match self.listed {
            Listed::Before(at) => Some(at),
            Listed::Now(at) => ended.then_some(at),
        }
    }

    /// The file that was read in part, and how much of it.
    async fn rest(table: &FileTable, part: Option<Part>) -> Result<Option<(Pending, u64)>> {
        let Some(part) = part else { return Ok(None) };
        let Some(object) = table.place.object(&part.file.path).await? else {
            tracing::warn!(
                table = table.name,
                file = part.file.path,
                records = part.records,
                "a file is gone that was read in part"
            );
            return Ok(None);
        };
        let changed = object.version != part.file.version;
        if changed && table.on_change == OnChange::Fail {
            return Err(super::pending::changed(&table.place.address(&object.path)));
        }
        // Of a file that was written anew, and is to be read as it is now, nothing is skipped.
        let skip = if changed && table.on_change == OnChange::Reprocess { 0 } else { part.records };
        Ok(Some((Pending { object, old: part.old }, skip)))
    }

    /// The next file; none at the end of the pass.
    ///
    /// # Errors
    /// When the files cannot be listed or the next one cannot be fetched.
    pub(super) async fn next(&mut self, table: &FileTable) -> Result<Option<Next>> {
        loop {
            match self.files.try_next().await? {
                Some(Some(next)) => return Ok(Some(next)),
                Some(None) => {}
                None => {
                    self.skipped.report(&table.name);
                    return Ok(None);
                }
            }
        }
    }

    /// Changes whenever a file is added, removed or written.
    ///
    /// # Errors
    /// When the files cannot be listed.
    pub(super) async fn version(table: &FileTable, ledger: &Ledger) -> Result<String> {
        let known = ledger.known(&Progress::default()).await?;
        let mut files = pending(&table.place, known, table.format, OnChange::Ignore, Skipped::default()).await?;
        let mut hash = Sha256::new();
        while let Some(found) = files.try_next().await? {
            let Entry { path, size, version } = found.entry();
            hash.update(format!("{path}\n{size}\n{version}\n"));
        }
        Ok(hex::encode(&hash.finalize()[..8]))
    }
}

/// The new and the changed among files that were looked at.
fn among(table: &FileTable, looked: Looked, skipped: Skipped) -> BoxStream<'static, Result<Pending>> {
    let objects = futures::stream::iter(looked.objects.into_iter().map(Ok)).boxed();
    let known = futures::stream::iter(looked.known.into_iter().map(Ok)).boxed();
    unread(&table.place, objects, known, table.format, table.on_change, skipped)
}
