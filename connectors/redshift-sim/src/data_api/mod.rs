//! The Redshift Data API: statements over HTTP, answered later (mgmt/data-api). JSON 1.1, one address, the operation in a header.
//!
//! Requests are not authenticated. Statements run in sessions of the stand-in like any other client's, each in one of its own or one
//! after another in one that is kept.

mod request;
mod sessions;
mod statements;
mod submission;
mod values;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::faults::FaultKind;
use crate::shared::Shared;
use statements::Statements;

/// The longest request, in bytes: a batch of statements of 100 KB.
const LONGEST_REQUEST: usize = 8 << 20;

/// Where statements are run, and as whom.
#[derive(Debug, Clone)]
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    pub(crate) user: String,
    pub(crate) database: String,
}

/// What a request is answered when it cannot be done.
#[derive(Debug)]
pub(crate) struct Fault {
    kind: &'static str,
    message: String,
}

impl Fault {
    fn invalid(message: impl Into<String>) -> Self {
        Self { kind: "ValidationException", message: message.into() }
    }

    fn not_found(id: &str) -> Self {
        Self { kind: "ResourceNotFoundException", message: format!("Query {id} does not exist.") }
    }
}

/// Serves until it is dropped.
pub(crate) async fn serve(listener: TcpListener, front: Front, shared: Arc<Shared>) {
    let statements = Arc::new(Statements::new(front, Arc::clone(&shared)));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (shared, statements) = (Arc::clone(&shared), Arc::clone(&statements));
                    let answers = service_fn(move |request| respond(Arc::clone(&shared), Arc::clone(&statements), request));
                    connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answers));
                }
                Err(error) => tracing::warn!(%error, "a connection was not accepted"),
            },
        }
    }
}

/// An error is a connection that ends without an answer.
async fn respond(
    shared: Arc<Shared>,
    statements: Arc<Statements>,
    request: Request<Incoming>,
) -> io::Result<Response<Full<Bytes>>> {
    let ordered = |kind: FaultKind| shared.faults.take(&[], |other| other == kind).is_some();
    let answer = if ordered(FaultKind::Throttle) {
        Err(Fault { kind: "ThrottlingException", message: "Rate exceeded".to_owned() })
    } else {
        handle(&statements, request).await
    };
    if ordered(FaultKind::LoseAnswer) {
        return Err(io::Error::other("the answer is lost, as ordered"));
    }
    let (status, body) = match answer {
        Ok(body) => (StatusCode::OK, body),
        Err(fault) => (StatusCode::BAD_REQUEST, json!({"__type": fault.kind, "message": fault.message})),
    };
    let mut response = Response::new(Full::new(body.to_string().into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
    Ok(response)
}

async fn handle(statements: &Statements, request: Request<Incoming>) -> Result<Value, Fault> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, LONGEST_REQUEST).collect().await.map_err(|error| Fault::invalid(error.to_string()))?.to_bytes();
    let request: Value = serde_json::from_slice(&body).map_err(|error| Fault::invalid(error.to_string()))?;
    let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    match target.strip_prefix("RedshiftData.").unwrap_or_default() {
        "ExecuteStatement" => statements.execute(&request).await,
        "BatchExecuteStatement" => statements.execute_batch(&request).await,
        "DescribeStatement" => statements.describe(&request),
        "GetStatementResult" => statements.result(&request),
        "CancelStatement" => statements.cancel(&request).await,
        _ => Err(Fault { kind: "UnknownOperationException", message: format!("{target} is not known to redshift-sim") }),
    }
}
