//! A local folder that the operating system is asked to watch, and files in it that are still being written.
//!
//! A file is read when its writer was seen to close it or to rename it into place; of a file that nobody was seen to close, as one
//! that was there before the watch began, when it was left alone for a while. Where a folder cannot be watched, that is all there is,
//! and it is listed every so often.

use std::collections::HashMap;
use std::path::{Path as FilePath, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::Utc;
use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode};
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use object_store::path::Path;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};

use super::super::config::FileTable;
use super::super::object::{Object, skip};
use super::mounts::network_file_system;

/// After the first change, the others of a burst are waited for: until none came for this long,
const PAUSE: Duration = Duration::from_millis(100);
/// but no longer than this.
const LONGEST_BURST: Duration = Duration::from_secs(1);

/// The folder of one table.
#[derive(Debug)]
pub(crate) struct FolderNews {
    shared: Arc<Shared>,
    folder: PathBuf,
    is_deep: bool,
    watch: Mutex<Watch>,
}

#[derive(Debug)]
struct Shared {
    table: Arc<FileTable>,
    quiet: Duration,
    /// A run follows: files that are being written are left for later.
    follows: AtomicBool,
    /// That folders are not watched was said.
    has_complained: AtomicBool,
    state: Mutex<State>,
    /// The state has changed.
    stirred: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// There is something to read.
    has_news: bool,
    /// Files that were seen to be closed and not to be written since, by their paths in the store, and when.
    closed: HashMap<String, Instant>,
    /// Files that may still be written, and when they will have been left alone for long enough.
    open: HashMap<String, Instant>,
    /// The watched folder itself is gone.
    is_gone: bool,
}

#[derive(Debug)]
enum Watch {
    Off,
    On {
        _watcher: RecommendedWatcher,
    },
    /// It is not to be, or cannot be, and that was said.
    Never,
}

impl FolderNews {
    /// Of a table whose files are local; `None` of another.
    pub(super) fn new(table: &Arc<FileTable>, watched: bool, quiet: Duration) -> Option<Self> {
        let (folder, is_deep) = table.place.watched_folder()?;
        let shared = Shared {
            table: Arc::clone(table),
            quiet,
            follows: AtomicBool::new(false),
            has_complained: AtomicBool::new(false),
            state: Mutex::default(),
            stirred: Notify::new(),
        };
        let watch = Mutex::new(if watched { Watch::Off } else { Watch::Never });
        Some(Self { shared: Arc::new(shared), folder, is_deep, watch })
    }

    pub(super) fn is_watched(&self) -> bool {
        !matches!(*self.watch(), Watch::Never)
    }

    /// Watches from now on, if that is possible; says once if it is not.
    pub(super) async fn listen(&self) {
        let is_first = !self.shared.follows.swap(true, Ordering::SeqCst);
        if std::mem::take(&mut self.shared.state().is_gone) {
            *self.watch() = Watch::Off;
        }
        if !matches!(*self.watch(), Watch::Off) {
            return;
        }
        let (shared, folder, is_deep) = (Arc::clone(&self.shared), self.folder.clone(), self.is_deep);
        let begun = tokio::task::spawn_blocking(move || begin(&shared, &folder, is_deep)).await;
        let watch = begun.unwrap_or_else(|error| {
            tracing::warn!(folder = %self.folder.display(), %error, "the folder is listed, not watched");
            Watch::Never
        });
        // What came to be in it before is known only from a listing; the first is still to come.
        self.shared.state().has_news |= !is_first && matches!(watch, Watch::On { .. });
        *self.watch() = watch;
    }

    /// Returns when files were added or written, and some more of a burst, or when one has been left alone for long enough. Dropped
    /// before, it loses nothing that the next listing does not show.
    pub(super) async fn changed(&self) {
        self.listen().await;
        loop {
            let now = Instant::now();
            let due = self.shared.state().due(now);
            if due.is_some_and(|due| due <= now) {
                break;
            }
            let left_alone = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.shared.stirred.notified() => {}
                () = left_alone => {}
            }
        }
        let deadline = Instant::now() + LONGEST_BURST;
        while Instant::now() < deadline && timeout(PAUSE, self.shared.stirred.notified()).await.is_ok() {}
        self.shared.state().has_news = false;
    }

    /// Tells files that are still being written, while a run follows.
    pub(crate) fn gate(&self) -> impl Fn(&Object) -> bool + Send + Sync + use<> {
        let shared = Arc::clone(&self.shared);
        move |object| shared.is_being_written(object)
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// When there is something to read, as far as is known.
    fn due(&mut self, now: Instant) -> Option<Instant> {
        let before = self.open.len();
        self.open.retain(|_, due| *due > now);
        self.has_news |= self.open.len() < before;
        if self.has_news { Some(now) } else { self.open.values().min().copied() }
    }
}

