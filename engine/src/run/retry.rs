//! Trying an epoch again after a fault that may pass: `SET pipeline.retries`.

use std::time::Duration;

use anyhow::Result;

use crate::cause::one_line;
use crate::epoch::Scope;

/// Waits before the second attempt; doubles from attempt to attempt.
const FIRST_WAIT: Duration = Duration::from_secs(2);

/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Calls `attempt` until it succeeds, fails for good, or the retries are used up.
pub(super) async fn retrying<T, F: Future<Output = Result<T>>>(scope: Scope<'_>, attempt: impl Fn() -> F) -> Result<T> {
    let mut wait = FIRST_WAIT;
    let mut left = scope.pipeline.options.retries;
    loop {
        let error = match attempt().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if left == 0 || scope.stop.is_cancelled() || !may_pass(&error) {
            return Err(error);
        }
        left -= 1;
        tracing::warn!(
            pipeline = scope.pipeline.name,
            error = one_line(&error),
            wait_seconds = wait.as_secs(),
            retries_left = left,
            "epoch failed, trying again"
        );
        tokio::select! {
            () = scope.session.context.clock.sleep(wait) => {}
            () = scope.stop.cancelled() => return Err(error),
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

fn may_pass(error: &anyhow::Error) -> bool {
    error.chain().find_map(|cause| cause.downcast_ref::<connectors::Error>()).is_some_and(connectors::Error::retry)
}
