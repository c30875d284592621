//! The walk over a local folder: its files in the order of their paths, links followed.

use std::ffi::OsString;
use std::path::{Path as FilePath, PathBuf};

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::ObjectMeta;
use object_store::path::Path;
use tokio::sync::mpsc;

use super::pattern::Pattern;
use crate::error::{Error, Result};

/// Files that wait between the walk and who reads them.
const WALKED_AHEAD: usize = 1_000;

/// The files below a local folder; of a pattern, only those that it fits, and no folder is read that it does not enter. A folder's names
/// are held while it is walked; `object_store` would hold all of them, in no order.
pub(super) fn walk(folder: PathBuf, path: Path, pattern: Option<Pattern>) -> BoxStream<'static, Result<ObjectMeta>> {
    let (sender, receiver) = mpsc::channel(WALKED_AHEAD);
    let walk = tokio::task::spawn_blocking(move || {
        let mut within = vec![folder.canonicalize().unwrap_or_else(|_| folder.clone())];
        if let Err(error) = walk_folder(&folder, &path, &mut within, pattern.as_ref(), &sender) {
            // Nobody listens any more when this fails.
            drop(sender.blocking_send(Err(error)));
        }
    });
    // The task ends when its receiver is dropped; it is held so that it is not one that nobody owns.
    stream::unfold((receiver, walk), |(mut receiver, walk)| async move {
        receiver.recv().await.map(|object| (object, (receiver, walk)))
    })
    .boxed()
}

type Sender = mpsc::Sender<Result<ObjectMeta>>;

/// A name in a folder: what it is sorted by, itself, what it is.
struct Entry {
    part: String,
    name: OsString,
    kind: EntryKind,
}

enum EntryKind {
    File {
        is_link: bool,
    },
    /// What it is called when no link is followed on the way.
    Folder {
        real: PathBuf,
    },
}

/// Says whether somebody still listens. `within` are this folder and those that were walked into to get here, as they are called when
/// no link is followed.
fn walk_folder(
    folder: &FilePath,
    path: &Path,
    within: &mut Vec<PathBuf>,
    pattern: Option<&Pattern>,
    sender: &Sender,
) -> Result<bool> {
    for Entry { part, name, kind } in entries(folder, within)? {
        let entry = folder.join(&name);
        let Ok(child) = Path::parse(format!("{path}/{}", part.trim_end_matches('/'))) else {
            tracing::warn!(file = %entry.display(), "a file whose name has a control character in it is passed over");
            continue;
        };
        let level = within.len() - 1;
        let is_wanted = pattern.is_none_or(|pattern| match &kind {
            EntryKind::Folder { .. } => pattern.enters(level, child.filename().unwrap_or_default()),
            EntryKind::File { .. } => pattern.fits(&child),
        });
        let is_heard = match kind {
            _ if !is_wanted => true,
            EntryKind::Folder { real } => {
                within.push(real);
                let is_heard = walk_folder(&entry, &child, within, pattern, sender)?;
                within.pop();
                is_heard
            }
            EntryKind::File { .. } if is_unfinished(&part) => {
                tracing::debug!(file = %entry.display(), "a file that is being written is passed over");
                true
            }
            EntryKind::File { is_link } => match file(&entry, child, is_link).map_err(|error| not_listed(error, folder))? {
                Some(object) => sender.blocking_send(Ok(object)).is_ok(),
                None => true,
            },
        };
        if !is_heard {
            return Ok(false);
        }
    }
    Ok(true)
}

fn not_listed(error: std::io::Error, folder: &FilePath) -> Error {
    Error::from(error).context(format!("cannot list '{}'", folder.display()))
}

