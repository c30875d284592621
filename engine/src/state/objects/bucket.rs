//! Objects that are read whole, and put on a condition.

use connectors::stores::Location;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, UpdateVersion};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::state::{Result, StateError};

/// The folder of state in a bucket.
#[derive(Debug, Clone)]
pub(in crate::state) struct Bucket {
    root: Location,
}

/// What came of a put on a condition.
#[derive(Debug)]
pub(in crate::state) enum Put {
    /// It is there.
    Written,
    /// Somebody else was faster, or the answer was lost: who wants to know has to look.
    Unknown(StateError),
}

/// What a put is conditional on: the object as it was read, or that there is none.
pub(in crate::state) type Version = Option<UpdateVersion>;

impl Bucket {
    pub(in crate::state) fn new(root: Location) -> Self {
        Self { root }
    }

    /// In messages.
    pub(in crate::state) fn shown(&self) -> &str {
        self.root.url.as_str()
    }

    pub(in crate::state) fn path(&self, relative: &str) -> Path {
        self.root.join(relative).path
    }

    /// An object and its version, if it is there.
    ///
    /// # Errors
    /// [`StateError::Unavailable`]; [`StateError::Corrupt`] when it is not what it should be.
    pub(in crate::state) async fn get<T: DeserializeOwned>(&self, path: &Path) -> Result<Option<(T, Version)>> {
        let found = match self.root.store.get(path).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(self.unavailable("reading", path, error)),
        };
        let version = UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
        let bytes = found.bytes().await.map_err(|error| self.unavailable("reading", path, error))?;
        let content = serde_json::from_slice(&bytes);
        let content = content.map_err(|error| StateError::Corrupt { message: format!("object {path}: {error}") })?;
        Ok(Some((content, Some(version))))
    }

    /// Puts an object if it is still at `version`.
    ///
    /// # Errors
    /// [`StateError::Corrupt`] for what cannot be written as JSON.
    pub(in crate::state) async fn put(&self, path: &Path, content: &impl Serialize, version: Version) -> Result<Put> {
        let mode = version.map_or(PutMode::Create, PutMode::Update);
        let bytes = serde_json::to_vec(content)?;
        Ok(match self.root.store.put_opts(path, bytes.into(), mode.into()).await {
            Ok(_) => Put::Written,
            Err(error) => Put::Unknown(self.unavailable("writing", path, error)),
        })
    }

    /// Puts an object whose name nobody else has.
    ///
    /// # Errors
    /// [`StateError::Unavailable`].
    pub(super) async fn put_new(&self, path: &Path, content: &impl Serialize) -> Result<()> {
        let put = self.root.store.put(path, serde_json::to_vec(content)?.into()).await;
        put.map(drop).map_err(|error| self.unavailable("writing", path, error))
    }

    /// Removes objects; what stays behind does no harm.
    pub(super) async fn remove(&self, paths: &[Path]) {
        for path in paths {
            if let Err(error) = self.root.store.delete(path).await {
                tracing::debug!(%path, %error, "an object of the state that nobody needs was not removed");
            }
        }
    }

    /// The objects of a folder.
    ///
    /// # Errors
    /// [`StateError::Unavailable`].
    pub(super) async fn list(&self, folder: &str) -> Result<Vec<ObjectMeta>> {
        let folder = self.path(folder);
        let listed = self.root.store.list(Some(&folder)).boxed().try_collect().await;
        listed.map_err(|error| self.unavailable("listing", &folder, error))
    }

    fn unavailable(&self, doing: &str, path: &Path, error: object_store::Error) -> StateError {
        let error = connectors::Error::from(error);
        StateError::Unavailable {
            message: format!("state store: {doing} {path} ({}): {error}", self.root.url),
            source: Some(Box::new(error)),
        }
    }
}
