//! All of the objects at once.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::bucket::{Bucket, Put, Version};
use super::document::Document;
use super::store::ObjectState;
use crate::state::snapshot::Snapshot;
use crate::state::transfer::{Transfer, check_free, check_target};
use crate::state::{Result, StateError};

/// How the objects are laid out.
const LAYOUT: u32 = 1;

/// How often a note is written again because somebody else was faster.
const ATTEMPTS: u32 = 10;

/// `state.json`: what the objects beside it are.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Root {
    layout: u32,
    /// Where the state was moved to.
    moved: Option<String>,
    /// State is being moved here, and not all of it is there yet.
    #[serde(default)]
    importing: bool,
}

impl Root {
    fn new() -> Self {
        Self { layout: LAYOUT, ..Self::default() }
    }
}

fn root_path(bucket: &Bucket) -> Path {
    bucket.path("state.json")
}

impl ObjectState {
    /// Opens the state of a bucket, making it if it is not there.
    ///
    /// # Errors
    /// [`StateError::Unavailable`], also when it is of a newer engine.
    pub(in crate::state) async fn open(bucket: Bucket) -> Result<Self> {
        let path = root_path(&bucket);
        let mut found = bucket.get::<Root>(&path).await?;
        if found.is_none() {
            // Somebody else may make it at the same time: then it is there as well.
            if let Put::Unknown(error) = bucket.put(&path, &Root::new(), None).await? {
                found = Some(bucket.get::<Root>(&path).await?.ok_or(error)?);
            }
        }
        match found {
            Some((root, _)) if root.layout > LAYOUT => Err(StateError::Unavailable {
                message: format!(
                    "state store: {} is of a newer engine (layout {}, and this one knows {LAYOUT}); run that version",
                    bucket.shown(),
                    root.layout
                ),
                source: None,
            }),
            _ => Ok(Self::new(bucket)),
        }
    }

    /// Whether there is state in a bucket.
    ///
    /// # Errors
    /// [`StateError::Unavailable`].
    pub(in crate::state) async fn is_there(bucket: &Bucket) -> Result<bool> {
        Ok(bucket.get::<Root>(&root_path(bucket)).await?.is_some())
    }

    async fn root(&self) -> Result<(Root, Version)> {
        let found = self.bucket.get::<Root>(&root_path(&self.bucket)).await?;
        Ok(found.unwrap_or((Root::new(), None)))
    }

    /// Changes `state.json` to what `is_done` finds in it once `change` was made.
    async fn note(&self, is_done: impl Fn(&Root) -> bool + Send + Sync, change: impl Fn(&mut Root) + Send + Sync) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let (mut root, version) = self.root().await?;
            if is_done(&root) {
                return Ok(());
            }
            change(&mut root);
            // Written or not: what is there now is looked at.
            self.bucket.put(&root_path(&self.bucket), &root, version).await?;
        }
        let message = format!("state store: {} could not be written; try again", self.bucket.shown());
        Err(StateError::Unavailable { message, source: None })
    }

    /// Marks a pipeline, of which nobody may hold the lease.
    async fn mark(&self, pipeline: &str, to: &str, now: DateTime<Utc>) -> Result<()> {
        self.change_marked(pipeline, |document| {
            check_free(document.lease_record(now))?;
            check_target(document.moved.as_deref(), to)?;
            let is_changed = document.moved.is_none();
            document.moved = Some(to.to_owned());
            Ok(((), is_changed))
        })
        .await
    }
}

#[async_trait]
impl Transfer for ObjectState {
    async fn moved(&self) -> Result<Option<String>> {
        Ok(self.root().await?.0.moved)
    }

    async fn export(&self, to: &str, now: DateTime<Utc>) -> Result<Vec<(String, Snapshot)>> {
        check_target(self.moved().await?.as_deref(), to)?;
        check_free(self.all().await?.iter().filter_map(|document| document.lease_record(now)))?;
        self.note(|root| root.moved.as_deref() == Some(to), |root| root.moved = Some(to.to_owned())).await?;
        let mut pipelines = Vec::new();
        for document in self.all().await? {
            if let Err(error) = self.mark(&document.pipeline, to, now).await {
                self.stay().await?;
                return Err(error);
            }
            let (document, _) = self.read(&document.pipeline).await?;
            let mut snapshot = document.content.clone();
            snapshot.history = document.all_entries(&self.bucket).await?;
            snapshot.free();
            pipelines.push((document.pipeline.clone(), snapshot));
        }
        Ok(pipelines)
    }

    async fn stay(&self) -> Result<()> {
        for document in self.all().await? {
            self.change_marked(&document.pipeline, |document| Ok(((), document.moved.take().is_some()))).await?;
        }
        self.note(|root| root.moved.is_none(), |root| root.moved = None).await
    }

    async fn import(&self, pipelines: &[(String, Snapshot)]) -> Result<()> {
        if let Some(name) = self.names().await?.first() {
            let message = format!("there is state of pipeline '{name}' already; nothing was moved there");
            return Err(StateError::Unavailable { message, source: None });
        }
        self.note(|root| root.importing, |root| root.importing = true).await?;
        // What an attempt before this one has left.
        let left: Vec<Path> = self.bucket.list("pipelines").await?.into_iter().map(|object| object.location).collect();
        self.bucket.remove(&left).await;
        for (pipeline, snapshot) in pipelines {
            self.import_one(pipeline, snapshot).await?;
        }
        self.note(|root| !root.importing, |root| root.importing = false).await
    }

    async fn names(&self) -> Result<Vec<String>> {
        if self.root().await?.0.importing {
            return Ok(Vec::new());
        }
        Ok(self.all().await?.iter().map(|document| document.pipeline.clone()).collect())
    }

    async fn check(&self) -> Result<()> {
        let (root, _) = self.root().await?;
        if root.importing {
            let message =
                format!("state is being moved to {}; if that broke off, `engine state migrate` goes on", self.bucket.shown());
            return Err(StateError::Unavailable { message, source: None });
        }
        root.moved.map_or(Ok(()), |to| Err(StateError::moved(&to)))
    }

    async fn size(&self) -> Result<(i64, u64)> {
        let (root, _) = self.root().await?;
        let objects = self.bucket.list("").await?;
        Ok((i64::from(root.layout), objects.iter().map(|object| object.size).sum()))
    }
}

impl ObjectState {
    async fn import_one(&self, pipeline: &str, snapshot: &Snapshot) -> Result<()> {
        let mut document = Document::imported(pipeline, snapshot);
        let id = uuid::Uuid::new_v4().simple().to_string();
        document.note(&id);
        if let Some(old) = document.take_old() {
            let chunk = document.put_chunk(&self.bucket, &old).await?;
            document.chunks.push(chunk);
        }
        if let Put::Unknown(error) = self.bucket.put(&self.path(pipeline), &document, None).await?
            && !self.read(pipeline).await?.0.changes.contains(&id)
        {
            return Err(error);
        }
        Ok(())
    }
}
