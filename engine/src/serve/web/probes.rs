//! What machines ask: is it alive, does it work, and how much.

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use super::app::App;
use super::problem::Problem;

pub(super) fn routes() -> Router {
    Router::new().route("/health", get(health)).route("/ready", get(ready)).route("/metrics", get(metrics))
}

/// The process answers.
async fn health() -> &'static str {
    "ok\n"
}

/// The process can work: it has read the pipelines' files, its state store answers, and it is not about to stop. Who may ask is anybody, so nothing else is told.
async fn ready(app: App) -> Result<&'static str, Problem> {
    let not_yet = |detail: &str| Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).header(header::RETRY_AFTER, "5");
    if app.stop.is_cancelled() {
        return Err(not_yet("the server is about to stop"));
    }
    if !app.control.is_ready() {
        return Err(not_yet("the files of the pipelines are being read"));
    }
    match app.control.store().pauses().await {
        Ok(_) => Ok("ready\n"),
        Err(error) => {
            tracing::warn!(error = %connectors::secrets::without_secrets(&error.to_string()), "the state store does not answer");
            Err(not_yet("the state store does not answer"))
        }
    }
}

/// For Prometheus.
async fn metrics(app: App) -> Result<impl IntoResponse, Problem> {
    let text = format!("{}{}", app.control.metrics()?, app.figures.text());
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text))
}
