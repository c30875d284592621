//! Which store the settings name.

use std::sync::Arc;

use super::sql::{SqlStore, sqlite};
use super::{Result, StateStore};
use crate::session::Session;

/// Opens the store that `[state] url` names, making it if it is not there.
///
/// # Errors
/// [`StateError::Unavailable`](super::StateError::Unavailable) with the place.
pub async fn open(session: &Session) -> Result<Arc<dyn StateStore>> {
    let database = sqlite::open_in(&session.state_folder).await?;
    Ok(Arc::new(SqlStore::new(Box::new(database))))
}

/// Opens the store if it is there, for who only looks.
///
/// # Errors
/// [`StateError::Unavailable`](super::StateError::Unavailable) with the place.
pub async fn open_existing(session: &Session) -> Result<Option<Arc<dyn StateStore>>> {
    if sqlite::is_in(&session.state_folder) { open(session).await.map(Some) } else { Ok(None) }
}