/// Asks the operating system; it may have to be asked folder by folder.
fn begin(shared: &Arc<Shared>, folder: &FilePath, is_deep: bool) -> Watch {
    let table = &shared.table.name;
    let shown = folder.display();
    // It may come to be: until then, the listing looks for it.
    if !folder.is_dir() {
        return Watch::Off;
    }
    if let Some(kind) = network_file_system(folder) {
        let poll_seconds = shared.table.poll.as_secs();
        tracing::warn!(table, folder = %shown, kind, poll_seconds, "a network file system does not tell of changes: the folder is listed, not watched");
        return Watch::Never;
    }
    let handler = Arc::clone(shared);
    let mode = if is_deep { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
    let watcher = notify::recommended_watcher(move |event| handler.heard(event)).and_then(|mut watcher| {
        watcher.watch(folder, mode)?;
        Ok(watcher)
    });
    match watcher {
        Ok(watcher) => {
            tracing::debug!(table, folder = %shown, "watching");
            Watch::On { _watcher: watcher }
        }
        Err(error) if matches!(error.kind, ErrorKind::PathNotFound) => Watch::Off,
        Err(error) => {
            shared.say_unwatched(&error);
            Watch::Never
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say_unwatched(&self, error: &notify::Error) {
        if self.has_complained.swap(true, Ordering::SeqCst) {
            return;
        }
        let help = match &error.kind {
            ErrorKind::MaxFilesWatch => "; this machine's limit of watched folders is reached: raise fs.inotify.max_user_watches",
            // EMFILE.
            ErrorKind::Io(error) if error.raw_os_error() == Some(24) => {
                "; this machine's limit of watches at the same time is reached: raise fs.inotify.max_user_instances"
            }
            _ => "",
        };
        let (table, poll_seconds) = (&self.table.name, self.table.poll.as_secs());
        tracing::warn!(table, location = self.table.place.shown, %error, poll_seconds, "folders are listed, not watched{help}");
    }

    /// Called by the watcher's own thread.
    fn heard(&self, event: notify::Result<Event>) {
        let event = match event {
            Ok(event) => event,
            Err(error) => return self.say_unwatched(&error),
        };
        if event.need_rescan() {
            // Some events were lost: which file is closed is no longer known.
            return self.tell(|state| state.closed.clear());
        }
        let Some(path) = event.paths.last() else { return };
        match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Any)) => self.closed(path),
            EventKind::Create(CreateKind::Folder) => self.tell(|_| ()),
            EventKind::Create(_) | EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any) => self.written(path),
            EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From)) => self.removed(path),
            // Reading a file is an event too.
            _ => {}
        }
    }

    /// There is something to read.
    fn tell(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        state.has_news = true;
        drop(state);
        self.stirred.notify_one();
    }

    fn closed(&self, path: &FilePath) {
        // A folder that was renamed into place brings files with it.
        if path.is_dir() {
            return self.tell(|_| ());
        }
        let Some(path) = self.wanted(path) else { return };
        let now = Instant::now();
        self.tell(|state| {
            state.open.remove(path.as_ref());
            state.closed.retain(|_, at| now.duration_since(*at) < self.quiet);
            state.closed.insert(path.as_ref().to_owned(), now);
        });
    }

    fn written(&self, path: &FilePath) {
        let Some(path) = self.wanted(path) else { return };
        let mut state = self.state();
        state.closed.remove(path.as_ref());
        let is_first = state.open.insert(path.as_ref().to_owned(), Instant::now() + self.quiet).is_none();
        drop(state);
        // Whoever waits does not know of it yet.
        if is_first {
            self.stirred.notify_one();
        }
    }

    fn removed(&self, path: &FilePath) {
        let is_root = self.table.place.watched_folder().is_some_and(|(folder, _)| folder == path);
        let file = self.wanted(path);
        let mut state = self.state();
        if let Some(file) = file {
            state.open.remove(file.as_ref());
        }
        state.is_gone |= is_root;
    }

    /// The path in the store of a file that the table would read.
    fn wanted(&self, path: &FilePath) -> Option<Path> {
        let place = &self.table.place;
        let path = Path::parse(path.to_str()?.trim_start_matches('/')).ok()?;
        let is_wanted = place.holds(&path) && skip(place.relative(&path), 1, self.table.format).is_none();
        is_wanted.then_some(path)
    }

    /// Whether `object` was changed a moment ago and not seen to be closed since: its rest may be to come.
    fn is_being_written(&self, object: &Object) -> bool {
        if !self.follows.load(Ordering::SeqCst) {
            return false;
        }
        // One that was changed in the future was not changed a moment ago: clocks differ.
        let Ok(age) = (Utc::now() - object.modified).to_std() else { return false };
        let mut state = self.state();
        if age >= self.quiet || state.closed.contains_key(object.path.as_ref()) {
            return false;
        }
        state.open.insert(object.path.as_ref().to_owned(), Instant::now() + (self.quiet - age));
        true
    }
}
