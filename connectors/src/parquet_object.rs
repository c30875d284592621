//! Ranges of a Parquet file in an object store, as parquet's async reader asks for them.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{GetOptions, OBJECT_STORE_COALESCE_DEFAULT, ObjectStore, coalesce_ranges};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

type Result<T> = parquet::errors::Result<T>;

/// Bytes asked for at the end of a file, so that most footers take one request.
const FOOTER_BYTES: usize = 64 << 10;

/// A file of known size.
#[derive(Debug, Clone)]
pub(crate) struct ObjectReader {
    store: Arc<dyn ObjectStore>,
    path: Path,
    bytes: u64,
    /// What each request insists on.
    options: GetOptions,
    /// All of the file, if it was fetched.
    whole: Option<Bytes>,
}

impl ObjectReader {
    /// Of a file that nobody writes anew.
    pub(crate) fn new(store: Arc<dyn ObjectStore>, path: Path, bytes: u64) -> Self {
        Self { store, path, bytes, options: GetOptions::default(), whole: None }
    }

    /// Each request insists on what `options` say, so that all are answered of one version of the file.
    pub(crate) fn insisting(self, options: GetOptions) -> Self {
        Self { options, ..self }
    }

    /// Nothing is asked for any more: this is the file.
    pub(crate) fn holding(self, whole: Bytes) -> Self {
        Self { whole: Some(whole), ..self }
    }

    async fn get(&self, range: Range<u64>) -> Result<Bytes> {
        let Some(whole) = &self.whole else {
            let options = GetOptions { range: Some(range.into()), ..self.options.clone() };
            return Ok(self.store.get_opts(&self.path, options).await?.bytes().await?);
        };
        let (start, end) = (usize::try_from(range.start)?, usize::try_from(range.end)?);
        if start > end || end > whole.len() {
            return Err(ParquetError::EOF(format!("bytes {start} to {end} of {} are asked for", whole.len())));
        }
        Ok(whole.slice(start..end))
    }
}

impl AsyncFileReader for ObjectReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        self.get(range).boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        let reader = &*self;
        async move { coalesce_ranges(&ranges, |range| reader.get(range), OBJECT_STORE_COALESCE_DEFAULT).await }.boxed()
    }

    fn get_metadata<'a>(&'a mut self, _options: Option<&'a ArrowReaderOptions>) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        async move {
            let bytes = self.bytes;
            let reader = ParquetMetaDataReader::new().with_prefetch_hint(Some(FOOTER_BYTES));
            Ok(Arc::new(reader.load_and_finish(self, bytes).await?))
        }
        .boxed()
    }
}
