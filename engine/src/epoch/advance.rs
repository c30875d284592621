//! Step 6: all sinks have committed; the offsets become current and the staged files go.

use anyhow::Result;
use connectors::faults::point;
use connectors::stores::Location;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;

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
    remove(&folder, None).await
}

/// Removes what is below `folder`, but for what is below its part `keep`. Files that are gone already are no error.
///
/// # Errors
/// When the store cannot be listed or written.
pub async fn remove(folder: &Location, keep: Option<&str>) -> Result<()> {
    let keep = keep.map(|name| folder.join(name).path);
    let mut found = folder.store.list(Some(&folder.path));
    while let Some(object) = found.try_next().await.map_err(connectors::Error::from)? {
        if keep.as_ref().is_some_and(|keep| object.location.prefix_matches(keep)) {
            continue;
        }
        match folder.store.delete(&object.location).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(connectors::Error::from(error).into()),
        }
    }
    drop(found.next());
    Ok(())
}
