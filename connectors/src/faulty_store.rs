//! A store of a test build: a fault point before and after every change.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions,
    PutPayload, PutResult, RenameOptions, Result, UploadPart,
};

use crate::faults::{AFTER_EFFECT, BEFORE_EFFECT, point};

#[derive(Debug)]
pub(crate) struct FaultyStore(pub(crate) Arc<dyn ObjectStore>);

impl std::fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

async fn effect<T>(change: impl Future<Output = Result<T>>) -> Result<T> {
    point(BEFORE_EFFECT);
    let result = change.await;
    point(AFTER_EFFECT);
    result
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        effect(self.0.put_opts(location, payload, options)).await
    }

    async fn put_multipart_opts(&self, location: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        effect(self.0.put_multipart_opts(location, options)).await.map(|upload| Box::new(FaultyUpload(upload)) as _)
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.0.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        point(BEFORE_EFFECT);
        self.0.delete_stream(locations).inspect(|_| point(AFTER_EFFECT)).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        effect(self.0.copy_opts(from, to, options)).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        effect(self.0.rename_opts(from, to, options)).await
    }
}

#[derive(Debug)]
struct FaultyUpload(Box<dyn MultipartUpload>);

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        point(BEFORE_EFFECT);
        self.0.put_part(data).inspect(|_| point(AFTER_EFFECT)).boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        effect(self.0.complete()).await
    }

    async fn abort(&mut self) -> Result<()> {
        effect(self.0.abort()).await
    }
}
