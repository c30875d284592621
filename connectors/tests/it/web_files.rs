//! A file on a web server as a source.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::bench::{Bench, HUGE, error, id_name, read, spec};

/// A server of one file, which gives it to those who sign in and have the token, and answers no HEAD. It ends with its handle.
struct Server {
    address: String,
    file: Arc<Mutex<String>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Deserialize)]
struct Login {
    token: String,
}

/// `me:p@ss/w` as HTTP sends it.
const SIGNED_IN: &str = "Basic bWU6cEBzcy93";

async fn answer(State(file): State<Arc<Mutex<String>>>, method: Method, login: Query<Login>, headers: HeaderMap) -> Response {
    if headers.get(header::AUTHORIZATION).is_none_or(|user| user != SIGNED_IN) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if method != Method::GET || login.token != "s3cret" || headers.contains_key(header::RANGE) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let text = file.lock().unwrap_or_else(PoisonError::into_inner).clone();
    ([(header::ETAG, format!("W/\"{}\"", text.len()))], text).into_response()
}

impl Server {
    async fn start(text: &str) -> Self {
        let file = Arc::new(Mutex::new(text.to_owned()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://me:p%40ss%2Fw@{}/data/codes.csv", listener.local_addr().unwrap());
        let router = Router::new().route("/data/codes.csv", any(answer)).with_state(Arc::clone(&file));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, file, task }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_a_web_server_is_read_once_and_again_when_it_changed() {
    let (bench, server) = (Bench::new(), Server::start("id,name\n1,a\n2,b\n").await);
    let table = spec("CSV", &format!("{}?token=s3cret", server.address), id_name(), &[("on_change", "reprocess")]);
    let source = bench.open(&table).await.unwrap();
    let identity = source.identity();
    assert!(!identity.contains("s3cret") && !identity.contains("ss%2Fw"), "{identity}");
    let first = read(&source, None, HUGE).await.unwrap();
    assert_eq!(first.ids(), [1, 2]);
    assert_eq!(read(&source, Some(&first.offset), HUGE).await.unwrap().ids(), [0; 0]);
    // More than is fetched at once.
    let lines: String = (0..200_000).map(|id| format!("{id},name\n")).collect();
    *server.file.lock().unwrap() = format!("id,name\n{lines}");
    let second = read(&source, Some(&first.offset), HUGE).await.unwrap();
    assert_eq!(second.ids(), (0..200_000).collect::<Vec<i64>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_server_that_refuses_is_named_without_what_is_secret() {
    let (bench, server) = (Bench::new(), Server::start("id,name\n").await);
    let table = spec("CSV", &format!("{}?token=wr0ng", server.address), id_name(), &[]);
    let refused = error(&bench.open(&table).await.unwrap()).await;
    assert!(refused.contains("/data/codes.csv") && refused.contains("403"), "{refused}");
    assert!(!refused.contains("wr0ng") && !refused.contains("ss%2Fw"), "{refused}");
    let address = server.address.replace("me:p%40ss", "me:other");
    let unknown = error(&bench.open(&spec("CSV", &format!("{address}?token=s3cret"), id_name(), &[])).await.unwrap()).await;
    assert!(unknown.contains("401") && !unknown.contains("other") && !unknown.contains("s3cret"), "{unknown}");
    for location in ["https://example.org/data/", "https://example.org/data/*.csv"] {
        let many = bench.open(&spec("CSV", location, id_name(), &[])).await.err().unwrap().to_string();
        assert!(many.contains("is not one file"), "{many}");
    }
}
