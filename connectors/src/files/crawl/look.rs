//! One object: what it is, and what is in it.

use bytes::Bytes;
use catalog::crawl::{Compression, Ending, SkipReason};
use catalog::infer::ObservedSchema;
use object_store::ObjectStoreExt;
use tokio::io::AsyncBufReadExt;

use super::{footer, text};
use crate::error::{Error, Result};
use crate::files::csv::encoding::{Choice, detect};
use crate::files::csv::{Hints, sniff};
use crate::files::infer::with_column_names;
use crate::files::listing::Place;
use crate::files::object::{Format, Object};
use crate::files::open::{Body, compression, read_error};

/// What Parquet files begin with.
const PARQUET: &[u8] = b"PAR1";

/// What a look at an object gave.
#[derive(Debug)]
pub(super) enum Look {
    /// Its columns.
    Seen { observed: ObservedSchema, format: Format, compression: Compression },
    /// It is no data.
    Skipped(SkipReason),
    /// It is not there any more.
    Gone,
}

/// Looks at an object; of a text file, at no more than `budget` of its bytes.
///
/// # Errors
/// When the store does not answer. That a file cannot be read is no error but what the look gave.
pub(super) async fn look(place: &Place, object: &Object, budget: u64) -> Result<Look> {
    match try_look(place, object, budget).await {
        Err(Error::Data { message }) => {
            // The reason stands beside the file's path.
            let address = format!("'{}'", place.address(&object.path));
            let reason = message.replace(&format!("{address}: "), "").replace(&address, "it");
            Ok(Look::Skipped(SkipReason::Unreadable(reason)))
        }
        Err(Error::NotFound { .. }) => Ok(Look::Gone),
        other => other,
    }
}

async fn try_look(place: &Place, object: &Object, budget: u64) -> Result<Look> {
    let by_name = match Ending::of(place.relative(&object.path)) {
        Ending::Format(catalog::crawl::Format::Parquet) => return parquet(place, object).await,
        Ending::Format(catalog::crawl::Format::Json) => Some(Format::Json),
        Ending::Format(_) => Some(Format::Csv),
        Ending::Foreign | Ending::None => None,
    };
    let is_whole = object.size <= budget;
    let head = fetch(place, object, 0, if is_whole { object.size } else { (budget / 3).max(1) }).await?;
    let address = place.address(&object.path);
    let packed = compression(&head);
    let format = match by_name {
        _ if head.starts_with(PARQUET) => return parquet(place, object).await,
        Some(format) => Some(format),
        None => by_content(&head, &address).await?,
    };
    let Some(format) = format else { return Ok(Look::Skipped(SkipReason::Unknown)) };
    let sample = text::Sample { place, object, budget, head, is_whole, is_packed: packed != Compression::None };
    let observed = text::observe(&sample, format).await?;
    if observed.rows == 0
        && let Some(refused) = &observed.refused
    {
        return Ok(Look::Skipped(SkipReason::Unreadable(format!("no record of it can be read: {}", refused.why))));
    }
    Ok(Look::Seen { observed: with_column_names(observed, format), format, compression: packed })
}

async fn parquet(place: &Place, object: &Object) -> Result<Look> {
    let observed = with_column_names(footer::observe(place, object).await?, Format::Parquet);
    Ok(Look::Seen { observed, format: Format::Parquet, compression: Compression::None })
}

/// What a file without a telling name holds, if it is one of the formats that are read.
async fn by_content(head: &Bytes, address: &str) -> Result<Option<Format>> {
    let mut reader = Body::of(head.clone()).open(address).await?;
    let start = reader.fill_buf().await.map_err(|error| read_error(&error, address))?;
    let detected = detect(start, false, Choice::Auto);
    if is_binary(start) {
        return Ok(None);
    }
    let decoded = detected.decode(start);
    match decoded.trim_ascii_start().first() {
        None => Ok(None),
        Some(b'{' | b'[') => Ok(Some(Format::Json)),
        Some(_) => {
            let sniffed = sniff(&decoded, false, &Hints::default());
            Ok((sniffed.columns > 1).then_some(Format::Csv))
        }
    }
}

/// Whether bytes are no text in any encoding.
pub(super) fn is_binary(start: &[u8]) -> bool {
    let encoding = detect(start, false, Choice::Auto).encoding;
    let has_zeros = encoding == encoding_rs::UTF_16LE || encoding == encoding_rs::UTF_16BE;
    !has_zeros && start.contains(&0)
}

/// What an object is that is not the one that was listed: none that can be read, until the next crawl.
pub(super) fn anew() -> Error {
    Error::data("it was written anew while it was looked at")
}

/// Bytes of an object, of the version that was listed.
///
/// # Errors
/// [`Error::Data`] when it was written anew since; [`Error::NotFound`] when it is gone; when the store does not answer.
pub(super) async fn fetch(place: &Place, object: &Object, from: u64, length: u64) -> Result<Bytes> {
    let address = || place.address(&object.path);
    let end = object.size.min(from + length);
    let found = match place.root.store.get_opts(&object.path, place.request(object, Some(from..end))).await {
        Ok(found) => found,
        Err(object_store::Error::Precondition { .. }) => return Err(anew()),
        Err(error) => {
            // A range beyond the end says that the file became shorter.
            let now = place.root.store.head(&object.path).await?;
            if now.size < end {
                return Err(anew());
            }
            return Err(Error::from(error).context(format!("cannot read '{}'", address())));
        }
    };
    let bytes = found.bytes().await.map_err(|error| Error::from(error).context(format!("cannot read '{}'", address())))?;
    if (bytes.len() as u64) < end - from { Err(anew()) } else { Ok(bytes) }
}
