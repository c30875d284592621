//! The bytes of a file, decompressed as they come.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_compression::tokio::bufread::{BzDecoder, GzipDecoder, XzDecoder, ZstdDecoder};
use bytes::Bytes;
use catalog::crawl::Compression;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::{GetOptions, GetResultPayload};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader};
use tokio_util::io::StreamReader;

use super::listing::Place;
use super::object::Object;
use crate::error::{Error, Result};

/// Decompressed bytes that are decoded at once.
const CHUNK: usize = 1 << 17;
/// Files up to this size are fetched whole, several at a time, while others are decoded.
pub(super) const SMALL: u64 = 1 << 20;

/// Bytes of a large object that are asked for at once.
const PART: u64 = 4 << 20;

/// How long a web server may pause while it sends a file.
const SILENCE: Duration = Duration::from_secs(60);

/// The first bytes of compressed files.
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const BZIP2: &[u8] = b"BZh";
const XZ: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];
const ZIP: &[u8] = b"PK\x03\x04";

/// A file's bytes.
pub(super) type Reader = Pin<Box<dyn AsyncBufRead + Send>>;

/// A file that is being fetched.
pub(super) struct Body(BoxStream<'static, object_store::Result<Bytes>>);

/// Begins to fetch `object`, as it was when it was listed; none when it is gone.
///
/// # Errors
/// When the store refuses, or the file was written anew meanwhile.
pub(super) async fn fetch(place: &Place, object: &Object) -> Result<Option<Body>> {
    let options = GetOptions { if_match: object.etag.as_deref().map(str::to_owned), ..GetOptions::default() };
    let address = || place.address(&object.path);
    let found = match place.root.store.get_opts(&object.path, options).await {
        Ok(found) => found,
        Err(object_store::Error::NotFound { .. }) => {
            tracing::warn!(file = address(), "the file is gone since it was listed");
            return Ok(None);
        }
        Err(object_store::Error::Precondition { .. }) => {
            return Err(Error::transient(format!("'{}' was written anew while it was read", address())));
        }
        Err(error) => return Err(Error::from(error).context(format!("cannot read '{}'", address()))),
    };
    if found.meta.size != object.size {
        return Err(Error::transient(format!(
            "'{}' has {} bytes, but {} when it was listed: is it still being written? Write to a name that begins with '.' and rename",
            address(),
            found.meta.size,
            object.size
        )));
    }
    if object.size > SMALL {
        let is_local = matches!(found.payload, GetResultPayload::File(..));
        return Ok(Some(Body(match (is_local, place.is_web()) {
            (true, _) => found.into_stream(),
            // Not every web server gives parts.
            (false, true) => impatient(found.into_stream()),
            // A request of its own for each part: one for all of a large object would outlive its timeout while others are decoded.
            (false, false) => parts(place, object),
        })));
    }
    let bytes = found.bytes().await.map_err(|error| Error::from(error).context(format!("cannot read '{}'", address())))?;
    Ok(Some(Body(stream::once(async { Ok(bytes) }).boxed())))
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

/// The bytes of a large object, part by part, of the version that was listed.
fn parts(place: &Place, object: &Object) -> BoxStream<'static, object_store::Result<Bytes>> {
    let store = Arc::clone(&place.root.store);
    let (path, size, etag) = (object.path.clone(), object.size, object.etag.clone());
    stream::try_unfold(0, move |at| {
        let (store, path, etag) = (Arc::clone(&store), path.clone(), etag.clone());
        async move {
            if at >= size {
                return Ok(None);
            }
            let end = size.min(at + PART);
            let if_match = etag.as_deref().map(str::to_owned);
            let options = GetOptions { range: Some((at..end).into()), if_match, ..GetOptions::default() };
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
