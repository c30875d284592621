//! Staged files become files of a table: copied inside the store where that is possible, streamed where it is not.

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStoreExt, WriteMultipart};

use crate::error::{Error, Result};
use crate::sink::Batch;
use crate::staging::{StagedFile, hive_path};
use crate::stores::Location;

/// Files copied or removed at the same time.
const CONCURRENT: usize = 8;

/// Bytes of one part when a file is streamed from one store to another.
const PART_BYTES: usize = 8 << 20;

/// Where a table's file comes from and what it is called.
#[derive(Debug, Clone)]
pub(crate) struct Copied {
    /// The staged file.
    pub(crate) staged: StagedFile,
    /// Its name in the table, from the table's root; the same each time the batch is tried.
    pub(crate) path: String,
}

/// The files of a batch by their names in the table.
pub(crate) fn names(batch: &Batch) -> Vec<Copied> {
    let stem = batch.id.file_stem();
    let name = |(index, staged): (usize, &StagedFile)| {
        let folder = hive_path(&staged.partition);
        let slash = if folder.is_empty() { "" } else { "/" };
        Copied { staged: staged.clone(), path: format!("{folder}{slash}{stem}-{index:05}.parquet") }
    };
    batch.files.iter().enumerate().map(name).collect()
}

/// `relative` below `table`, taken as it is: escapes of partition folders are not escaped again.
pub(crate) fn path_in(table: &Location, relative: &str) -> Result<Path> {
    Path::parse(format!("{}/{relative}", table.path)).map_err(|error| Error::internal(format!("path '{relative}': {error}")))
}

/// Puts the files into the table's folder; each appears there whole or not at all.
pub(crate) async fn copy(lake: &Location, table: &Location, files: &[Copied]) -> Result<()> {
    let copies: Vec<_> = files.iter().map(|file| copy_one(lake, table, file)).collect();
    futures::stream::iter(copies).buffer_unordered(CONCURRENT).try_collect().await
}

async fn copy_one(lake: &Location, table: &Location, file: &Copied) -> Result<()> {
    let (from, to) = (staged_path(&file.staged)?, path_in(table, &file.path)?);
    if !lake.same_store(table) {
        return stream(lake, &from, table, &to).await;
    }
    if table.url.scheme() == "file" {
        return link(table, &from, &to, file.staged.bytes).await;
    }
    Ok(table.store.copy(&from, &to).await?)
}

/// Removes files of the table; those that are gone already do not count.
pub(crate) async fn remove(table: &Location, files: &[String]) -> Result<()> {
    let removals: Vec<_> = files.iter().map(|file| remove_one(table, file)).collect();
    futures::stream::iter(removals).buffer_unordered(CONCURRENT).try_collect().await
}

async fn remove_one(table: &Location, file: &str) -> Result<()> {
    match table.store.delete(&path_in(table, file)?).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn staged_path(file: &StagedFile) -> Result<Path> {
    Path::parse(&file.path).map_err(|error| Error::internal(format!("staged file '{}': {error}", file.path)))
}

/// On local disk a copy is a hard link, and to rename one link of a file onto another leaves both: a copy that is there
/// from an earlier try must not be copied over.
async fn link(table: &Location, from: &Path, to: &Path, bytes: u64) -> Result<()> {
    match table.store.copy_if_not_exists(from, to).await {
        Err(object_store::Error::AlreadyExists { .. }) => {}
        other => return Ok(other?),
    }
    if table.store.head(to).await?.size == bytes {
        return Ok(());
    }
    table.store.delete(to).await?;
    Ok(table.store.copy_if_not_exists(from, to).await?)
}

async fn stream(lake: &Location, from: &Path, table: &Location, to: &Path) -> Result<()> {
    let mut chunks = lake.store.get(from).await?.into_stream();
    let mut upload = WriteMultipart::new_with_chunk_size(table.store.put_multipart(to).await?, PART_BYTES);
    while let Some(chunk) = chunks.next().await {
        let put = match chunk {
            Ok(chunk) => upload.wait_for_capacity(1).await.map(|()| upload.put(chunk)),
            Err(error) => Err(error),
        };
        if let Err(error) = put {
            upload.abort().await?;
            return Err(error.into());
        }
    }
    upload.finish().await?;
    Ok(())
}
