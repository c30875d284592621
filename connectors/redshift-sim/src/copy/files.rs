//! Which objects a COPY loads.

use std::io::Read as _;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use serde_json::Value;

use super::failure::internal;
use super::{Copy, Failure, Format, Options, Stores, object_url};
use crate::rules::{
    COPY_WITHOUT_FILES_FAILS, MANIFEST_ENTRY_MAY_BE_MANDATORY, MANIFEST_MUST_BE_VALID, MANIFEST_NEEDS_CONTENT_LENGTH,
    PREFIX_LOADS_ALL_OBJECTS,
};
use crate::sql_error::{SqlError, SqlResult};

/// The most entries of a manifest, and objects under a prefix, that are loaded at once.
const MOST_FILES: usize = 1_000_000;

/// The most bytes of a text file, unpacked.
const LARGEST_TEXT: u64 = 4 << 30;

/// An object to load.
#[derive(Debug, Clone)]
pub(crate) struct SourceFile {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) path: Path,
    pub(crate) url: String,
    pub(crate) size: u64,
}

/// The objects of a COPY, in order.
pub(crate) async fn resolve(stores: &Stores, copy: &Copy) -> SqlResult<Vec<SourceFile>> {
    let files = if copy.options.manifest { from_manifest(stores, copy).await? } else { from_prefix(stores, copy).await? };
    if files.is_empty() {
        let context = format!("The specified S3 prefix '{}' does not exist", object_url(&copy.from)?.1);
        return Err(missing(context));
    }
    Ok(files)
}

/// A bucket as the statement may read it. REGION, which is not for PARQUET, says where another one is.
fn store(stores: &Stores, copy: &Copy, bucket: &str) -> SqlResult<Arc<dyn ObjectStore>> {
    if !copy.options.has_region {
        stores.check_region(bucket)?;
    }
    stores.bucket(bucket, copy.options.credentials.as_ref())
}

fn missing(context: String) -> SqlError {
    let error = internal(&COPY_WITHOUT_FILES_FAILS, &context, 8001, "");
    SqlError { message: context, ..error }
}

/// All objects whose key begins so: a prefix is not a folder.
async fn from_prefix(stores: &Stores, copy: &Copy) -> SqlResult<Vec<SourceFile>> {
    let (bucket, prefix) = object_url(&copy.from)?;
    let store = store(stores, copy, bucket)?;
    // The store lists folders only: what is asked for is the folder of the prefix.
    let folder = prefix.rsplit_once('/').map(|(folder, _)| Path::from(folder));
    let mut found = Vec::new();
    let mut listing = store.list(folder.as_ref());
    while let Some(object) = listing.try_next().await.map_err(|error| s3_error(&copy.from, &error))? {
        if object.location.as_ref().starts_with(prefix) && object.size > 0 && found.len() < MOST_FILES {
            let url = format!("s3://{bucket}/{}", object.location);
            found.push(SourceFile { store: Arc::clone(&store), path: object.location, url, size: object.size });
        }
    }
    found.sort_by(|left, right| left.url.cmp(&right.url));
    tracing::debug!(rule = PREFIX_LOADS_ALL_OBJECTS.id, files = found.len(), "objects under a prefix");
    Ok(found)
}

/// The objects that a manifest names. One that is named twice is loaded twice.
async fn from_manifest(stores: &Stores, copy: &Copy) -> SqlResult<Vec<SourceFile>> {
    let (bucket, key) = object_url(&copy.from)?;
    let store = store(stores, copy, bucket)?;
    let object = store.get(&Path::from(key)).await.map_err(|error| s3_error(&copy.from, &error))?;
    let bytes = object.bytes().await.map_err(|error| s3_error(&copy.from, &error))?;
    let invalid = |what: &str| {
        let context = format!("Manifest file is not in correct json format ({what}). Manifest: {}", copy.from);
        internal(&MANIFEST_MUST_BE_VALID, "Invalid manifest file", 15_003, context)
    };
    let manifest: Value = serde_json::from_slice(&bytes).map_err(|error| invalid(&error.to_string()))?;
    let entries = manifest.get("entries").and_then(Value::as_array).ok_or_else(|| invalid("'entries' is missing"))?;
    let mut files = Vec::new();
    for entry in entries.iter().take(MOST_FILES) {
        let url = entry.get("url").and_then(Value::as_str).ok_or_else(|| invalid("an entry without 'url'"))?;
        if let Some(file) = from_entry(stores, copy, url, entry).await? {
            files.push(file);
        }
    }
    Ok(files)
}

