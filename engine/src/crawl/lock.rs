//! One crawl at a time writes to a database of the catalog: two would give their tables the same names, and each remove the list of
//! objects that the other goes on from.

use std::fs::{File, TryLockError};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::session::Session;

/// The folder of locks, in the state folder.
const FOLDER: &str = "locks";

/// How long until it is tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// Held until it is dropped, or its process ends.
#[derive(Debug)]
pub struct DatabaseLock(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] File);

impl DatabaseLock {
    /// Waits for it; `tell` is called once, if there is something to wait for.
    ///
    /// # Errors
    /// When the state folder cannot be written.
    pub async fn take(session: &Session, database: &str, tell: impl FnOnce()) -> Result<Self> {
        let folder = session.state_folder.join(FOLDER);
        let path = folder.join(format!("crawl-{database}.lock"));
        let what = || format!("cannot lock {}; check that [state] url names a folder that can be written", path.display());
        std::fs::create_dir_all(&folder).with_context(what)?;
        let file = File::options().create(true).append(true).open(&path).with_context(what)?;
        let mut tell = Some(tell);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) => {
                    if let Some(tell) = tell.take() {
                        tell();
                    }
                    session.context.clock.sleep(PAUSE).await;
                }
                Err(TryLockError::Error(error)) => return Err(error).with_context(what),
            }
        }
    }
}
