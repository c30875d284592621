//! One request, from its head to the head of its answer: who asks, whether they may, how long it takes, and what is noted about it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::LengthLimitError;
use tower_service::Service;

use super::app::App;
use super::guard::{Admission, Caller};
use super::problem::Problem;

/// How long an answer may take to begin, over all that is asked for; queries have their own, shorter or longer.
const WHOLE: Duration = Duration::from_secs(30);

/// How long a client may take for the body of a request.
const BODY: Duration = Duration::from_secs(15);

/// Scripts, styles and data come from here and nowhere else; nobody shows these pages in a frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Sent with everything.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Told to browsers that came by HTTPS.
const ONLY_HTTPS: &str = "max-age=31536000";

/// The answer to `request` of `peer`.
pub(super) async fn answer(app: App, peer: SocketAddr, mut request: Request<Body>) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let (caller, mut response) = match app.guard.admit(peer.ip(), &request) {
        Admission::Let(caller) => {
            let name = caller.name();
            request.extensions_mut().insert(caller);
            request.extensions_mut().insert(Peer(peer));
            request.extensions_mut().insert(app.clone());
            (name, within(&app, request).await)
        }
        Admission::Refused(refusal) => {
            if refusal.is_wrong_token {
                app.figures.refused.inc();
            }
            ("nobody", refusal.response)
        }
    };
    secure(&mut response, app.settings.tls.is_some());
    let (status, took) = (response.status(), begun.elapsed());
    app.figures.count(known(&method), status.as_u16(), took);
    note(&method, &path, status, took, peer, caller);
    response
}

/// Whom an answer goes to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// The request with all of its body: a client that sends it drop by drop is not waited for.
///
/// # Errors
/// A body that is too large, or did not come.
async fn received(request: Request<Body>) -> Result<Request<Body>, Problem> {
    let (parts, body) = request.into_parts();
    let read = axum::body::to_bytes(body, super::MAX_BODY);
    let late = |_| {
        let detail = format!("the rest of the body did not come within {} s", BODY.as_secs());
        Problem::new(StatusCode::REQUEST_TIMEOUT, detail).header(header::CONNECTION, "close")
    };
    match tokio::time::timeout(BODY, read).await.map_err(late)? {
        Ok(body) => Ok(Request::from_parts(parts, Body::from(body))),
        Err(error) if std::error::Error::source(&error).is_some_and(|cause| cause.is::<LengthLimitError>()) => {
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {} bytes", super::MAX_BODY)))
        }
        Err(_) => Err(Problem::bad_request("the body broke off")),
    }
}

async fn within(app: &App, request: Request<Body>) -> Response {
    let request = match received(request).await {
        Ok(request) => request,
        Err(problem) => return problem.into_response(),
    };
    let limit = WHOLE.max(app.settings.query.time + WHOLE);
    let mut router = app.router.clone();
    let (path, wants_page) = (request.uri().path().to_owned(), super::problem::wants_page(&request));
    let caller = request.extensions().get::<Caller>().cloned();
    match tokio::time::timeout(limit, router.call(request)).await.map(|answered| answered.map(as_problem)) {
        Ok(Ok(response)) => match (response.extensions().get::<Problem>().cloned(), caller) {
            // For a person, what went wrong is a page.
            (Some(problem), Some(caller)) if wants_page => super::pages::wrong(&caller, &path, &problem).into_response(),
            _ => response,
        },
        Ok(Err(never)) => match never {},
        Err(_) => Problem::new(StatusCode::REQUEST_TIMEOUT, format!("the request took longer than {} s", limit.as_secs()))
            .into_response(),
    }
}

/// What the router itself refuses, as an address that is no text, is a problem as others are.
fn as_problem(response: Response) -> Response {
    let is_page = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let is_wrong = response.status().is_client_error() || response.status().is_server_error();
    if !is_wrong || is_page || response.extensions().get::<Problem>().is_some() {
        return response;
    }
    let reason = response.status().canonical_reason().unwrap_or("Error");
    Problem::new(response.status(), reason).into_response()
}

fn secure(response: &mut Response, is_tls: bool) {
    let is_given = response.headers().contains_key(header::CACHE_CONTROL);
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if is_tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(ONLY_HTTPS));
    }
    if !is_given {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// A method as it is counted: of those that nobody knows, there is no end.
fn known(method: &Method) -> &str {
    match *method {
        Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::DELETE | Method::PATCH | Method::OPTIONS => {
            method.as_str()
        }
        _ => "other",
    }
}

/// The access log. What is behind the `?` is left out: people put secrets there.
fn note(method: &Method, path: &str, status: StatusCode, took: Duration, peer: SocketAddr, caller: &str) {
    let (status, ms) = (status.as_u16(), u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    let is_told = status >= 400 || !method.is_safe();
    if is_told {
        tracing::info!(target: "engine::access", %method, path, status, ms, %peer, caller, "request");
    } else {
        tracing::debug!(target: "engine::access", %method, path, status, ms, %peer, caller, "request");
    }
}
