//! Object stores by location: local disk and S3 behind one `object_store` interface.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredentialProvider, S3ConditionalPut};
use object_store::http::HttpBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::{Path, PathPart};
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use percent_encoding::percent_decode_str;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use url::Url;

use crate::error::{Error, Result};
use crate::faults::{AFTER_EFFECT, BEFORE_EFFECT, point};
use crate::secrets::without_secrets;
use crate::sqs::{Inbox, Queue, QueueUrl};

/// What can be written to as well as read.
const SCHEMES: [&str; 3] = ["file", "s3", "s3a"];

/// A request to S3 is tried again for this long: a bucket that throttles or a server that starts anew is back by then, and
/// an endpoint that is wrong is not waited for in vain.
const RETRY_FOR: Duration = Duration::from_secs(20);
/// And at most this often.
const RETRIES: usize = 10;
/// Where AWS is asked when nobody says.
const DEFAULT_REGION: &str = "us-east-1";
/// The first and the longest pause between two tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How long a web server may take to accept a connection, and to send one file.
const HTTP_TIMEOUTS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(3_600));

/// `[s3]`: how S3 is reached. What is not set comes from the AWS environment variables.
#[derive(Clone, Default)]
pub struct S3Config {
    /// `http://host:port` of an S3-compatible server; AWS when not set.
    pub endpoint: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// Bucket in the path (`true`) or in the host name (`false`).
    pub path_style: Option<bool>,
    /// Credentials; from the environment or the instance's role when not set.
    pub access_key_id: Option<String>,
    /// Credentials.
    pub secret_access_key: Option<String>,
    /// Credentials.
    pub session_token: Option<String>,
    /// `[sqs] endpoint`: where queues that tell of new objects are asked, if not where their URLs say.
    pub queue_endpoint: Option<String>,
}

impl std::fmt::Debug for S3Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3Config").field("endpoint", &self.endpoint).field("region", &self.region).finish_non_exhaustive()
    }
}

/// A place: a store and a path in it.
#[derive(Debug, Clone)]
pub struct Location {
    /// The whole URL, without a slash at its end.
    pub url: Url,
    /// The store, rooted at the bucket, or at `/` of the local disk.
    pub store: Arc<dyn ObjectStore>,
    /// The path from the store's root.
    pub path: Path,
}

impl Location {
    /// The place `relative` below this one: names as they are, with slashes between them. A name that no folder can have, as `..`, is
    /// escaped.
    #[must_use]
    pub fn join(&self, relative: &str) -> Self {
        let names = relative.split('/').filter(|name| !name.is_empty());
        let parts: Vec<PathPart<'_>> = names.map(|name| PathPart::parse(name).unwrap_or_else(|_| name.into())).collect();
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(parts.iter().map(AsRef::as_ref));
        }
        let path = self.path.parts().chain(parts).collect();
        Self { url, store: Arc::clone(&self.store), path }
    }

    /// Removes what is below this place, but for what is below its part `keep`. What is gone already is no error.
    ///
    /// On the local disk the folders go too, and what a killed process was still writing: `object_store` gives such a file a
    /// name with `#` and a number behind it, and does not list it.
    ///
    /// # Errors
    /// When the store cannot be listed or written.
    pub async fn clear(&self, keep: Option<&str>) -> Result<()> {
        if self.url.scheme() == "file" {
            return self.clear_folder(keep).await;
        }
        let keep = keep.map(|name| self.join(name).path);
        let is_wanted = move |path: &Path| keep.as_ref().is_none_or(|keep| !path.prefix_matches(keep));
        let found = self.store.list(Some(&self.path)).map_ok(|object| object.location);
        let found = found.try_filter(move |path| std::future::ready(is_wanted(path)));
        let mut removals = self.store.delete_stream(found.boxed());
        while let Some(removed) = removals.next().await {
            match removed {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn clear_folder(&self, keep: Option<&str>) -> Result<()> {
        let folder = self.url.to_file_path().map_err(|()| Error::internal(format!("'{}' is not a path", self.url)))?;
        let keep = keep.map(|name| folder.join(name));
        point(BEFORE_EFFECT);
        let removal = tokio::task::spawn_blocking(move || remove_below(&folder, keep.as_deref()));
        removal.await.map_err(|error| Error::internal(format!("removing files: {error}")))??;
        point(AFTER_EFFECT);
        Ok(())
    }

    /// Whether `other` is in the same store, so that objects can be copied without passing through here.
    pub fn same_store(&self, other: &Self) -> bool {
        store_root(&self.url) == store_root(&other.url)
    }
}

/// The stores of a run, made once each.
pub struct Stores {
    lake: Url,
    s3: S3Config,
    open: Mutex<HashMap<String, Arc<dyn ObjectStore>>>,
    inboxes: Mutex<HashMap<String, Weak<Inbox>>>,
}

impl std::fmt::Debug for Stores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stores").field("lake", &self.lake.as_str()).field("s3", &self.s3).finish_non_exhaustive()
    }
}

