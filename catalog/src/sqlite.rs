//! A SQLite file, opened in the same way by whoever keeps something in one: made and migrated by itself, safe for several processes.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, Transaction};

/// How long a writer waits for another one's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections that read at the same time.
const READERS: u32 = 2;

/// Connections to a file. Who reads does not wait for those who write, and these wait for each other here and not at the file, which has one
/// lock for all.
#[derive(Debug)]
pub struct SqlitePools {
    /// For what only reads.
    pub reads: SqlitePool,
    writes: SqlitePool,
}

impl SqlitePools {
    /// A transaction that holds the write lock from its beginning, so that what it reads is what it changes.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn begin(&self) -> sqlx::Result<Transaction<'static, Sqlite>> {
        self.writes.begin_with("BEGIN IMMEDIATE").await
    }
}

/// What is kept in a file.
#[derive(Debug, Clone, Copy)]
pub struct SqliteFile<'a> {
    /// What it is, for messages: `catalog`.
    pub what: &'a str,
    /// What follows when the file is damaged and moved away; comes behind its path.
    pub without_it: &'a str,
    /// Its tables.
    pub migrations: &'a Migrator,
}

/// Why a file cannot be opened.
#[derive(Debug)]
pub struct Unavailable {
    /// What it is, where, the cause, what to try.
    pub message: String,
    /// The cause.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl SqliteFile<'_> {
    /// Opens the file, making it, and the folder that it is in, if they are not there.
    ///
    /// # Errors
    /// [`Unavailable`], with what to try.
    pub async fn open(&self, path: &Path) -> Result<SqlitePools, Unavailable> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| self.unavailable(path, error))?;
        }
        // Of several processes that find no tables, or older ones, one makes them.
        let _alone = lock(path).await.map_err(|error| self.unavailable(path, error))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        let writes = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await;
        let writes = writes.map_err(|error| self.unavailable(path, error))?;
        self.migrations.run(&writes).await.map_err(|error| self.unavailable(path, error))?;
        Ok(SqlitePools { reads: SqlitePoolOptions::new().max_connections(READERS).connect_lazy_with(options), writes })
    }

    fn unavailable(&self, path: &Path, cause: impl std::error::Error + Send + Sync + 'static) -> Unavailable {
        let (path, said) = (path.display(), cause.to_string());
        let advice = if said.contains("not a database") || said.contains("malformed") {
            format!("the file is damaged: restore it from a backup, or move it away ({path}){}", self.without_it)
        } else {
            "check that [state] url names a folder that can be written".to_owned()
        };
        Unavailable { message: format!("{} {path}: {said}; {advice}", self.what), source: Box::new(cause) }
    }
}

/// Waits for whoever else opens `path`, until what is returned is dropped. It is a file of its own: SQLite's locks on its own file would
/// go with it.
async fn lock(path: &Path) -> std::io::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push("-lock");
    let locked = tokio::task::spawn_blocking(move || {
        let file = File::options().create(true).append(true).open(name)?;
        file.lock().map(|()| file)
    });
    locked.await.map_err(std::io::Error::other)?
}
