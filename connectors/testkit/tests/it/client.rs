//! The client under which the servers are tested: `object_store`, as the engine uses it, with short retries.

use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, S3CopyIfNotExists};
use object_store::path::Path;
use object_store::{BackoffConfig, Error, ObjectStore, ObjectStoreExt, PutMode, PutPayload, RetryConfig};
use testkit::s3::{BUCKET, S3Server};

/// A builder for a server's `environment()`.
pub(crate) fn builder(environment: Vec<(String, String)>) -> AmazonS3Builder {
    let options = environment.into_iter().map(|(name, value)| (name.to_lowercase().parse().unwrap(), value));
    let builder = options.fold(AmazonS3Builder::new(), |builder, (key, value)| builder.with_config(key, value));
    let backoff = BackoffConfig { init_backoff: Duration::from_millis(5), max_backoff: Duration::from_millis(20), base: 2. };
    let retry = RetryConfig { backoff, max_retries: 3, retry_timeout: Duration::from_secs(20) };
    builder.with_bucket_name(BUCKET).with_retry(retry).with_copy_if_not_exists(S3CopyIfNotExists::Multipart)
}

pub(crate) fn client(s3: &S3Server) -> AmazonS3 {
    builder(s3.environment()).build().unwrap()
}

/// The path of a key as it is: the conversion from `&str` would percent-encode it.
pub(crate) fn path(key: &str) -> Path {
    Path::parse(key).unwrap()
}

pub(crate) async fn put(store: &impl ObjectStore, key: &str, body: &str) -> object_store::Result<()> {
    store.put(&path(key), PutPayload::from(body.to_owned())).await.map(|_| ())
}

pub(crate) async fn create(store: &impl ObjectStore, key: &str, body: &str) -> object_store::Result<()> {
    store.put_opts(&path(key), PutPayload::from(body.to_owned()), PutMode::Create.into()).await.map(|_| ())
}

pub(crate) async fn get(store: &impl ObjectStore, key: &str) -> object_store::Result<String> {
    let bytes = store.get(&path(key)).await?.bytes().await?;
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

/// Creates the same key 16 times at once, and returns the bodies of those who were told that they had.
pub(crate) async fn race(store: &AmazonS3, key: &str) -> Vec<String> {
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..16 {
        let (store, key) = (store.clone(), key.to_owned());
        tasks.spawn(async move {
            let body = format!("writer {writer}");
            match create(&store, &key, &body).await {
                Ok(()) => Some(body),
                Err(Error::AlreadyExists { .. }) => None,
                Err(error) => panic!("{error}"),
            }
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}
