//! Writing, reading, copying and deleting whole objects.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use hyper::HeaderMap;
use s3s::dto::*;
use s3s::{Body, S3Request, S3Response, S3Result, s3_error};

use super::store::{Attributes, Object, Precondition, Store, holds};
use super::{EventName, checksums};

pub(super) async fn put(store: &Store, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
    let input = request.input;
    let body = collect(input.body, input.content_length).await?;
    checksums::verify(&body, &request.headers, request.trailing_headers.as_ref())?;
    let attributes = Attributes {
        content_type: input.content_type,
        content_encoding: input.content_encoding,
        content_language: input.content_language,
        content_disposition: input.content_disposition,
        cache_control: input.cache_control,
        metadata: input.metadata,
    };
    let object = Object { etag: checksums::etag(&body), body, modified: SystemTime::now(), attributes };
    let e_tag = Some(ETag::Strong(object.etag.clone()));
    let precondition = Precondition { if_match: input.if_match, if_none_match: input.if_none_match };
    store.change(|state| state.insert((&input.bucket, &input.key), object, &precondition, EventName::Put))?;
    Ok(S3Response::new(PutObjectOutput { e_tag, ..Default::default() }))
}

/// The whole body of a request, or an error if the client went away before the end of it.
pub(super) async fn collect(body: Option<StreamingBlob>, length: Option<i64>) -> S3Result<Bytes> {
    let mut bytes = BytesMut::new();
    if let Some(mut body) = body {
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| s3_error!(IncompleteBody, "the body could not be read: {error}"))?;
            bytes.extend_from_slice(&chunk);
        }
    }
    match length {
        Some(length) if usize::try_from(length) != Ok(bytes.len()) => Err(s3_error!(IncompleteBody)),
        _ => Ok(bytes.freeze()),
    }
}

/// The conditions of a read.
struct ReadConditions {
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
    if_modified_since: Option<Timestamp>,
    if_unmodified_since: Option<Timestamp>,
}

impl ReadConditions {
    /// Source: the rules for combined conditions of GetObject in the S3 API reference: entity tags decide over dates.
    fn check(&self, object: &Object) -> S3Result<()> {
        match (&self.if_match, &self.if_unmodified_since) {
            (Some(condition), _) if !holds(condition, object) => return Err(s3_error!(PreconditionFailed)),
            (None, Some(since)) if whole_seconds(object.modified) > *since => return Err(s3_error!(PreconditionFailed)),
            _ => {}
        }
        match (&self.if_none_match, &self.if_modified_since) {
            (Some(condition), _) if holds(condition, object) => Err(s3_error!(NotModified)),
            (None, Some(since)) if whole_seconds(object.modified) <= *since => Err(s3_error!(NotModified)),
            _ => Ok(()),
        }
    }
}

/// The time as HTTP dates have it, which is how clients give it back.
fn whole_seconds(time: SystemTime) -> Timestamp {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
    Timestamp::from(UNIX_EPOCH + std::time::Duration::from_secs(seconds))
}

pub(super) fn get(store: &Store, input: GetObjectInput) -> S3Result<S3Response<GetObjectOutput>> {
    let object = store.read(|state| state.object(&input.bucket, &input.key).cloned())?;
    let conditions = ReadConditions {
        if_match: input.if_match,
        if_none_match: input.if_none_match,
        if_modified_since: input.if_modified_since,
        if_unmodified_since: input.if_unmodified_since,
    };
    conditions.check(&object)?;
    let (body, content_range) = slice(&object.body, input.range)?;
    let attributes = object.attributes;
    Ok(S3Response::new(GetObjectOutput {
        accept_ranges: Some("bytes".into()),
        content_length: Some(length(&body)),
        body: Some(StreamingBlob::from(Body::from(body))),
        content_range,
        e_tag: Some(ETag::Strong(object.etag)),
        last_modified: Some(object.modified.into()),
        content_type: attributes.content_type,
        content_encoding: attributes.content_encoding,
        content_language: attributes.content_language,
        content_disposition: attributes.content_disposition,
        cache_control: attributes.cache_control,
        metadata: attributes.metadata,
        ..Default::default()
    }))
}

