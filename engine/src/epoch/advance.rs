//! Step 6: all sinks have committed; the offsets become current and the staged files go.

use anyhow::Result;
use connectors::faults::point;

use super::{Scope, staging_folder};
use crate::state::Checkpoint;

/// Makes the epoch's offsets current.
///
/// # Errors
/// When the lease was lost or the store cannot be written; the next run then finds the epoch committed, and advances.
pub async fn advance(scope: Scope<'_>, checkpoint: &Checkpoint) -> Result<()> {
    scope.store.advance(scope.lease, checkpoint.epoch, scope.session.context.clock.now()).await?;
    point("advanced");
    let folder = staging_folder(scope.session, &scope.pipeline.name)?.join(&checkpoint.folder);
    if let Err(error) = folder.clear(None).await {
        // The epoch is committed, and the next run that begins tidies the folder again: no reason to fail, or to commit it once more.
        tracing::warn!(pipeline = scope.pipeline.name, epoch = checkpoint.epoch, %error, "staged files were not removed; the next run does");
    }
    Ok(())
}
