//! The bytes of a file, decompressed as they come.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_compression::tokio::bufread::{BzDecoder, GzipDecoder, XzDecoder, ZstdDecoder};
use bytes::Bytes;
use catalog::crawl::Compression;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::{GetOptions, GetResult, GetResultPayload};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader};
use tokio_util::io::{ReaderStream, StreamReader};

use super::listing::Place;
use super::object::{Format, Object};
use super::parquet::{Footer, footer};
use crate::error::{Error, Result};

/// Decompressed bytes that are decoded at once.
const CHUNK: usize = 1 << 17;
/// Files up to this size are fetched whole, several at a time, while others are decoded.
pub(super) const SMALL: u64 = 1 << 20;

/// Bytes of a local file that are read at once.
const LOCAL_CHUNK: usize = 1 << 19;

/// Bytes of a large object that are asked for at once.
const PART: u64 = 4 << 20;

/// How long a web server may pause while it sends a file.
const SILENCE: Duration = Duration::from_secs(60);

/// What helps against files that are read too early.
const HIDE_IT: &str = "Write to a name that begins with '.' and rename";

/// The first bytes of compressed files.
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const BZIP2: &[u8] = b"BZh";
const XZ: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];
const ZIP: &[u8] = b"PK\x03\x04";

/// A file's bytes.
pub(super) type Reader = Pin<Box<dyn AsyncBufRead + Send>>;

/// A text file that is being fetched.
pub(super) struct Body(BoxStream<'static, object_store::Result<Bytes>>);

/// A file on its way.
pub(super) enum Fetched {
    /// Bytes, as they come.
    Text(Body),
    /// One that is read here and there, of which the footer was read.
    Parquet(Box<Footer>),
}

impl Fetched {
    /// Begins with `object`, a file of `format`, as it was when it was listed; none when it is gone.
    ///
    /// # Errors
    /// When the store refuses, the file was written anew meanwhile, or it is no Parquet file.
    pub(super) async fn begin(place: &Place, object: &Object, format: Format) -> Result<Option<Self>> {
        Ok(match format {
            Format::Json | Format::Csv => fetch(place, object).await?.map(Self::Text),
            Format::Parquet => footer(place, object).await?.map(|footer| Self::Parquet(Box::new(footer))),
        })
    }
}

/// Begins to fetch `object`, as it was when it was listed; none when it is gone.
///
/// # Errors
/// When the store refuses, or the file was written anew meanwhile.
pub(super) async fn fetch(place: &Place, object: &Object) -> Result<Option<Body>> {
    if object.size <= SMALL {
        return Ok(whole(place, object).await?.map(Body::of));
    }
    if place.is_local() {
        return Ok(get(place, object, None).await?.map(|found| Body(large_chunks(found))));
    }
    if place.is_web() {
        // Not every web server gives parts.
        return Ok(get(place, object, None).await?.map(|found| Body(impatient(found.into_stream()))));
    }
    // A request of its own for each part: one for all of a large object would outlive its timeout while others are decoded. The
    // first shows that the object is there.
    let Some(first) = get(place, object, Some(0..SMALL)).await? else { return Ok(None) };
    let first = bytes(place, object, first).await?;
    let stream = stream::once(async { Ok(first) }).chain(parts(place, object, SMALL));
    Ok(Some(Body(stream.boxed())))
}

/// All of a small file.
pub(super) async fn whole(place: &Place, object: &Object) -> Result<Option<Bytes>> {
    match get(place, object, None).await? {
        Some(found) => bytes(place, object, found).await.map(Some),
        None => Ok(None),
    }
}

async fn bytes(place: &Place, object: &Object, found: GetResult) -> Result<Bytes> {
    found.bytes().await.map_err(|error| Error::from(error).context(format!("cannot read '{}'", place.address(&object.path))))
}

/// The store's answer; none when the object is gone.
async fn get(place: &Place, object: &Object, range: Option<Range<u64>>) -> Result<Option<GetResult>> {
    let address = || place.address(&object.path);
    let found = match place.root.store.get_opts(&object.path, place.request(object, range)).await {
        Ok(found) => found,
        Err(object_store::Error::NotFound { .. }) => {
            gone(&address());
            return Ok(None);
        }
        Err(object_store::Error::Precondition { .. }) => return Err(anew(&address())),
        Err(error) => return Err(Error::from(error).context(format!("cannot read '{}'", address()))),
    };
    if found.meta.size == object.size {
        return Ok(Some(found));
    }
    Err(Error::transient(format!(
        "'{}' has {} bytes, but {} when it was listed: is it still being written? {HIDE_IT}",
        address(),
        found.meta.size,
        object.size
    )))
}

/// Says that a file cannot be read any more, which is no error: its rows were never there.
pub(super) fn gone(address: &str) {
    tracing::warn!(file = address, "the file is gone since it was listed");
}

/// What is read of a file that is not the one that was listed.
pub(super) fn anew(address: &str) -> Error {
    Error::transient(format!("'{address}' was written anew while it was read: is it still being written? {HIDE_IT}"))
}

/// The bytes of a local file. `object_store` asks another thread for every 8 KiB of one.
fn large_chunks(found: GetResult) -> BoxStream<'static, object_store::Result<Bytes>> {
    match found.payload {
        GetResultPayload::File(file, _) => {
            let failed = |error| object_store::Error::Generic { store: "LocalFileSystem", source: Box::new(error) };
            ReaderStream::with_capacity(tokio::fs::File::from_std(file), LOCAL_CHUNK).map_err(failed).boxed()
        }
        GetResultPayload::Stream(stream) => stream,
    }
}

