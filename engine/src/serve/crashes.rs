//! Runs that end with their server again and again, as one does that takes more memory than there is: each is begun later than the one before.

use std::time::Duration;

use anyhow::Result;

use super::decide::{BY_HAND, Start};
use super::shared::Shared;
use crate::state::{Page, RunRecord, RunStatus};

/// So many runs of a pipeline may be killed one after the other before it rests: servers are killed for other reasons too.
const FREE: u32 = 5;
/// The first rest, which doubles from one killed run to the next.
const FIRST: Duration = Duration::from_secs(2);
/// How often it doubles: up to 17 minutes.
const DOUBLINGS: u32 = 9;

/// How long a pipeline is still to rest, whose last runs were killed. One that a person wants to run does not.
pub(super) async fn rest(shared: &Shared, start: &Start) -> Result<Option<Duration>> {
    if start.requests.iter().any(|open| open.request.key == BY_HAND) {
        return Ok(None);
    }
    let now = shared.session.context.clock.now();
    let page = Page { pipeline: Some(start.pipeline.clone()), limit: FREE + DOUBLINGS + 1, ..Page::default() };
    let runs = shared.store.runs(&page, now).await?;
    let (killed, rest) = rest_after(&runs);
    let Some(last) = runs.first().filter(|_| !rest.is_zero()) else { return Ok(None) };
    let left = (last.started_at + rest - now).to_std().ok().filter(|left| !left.is_zero());
    if let Some(left) = left {
        tracing::warn!(
            pipeline = start.pipeline,
            killed,
            rest_seconds = left.as_secs(),
            "its last runs ended with their server, as when they take more memory than there is; it rests before the next"
        );
    }
    Ok(left)
}

/// How many of `runs`, the last one first, were killed one after the other, and how long a rest that calls for.
fn rest_after(runs: &[RunRecord]) -> (u32, Duration) {
    let killed = runs.iter().take_while(|run| run.status == RunStatus::Killed).count();
    let killed = u32::try_from(killed).unwrap_or(u32::MAX);
    let rest = killed.checked_sub(FREE).map_or(Duration::ZERO, |beyond| FIRST * 2_u32.pow(beyond.min(DOUBLINGS)));
    (killed, rest)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::state::{Holder, Purpose, Totals};

    fn run(status: RunStatus) -> RunRecord {
        RunRecord {
            position: 1,
            pipeline: "p".to_owned(),
            run: 1,
            status,
            started_at: DateTime::<Utc>::UNIX_EPOCH,
            ended_at: None,
            error: None,
            purpose: Purpose::default(),
            again_at: None,
            holder: Holder::current(),
            epochs: 0,
            totals: Totals::default(),
        }
    }

    #[test]
    fn a_pipeline_rests_longer_with_every_run_that_was_killed_until_one_was_not() {
        use RunStatus::{Done, Failed, Killed};
        let rest = |statuses: &[RunStatus]| rest_after(&statuses.iter().copied().map(run).collect::<Vec<_>>()).1.as_secs();
        assert_eq!(rest(&[]), 0);
        assert_eq!(rest(&[Killed; 4]), 0);
        assert_eq!((rest(&[Killed; 5]), rest(&[Killed; 6]), rest(&[Killed; 40])), (2, 4, 1_024));
        assert_eq!(rest(&[Done, Killed, Killed, Killed, Killed, Killed]), 0);
        assert_eq!(rest(&[Killed, Killed, Failed, Killed, Killed, Killed, Killed]), 0);
    }
}
