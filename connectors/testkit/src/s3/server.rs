//! The server's life: a loopback port, a thread of its own, and a handle whose drop stops both.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::api::Api;
use super::gate::{WayIn, answer};
use super::store::Store;
use super::{Event, Faults, Requests};

/// The bucket that is there from the start unless another is named.
pub const BUCKET: &str = "lake";

const ACCESS_KEY: &str = "testkit-access";
const SECRET_KEY: &str = "testkit-secret";
const REGION: &str = "us-east-1";

/// How a server is started; from [`S3Server::builder`].
#[derive(Debug, Clone)]
pub struct S3ServerBuilder {
    buckets: Vec<String>,
    port: u16,
    page_size: usize,
}

impl S3ServerBuilder {
    /// A bucket that is there from the start. The first one named replaces [`BUCKET`].
    #[must_use]
    pub fn bucket(mut self, name: impl Into<String>) -> Self {
        self.buckets.push(name.into());
        self
    }

    /// Listens on this port instead of a free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The most keys a page of a listing holds, 1,000 as in S3 if not set: a small one makes a test page with few objects.
    #[must_use]
    pub fn page_size(mut self, keys: usize) -> Self {
        self.page_size = keys;
        self
    }

    /// Starts the server. It serves from a thread of its own, so a test may block its own runtime.
    ///
    /// # Errors
    /// If the port is taken or no thread can be started.
    pub fn start(self) -> io::Result<S3Server> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (store, faults, requests) = (Arc::new(Store::default()), Arc::new(Faults::default()), Arc::new(Requests::default()));
        let names = if self.buckets.is_empty() { vec![BUCKET.to_owned()] } else { self.buckets };
        names.into_iter().for_each(|name| store.add_bucket(name));
        let mut service = S3ServiceBuilder::new(Api { store: Arc::clone(&store), page_size: self.page_size });
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        service.set_access(WayIn { faults: Arc::clone(&faults), requests: Arc::clone(&requests) });
        let service = service.build();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let thread = std::thread::Builder::new().name("testkit-s3".into()).spawn(move || {
            let served = runtime.block_on(serve(listener, service, stopped));
            runtime.shutdown_background();
            served
        })?;
        Ok(S3Server { address, store, faults, requests, stop, thread: Some(thread) })
    }
}

/// A running server. Dropping it closes its connections and forgets what it holds.
#[derive(Debug)]
pub struct S3Server {
    address: SocketAddr,
    store: Arc<Store>,
    faults: Arc<Faults>,
    requests: Arc<Requests>,
    stop: CancellationToken,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl S3Server {
    /// A server with [`BUCKET`] on a free port.
    ///
    /// # Errors
    /// If no port or thread is to be had.
    #[expect(clippy::unused_async, reason = "read as the start of a server in async tests, like the other stand-ins")]
    pub async fn start() -> io::Result<Self> {
        Self::builder().start()
    }

    /// A server to be started with other buckets, another port or shorter pages.
    #[must_use]
    pub fn builder() -> S3ServerBuilder {
        S3ServerBuilder { buckets: Vec::new(), port: 0, page_size: 1_000 }
    }

    /// Its URL, for clients that address buckets by path: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The only access key it knows.
    #[must_use]
    pub fn access_key(&self) -> &'static str {
        ACCESS_KEY
    }

    /// The secret of the access key.
    #[must_use]
    pub fn secret_key(&self) -> &'static str {
        SECRET_KEY
    }

    /// The region that clients should sign for.
    #[must_use]
    pub fn region(&self) -> &'static str {
        REGION
    }

    /// How to reach it, as the environment variables of AWS clients; `object_store` and delta-rs also take them as options.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        environment(&self.endpoint(), ACCESS_KEY, SECRET_KEY, REGION)
    }

    /// The faults it is to deliver.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The requests it received.
    #[must_use]
    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    /// Calls `listener` after each change, one at a time, in the order of the changes, and before the client has its answer.
    /// The listener may look at objects of this server, but neither register another listener nor wait for a change.
    pub fn on_event(&self, listener: impl Fn(&Event) + Send + Sync + 'static) {
        self.store.listen(Box::new(listener));
    }

    /// The keys in a bucket, in order; none if there is no such bucket.
    #[must_use]
    pub fn object_keys(&self, bucket: &str) -> Vec<String> {
        self.store.read(|state| state.buckets.get(bucket).map(|objects| objects.keys().cloned().collect()).unwrap_or_default())
    }

    /// The bytes of an object.
    #[must_use]
    pub fn object(&self, bucket: &str, key: &str) -> Option<Bytes> {
        self.store.read(|state| Some(state.buckets.get(bucket)?.get(key)?.body.clone()))
    }

    /// The keys of multipart uploads that were neither completed nor aborted, in order: what a careless client leaves behind.
    #[must_use]
    pub fn unfinished_uploads(&self, bucket: &str) -> Vec<String> {
        let uploads = |state: &super::store::State| -> Vec<String> {
            state.uploads.values().filter(|upload| upload.bucket == bucket).map(|upload| upload.key.clone()).collect()
        };
        let mut keys = self.store.read(uploads);
        keys.sort();
        keys
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.stop.cancel();
        // A server that failed was noticed by its clients; there is nothing to add while a test is being torn down.
        self.thread.take().map(JoinHandle::join);
    }
}

/// The environment variables of AWS clients for a server that speaks plain HTTP.
pub(crate) fn environment(endpoint: &str, access_key: &str, secret_key: &str, region: &str) -> Vec<(String, String)> {
    let pairs = [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", access_key),
        ("AWS_SECRET_ACCESS_KEY", secret_key),
        ("AWS_REGION", region),
        ("AWS_ALLOW_HTTP", "true"),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

async fn serve(listener: TcpListener, service: S3Service, stop: CancellationToken) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                stream.set_nodelay(true)?;
                let service = service.clone();
                let answers = service_fn(move |request| answer(service.clone(), request));
                connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answers));
            }
        }
    }
}
