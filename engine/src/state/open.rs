//! The store that the settings name.

use std::sync::Arc;

use super::place::Place;
use super::transfer::Opened;
use super::{Result, StateStore};
use crate::session::Session;

/// Opens the store that `[state] url` names, making it if it is not there.
///
/// # Errors
/// [`StateError::Unavailable`](super::StateError::Unavailable) with the place; also when the state was moved elsewhere.
pub async fn open(session: &Session) -> Result<Arc<dyn StateStore>> {
    checked(Place::set(session)?.open().await?).await
}

/// Opens the store if it is there, for who only looks.
///
/// # Errors
/// As [`open`].
pub async fn open_existing(session: &Session) -> Result<Option<Arc<dyn StateStore>>> {
    match Place::set(session)?.open_existing().await? {
        Some(opened) => checked(opened).await.map(Some),
        None => Ok(None),
    }
}

async fn checked(opened: Opened) -> Result<Arc<dyn StateStore>> {
    opened.transfer().check().await?;
    Ok(opened.into_store())
}
