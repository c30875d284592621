//! Delta's log over our own object stores, and its errors in our terms.

use std::sync::Arc;

use deltalake_core::errors::DeltaTableError;
use deltalake_core::kernel::EagerSnapshot;
use deltalake_core::kernel::transaction::TransactionError;
use deltalake_core::logstore::{
    LogStore, LogStoreFactory, LogStoreRef, ObjectStoreRef, StorageConfig, default_logstore, logstore_factories, logstore_with,
};
use url::Url;

use crate::error::{Error, Result};
use crate::stores::Location;

/// Delta's plain log store for S3 too: S3 puts an object only if it is absent, which is all that a commit needs.
struct ConditionalPut;

impl LogStoreFactory for ConditionalPut {
    fn with_options(
        &self,
        prefixed_store: ObjectStoreRef,
        root_store: ObjectStoreRef,
        location: &Url,
        options: &StorageConfig,
    ) -> deltalake_core::DeltaResult<Arc<dyn LogStore>> {
        Ok(default_logstore(prefixed_store, root_store, location, options))
    }
}

/// The log of the table at `location`, which need not exist.
pub(crate) fn open(location: &Location) -> Result<LogStoreRef> {
    let scheme = Url::parse(&format!("{}://", location.url.scheme()))
        .map_err(|cause| Error::config(format!("location '{}': {cause}", location.url)))?;
    logstore_factories().entry(scheme).or_insert_with(|| Arc::new(ConditionalPut));
    logstore_with(Arc::clone(&location.store), &location.url, StorageConfig::default()).map_err(error)
}

/// The table as it is now; `None` when it does not exist.
pub(crate) async fn snapshot(log: &LogStoreRef) -> Result<Option<EagerSnapshot>> {
    if !log.is_delta_table_location().await.map_err(error)? {
        return Ok(None);
    }
    EagerSnapshot::try_new(log.as_ref(), None).await.map(Some).map_err(error)
}

/// Whether a commit failed because another was faster.
pub(crate) fn lost_race(error: &DeltaTableError) -> bool {
    matches!(
        error,
        DeltaTableError::VersionAlreadyExists(_)
            | DeltaTableError::Transaction {
                source: TransactionError::VersionAlreadyExists(_)
                    | TransactionError::MaxCommitAttempts(_)
                    | TransactionError::CommitConflict(_)
            }
    )
}

pub(crate) fn error(error: DeltaTableError) -> Error {
    match error {
        DeltaTableError::ObjectStore { source } => source.into(),
        DeltaTableError::Transaction { source: TransactionError::ObjectStore { source } } => source.into(),
        DeltaTableError::Arrow { source } => source.into(),
        DeltaTableError::Parquet { source } => source.into(),
        DeltaTableError::Io { source } => source.into(),
        DeltaTableError::Transaction { source: TransactionError::DeltaTableAppendOnly } => Error::config(
            "the table has delta.appendOnly set: only INSERT INTO writes to it; unset the property or write to another table",
        ),
        DeltaTableError::Transaction {
            source: source @ (TransactionError::UnsupportedTableFeatures(_) | TransactionError::TableFeaturesRequired(_)),
        } => Error::config(format!("{source}; write to another table, or have the feature dropped from this one")),
        other if lost_race(&other) => Error::Transient { message: other.to_string(), source: Some(Box::new(other)) },
        other => match store_cause(&other) {
            Some(message) => Error::Transient { message, source: Some(Box::new(other)) },
            None => Error::data(format!("delta log: {other}")),
        },
    }
}

/// The object store's error behind one of the kernel's.
fn store_cause(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(next) = cause {
        if let Some(store) = next.downcast_ref::<object_store::Error>() {
            return Some(format!("{error}: {store}"));
        }
        cause = next.source();
    }
    None
}
