//! The files that an offset stands for, to be looked at.

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use super::{Ledger, Progress};
use crate::error::Result;
use crate::source::Offset;
use crate::stores::Location;

/// Words that the identity of a source of files begins with.
const FORMATS: [&str; 3] = ["csv ", "json ", "parquet "];

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestedObject {
    /// Its address: `s3://bucket/a.json`, `/data/a.json`.
    pub address: String,
    /// Bytes, as stored, when it was read.
    pub bytes: u64,
    /// Records that were read of it; `None` when it was read to its end.
    pub records: Option<u64>,
}

/// The files that were read up to `offset` by a source of this identity whose home this is, in the order of their paths, the one
/// that was read in part last. `None` when the source is none of files.
///
/// # Errors
/// When the list cannot be read; also in the stream.
pub async fn ingested(
    identity: &str,
    offset: &Offset,
    home: &Location,
) -> Result<Option<BoxStream<'static, Result<IngestedObject>>>> {
    let Some(place) = FORMATS.iter().find_map(|format| identity.strip_prefix(format)) else { return Ok(None) };
    let progress = Progress::load(Some(offset))?;
    let root = match place.split_once("://") {
        Some(("file", _)) | None => String::new(),
        Some((scheme, rest)) => format!("{scheme}://{}", rest.split('/').next().unwrap_or_default()),
    };
    let address = move |path: &str| format!("{root}/{path}");
    let part = progress.part.clone().map(|part| IngestedObject {
        address: address(&part.file.path),
        bytes: part.file.size,
        records: Some(part.records),
    });
    let known = Ledger::new(home.join("ledger")).known(&progress).await?;
    let whole = known.map_ok(move |file| IngestedObject { address: address(&file.path), bytes: file.size, records: None });
    Ok(Some(whole.chain(futures::stream::iter(part.map(Ok))).boxed()))
}
