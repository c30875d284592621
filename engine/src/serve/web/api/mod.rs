//! The API: JSON for programs, under `/api/v1`, and the load log at `/api/loads`.
//!
//! Its description, `/api/openapi.json`, is made from the handlers and the types that they return ([`openapi`]).

mod loads;
mod openapi;
mod pipelines;
mod query;
mod runs;
mod tables;
#[cfg(test)]
mod tests;

pub(super) use pipelines::{found as pipeline, span};
pub(super) use runs::{STATUSES as RUN_STATUSES, status as run_status};
pub(super) use tables::{Found, found as table, known as known_tables, reference, selection};

use axum::Router;
use axum::routing::{get, post};

/// Who started, paused or ended something by a request of the API, for its record.
const BY: &str = "API";

/// Every path, for whoever is near one.
pub(super) const PATHS: [&str; 17] = [
    "/api/loads",
    "/api/openapi.json",
    "/api/v1/pipelines",
    "/api/v1/pipelines/{name}",
    "/api/v1/pipelines/{name}/run",
    "/api/v1/pipelines/{name}/pause",
    "/api/v1/pipelines/{name}/resume",
    "/api/v1/pipelines/{name}/backfill",
    "/api/v1/pipelines/{name}/runs/{run}",
    "/api/v1/pipelines/{name}/runs/{run}/cancel",
    "/api/v1/pipelines/{name}/runs/{run}/log",
    "/api/v1/query",
    "/api/v1/runs",
    "/api/v1/tables",
    "/api/v1/tables/{database}/{table}",
    "/api/v1/tables/{database}/{table}/sample",
    "/api/v1/tables/{database}/{table}/versions",
];

pub(super) fn routes() -> Router {
    Router::new()
        .route("/api/loads", get(loads::list))
        .route("/api/openapi.json", get(openapi::document))
        .route("/api/v1/pipelines", get(pipelines::list))
        .route("/api/v1/pipelines/{name}", get(pipelines::show))
        .route("/api/v1/pipelines/{name}/run", post(pipelines::run))
        .route("/api/v1/pipelines/{name}/pause", post(pipelines::pause))
        .route("/api/v1/pipelines/{name}/resume", post(pipelines::resume))
        .route("/api/v1/pipelines/{name}/backfill", post(pipelines::backfill))
        .route("/api/v1/pipelines/{name}/runs/{run}", get(runs::show))
        .route("/api/v1/pipelines/{name}/runs/{run}/cancel", post(runs::cancel))
        .route("/api/v1/pipelines/{name}/runs/{run}/log", get(runs::log))
        .route("/api/v1/query", post(query::query))
        .route("/api/v1/runs", get(runs::list))
        .route("/api/v1/tables", get(tables::list))
        .route("/api/v1/tables/{database}/{table}", get(tables::show))
        .route("/api/v1/tables/{database}/{table}/sample", get(tables::sample))
        .route("/api/v1/tables/{database}/{table}/versions", get(tables::versions))
}
