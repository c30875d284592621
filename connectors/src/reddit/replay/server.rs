//! The replay over HTTP, on a port of this machine that nobody else is told of.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::comments::CommentKey;
use super::listing::{self, Query as Parameters, Slot, places};
use super::posts::PostKey;
use crate::error::{Error, Result};

/// Requests per window, as Reddit grants them to an application.
const WINDOW_REQUESTS: u64 = 600;
/// The reported use starts over before the limit comes near: a long replay need not be slowed down.
const REPORTED_USE: u64 = 400;

/// The running server; it stops when this is dropped.
#[derive(Debug)]
pub(in crate::reddit) struct Replay {
    address: SocketAddr,
    _server: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Shared {
    total: u64,
    requests: AtomicU64,
}

type Reply = Result<Response, Response>;

impl Replay {
    /// Listens on a free port of the loopback interface, with `total` posts per subreddit.
    ///
    /// # Errors
    /// [`Error::Storage`] when no port can be opened.
    pub(in crate::reddit) async fn start(total: u64) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(|error| Error::from(error).context("the replay of sample posts cannot listen on 127.0.0.1"))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { total, requests: AtomicU64::new(0) });
        let routes = Router::new()
            .route("/api/v1/access_token", post(token))
            .route("/api/info", get(info))
            .route("/r/{subreddits}/{sort}", get(subreddit))
            .route("/comments/{post}", get(tree))
            .route("/user/{name}/submitted", get(submitted))
            .with_state(shared);
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::warn!(%error, "the replay of sample posts stopped");
            }
        });
        Ok(Self { address, _server: AbortOnDropHandle::new(server) })
    }

    /// Where it is.
    pub(in crate::reddit) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn token() -> Response {
    let body = r#"{"access_token":"replay","token_type":"bearer","expires_in":86400,"scope":"*"}"#;
    ([(CONTENT_TYPE, "application/json; charset=UTF-8")], body).into_response()
}

async fn subreddit(
    State(shared): State<Arc<Shared>>,
    Path((names, sort)): Path<(String, String)>,
    Query(query): Query<Parameters>,
    headers: HeaderMap,
) -> Reply {
    if !is_authorised(&headers) {
        return Err(unauthorised());
    }
    let total = shared.total;
    let Some(places) = places(&names) else {
        let target = format!("https://www.reddit.com/subreddits/search?q={names}");
        return Err((StatusCode::FOUND, [(LOCATION, target)]).into_response());
    };
    Ok(match sort.as_str() {
        "new" => shared.posts(&listing::newest(&places, &query, total)),
        "comments" => shared.comments(&listing::newest_comments(&places, &query, total)),
        "search" => shared.posts(&listing::search(&places, &query, total)),
        "hot" | "top" | "rising" | "controversial" => shared.posts(&listing::ranked(&places, &sort, &query, total)),
        _ => return Err(missing()),
    })
}

async fn submitted(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    Query(query): Query<Parameters>,
    headers: HeaderMap,
) -> Reply {
    if !is_authorised(&headers) {
        return Err(unauthorised());
    }
    Ok(shared.posts(&listing::submitted(&name, &query, shared.total)))
}

/// The post, and its two comments, one inside the other, with the stub that stands for those not sent.
async fn tree(State(shared): State<Arc<Shared>>, Path(id): Path<String>, headers: HeaderMap) -> Reply {
    if !is_authorised(&headers) {
        return Err(unauthorised());
    }
    let total = shared.total;
    let post = PostKey::of(&id, total).ok_or_else(missing)?;
    let more = r#"{"kind":"more","data":{"count":3,"name":"t1__","id":"_","depth":1,"children":[]}}"#;
    let reply = child("t1", &CommentKey { post, turn: 1 }.json(total, "\"\""));
    let first = CommentKey { post, turn: 0 }.json(total, &envelope(&[reply, more.to_owned()], None));
    let post = envelope(&[child("t3", &post.json(total))], None);
    Ok(shared.answer(format!("[{post},{}]", envelope(&[child("t1", &first)], None))))
}

async fn info(State(shared): State<Arc<Shared>>, Query(query): Query<Parameters>, headers: HeaderMap) -> Reply {
    if !is_authorised(&headers) {
        return Err(unauthorised());
    }
    let names = query.id.unwrap_or_default();
    let one = |name: &str| match name.split_once('_')? {
        ("t3", id) => PostKey::of(id, shared.total).map(|key| child("t3", &key.json(shared.total))),
        ("t1", id) => CommentKey::of(id, shared.total).map(|key| child("t1", &key.json(shared.total, "\"\""))),
        _ => None,
    };
    let children: Vec<String> = names.split(',').filter_map(one).collect();
    Ok(shared.answer(envelope(&children, None)))
}

impl Shared {
    fn posts(&self, slot: &Slot<PostKey>) -> Response {
        let children: Vec<String> = slot.keys.iter().map(|key| child("t3", &key.json(self.total))).collect();
        let after = slot.keys.last().filter(|_| slot.more).map(|key| format!("t3_{}", key.id()));
        self.answer(envelope(&children, after.as_deref()))
    }

    fn comments(&self, slot: &Slot<CommentKey>) -> Response {
        let children: Vec<String> = slot.keys.iter().map(|key| child("t1", &key.json(self.total, "\"\""))).collect();
        let after = slot.keys.last().filter(|_| slot.more).map(|key| format!("t1_{}", key.id()));
        self.answer(envelope(&children, after.as_deref()))
    }

    fn answer(&self, body: String) -> Response {
        let used = self.requests.fetch_add(1, Ordering::Relaxed) % REPORTED_USE + 1;
        let headers = [
            (CONTENT_TYPE.as_str(), "application/json; charset=UTF-8".to_owned()),
            ("x-ratelimit-used", used.to_string()),
            ("x-ratelimit-remaining", format!("{}.0", WINDOW_REQUESTS - used)),
            ("x-ratelimit-reset", "300".to_owned()),
        ];
        (headers, body).into_response()
    }
}

fn is_authorised(headers: &HeaderMap) -> bool {
    headers.get(AUTHORIZATION).is_some_and(|value| value.as_bytes() == b"Bearer replay")
}

fn unauthorised() -> Response {
    (StatusCode::UNAUTHORIZED, r#"{"message":"Unauthorized","error":401}"#).into_response()
}

fn missing() -> Response {
    (StatusCode::NOT_FOUND, r#"{"message":"Not Found","error":404}"#).into_response()
}

fn child(kind: &str, data: &str) -> String {
    format!("{{\"kind\":\"{kind}\",\"data\":{data}}}")
}

fn envelope(children: &[String], after: Option<&str>) -> String {
    let after = after.map_or_else(|| "null".to_owned(), |name| format!("\"{name}\""));
    format!(
        "{{\"kind\":\"Listing\",\"data\":{{\"after\":{after},\"dist\":{},\"modhash\":null,\"geo_filter\":\"\",\"children\":[{}],\"before\":null}}}}",
        children.len(),
        children.join(",")
    )
}
