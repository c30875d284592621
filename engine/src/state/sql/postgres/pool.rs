//! A few connections, kept while they are whole.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use connectors::postgres::Client;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::{Place, unavailable};
use crate::state::{Result, StateError};

/// Connections at the same time. What the store does is short: more of them would only wait for each other in the database.
const MOST: usize = 4;

/// How long one who wants a connection waits for another to give one back.
const PATIENCE: Duration = Duration::from_secs(60);

/// The connections of one store.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) place: Place,
    idle: Mutex<Vec<Client>>,
    free: Arc<Semaphore>,
}

/// A connection that nobody else has. Dropped, it is closed; the server then undoes what was not committed.
#[derive(Debug)]
pub(super) struct Pooled {
    client: Client,
    pool: Arc<Pool>,
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    pub(super) fn new(place: Place) -> Arc<Self> {
        Arc::new(Self { place, idle: Mutex::default(), free: Arc::new(Semaphore::new(MOST)) })
    }

    /// A connection, made if none is idle.
    ///
    /// # Errors
    /// [`StateError::Unavailable`] when none can be made, or none comes free.
    pub(super) async fn take(self: &Arc<Self>) -> Result<Pooled> {
        let permit = timeout(PATIENCE, Arc::clone(&self.free).acquire_owned()).await;
        let Ok(Ok(permit)) = permit else {
            let message = format!("no connection came free within {} s, {}", PATIENCE.as_secs(), self.place.connection.shown());
            return Err(unavailable(connectors::Error::transient(message)));
        };
        let kept = || self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        while let Some(client) = kept() {
            if !client.plain().is_closed() {
                return Ok(Pooled { client, pool: Arc::clone(self), _permit: permit });
            }
        }
        let client = Client::connect(&self.place.connection).await.map_err(unavailable)?;
        Ok(Pooled { client, pool: Arc::clone(self), _permit: permit })
    }
}

impl Pooled {
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Keeps it for the next one, who finds no transaction in it.
    pub(super) fn put_back(self) {
        let Self { client, pool, _permit } = self;
        pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(client);
    }

    /// A failed statement, as whoever runs us reads it.
    pub(super) fn error(&self, error: tokio_postgres::Error, doing: &str) -> StateError {
        unavailable(self.client.error(error, doing))
    }
}