impl Stores {
    /// `lake` is a URL (`s3://bucket/prefix`) or a folder, which need not exist.
    ///
    /// # Errors
    /// [`Error::Config`] when it is neither.
    pub fn new(lake: &str, s3: S3Config) -> Result<Self> {
        let url = parse_url(lake)?;
        if SCHEMES.contains(&url.scheme()) {
            Ok(Self { lake: url, s3, open: Mutex::default(), inboxes: Mutex::default() })
        } else {
            Err(unknown_scheme(&url))
        }
    }

    /// The root of the lake.
    ///
    /// # Errors
    /// See [`Self::locate`].
    pub fn lake(&self) -> Result<Location> {
        self.open_url(self.lake.clone())
    }

    /// Resolves a `LOCATION`: `lake://reddit/posts` (below the lake), `s3://bucket/key`, `file:///path`, or a path.
    ///
    /// # Errors
    /// [`Error::Config`] for a scheme that is not known.
    pub fn locate(&self, location: &str) -> Result<Location> {
        match location.strip_prefix("lake://") {
            // Readers of Delta tables do not agree on what a '%' in a path is.
            Some(relative) if relative.contains('%') || relative.split('/').any(|name| matches!(name, "." | "..")) => {
                let message = format!("'{location}' has a '%', or a part '.' or '..'; write the place below the lake as it is");
                Err(Error::config_at(location, message))
            }
            Some(relative) => Ok(self.lake()?.join(relative)),
            None => parse_url(location).and_then(|url| self.open_url(url)).map_err(|error| match error {
                Error::Config { message, subject: None } => Error::config_at(location, message),
                other => other,
            }),
        }
    }

    /// A file on a web server, which can only be read. The location's URL is without the address's user and query, which only
    /// the store knows.
    ///
    /// # Errors
    /// [`Error::Config`] when it is not the address of one file.
    pub fn locate_web(&self, address: &str) -> Result<Location> {
        let mut url = parse_url(address)?;
        let Some(host) = url.host_str().filter(|_| matches!(url.scheme(), "http" | "https")).map(str::to_owned) else {
            return Err(unknown_scheme(&url));
        };
        if url.path().ends_with('/') || url.path().contains('*') {
            let message = format!(
                "location '{}' is not one file; a web server does not list its files: name one, or put them where they can be listed",
                without_secrets(url.as_str())
            );
            return Err(Error::config_at(address, message));
        }
        let path = Path::from_url_path(url.path()).map_err(|error| Error::config(format!("location on '{host}': {error}")))?;
        let mut root = url.clone();
        root.set_path("/");
        let signed_in = root.to_string();
        let user = take_user(&mut root)?;
        url.set_query(None);
        take_user(&mut url)?;
        let store = self.shared(&signed_in, || Self::build_web(&root, user))?;
        Ok(Location { url, store, path })
    }

    fn open_url(&self, mut url: Url) -> Result<Location> {
        let trimmed = url.path().trim_end_matches('/').to_owned();
        url.set_path(&trimmed);
        let path = Path::from_url_path(url.path()).map_err(|error| Error::config(format!("location '{url}': {error}")))?;
        let store = self.shared(&store_root(&url), || self.build(&url))?;
        Ok(Location { url, store, path })
    }