/// What is in a folder, sorted as paths are: what is in folder `a` comes behind file `a-b`, because '/' is greater than '-'.
fn entries(folder: &FilePath, within: &[PathBuf]) -> Result<Vec<Entry>> {
    let found = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        found => found.map_err(|error| not_listed(error, folder))?,
    };
    let mut entries = Vec::new();
    for entry in found {
        let entry = entry.map_err(|error| not_listed(error, folder))?;
        let (path, name) = (entry.path(), entry.file_name());
        let Some(text) = name.to_str() else {
            tracing::warn!(file = %path.display(), "a file whose name is not UTF-8 is passed over");
            continue;
        };
        let is_link = entry.file_type().map_err(|error| not_listed(error, folder))?.is_symlink();
        let is_folder = if is_link { path.is_dir() } else { entry.file_type().is_ok_and(|kind| kind.is_dir()) };
        if !is_folder {
            entries.push(Entry { part: text.to_owned(), name, kind: EntryKind::File { is_link } });
            continue;
        }
        let real = match (is_link, within.last()) {
            (false, Some(here)) => here.join(&name),
            _ => path.canonicalize().map_err(|error| not_listed(error, folder))?,
        };
        // Also when it leads there by another link.
        if is_link && within.iter().any(|above| above.starts_with(&real)) {
            tracing::warn!(link = %path.display(), "a link to a folder above it is not followed");
            continue;
        }
        entries.push(Entry { part: format!("{text}/"), name, kind: EntryKind::Folder { real } });
    }
    entries.sort_unstable_by(|a, b| a.part.cmp(&b.part));
    Ok(entries)
}

/// A file as a store lists it; none where there is none any more, or a link leads to nothing or to itself.
fn file(entry: &FilePath, location: Path, is_link: bool) -> std::io::Result<Option<ObjectMeta>> {
    let metadata = match std::fs::metadata(entry) {
        Err(error) if is_link || error.kind() == std::io::ErrorKind::NotFound => {
            tracing::debug!(file = %entry.display(), %error, "a file that is gone, or a link to nothing, is passed over");
            return Ok(None);
        }
        metadata => metadata?,
    };
    if !metadata.is_file() {
        return Ok(None);
    }
    let last_modified = metadata.modified()?.into();
    Ok(Some(ObjectMeta { location, last_modified, size: metadata.len(), e_tag: None, version: None }))
}

/// `object_store` writes a file under its name with `#` and a number behind it, and opens none of such a name.
fn is_unfinished(name: &str) -> bool {
    name.rsplit_once('#').is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use futures::TryStreamExt;

    use super::*;

    #[tokio::test]
    async fn links_are_followed_but_not_round_and_round() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("in");
        for name in ["a", "b", "c"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
            std::fs::write(root.join(name).join("1.json"), "{}").unwrap();
        }
        symlink("../b", root.join("a/x")).unwrap();
        symlink("../a", root.join("b/y")).unwrap();
        symlink("..", root.join("c/up")).unwrap();
        symlink("itself", root.join("itself")).unwrap();
        symlink("nothing", root.join("dangling")).unwrap();
        symlink("a/1.json", root.join("file.json")).unwrap();
        let found: Vec<ObjectMeta> = walk(root, Path::from("in"), None).try_collect().await.unwrap();
        let found: Vec<&str> = found.iter().map(|object| object.location.as_ref()).collect();
        assert_eq!(found, ["in/a/1.json", "in/a/x/1.json", "in/b/1.json", "in/b/y/1.json", "in/c/1.json", "in/file.json"]);
    }

    #[tokio::test]
    async fn folders_that_the_pattern_does_not_enter_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("in");
        for name in ["a/b/c", "b"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
            std::fs::write(root.join(name).join("1.json"), "{}").unwrap();
        }
        std::fs::write(root.join("1.json"), "{}").unwrap();
        for (pattern, expected) in
            [("*.json", vec!["in/1.json"]), ("?/*.json", vec!["in/b/1.json"]), ("a/**", vec!["in/a/b/c/1.json"])]
        {
            let pattern = Pattern::new("in/", pattern).unwrap();
            let found: Vec<ObjectMeta> = walk(root.clone(), Path::from("in"), Some(pattern)).try_collect().await.unwrap();
            let found: Vec<&str> = found.iter().map(|object| object.location.as_ref()).collect();
            assert_eq!(found, expected);
        }
    }
}
