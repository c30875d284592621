//! A server of a folder of pipelines with its web server, in this process, and a client that speaks real HTTP to it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use engine::config::Settings;
use engine::serve::files::Place;
use engine::serve::web::{self, WebSettings};
use engine::serve::{Control, RunLogs, Server};
use engine::session::{Purpose, Session};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Lets in to do everything.
pub(crate) const TOKEN: &str = "write-write-write-write";
/// Lets in to see.
pub(crate) const READ_TOKEN: &str = "read-read-read-read-read";

/// Reads what lies in a folder, and writes it into a table of the lake.
const PIPELINE: &str = "\
CREATE EXTERNAL TABLE orders STORED AS JSON LOCATION 'in/';
CREATE EXTERNAL TABLE kept STORED AS DELTA LOCATION 'lake://shop/orders' OPTIONS ('key' 'id');
REPLACE INTO kept SELECT id, name FROM orders;
";

/// A server, and the folder that it works in.
pub(crate) struct House {
    pub(crate) folder: TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) client: Client,
    pub(crate) control: Control,
    pub(crate) stop: CancellationToken,
    work: JoinSet<()>,
}

impl House {
    pub(crate) async fn open() -> Self {
        Self::with(&[]).await
    }

    pub(crate) async fn guarded() -> Self {
        Self::with(&[("ENGINE_SERVE_TOKEN", TOKEN), ("ENGINE_SERVE_READ_TOKEN", READ_TOKEN)]).await
    }

    /// Of a folder with one pipeline that works and one that does not.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let furnish = |folder: &Path| {
            let input = folder.join("in");
            std::fs::create_dir_all(&input).unwrap();
            std::fs::write(input.join("a.json"), "{\"id\":1,\"name\":\"one\"}\n{\"id\":2,\"name\":\"<b>two</b>\"}\n").unwrap();
            let place = format!("'{}/'", input.display());
            let queries = folder.join("queries");
            std::fs::write(queries.join("orders.sql"), PIPELINE.replace("'in/'", &place)).unwrap();
            std::fs::write(queries.join("broken.sql"), "INSERT INTO nowhere SELECT 1;\n").unwrap();
        };
        Self::furnished(settings, furnish).await
    }

    /// Of a folder that `furnish` fills; the pipelines are in its `queries`.
    pub(crate) async fn furnished(settings: &[(&str, &str)], furnish: impl FnOnce(&Path)) -> Self {
        let (mut house, server) = Self::prepare(settings, furnish).await;
        house.work.spawn(server.run());
        house.until(|| async { house.control.is_ready() }).await;
        house
    }

    /// One whose web server answers, and which has not looked at its pipelines yet.
    pub(crate) async fn before_it_reads() -> Self {
        Self::prepare(&[], |_| {}).await.0
    }

    async fn prepare(settings: &[(&str, &str)], furnish: impl FnOnce(&Path)) -> (Self, Server) {
        // As the binary does, so that what runs tell is in their logs. Another test of this process may have done so.
        drop(tracing_subscriber::registry().with(RunLogs).try_init());
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::create_dir_all(at("queries")).unwrap();
        furnish(folder.path());
        let mut environment =
            BTreeMap::from([("ENGINE_LAKE_URL".to_owned(), at("lake")), ("ENGINE_STATE_URL".to_owned(), at("state"))]);
        environment.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let settings = Settings::load(None, &environment).unwrap();
        let web = WebSettings::from(&settings).unwrap();
        let session = Session::new(settings, environment, Purpose::Run).unwrap();
        let store = engine::state::open(&session).await.unwrap();
        let place = Place::parse(&at("queries"), &session).unwrap();
        let stop = CancellationToken::new();
        let server = Server::new(session, store, place, stop.clone()).unwrap();
        let control = server.control();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut work = JoinSet::new();
        let (asked, stopped) = (control.clone(), stop.clone());
        work.spawn(async move { web::serve(asked, listener, web, stopped).await.unwrap() });
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        (Self { folder, address, client, control, stop, work }, server)
    }

    /// Waits until it is so.
    pub(crate) async fn until<F: Future<Output = bool>>(&self, is_so: impl Fn() -> F) {
        for _ in 0..300 {
            if is_so().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("it did not come to that");
    }

    pub(crate) fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.ask(Method::GET, path).send().await.unwrap()
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    pub(crate) async fn query(&self, sql: &str) -> Response {
        self.ask(Method::POST, "/api/v1/query").json(&json!({"sql": sql})).send().await.unwrap()
    }

    /// Runs the pipeline, and waits until it has.
    pub(crate) async fn run(&self) {
        let asked = self.ask(Method::POST, "/api/v1/pipelines/orders/run").send().await.unwrap();
        assert_eq!(asked.status(), 202, "{}", asked.text().await.unwrap());
        self.until(|| async { self.json("/api/v1/runs?pipeline=orders&status=done").await["runs"] != json!([]) }).await;
    }

    /// What the server says to bytes that are sent as they are.
    pub(crate) async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // The server may close before it has read, or the client written, all of it.
        stream.write_all(request.as_bytes()).await.ok();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await;
        read.expect("the server answers and closes").ok();
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub(crate) async fn close(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.work.join_next().await {
            ended.unwrap();
        }
    }
}