    /// The store of `root`, made once.
    fn shared(&self, root: &str, build: impl FnOnce() -> Result<Arc<dyn ObjectStore>>) -> Result<Arc<dyn ObjectStore>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = open.get(root) {
            return Ok(Arc::clone(store));
        }
        let store = build()?;
        #[cfg(feature = "failpoints")]
        let store: Arc<dyn ObjectStore> = Arc::new(crate::faulty_store::FaultyStore(store));
        open.insert(root.to_owned(), Arc::clone(&store));
        Ok(store)
    }

    fn build(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        match url.scheme() {
            "file" => Ok(Arc::new(LocalFileSystem::new())),
            "s3" | "s3a" => self.build_s3(url),
            _ => Err(unknown_scheme(url)),
        }
    }

    fn build_web(root: &Url, user: Option<HeaderValue>) -> Result<Arc<dyn ObjectStore>> {
        let headers: HeaderMap = user.into_iter().map(|user| (AUTHORIZATION, user)).collect();
        let options = ClientOptions::new()
            .with_default_headers(headers)
            .with_allow_http(root.scheme() == "http")
            .with_connect_timeout(HTTP_TIMEOUTS.0)
            .with_timeout(HTTP_TIMEOUTS.1);
        let store = HttpBuilder::new().with_url(root.as_str()).with_client_options(options).with_retry(retries()).build();
        Ok(Arc::new(store.map_err(Error::from)?))
    }

    fn build_s3(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        let bucket = url
            .host_str()
            .ok_or_else(|| Error::config(format!("location '{url}' has no bucket; expected s3://bucket/prefix")))?;
        let builder = self.s3_builder().with_bucket_name(bucket).with_conditional_put(S3ConditionalPut::ETagMatch);
        let builder = builder.with_retry(retries());
        let path_style = self.s3.path_style.unwrap_or(self.endpoint().is_some());
        let store = builder.with_virtual_hosted_style_request(!path_style).build();
        Ok(Arc::new(store.map_err(|error| Error::config(format!("[s3]: {error}")))?))
    }

    /// With what is set, and the environment for what is not.
    fn s3_builder(&self) -> AmazonS3Builder {
        let mut builder = AmazonS3Builder::from_env();
        let settings = [
            (AmazonS3ConfigKey::Endpoint, &self.s3.endpoint),
            (AmazonS3ConfigKey::Region, &self.s3.region),
            (AmazonS3ConfigKey::AccessKeyId, &self.s3.access_key_id),
            (AmazonS3ConfigKey::SecretAccessKey, &self.s3.secret_access_key),
            (AmazonS3ConfigKey::Token, &self.s3.session_token),
        ];
        for (key, value) in settings {
            if let Some(value) = value {
                builder = builder.with_config(key, value);
            }
        }
        // Whoever names such an endpoint, here or in the environment, means it.
        if builder.get_config_value(&AmazonS3ConfigKey::Endpoint).is_some_and(|endpoint| endpoint.starts_with("http://")) {
            builder = builder.with_allow_http(true);
        }
        builder
    }

    /// The messages of the queue at `url`: one inbox for all tables of this process, while one of them uses it. Asks nobody.
    ///
    /// # Errors
    /// [`Error::Config`] when another of these tables has messages hidden for another time.
    pub(crate) fn inbox(&self, url: &QueueUrl, visibility: Duration) -> Result<Arc<Inbox>> {
        let mut inboxes = self.inboxes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(inbox) = inboxes.get(url.as_str()).and_then(Weak::upgrade) {
            if inbox.visibility() == visibility {
                return Ok(inbox);
            }
            let message = format!(
                "option 'visibility' is {} s, and {} s with another table that queue '{}' tells: a queue's messages are hidden for one \
                 time; give both tables the same",
                visibility.as_secs(),
                inbox.visibility().as_secs(),
                url.name()
            );
            return Err(Error::config_at("visibility", message));
        }
        let queue = Queue::new(url, self.s3.queue_endpoint.as_deref(), &self.region(), self.credentials()?);
        let inbox = Arc::new(Inbox::new(queue, visibility));
        inboxes.insert(url.as_str().to_owned(), Arc::downgrade(&inbox));
        Ok(inbox)
    }

    /// `[s3] endpoint`, or that of the environment; none for S3 itself.
    pub(crate) fn endpoint(&self) -> Option<String> {
        self.s3_builder().get_config_value(&AmazonS3ConfigKey::Endpoint)
    }

    /// The region of `[s3]`, for other services of AWS.
    pub(crate) fn region(&self) -> String {
        self.s3_builder().get_config_value(&AmazonS3ConfigKey::Region).unwrap_or_else(|| DEFAULT_REGION.to_owned())
    }

    /// What requests to S3 are signed with, and those to other services of AWS: keys that are set, of the environment, of a role.
    ///
    /// # Errors
    /// [`Error::Config`] for a setting of `[s3]` that is wrong.
    pub(crate) fn credentials(&self) -> Result<AwsCredentialProvider> {
        // A store has to have a bucket; its credentials are those of any other.
        let store = self.s3_builder().with_bucket_name("none").build();
        let store = store.map_err(|error| Error::config(format!("[s3]: {error}")))?;
        Ok(Arc::clone(store.credentials()))
    }
}

