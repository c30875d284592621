//! How a table learns that files were added, so that `--follow` need not list them again and again.
//!
//! A local folder is watched (`folder`); a table on S3 may be told by a queue (`queue`). Both only say *when* to look, or *where*:
//! what is read is decided by the ledger, as after a listing, so that what is told twice, late or in any order loads nothing twice.
//! All files are listed when a run begins and every so often, for what nobody told.

mod folder;
mod mounts;
mod named;
mod options;
mod queue;

pub(super) use folder::FolderNews;
pub(super) use named::Looked;
pub(crate) use options::Notifications;
pub(crate) use queue::PlaceReader;
pub(super) use queue::QueueNews;

use std::sync::Arc;
use std::time::Duration;

use super::config::FileTable;
use crate::context::Context;
use crate::error::Result;

/// What tells a table of new files.
#[derive(Debug)]
pub(super) enum News {
    /// Nothing: it is listed.
    Nothing,
    /// The operating system.
    Folder(FolderNews),
    /// A queue.
    Queue(QueueNews),
}

impl News {
    /// As the table says. Asks nobody.
    ///
    /// # Errors
    /// [`crate::Error::Config`] when it does not agree with another table on their queue.
    pub(super) fn new(table: &Arc<FileTable>, context: &Context) -> Result<Self> {
        Ok(match &table.notifications {
            Notifications::None => Self::Nothing,
            Notifications::Folder { watched, quiet } => {
                FolderNews::new(table, *watched, *quiet).map_or(Self::Nothing, Self::Folder)
            }
            Notifications::Queue { url, visibility } => {
                Self::Queue(QueueNews::new(table, context.stores.inbox(url, *visibility)?))
            }
        })
    }

    /// Begins to listen.
    ///
    /// # Errors
    /// When the queue is not there or may not be read.
    pub(super) async fn listen(&self) -> Result<()> {
        match self {
            Self::Nothing => {}
            Self::Folder(folder) => folder.listen().await,
            Self::Queue(queue) => queue.listen().await?,
        }
        Ok(())
    }

    /// Returns when something was told.
    ///
    /// # Errors
    /// When nothing will be told any more.
    pub(super) async fn changed(&self) -> Result<()> {
        match self {
            Self::Nothing => std::future::pending().await,
            Self::Folder(folder) => {
                folder.changed().await;
                Ok(())
            }
            Self::Queue(queue) => queue.changed().await,
        }
    }

    /// In words.
    pub(super) fn describe(&self, poll: Duration) -> String {
        let all = format!("all files are listed every {}", span(poll));
        match self {
            Self::Nothing => all,
            Self::Folder(folder) if folder.is_watched() => format!("the file system tells, {all}"),
            Self::Folder(_) => all,
            Self::Queue(queue) => format!("queue '{}' tells, {all}", queue.name()),
        }
    }
}

/// `"90 s"`, `"15 min"`, `"1 h"`.
fn span(span: Duration) -> String {
    match (span.as_secs(), span.subsec_millis()) {
        (0, ms) => format!("{ms} ms"),
        (seconds, _) if seconds % 3_600 == 0 => format!("{} h", seconds / 3_600),
        (seconds, _) if seconds % 60 == 0 => format!("{} min", seconds / 60),
        (seconds, _) => format!("{seconds} s"),
    }
}
