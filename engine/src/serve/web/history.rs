//! Runs with what they brought, as the state store has it.

use axum::http::StatusCode;

use super::app::App;
use super::problem::Problem;
use crate::state::{EpochRecord, LoadPage, LoadRecord, Page, RunRecord};

/// Epochs and loads of one run that are shown.
const SHOWN: usize = 1_000;

/// Pages of a history that are looked through for one run.
const PAGES: usize = 20;

/// Records of one of them.
const PAGE: u32 = 1_000;

/// The run of that number.
///
/// # Errors
/// When there is none.
pub(super) async fn run(app: &App, pipeline: &str, number: &str) -> Result<RunRecord, Problem> {
    let now = app.control.session().context.clock.now();
    let found = match number.parse::<i64>() {
        Ok(number) => app.control.store().run(pipeline, number, now).await?,
        Err(_) => None,
    };
    if let Some(run) = found {
        return Ok(run);
    }
    // The name may be what is wrong.
    super::api::pipeline(app, pipeline).await?;
    Err(Problem::new(StatusCode::NOT_FOUND, format!("pipeline '{pipeline}' has no run '{number}'"))
        .help("old runs are removed after [serve] keep_runs"))
}

/// What a run has recorded, the newest first.
pub(super) async fn epochs(app: &App, run: &RunRecord) -> Result<Vec<EpochRecord>, Problem> {
    let mut page = Page { pipeline: Some(run.pipeline.clone()), limit: PAGE, since: Some(run.started_at), ..Page::default() };
    let mut found = Vec::new();
    for _ in 0..PAGES {
        let records = app.control.store().epochs(&page).await?;
        let Some(last) = records.last() else { break };
        page.before = Some(last.position);
        let is_last = records.len() < PAGE as usize;
        found.extend(records.into_iter().filter(|epoch| epoch.run == Some(run.run)));
        if is_last || found.len() >= SHOWN {
            break;
        }
    }
    found.truncate(SHOWN);
    Ok(found)
}

/// What a run has brought to each table, the newest first.
pub(super) async fn loads(app: &App, run: &RunRecord) -> Result<Vec<LoadRecord>, Problem> {
    let mut page = LoadPage { limit: PAGE, ..LoadPage::default() };
    let mut found = Vec::new();
    for _ in 0..PAGES {
        let records = app.control.store().loads(&page).await?;
        let Some(last) = records.last() else { break };
        page.before = Some(last.position);
        let is_last = records.len() < PAGE as usize || last.recorded_at < run.started_at;
        let is_ours = |load: &LoadRecord| load.pipeline == run.pipeline && load.run == Some(run.run);
        found.extend(records.into_iter().filter(is_ours));
        if is_last || found.len() >= SHOWN {
            break;
        }
    }
    found.truncate(SHOWN);
    Ok(found)
}

/// Ends a run.
///
/// # Errors
/// When it is not one that this process has begun.
pub(super) async fn cancel(app: &App, run: &RunRecord, by: &str) -> Result<(), Problem> {
    if app.control.cancel(&run.pipeline, run.run).await? {
        tracing::info!(pipeline = run.pipeline, run = run.run, by, "a run was canceled");
        return Ok(());
    }
    let problem = Problem::new(StatusCode::CONFLICT, format!("run {} of '{}' is not going on here", run.run, run.pipeline));
    Err(match run.ended_at {
        Some(_) => problem.help("it has ended"),
        None => problem.help(format!("it is one of {}; stop it there", run.holder)),
    })
}
