//! The catalog in the engine: where it is kept, what it shows DataFusion, and who writes it.
//!
//! What a table is, and how it changes, is the crate `catalog`'s. The catalog describes; no run is exact because of it (that is
//! the state store), and a run goes on without it.
//!
//! | question | place |
//! |---|---|
//! | which table is `lake.reddit.posts` | `lake`, [`names`] |
//! | what has been run, read and put aside | `system` |
//! | how is a registered table opened | [`registered`] |
//! | how does what a pipeline writes get here | [`register`] |

pub(crate) mod copy;
pub(crate) mod lake;
pub mod names;
pub mod register;
pub mod registered;
mod session;
pub(crate) mod system;
pub(crate) mod taken;
mod warehouse;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::catalog::store::{CatalogStore, DocumentCatalog, SqliteCatalog, Table, TableName};
use ::catalog::{Error, Result};
use tokio::sync::OnceCell;

pub(crate) use session::{PipelineCatalog, SYSTEM, WAREHOUSE, install};
pub(crate) use warehouse::Database;

use crate::session::Session;
use crate::state::{self, Place, StateError};

/// The catalog's file in the state folder.
const FILE: &str = "catalog.db";
/// What it is called where state is no folder.
const DOCUMENT: &str = "catalog";

/// Opens the catalog beside the state (`[state] url`), making it if it is not there. For commands that write to it.
///
/// # Errors
/// [`Error::Store`] with the place and what to try.
pub async fn open(session: &Session) -> Result<Arc<dyn CatalogStore>> {
    at(&place(session)?).await
}

/// Opens the catalog if it is there. For commands that only look: they leave nothing behind where nothing was.
///
/// # Errors
/// [`Error::Store`] with the place and what to try.
pub async fn open_existing(session: &Session) -> Result<Option<Arc<dyn CatalogStore>>> {
    let place = place(session)?;
    if is_at(&place).await? { at(&place).await.map(Some) } else { Ok(None) }
}

fn failed(error: StateError) -> Error {
    Error::Store { message: error.to_string(), source: Some(Box::new(error)) }
}

fn place(session: &Session) -> Result<Place> {
    Place::set(session).map_err(failed)
}

/// The catalog beside the state at `place`.
async fn at(place: &Place) -> Result<Arc<dyn CatalogStore>> {
    if let Place::Folder(folder) = place {
        return Ok(Arc::new(SqliteCatalog::open(&folder.join(FILE)).await?));
    }
    let document = state::document(place, DOCUMENT).await.map_err(failed)?;
    let document = document.ok_or_else(|| Error::internal("a place that is no folder keeps documents"))?;
    Ok(Arc::new(DocumentCatalog::new(document)))
}

/// Whether there may be a catalog beside the state at `place`: where state is no folder, whether there is state.
async fn is_at(place: &Place) -> Result<bool> {
    match place {
        Place::Folder(folder) => Ok(folder.join(FILE).exists()),
        _ => place.is_there().await.map_err(failed),
    }
}

/// The catalog for who looks a name up now and then: opened once, when it is there, and never made.
#[derive(Debug, Clone)]
pub(crate) struct Lookup {
    session: Session,
    store: Arc<OnceCell<Arc<dyn CatalogStore>>>,
    is_warned: Arc<AtomicBool>,
}

impl Lookup {
    pub(crate) fn new(session: &Session) -> Self {
        Self { session: session.clone(), store: Arc::default(), is_warned: Arc::default() }
    }

    /// The catalog, if it is there.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(crate) async fn store(&self) -> Result<Option<&Arc<dyn CatalogStore>>> {
        if self.store.get().is_none() && !is_at(&place(&self.session)?).await? {
            return Ok(None);
        }
        self.store.get_or_try_init(|| open(&self.session)).await.map(Some)
    }

    /// The table of that name. Names are looked up while queries are planned: a catalog that cannot be read is as none, and said.
    pub(crate) async fn find(&self, name: &TableName) -> Option<Table> {
        let found = async {
            match self.store().await? {
                Some(store) => store.find(name).await,
                None => Ok(None),
            }
        };
        found.await.unwrap_or_else(|error| {
            self.warn(&error);
            None
        })
    }

    /// Every table; see [`Self::find`].
    pub(crate) async fn list(&self) -> Vec<Table> {
        let listed = async {
            match self.store().await? {
                Some(store) => store.list(None).await,
                None => Ok(Vec::new()),
            }
        };
        listed.await.unwrap_or_else(|error| {
            self.warn(&error);
            Vec::new()
        })
    }

    /// Once is enough: every name that is looked up fails in the same way.
    fn warn(&self, error: &::catalog::Error) {
        if !self.is_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "the catalog cannot be read; tables of the lake are found by their folders");
        }
    }
}