async fn from_entry(stores: &Stores, copy: &Copy, url: &str, entry: &Value) -> SqlResult<Option<SourceFile>> {
    let declared = entry.get("meta").map(|meta| meta.get("content_length").and_then(Value::as_u64));
    if copy.options.format == Format::Parquet {
        let fault =
            |what: &str| internal(&MANIFEST_NEEDS_CONTENT_LENGTH, what, 15_003, format!("Manifest: {}, entry: {url}", copy.from));
        match declared {
            None => return Err(fault("File entry does not have 'meta' key")),
            Some(None) => return Err(fault("File entry 'meta' does not have 'content_length' key")),
            Some(Some(_)) => {}
        }
    }
    let (bucket, key) = object_url(url)?;
    let store = store(stores, copy, bucket)?;
    let path = Path::from(key);
    let size = match store.head(&path).await {
        Ok(object) => object.size,
        Err(object_store::Error::NotFound { .. }) if entry.get("mandatory").and_then(Value::as_bool) == Some(true) => {
            let context = format!(
                "Problem reading manifest file - S3ServiceException: The specified key does not exist.,Status 404,Error NoSuchKey: {url}"
            );
            return Err(internal(
                &MANIFEST_ENTRY_MAY_BE_MANDATORY,
                "S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey",
                8001,
                context,
            ));
        }
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(s3_error(url, &error)),
    };
    match declared.flatten() {
        Some(declared) if declared != size => {
            let context = format!("File {url} has {size} bytes, the manifest says {declared}");
            Err(internal(&MANIFEST_NEEDS_CONTENT_LENGTH, "Mismatched content length", 15_003, context))
        }
        _ => Ok(Some(SourceFile { store, path, url: url.to_owned(), size })),
    }
}

/// The whole of a text file, unpacked if it is packed.
pub(super) async fn whole(file: &SourceFile, options: &Options) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::Sql(s3_error(&file.url, &error));
    let bytes = file.store.get(&file.path).await.map_err(failed)?.bytes().await.map_err(failed)?;
    if !options.gzip {
        return Ok(bytes.to_vec());
    }
    let mut unpacked = Vec::new();
    let read = MultiGzDecoder::new(bytes.as_ref()).take(LARGEST_TEXT).read_to_end(&mut unpacked);
    match read {
        Ok(_) => Ok(unpacked),
        Err(error) => Err(SqlError::new("XX000", format!("File '{}' is not in GZIP format: {error}", file.url)).into()),
    }
}

/// What S3 refused, in the words in which Redshift passes it on.
pub(crate) fn s3_error(url: &str, error: &object_store::Error) -> SqlError {
    let text = error.to_string();
    let denied = matches!(error, object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. });
    let message = if denied || text.contains("403 Forbidden") {
        "S3ServiceException:Access Denied,Status 403,Error AccessDenied"
    } else if text.contains("NoSuchBucket") {
        "S3ServiceException:The specified bucket does not exist,Status 404,Error NoSuchBucket"
    } else if matches!(error, object_store::Error::NotFound { .. }) {
        "S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey"
    } else {
        "S3ServiceException:internal error"
    };
    internal(&COPY_WITHOUT_FILES_FAILS, message, 8001, format!("Failed to read {url}: {text}"))
}