/// A stream that fails when nothing comes for [`SILENCE`].
fn impatient(stream: BoxStream<'static, object_store::Result<Bytes>>) -> BoxStream<'static, object_store::Result<Bytes>> {
    stream::try_unfold(stream, |mut stream| async move {
        match tokio::time::timeout(SILENCE, stream.try_next()).await {
            Ok(chunk) => Ok(chunk?.map(|chunk| (chunk, stream))),
            Err(elapsed) => Err(object_store::Error::Generic { store: "HTTP", source: elapsed.into() }),
        }
    })
    .boxed()
}

/// The bytes of a large object from `start` on, part by part, of the version that was listed.
fn parts(place: &Place, object: &Object, start: u64) -> BoxStream<'static, object_store::Result<Bytes>> {
    let (store, path, size) = (Arc::clone(&place.root.store), object.path.clone(), object.size);
    let request = place.request(object, None);
    stream::try_unfold(start, move |at| {
        let end = size.min(at + PART);
        let options = GetOptions { range: Some((at..end).into()), ..request.clone() };
        let (store, path) = (Arc::clone(&store), path.clone());
        async move {
            if at >= size {
                return Ok(None);
            }
            let bytes = store.get_opts(&path, options).await?.bytes().await?;
            Ok(Some((bytes, end)))
        }
    })
    .boxed()
}

/// How a file that begins with `start` is compressed.
pub(super) fn compression(start: &[u8]) -> Compression {
    let is = |magic: &[u8]| start.starts_with(magic);
    if is(GZIP) {
        Compression::Gzip
    } else if is(ZSTD) {
        Compression::Zstd
    } else if is(BZIP2) {
        Compression::Bzip2
    } else if is(XZ) {
        Compression::Xz
    } else {
        Compression::None
    }
}

impl Body {
    /// Bytes that were fetched.
    pub(super) fn of(bytes: Bytes) -> Self {
        Self(stream::once(async { Ok(bytes) }).boxed())
    }

    /// The bytes, decompressed as their beginning says; the name of a file may say anything.
    ///
    /// # Errors
    /// When the first of them cannot be read, or the format is one that cannot be.
    pub(super) async fn open(self, address: &str) -> Result<Reader> {
        let stream = self.0.map_err(std::io::Error::other);
        let mut raw = BufReader::with_capacity(CHUNK, StreamReader::new(stream));
        let start = raw.fill_buf().await.map_err(|error| read_error(&error, address))?;
        let is_zip = start.starts_with(ZIP);
        let compression = compression(start);
        // A file may be several compressed ones in a row, as `cat a.gz b.gz` makes it.
        let reader: Reader = match compression {
            Compression::Gzip => {
                let mut decoder = GzipDecoder::new(raw);
                decoder.multiple_members(true);
                Box::pin(BufReader::with_capacity(CHUNK, decoder))
            }
            Compression::Zstd => {
                let mut decoder = ZstdDecoder::new(raw);
                decoder.multiple_members(true);
                Box::pin(BufReader::with_capacity(CHUNK, decoder))
            }
            Compression::Bzip2 => {
                let mut decoder = BzDecoder::new(raw);
                decoder.multiple_members(true);
                Box::pin(BufReader::with_capacity(CHUNK, decoder))
            }
            Compression::Xz => {
                let mut decoder = XzDecoder::new(raw);
                decoder.multiple_members(true);
                Box::pin(BufReader::with_capacity(CHUNK, decoder))
            }
            _ if is_zip => {
                return Err(Error::data(format!(
                    "'{address}' is a zip archive, which is not read; unpack it, or pack it as .gz"
                )));
            }
            _ => Box::pin(raw),
        };
        Ok(reader)
    }
}

/// What a read that failed half-way means: a fault of the network, or a file that is cut off.
pub(super) fn read_error(error: &std::io::Error, address: &str) -> Error {
    use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    match error.kind() {
        UnexpectedEof => Error::data(format!("'{address}' ends in the middle of its compressed data: it is truncated")),
        InvalidData | InvalidInput => Error::data(format!("'{address}' cannot be decompressed: {error}")),
        _ => {
            // Decoders report broken data as plain errors with a message of their own.
            let is_store = error.get_ref().is_some_and(|cause| cause.downcast_ref::<object_store::Error>().is_some());
            if is_store {
                Error::transient(format!("reading '{address}' failed half-way: {error}"))
            } else {
                Error::data(format!("'{address}' cannot be decompressed: {error}"))
            }
        }
    }
}
