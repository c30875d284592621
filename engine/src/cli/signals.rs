//! Ctrl-C: once to finish the epoch and leave, twice to abort.

use tokio_util::sync::CancellationToken;

/// Set by the first and the second Ctrl-C (or SIGTERM).
#[derive(Debug, Clone, Default)]
pub(super) struct Interrupts {
    /// Finish the epoch and leave.
    pub(super) stop: CancellationToken,
    /// Leave now. Harmless: what is not committed is done again by the next run.
    pub(super) abort: CancellationToken,
}

impl Interrupts {
    /// Waits for signals for ever.
    pub(super) async fn listen(&self, tell: impl Fn(&str)) {
        if wait().await.is_err() {
            std::future::pending::<()>().await;
        }
        tell("finishing the epoch; press Ctrl-C again to abort it");
        self.stop.cancel();
        if wait().await.is_ok() {
            self.abort.cancel();
        }
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
async fn wait() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn wait() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
