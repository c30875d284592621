//! All of a store at once: what `engine state migrate` takes from one and gives to another.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::objects::ObjectState;
use super::snapshot::Snapshot;
use super::sql::SqlStore;
use super::{LeaseRecord, Result, StateError, StateStore};

/// A store of which all can be read, or written.
#[async_trait]
pub(super) trait Transfer: Send + Sync {
    /// Where the state was moved to, if it was.
    async fn moved(&self) -> Result<Option<String>>;

    /// All pipelines by name, after `to` was noted as where they go: from here on nobody gets a lease here.
    ///
    /// # Errors
    /// When a run holds a lease, or the state was moved elsewhere; then nothing was noted.
    async fn export(&self, to: &str, now: DateTime<Utc>) -> Result<Vec<(String, Snapshot)>>;

    /// Takes the note back.
    async fn stay(&self) -> Result<()>;

    /// Whether it can be used.
    ///
    /// # Errors
    /// When it was moved elsewhere, says where; when state is being moved here.
    async fn check(&self) -> Result<()>;

    /// The pipelines that there is anything of, by name.
    async fn names(&self) -> Result<Vec<String>>;

    /// The version of how it is laid out, and its bytes.
    async fn size(&self) -> Result<(i64, u64)>;

    /// Writes all pipelines.
    ///
    /// # Errors
    /// When anything is here already; then nothing was written.
    async fn import(&self, pipelines: &[(String, Snapshot)]) -> Result<()>;
}

/// A store, by its kind.
#[derive(Debug)]
pub(super) enum Opened {
    Sql(SqlStore),
    Objects(ObjectState),
}

impl Opened {
    pub(super) fn transfer(&self) -> &dyn Transfer {
        match self {
            Self::Sql(store) => store,
            Self::Objects(store) => store,
        }
    }

    pub(super) fn into_store(self) -> Arc<dyn StateStore> {
        match self {
            Self::Sql(store) => Arc::new(store),
            Self::Objects(store) => Arc::new(store),
        }
    }
}

/// Whether none of `leases` is held by a run that lives.
///
/// # Errors
/// Names one that is.
pub(super) fn check_free(leases: impl IntoIterator<Item = LeaseRecord>) -> Result<()> {
    match leases.into_iter().find(|lease| !lease.is_over) {
        None => Ok(()),
        Some(LeaseRecord { pipeline, holder, until, .. }) => Err(StateError::Unavailable {
            message: format!(
                "pipeline '{pipeline}' is being run by {holder} (its lease lasts until {}, unless it is renewed); stop it, and move the \
                 state then. Nothing was moved",
                until.format("%Y-%m-%d %H:%M:%S UTC")
            ),
            source: None,
        }),
    }
}

/// Whether state that was moved to `before`, if it was, may be moved to `to`.
///
/// # Errors
/// When it was moved to another place.
pub(super) fn check_target(before: Option<&str>, to: &str) -> Result<()> {
    match before {
        Some(before) if before != to => Err(StateError::moved(before)),
        _ => Ok(()),
    }
}
