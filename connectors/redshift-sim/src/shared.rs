//! What the sessions of a stand-in share.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::copy::Stores;
use crate::faults::Faults;
use crate::postgres::SUPERUSER;
use crate::sql::{LONGEST_IN_POSTGRES, literal, physical};
use crate::wire::Backend;

/// The sessions that run, by their keys, with the bell that is rung to cancel.
type Sessions = HashMap<(i32, i32), Arc<Notify>>;

/// What the sessions share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) socket: PathBuf,
    pub(crate) faults: Arc<Faults>,
    pub(crate) stores: Stores,
    database: String,
    sessions: Mutex<Sessions>,
    /// Connections of the superuser, by database.
    administrators: tokio::sync::Mutex<HashMap<String, Backend>>,
    /// What names that are too long for PostgreSQL stand for.
    names: Mutex<HashMap<String, String>>,
    queries: AtomicI64,
    /// What a client sends whom the Data API's front vouches for.
    pub(crate) voucher: String,
}

impl Shared {
    /// The parameter of a session's start in which it is sent.
    pub(crate) const VOUCHED: &str = "redshift_sim.voucher";

    pub(crate) fn new(socket: PathBuf, database: String, stores: Stores, faults: Arc<Faults>) -> Self {
        Self {
            socket,
            faults,
            stores,
            database,
            sessions: Mutex::default(),
            administrators: tokio::sync::Mutex::default(),
            names: Mutex::default(),
            queries: AtomicI64::new(1),
            voucher: format!("{:032x}", rand::random::<u128>()),
        }
    }

    pub(crate) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for a statement that has one in Redshift's tables.
    pub(crate) fn next_query(&self) -> i64 {
        self.queries.fetch_add(1, Ordering::Relaxed)
    }

    /// Cancels what runs in a session, in PostgreSQL and here.
    pub(crate) async fn cancel(&self, key: (i32, i32)) -> io::Result<()> {
        let bell = self.sessions().get(&key).cloned();
        let Some(bell) = bell else { return Ok(()) };
        bell.notify_waiters();
        Backend::cancel(&self.socket, key).await
    }

    /// Runs statements of the superuser, in a transaction of their own.
    pub(crate) async fn administer(&self, database: &str, sql: &str) -> io::Result<()> {
        self.as_superuser(database, sql).await.map(|_| ())
    }

    async fn as_superuser(&self, database: &str, sql: &str) -> io::Result<Option<String>> {
        let mut administrators = self.administrators.lock().await;
        if !administrators.contains_key(database) {
            let connected = connect(&self.socket, database).await?;
            administrators.insert(database.to_owned(), connected);
        }
        let Some(backend) = administrators.get_mut(database) else { return Err(io::ErrorKind::NotConnected.into()) };
        let answer = backend.must(sql).await?;
        Ok(answer.value(0).map(str::to_owned))
    }

    /// What a client must answer to a salt if it knows the password of a user; `None` if there is no such user.
    pub(crate) async fn password_hash(&self, user: &str, salt: [u8; 4]) -> io::Result<Option<String>> {
        let salt: String = salt.iter().map(|byte| format!("{byte:02x}")).collect();
        let sql = format!(
            "SELECT 'md5' || md5(convert_to(substr(rolpassword, 4), 'SQL_ASCII') || decode('{salt}', 'hex')) FROM pg_authid \
             WHERE rolname = {} AND rolcanlogin",
            literal(user)
        );
        self.as_superuser(&self.database, &sql).await
    }

    /// Keeps what a name stands for, if PostgreSQL cannot keep it whole.
    pub(crate) async fn register(&self, name: &str) -> io::Result<()> {
        if name.len() <= LONGEST_IN_POSTGRES {
            return Ok(());
        }
        let short = physical(name).into_owned();
        let known = self.names.lock().unwrap_or_else(PoisonError::into_inner).insert(short.clone(), name.to_owned());
        if known.is_some() {
            return Ok(());
        }
        let sql =
            format!("INSERT INTO redshift_sim.names VALUES ({}, {}) ON CONFLICT DO NOTHING", literal(&short), literal(name));
        self.administer(&self.database, &sql).await
    }

    /// What a name of PostgreSQL stands for.
    pub(crate) fn logical(&self, name: &str) -> String {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(name).cloned().unwrap_or_else(|| name.to_owned())
    }
}

/// Connects as the superuser of the private PostgreSQL.
pub(crate) async fn connect(socket: &std::path::Path, database: &str) -> io::Result<Backend> {
    // What it does is no part of what the clients' transactions are held against.
    let level = "-c default_transaction_isolation=read\\ committed";
    let parameters = [("user", SUPERUSER), ("database", database), ("client_encoding", "UTF8"), ("options", level)];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let connected = Backend::connect(socket, &parameters).await?;
    connected.map_err(|fields| io::Error::other(format!("PostgreSQL: {}", fields.get(b'M'))))
}
