//! What is posted: runs, pauses, backfills. Who did it is sent back to the page.

use axum::extract::Path;
use axum::response::Redirect;

use super::{pipeline_at, run_at};
use crate::serve::web::app::App;
use crate::serve::web::given::Posted;
use crate::serve::web::problem::Problem;
use crate::serve::web::{api, history};

/// Who did it, for its record.
const BY: &str = "web page";

pub(super) async fn run(app: App, Path(name): Path<String>, _posted: Posted) -> Result<Redirect, Problem> {
    app.control.run_now(&name, BY).await?;
    Ok(Redirect::to(&pipeline_at(&name)))
}

pub(super) async fn pause(app: App, Path(name): Path<String>, _posted: Posted) -> Result<Redirect, Problem> {
    app.control.pause(&name, BY).await?;
    Ok(Redirect::to(&pipeline_at(&name)))
}

pub(super) async fn resume(app: App, Path(name): Path<String>, _posted: Posted) -> Result<Redirect, Problem> {
    app.control.resume(&name).await?;
    Ok(Redirect::to(&pipeline_at(&name)))
}

pub(super) async fn backfill(app: App, Path(name): Path<String>, posted: Posted) -> Result<Redirect, Problem> {
    let (from, to) = api::span(posted.text("from"), posted.text("to"))?;
    app.control.backfill(&name, from, to, BY).await?;
    Ok(Redirect::to(&pipeline_at(&name)))
}

pub(super) async fn retry(app: App, Path((name, number)): Path<(String, String)>, _posted: Posted) -> Result<Redirect, Problem> {
    let run = history::run(&app, &name, &number).await?;
    history::retry(&app, &run, BY).await?;
    Ok(Redirect::to(&pipeline_at(&name)))
}

pub(super) async fn cancel(app: App, Path((name, number)): Path<(String, String)>, _posted: Posted) -> Result<Redirect, Problem> {
    let run = history::run(&app, &name, &number).await?;
    history::cancel(&app, &run, BY).await?;
    Ok(Redirect::to(&run_at(&name, run.run)))
}
