//! A SQLite file, opened in the same way by whoever keeps something in one: made and migrated by itself, safe for several processes.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, Transaction};

/// How long a writer waits for another one's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

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
    pub async fn open(&self, path: &Path) -> Result<SqlitePool, Unavailable> {
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
        let pool = SqlitePoolOptions::new().max_connections(2).connect_with(options).await;
        let pool = pool.map_err(|error| self.unavailable(path, error))?;
        self.migrations.run(&pool).await.map_err(|error| self.unavailable(path, error))?;
        Ok(pool)
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

/// A transaction that holds the write lock from its beginning.
///
/// # Errors
/// When the file cannot be written.
pub async fn begin(pool: &SqlitePool) -> sqlx::Result<Transaction<'static, Sqlite>> {
    pool.begin_with("BEGIN IMMEDIATE").await
}