pub(super) fn head(store: &Store, input: HeadObjectInput) -> S3Result<S3Response<HeadObjectOutput>> {
    let object = store.read(|state| state.object(&input.bucket, &input.key).cloned())?;
    let conditions = ReadConditions {
        if_match: input.if_match,
        if_none_match: input.if_none_match,
        if_modified_since: input.if_modified_since,
        if_unmodified_since: input.if_unmodified_since,
    };
    conditions.check(&object)?;
    let (body, content_range) = slice(&object.body, input.range)?;
    let attributes = object.attributes;
    Ok(S3Response::new(HeadObjectOutput {
        accept_ranges: Some("bytes".into()),
        content_length: Some(length(&body)),
        content_range,
        e_tag: Some(ETag::Strong(object.etag)),
        last_modified: Some(object.modified.into()),
        content_type: attributes.content_type,
        content_encoding: attributes.content_encoding,
        content_language: attributes.content_language,
        content_disposition: attributes.content_disposition,
        cache_control: attributes.cache_control,
        metadata: attributes.metadata,
        ..Default::default()
    }))
}

fn slice(body: &Bytes, range: Option<Range>) -> S3Result<(Bytes, Option<String>)> {
    let Some(range) = range else { return Ok((body.clone(), None)) };
    let full = body.len() as u64;
    let range = range.check(full)?;
    let header = format!("bytes {}-{}/{full}", range.start, range.end.saturating_sub(1));
    let position = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
    Ok((body.slice(position(range.start)..position(range.end)), Some(header)))
}

pub(super) fn length(body: &Bytes) -> i64 {
    i64::try_from(body.len()).unwrap_or(i64::MAX)
}

pub(super) fn copy(store: &Store, request: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
    let input = request.input;
    let precondition = Precondition {
        if_match: condition(&request.headers, "if-match")?,
        if_none_match: condition(&request.headers, "if-none-match")?,
    };
    let source_conditions = Precondition { if_match: input.copy_source_if_match, if_none_match: input.copy_source_if_none_match };
    let replaces = input.metadata_directive.as_ref().is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE);
    let replacement = Attributes {
        content_type: input.content_type,
        content_encoding: input.content_encoding,
        content_language: input.content_language,
        content_disposition: input.content_disposition,
        cache_control: input.cache_control,
        metadata: input.metadata,
    };
    let modified = SystemTime::now();
    let etag = store.change(|state| {
        let (bucket, key) = source(&input.copy_source)?;
        let from = state.object(bucket, key)?;
        source_conditions.check(Some(from))?;
        let attributes = if replaces { replacement } else { from.attributes.clone() };
        let object = Object { body: from.body.clone(), etag: checksums::etag(&from.body), modified, attributes };
        let etag = object.etag.clone();
        state.insert((&input.bucket, &input.key), object, &precondition, EventName::Copy)?;
        Ok(etag)
    })?;
    let result = CopyObjectResult { e_tag: Some(ETag::Strong(etag)), last_modified: Some(modified.into()), ..Default::default() };
    Ok(S3Response::new(CopyObjectOutput { copy_object_result: Some(result), ..Default::default() }))
}

/// A condition on the target of a copy, which s3s 0.14 does not parse.
fn condition(headers: &HeaderMap, name: &str) -> S3Result<Option<ETagCondition>> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    ETagCondition::parse_http_header(value.as_bytes()).map(Some).map_err(|error| s3_error!(error, InvalidRequest))
}

/// The bucket and key that a copy is made of.
pub(super) fn source(source: &CopySource) -> S3Result<(&str, &str)> {
    match source {
        CopySource::Bucket { bucket, key, .. } => Ok((bucket, key)),
        _ => Err(s3_error!(NotImplemented, "only buckets can be copied from")),
    }
}

pub(super) fn delete(store: &Store, input: DeleteObjectInput) -> S3Result<S3Response<DeleteObjectOutput>> {
    let precondition = Precondition { if_match: input.if_match, if_none_match: None };
    store.change(|state| state.remove((&input.bucket, &input.key), &precondition))?;
    Ok(S3Response::new(DeleteObjectOutput::default()))
}

pub(super) fn delete_many(store: &Store, input: DeleteObjectsInput) -> S3Result<S3Response<DeleteObjectsOutput>> {
    let mut deleted = Vec::new();
    store.change(|state| {
        for object in input.delete.objects {
            state.remove((&input.bucket, &object.key), &Precondition::default())?;
            deleted.push(DeletedObject { key: Some(object.key), ..Default::default() });
        }
        Ok(())
    })?;
    let deleted = (input.delete.quiet != Some(true)).then_some(deleted);
    Ok(S3Response::new(DeleteObjectsOutput { deleted, ..Default::default() }))
}