fn retries() -> RetryConfig {
    let backoff = BackoffConfig { init_backoff: PAUSES.0, max_backoff: PAUSES.1, base: 2. };
    RetryConfig { backoff, max_retries: RETRIES, retry_timeout: RETRY_FOR }
}

fn unknown_scheme(url: &Url) -> Error {
    let (shown, scheme) = (without_secrets(url.as_str()), url.scheme());
    let message = match scheme {
        "http" | "https" => "a file on a web server can only be read, as a table STORED AS JSON, CSV or PARQUET".to_owned(),
        _ => format!("unknown scheme '{scheme}'; there are lake://, s3://, file://, https:// (to read a file) and plain paths"),
    };
    Error::config(format!("location '{shown}': {message}"))
}

fn remove_below(folder: &std::path::Path, keep: Option<&std::path::Path>) -> std::io::Result<()> {
    let gone = |result: std::io::Result<()>| match result {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    let Some(keep) = keep else { return gone(std::fs::remove_dir_all(folder)) };
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path != keep {
            gone(if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) })?;
        }
    }
    Ok(())
}

/// Takes user and password out of a web address, as the header that signs its requests in (RFC 7617). Left in the address, they
/// would be sent to nobody and shown in errors.
fn take_user(url: &mut Url) -> Result<Option<HeaderValue>> {
    let decoded = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
    let (user, password) = (decoded(url.username()), url.password().map(decoded));
    if user.is_empty() && password.is_none() {
        return Ok(None);
    }
    let login = [user.as_slice(), b":", password.as_deref().unwrap_or_default()].concat();
    let taken = url.set_username("").and_then(|()| url.set_password(None));
    let header = HeaderValue::from_str(&format!("Basic {}", BASE64_STANDARD.encode(login)));
    match (taken, header) {
        (Ok(()), Ok(mut header)) => {
            header.set_sensitive(true);
            Ok(Some(header))
        }
        _ => Err(Error::internal("a user and password that are no header")),
    }
}

/// Scheme and bucket.
fn store_root(url: &Url) -> String {
    format!("{}://{}", url.scheme(), url.authority())
}

fn parse_url(location: &str) -> Result<Url> {
    if location.contains("://") {
        let shown = without_secrets(location);
        // What is behind a '#' is a part of a name here.
        let url =
            Url::parse(&location.replace('#', "%23")).map_err(|error| Error::config(format!("location '{shown}': {error}")))?;
        let is_signed_in = !url.username().is_empty() || url.password().is_some();
        if is_signed_in && !matches!(url.scheme(), "http" | "https") {
            return Err(Error::config(format!(
                "location '{shown}' has a user or password before its '@'; credentials of S3 belong into [s3] of engine.toml or the environment"
            )));
        }
        return Ok(url);
    }
    let path = std::path::absolute(location).map_err(|error| Error::config(format!("location '{location}': {error}")))?;
    Url::from_file_path(&path).map_err(|()| Error::config(format!("location '{location}' is neither a URL nor a path")))
}
