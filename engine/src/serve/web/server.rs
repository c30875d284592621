//! Connections: accepted up to a limit, each with its time to speak, and ended with grace.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::answer::answer;
use super::app::App;
use super::patience::Patient;

/// How long a client may take for the head of a request, and stay silent between two.
const HEAD: Duration = Duration::from_secs(15);

/// How long the beginning of TLS may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a client may not take what it asked for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of the head of a request.
const MAX_HEAD: usize = 32 * 1024;

/// What open requests get when the server stops.
const GRACE: Duration = Duration::from_secs(5);

/// How long to wait when a connection cannot be accepted, as when there are no file descriptors left.
const AFTER_AN_ERROR: Duration = Duration::from_millis(100);

/// Serves until `stop`, and then what has begun.
///
/// # Errors
/// A certificate that cannot be used.
pub(super) async fn run(app: App, listener: TcpListener, stop: CancellationToken) -> Result<()> {
    let acceptor = app.settings.tls.as_ref().map(super::tls::acceptor).transpose()?;
    let room = Arc::new(Semaphore::new(app.settings.connections.min(Semaphore::MAX_PERMITS)));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let next = async {
            let place = Arc::clone(&room).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = stop.cancelled() => break,
            next = next => next,
        };
        match accepted {
            Ok((stream, peer)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%peer, %error, "small answers wait for others on this connection");
                }
                let (app, acceptor, stop) = (app.clone(), acceptor.clone(), stop.clone());
                connections.spawn(async move {
                    connection(app, acceptor, Patient::new(stream, PATIENCE), peer, stop).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(AFTER_AN_ERROR).await;
            }
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, ended).await.is_err() {
        tracing::info!(connections = connections.len(), "requests that went on were broken off");
    }
    Ok(())
}

async fn connection<S>(app: App, acceptor: Option<TlsAcceptor>, stream: S, peer: SocketAddr, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Some(acceptor) = acceptor else { return requests(app, stream, peer, stop).await };
    match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => requests(app, stream, peer, stop).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS with this client"),
        Err(_) => tracing::debug!(%peer, "a client took too long to begin TLS"),
    }
}

/// One request after the other, until the client goes or the server stops.
async fn requests<S>(app: App, stream: S, peer: SocketAddr, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let app = app.clone();
        async move { Ok::<_, Infallible>(answer(app, peer, request.map(Body::new)).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(MAX_HEAD);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.as_mut().await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "a connection broke off");
    }
}
