//! What is posted: runs, pauses, backfills. Who did it is sent back to the page.

use axum::extract::Path;
use axum::response::Redirect;

use super::{pipeline_at, run_at};
use crate::serve::web::app::App;
use crate::serve::web::given::Posted;
use crate::serve::web::guard::Caller;
use crate::serve::web::problem::Problem;
use crate::serve::web::{api, history};

pub(super) async fn run(app: App, caller: Caller, Path(name): Path<String>, _posted: Posted) -> Result<Redirect, Problem> {
    app.control.run_now(&name, caller.by()).await?;
    Ok(Redirect::to(&pipeline_at(&name)))
}

pub(super) async fn pause(app: App, caller: Caller, Path(name): Path<String>, _posted: Posted) -> Result<Redirect, Problem> {
    app.control.pause(&name, caller.by()).await?;
    Ok(Redirect::to(&pipeline_at(&name)))
}

pub(super) async fn resume(app: App, Path(name): Path<String>, _posted: Posted) -> Result<Redirect, Problem> {
    app.control.resume(&name).await?;
    Ok(Redirect::to(&pipeline_at(&name)))
}

pub(super) async fn backfill(app: App, caller: Caller, Path(name): Path<String>, posted: Posted) -> Result<Redirect, Problem> {
    let (from, to) = api::span(posted.text("from"), posted.text("to"))?;
    app.control.backfill(&name, from, to, caller.by()).await?;
    Ok(Redirect::to(&pipeline_at(&name)))
}

pub(super) async fn retry(
    app: App,
    caller: Caller,
    Path((name, number)): Path<(String, String)>,
    _posted: Posted,
) -> Result<Redirect, Problem> {
    let run = history::run(&app, &name, &number).await?;
    history::retry(&app, &run, caller.by()).await?;
    Ok(Redirect::to(&pipeline_at(&name)))
}

pub(super) async fn cancel(
    app: App,
    caller: Caller,
    Path((name, number)): Path<(String, String)>,
    _posted: Posted,
) -> Result<Redirect, Problem> {
    let run = history::run(&app, &name, &number).await?;
    history::cancel(&app, &run, caller.by()).await?;
    Ok(Redirect::to(&run_at(&name, run.run)))
}
