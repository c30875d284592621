//! Texts beside the state, for the catalog, where state is no folder.

use std::sync::Arc;

use async_trait::async_trait;
use catalog::store::Document;
use object_store::UpdateVersion;

use super::objects::{Bucket, Put};
use super::place::Place;
use super::sql::database::{Access, Database, values};
use super::sql::postgres::PostgresDatabase;
use super::{Result, StateError};

/// The document `name` beside the state at `place`; `None` where state is a folder, which has room for files.
///
/// # Errors
/// [`StateError::Unavailable`] with the place.
pub(crate) async fn document(place: &Place, name: &'static str) -> Result<Option<Arc<dyn Document>>> {
    Ok(match place {
        Place::Folder(_) => None,
        Place::Database(place) => Some(Arc::new(Row { database: PostgresDatabase::open(place).await?, name })),
        Place::Bucket(location) => Some(Arc::new(Object { bucket: Bucket::new(location.clone()), name })),
    })
}

fn failed(error: StateError) -> catalog::Error {
    catalog::Error::Store { message: error.to_string(), source: Some(Box::new(error)) }
}

/// In a table of a database.
#[derive(Debug)]
struct Row {
    database: PostgresDatabase,
    name: &'static str,
}

impl Row {
    async fn read(&self) -> Result<Option<(String, String)>> {
        let mut transaction = self.database.begin(Access::Read).await?;
        let found = transaction.rows("SELECT version, content FROM documents WHERE name = $1", values![self.name]).await?;
        transaction.commit().await?;
        let Some(row) = found.first() else { return Ok(None) };
        Ok(Some((row.text("content")?.to_owned(), row.int("version")?.to_string())))
    }

    async fn write(&self, text: &str, version: Option<&str>) -> Result<bool> {
        let mut transaction = self.database.begin(Access::Write).await?;
        let written = match version.and_then(|version| version.parse::<i64>().ok()) {
            None => {
                let add = "INSERT INTO documents (name, version, content) VALUES ($1, 1, $2) ON CONFLICT (name) DO NOTHING";
                transaction.execute(add, values![self.name, text]).await?
            }
            Some(version) => {
                let replace = "UPDATE documents SET version = version + 1, content = $2 WHERE name = $1 AND version = $3";
                transaction.execute(replace, values![self.name, text, version]).await?
            }
        };
        transaction.commit().await?;
        Ok(written == 1)
    }
}

#[async_trait]
impl Document for Row {
    async fn load(&self) -> catalog::Result<Option<(String, String)>> {
        self.read().await.map_err(failed)
    }

    async fn replace(&self, text: &str, version: Option<&str>) -> catalog::Result<bool> {
        self.write(text, version).await.map_err(failed)
    }
}

/// An object of a bucket.
#[derive(Debug)]
struct Object {
    bucket: Bucket,
    name: &'static str,
}

impl Object {
    async fn read(&self) -> Result<Option<(serde_json::Value, Option<UpdateVersion>)>> {
        self.bucket.get(&self.bucket.path(&format!("documents/{}.json", self.name))).await
    }

    async fn write(&self, text: &str, version: Option<&str>) -> Result<bool> {
        let content: serde_json::Value = serde_json::from_str(text)?;
        let version = version.map(|e_tag| UpdateVersion { e_tag: Some(e_tag.to_owned()), version: None });
        let path = self.bucket.path(&format!("documents/{}.json", self.name));
        match self.bucket.put(&path, &content, version).await? {
            Put::Written => Ok(true),
            // An answer that was lost: what is there says whether it was written.
            Put::Unknown(_) => Ok(self.read().await?.is_some_and(|(there, _)| there == content)),
        }
    }
}

#[async_trait]
impl Document for Object {
    async fn load(&self) -> catalog::Result<Option<(String, String)>> {
        let found = self.read().await.map_err(failed)?;
        Ok(found.map(|(content, version)| (content.to_string(), version.and_then(|version| version.e_tag).unwrap_or_default())))
    }

    async fn replace(&self, text: &str, version: Option<&str>) -> catalog::Result<bool> {
        self.write(text, version).await.map_err(failed)
    }
}
