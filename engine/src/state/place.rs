//! `[state] url`: which store it names.

use std::path::PathBuf;

use connectors::stores::Location;

use super::objects::Bucket;
use super::sql::{PostgresPlace, SqlStore, postgres, sqlite};
use super::transfer::Opened;
use super::{Result, StateError};
use crate::config::{StateUrl, folder, state_url};
use crate::session::Session;

/// Where state is, or may be.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// A folder of this machine: SQLite.
    Folder(PathBuf),
    /// A schema of a PostgreSQL database.
    Database(PostgresPlace),
    /// A folder of a bucket.
    Bucket(Location),
}

impl Place {
    /// The place that `url` names.
    ///
    /// # Errors
    /// [`StateError::Unavailable`] when it names none; what a password may be in is not shown.
    pub(crate) fn of(url: &str, session: &Session) -> Result<Self> {
        let wrong = |message: String| StateError::Unavailable { message: format!("[state] url: {message}"), source: None };
        match state_url(url) {
            Some(StateUrl::Folder) => {
                let path = std::path::absolute(folder(url)).map_err(|error| wrong(format!("'{url}' is no folder: {error}")))?;
                Ok(Self::Folder(path))
            }
            Some(StateUrl::Postgres) => {
                let password = session.settings.text("state.password");
                Ok(Self::Database(PostgresPlace::parse(url, password)?))
            }
            Some(StateUrl::Objects) => {
                let location = session.context.stores.locate(url);
                Ok(Self::Bucket(location.map_err(|error| wrong(error.to_string()))?))
            }
            None => Err(wrong("expected a folder, postgres://user@host/db or s3://bucket/prefix".to_owned())),
        }
    }

    /// The place that `[state] url` names.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub(crate) fn set(session: &Session) -> Result<Self> {
        Self::of(session.settings.text("state.url").unwrap_or_default(), session)
    }

    /// In messages; no secret is in it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Folder(path) => path.display().to_string(),
            Self::Database(place) => place.shown(),
            Self::Bucket(location) => location.url.to_string(),
        }
    }

    /// The store, made if it is not there.
    ///
    /// # Errors
    /// [`StateError::Unavailable`] with the place.
    pub(super) async fn open(&self) -> Result<Opened> {
        Ok(match self {
            Self::Folder(path) => Opened::Sql(SqlStore::new(Box::new(sqlite::open_in(path).await?))),
            Self::Database(place) => Opened::Sql(SqlStore::new(Box::new(postgres::PostgresDatabase::open(place).await?))),
            Self::Bucket(location) => Opened::Objects(super::objects::ObjectState::open(Bucket::new(location.clone())).await?),
        })
    }

    /// The store, if it is there.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(super) async fn open_existing(&self) -> Result<Option<Opened>> {
        if self.is_there().await? { self.open().await.map(Some) } else { Ok(None) }
    }

    /// Whether a store may be made where there is none. Of a folder or bucket it is found out by trying.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) async fn may_be_made(&self) -> Result<bool> {
        match self {
            Self::Database(place) => postgres::PostgresDatabase::may_be_made(place).await,
            Self::Folder(_) | Self::Bucket(_) => Ok(true),
        }
    }

    /// Whether there is a store.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) async fn is_there(&self) -> Result<bool> {
        match self {
            Self::Folder(path) => Ok(sqlite::is_in(path)),
            Self::Database(place) => postgres::PostgresDatabase::is_there(place).await,
            Self::Bucket(location) => super::objects::ObjectState::is_there(&Bucket::new(location.clone())).await,
        }
    }
}
