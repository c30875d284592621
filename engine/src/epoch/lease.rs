//! Step 1: the right to write for a pipeline, kept alive while the run lasts.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use connectors::clock::Clock;
use connectors::faults::point;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cause::one_line;
use crate::state::{Acquired, Holder, Lease, Purpose, RunEnding, StateStore};

/// A lease that is not renewed for this long can be taken over.
const TTL: Duration = Duration::from_secs(60);

/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(15);

/// A lease, renewed in the background until it is released or dropped.
#[derive(Debug)]
pub struct HeldLease {
    lease: Lease,
    store: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
    lost: CancellationToken,
    renewal: JoinSet<()>,
}

impl HeldLease {
    /// Takes the lease; `purpose` is what the run is begun for.
    ///
    /// # Errors
    /// When another run holds it: says which, and until when.
    pub async fn acquire(
        store: Arc<dyn StateStore>,
        (pipeline, file): (&str, &Path),
        purpose: &Purpose,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let lease = match store.acquire(pipeline, &Holder::running(file), purpose, clock.now(), TTL).await? {
            Acquired::Granted(lease) => lease,
            Acquired::Held { holder, until } => bail!(
                "pipeline '{pipeline}' is being run by {holder} (its lease lasts until {}, unless it is renewed); wait for that run, or stop it and try again",
                until.format("%Y-%m-%d %H:%M:%S UTC")
            ),
        };
        point("leased");
        let lost = CancellationToken::new();
        let mut renewal = JoinSet::new();
        renewal.spawn(renew(Arc::clone(&store), lease.clone(), Arc::clone(&clock), lost.clone()));
        Ok(Self { lease, store, clock, lost, renewal })
    }

    /// The lease.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Set when another run has taken over.
    pub fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Gives it back; `ending` is how the run ended.
    ///
    /// # Errors
    /// When the state store cannot be written; the lease then ends by itself.
    pub async fn release(mut self, ending: &RunEnding) -> Result<()> {
        self.renewal.shutdown().await;
        Ok(self.store.release(&self.lease, ending, self.clock.now()).await?)
    }
}

/// Does `work` under the lease of a pipeline, by its name and its file, which is given back whatever comes of it.
///
/// # Errors
/// Those of `work`; when another run holds the lease, or takes it over meanwhile.
pub async fn under_lease<T>(
    store: Arc<dyn StateStore>,
    (pipeline, file): (&str, &Path),
    purpose: &Purpose,
    clock: &Arc<dyn Clock>,
    work: impl AsyncFnOnce(&HeldLease) -> Result<T>,
) -> Result<T> {
    let held = HeldLease::acquire(store, (pipeline, file), purpose, Arc::clone(clock)).await?;
    let result = tokio::select! {
        result = work(&held) => result,
        () = held.lost().cancelled() => bail!("the lease of pipeline '{pipeline}' was lost: another run has taken over"),
    };
    let released = held.release(&RunEnding::of(result.as_ref().err().map(one_line))).await;
    let value = result?;
    released?;
    Ok(value)
}

async fn renew(store: Arc<dyn StateStore>, lease: Lease, clock: Arc<dyn Clock>, lost: CancellationToken) {
    loop {
        clock.sleep(RENEWAL).await;
        match store.renew(&lease, clock.now() + TTL).await {
            Ok(()) => {}
            Err(crate::state::StateError::Fenced { .. }) => {
                lost.cancel();
                return;
            }
            // The next renewal may succeed; if none does, the first write of this run is refused.
            Err(error) => tracing::warn!(pipeline = lease.pipeline, %error, "lease was not renewed"),
        }
    }
}
