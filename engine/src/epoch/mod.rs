//! One epoch: the six steps, one file each, in the order in which they happen.
//!
//! [`lease`] → [`slice`](mod@slice) → [`stage`] → [`record`] → [`commit`] → [`advance`]; [`recover`] finishes what a killed process left
//! between `record` and `advance`. A crash before `record` leaves nothing visible, and the epoch is done again; after it, the
//! sources are not read again. A [`preload`] begins the work of a commit while rows are staged. Beside them, [`quarantine`] takes the
//! records of a source that are no rows along, [`whole`] those of tables that are read whole, and [`replay`](mod@replay) makes an epoch of
//! those that are rows after a fix.

pub mod advance;
mod bad_table;
pub mod commit;
pub mod gone;
mod guard;
pub mod lease;
pub mod preload;
pub mod quarantine;
pub mod record;
pub mod recover;
pub mod replay;
pub mod slice;
pub mod stage;
mod unique;
pub mod whole;

use anyhow::Result;
use connectors::stores::Location;
use tokio_util::sync::CancellationToken;

use self::preload::Preloads;
use crate::catalog::register::Registrar;
use crate::memory;
use crate::run::Observer;
use crate::session::Session;
use crate::sql::Pipeline;
use crate::state::{Checkpoint, Lease, StateStore};

/// What every step is given.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// What is run.
    pub pipeline: &'a Pipeline,
    /// Stores, memory, clock.
    pub session: &'a Session,
    /// Where progress lives.
    pub store: &'a dyn StateStore,
    /// The right to write.
    pub lease: &'a Lease,
    /// Who watches.
    pub observer: &'a Observer,
    /// Who tells the catalog.
    pub registrar: &'a Registrar,
    /// Set when the run should leave after this epoch.
    pub stop: &'a CancellationToken,
}

/// Steps 5 and 6; then the catalog hears of it.
///
/// # Errors
/// See [`commit::commit`] and [`advance::advance`].
pub async fn finish(scope: Scope<'_>, checkpoint: &Checkpoint, preloads: Preloads) -> Result<()> {
    memory::give_back_part();
    commit::commit(scope, checkpoint, preloads).await?;
    advance::advance(scope, checkpoint).await?;
    scope.registrar.committed(scope, checkpoint).await;
    memory::give_back_part();
    Ok(())
}

/// The folder of all staged files of a pipeline. Its first part begins with a dot: readers of folders skip it.
///
/// # Errors
/// When the lake's location makes no sense.
pub fn staging_folder(session: &Session, pipeline: &str) -> Result<Location> {
    Ok(session.context.stores.lake()?.join(&format!(".engine/staging/{pipeline}")))
}
