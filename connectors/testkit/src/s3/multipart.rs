//! Multipart uploads: parts are invisible until completed, and completing is one atomic write.

use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::objects::{collect, length, source};
use super::store::{Attributes, Object, Part as StoredPart, Precondition, State, Store, Upload};
use super::{EventName, checksums};

/// The least size of a part other than the last ("Amazon S3 multipart upload limits", S3 User Guide).
const PART_MINIMUM: usize = 5 << 20;
/// The highest number a part may have (same source).
const PART_NUMBER_MAXIMUM: i32 = 10_000;

pub(super) fn create(store: &Store, input: CreateMultipartUploadInput) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
    let attributes = Attributes {
        content_type: input.content_type,
        content_encoding: input.content_encoding,
        content_language: input.content_language,
        content_disposition: input.content_disposition,
        cache_control: input.cache_control,
        metadata: input.metadata,
    };
    let (bucket, key) = (input.bucket, input.key);
    let upload = Upload { bucket: bucket.clone(), key: key.clone(), attributes, parts: Default::default() };
    let id = store.change(|state| {
        state.bucket(&bucket)?;
        state.upload_count += 1;
        let id = format!("upload-{}", state.upload_count);
        state.uploads.insert(id.clone(), upload);
        Ok(id)
    })?;
    let output = CreateMultipartUploadOutput { bucket: Some(bucket), key: Some(key), upload_id: Some(id), ..Default::default() };
    Ok(S3Response::new(output))
}

/// The upload of that id, if it is for this object.
fn find<'a>(state: &'a mut State, id: &str, bucket: &str, key: &str) -> S3Result<&'a mut Upload> {
    let upload = state.uploads.get_mut(id).filter(|upload| upload.bucket == bucket && upload.key == key);
    upload.ok_or_else(|| s3_error!(NoSuchUpload, "the upload {id} does not exist, or was completed or aborted"))
}

pub(super) async fn upload_part(store: &Store, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
    let input = request.input;
    let body = collect(input.body, input.content_length).await?;
    checksums::verify(&body, &request.headers, request.trailing_headers.as_ref())?;
    let target = (input.upload_id.as_str(), input.bucket.as_str(), input.key.as_str());
    let part = store.change(|state| keep_part(state, target, input.part_number, body))?;
    Ok(S3Response::new(UploadPartOutput { e_tag: Some(ETag::Strong(part.etag)), ..Default::default() }))
}

pub(super) fn copy_part(store: &Store, input: UploadPartCopyInput) -> S3Result<S3Response<UploadPartCopyOutput>> {
    let target = (input.upload_id.as_str(), input.bucket.as_str(), input.key.as_str());
    let part = store.change(|state| {
        let (bucket, key) = source(&input.copy_source)?;
        let mut body = state.object(bucket, key)?.body.clone();
        if let Some(range) = &input.copy_source_range {
            let range = Range::parse(range).map_err(|error| s3_error!(error, InvalidArgument))?.check(body.len() as u64)?;
            let position = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
            body = body.slice(position(range.start)..position(range.end));
        }
        keep_part(state, target, input.part_number, body)
    })?;
    let (e_tag, last_modified) = (Some(ETag::Strong(part.etag)), Some(part.modified.into()));
    let result = CopyPartResult { e_tag, last_modified, ..Default::default() };
    Ok(S3Response::new(UploadPartCopyOutput { copy_part_result: Some(result), ..Default::default() }))
}

fn keep_part(state: &mut State, (id, bucket, key): (&str, &str, &str), number: i32, body: Bytes) -> S3Result<StoredPart> {
    if !(1..=PART_NUMBER_MAXIMUM).contains(&number) {
        return Err(s3_error!(InvalidArgument, "part number must be an integer between 1 and 10000, inclusive"));
    }
    let part = StoredPart { etag: checksums::etag(&body), body, modified: SystemTime::now() };
    find(state, id, bucket, key)?.parts.insert(number, part.clone());
    Ok(part)
}

pub(super) fn complete(
    store: &Store,
    input: CompleteMultipartUploadInput,
) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
    let named = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
    let precondition = Precondition { if_match: input.if_match, if_none_match: input.if_none_match };
    let (bucket, key, id) = (input.bucket, input.key, input.upload_id);
    let etag = store.change(|state| {
        let upload = find(state, &id, &bucket, &key)?;
        let parts = chosen_parts(upload, &named)?;
        let etag = checksums::multipart_etag(parts.iter().map(|part| part.body.as_ref()));
        let body: BytesMut = parts.iter().flat_map(|part| part.body.iter().copied()).collect();
        let attributes = upload.attributes.clone();
        let object = Object { body: body.freeze(), etag: etag.clone(), modified: SystemTime::now(), attributes };
        state.insert((&bucket, &key), object, &precondition, EventName::CompleteMultipartUpload)?;
        state.uploads.remove(&id);
        Ok(etag)
    })?;
    Ok(S3Response::new(CompleteMultipartUploadOutput {
        location: Some(format!("/{bucket}/{key}")),
        bucket: Some(bucket),
        key: Some(key),
        e_tag: Some(ETag::Strong(etag)),
        ..Default::default()
    }))
}

/// The parts that the client named, if they are those it sent, in order, and large enough.
fn chosen_parts<'a>(upload: &'a Upload, named: &[CompletedPart]) -> S3Result<Vec<&'a StoredPart>> {
    if named.is_empty() {
        return Err(s3_error!(MalformedXML, "no parts were named"));
    }
    if !named.is_sorted_by(|left, right| left.part_number < right.part_number) {
        return Err(s3_error!(InvalidPartOrder));
    }
    let mut parts = Vec::with_capacity(named.len());
    for name in named {
        let part = name.part_number.and_then(|number| upload.parts.get(&number));
        match part.filter(|part| name.e_tag.as_ref().is_none_or(|etag| etag.value() == part.etag)) {
            Some(part) => parts.push(part),
            None => {
                return Err(s3_error!(InvalidPart, "part {:?} was not uploaded, or has another entity tag", name.part_number));
            }
        }
    }
    match parts.split_last() {
        Some((_, others)) if others.iter().any(|part| part.body.len() < PART_MINIMUM) => Err(s3_error!(EntityTooSmall)),
        _ => Ok(parts),
    }
}

pub(super) fn abort(store: &Store, input: &AbortMultipartUploadInput) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
    store.change(|state| {
        find(state, &input.upload_id, &input.bucket, &input.key)?;
        state.uploads.remove(&input.upload_id);
        Ok(())
    })?;
    Ok(S3Response::new(AbortMultipartUploadOutput::default()))
}

/// The parts of an upload, all on one page.
pub(super) fn list_parts(store: &Store, input: ListPartsInput) -> S3Result<S3Response<ListPartsOutput>> {
    let entry = |(number, part): (&i32, &StoredPart)| Part {
        part_number: Some(*number),
        size: Some(length(&part.body)),
        e_tag: Some(ETag::Strong(part.etag.clone())),
        last_modified: Some(part.modified.into()),
        ..Default::default()
    };
    let parts = store.change(|state| {
        let upload = find(state, &input.upload_id, &input.bucket, &input.key)?;
        Ok(upload.parts.iter().map(entry).collect())
    })?;
    Ok(S3Response::new(ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        is_truncated: Some(false),
        parts: Some(parts),
        ..Default::default()
    }))
}
