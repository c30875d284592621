//! Runs with what they brought, as the state store has it.

use axum::http::StatusCode;

use super::app::App;
use super::problem::Problem;
use crate::state::{EpochRecord, LoadPage, LoadRecord, Page, RunRecord};

/// Epochs of one run that are shown.
const SHOWN: usize = 1_000;

/// Pages of a history that are looked through for one run.
const PAGES: usize = 20;

/// Records of one of them.
const PAGE: u32 = 1_000;

/// Runs before one that are looked through for earlier attempts.
const AROUND: u32 = 100;

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
    let page = LoadPage { pipeline: Some(run.pipeline.clone()), run: Some(run.run), limit: PAGE, ..LoadPage::default() };
    Ok(app.control.store().loads(&page).await?)
}

/// The attempts that belong together with a run, itself among them, the first one first: a run that failed and is tried again is followed
/// by one with the next number, for the same reason and date.
pub(super) async fn attempts(app: &App, run: &RunRecord) -> Result<Vec<RunRecord>, Problem> {
    if run.purpose.attempt == 1 && run.again_at.is_none() {
        return Ok(vec![run.clone()]);
    }
    let (store, now) = (app.control.store(), app.control.session().context.clock.now());
    let pipeline = Some(run.pipeline.clone());
    let before = Page { pipeline: pipeline.clone(), before: Some(run.position), limit: AROUND, ..Page::default() };
    let after = Page { pipeline, since: Some(run.started_at), limit: PAGE, ..Page::default() };
    let mut all = store.runs(&after, now).await?;
    all.retain(|other| other.position > run.position);
    all.push(run.clone());
    all.extend(store.runs(&before, now).await?);
    all.reverse();
    Ok(chain(&all, run))
}

/// Of runs in their order, those that are attempts of the same as `run`.
fn chain(all: &[RunRecord], run: &RunRecord) -> Vec<RunRecord> {
    let Some(at) = all.iter().position(|other| other.position == run.position) else { return vec![run.clone()] };
    let is_next = |one: &RunRecord, next: &RunRecord| {
        next.purpose.attempt == one.purpose.attempt + 1
            && next.purpose.reason == one.purpose.reason
            && next.purpose.date == one.purpose.date
            && one.again_at.is_some()
    };
    let mut chain = vec![run.clone()];
    for earlier in all[..at].iter().rev() {
        if chain.first().is_some_and(|first| is_next(earlier, first)) {
            chain.insert(0, earlier.clone());
        }
    }
    for later in &all[at + 1..] {
        if chain.last().is_some_and(|last| is_next(last, later)) {
            chain.push(later.clone());
        }
    }
    chain
}

/// Asks again for what a run was for: of one for a logical date, for that date.
///
/// # Errors
/// When the pipeline cannot be run.
pub(super) async fn retry(app: &App, run: &RunRecord, by: &str) -> Result<(), Problem> {
    match run.purpose.date {
        Some(date) => app.control.run_date(&run.pipeline, date, by).await?,
        None => app.control.run_now(&run.pipeline, by).await?,
    };
    Ok(())
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

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;
    use crate::state::{Holder, Purpose, RunStatus, Totals};

    fn run(number: i64, reason: &str, attempt: u32, is_tried_again: bool) -> RunRecord {
        let at = DateTime::UNIX_EPOCH + TimeDelta::minutes(number);
        RunRecord {
            position: number,
            pipeline: "p".to_owned(),
            run: number,
            status: RunStatus::Failed,
            started_at: at,
            ended_at: Some(at),
            error: None,
            purpose: Purpose { reason: reason.to_owned(), attempt, ..Purpose::default() },
            again_at: is_tried_again.then_some(at),
            holder: Holder::current(),
            epochs: 0,
            totals: Totals::default(),
        }
    }

    #[test]
    fn attempts_of_the_same_belong_together_whatever_runs_in_between() {
        let all = [
            run(1, "schedule a", 1, true),
            run(2, "by hand", 1, false),
            run(3, "schedule a", 2, true),
            run(4, "schedule b", 1, true),
            run(5, "schedule a", 3, false),
            run(6, "schedule b", 2, false),
            run(7, "schedule a", 1, true),
        ];
        let chained = |at: usize| chain(&all, &all[at]).iter().map(|run| run.run).collect::<Vec<_>>();
        for at in [0, 2, 4] {
            assert_eq!(chained(at), [1, 3, 5], "from {at}");
        }
        assert_eq!(chained(1), [2]);
        assert_eq!(chained(3), [4, 6]);
        assert_eq!(chained(6), [7]);
    }
}
