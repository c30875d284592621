//! The files at a location, in the order of their paths, as a stream that holds a page at a time.

use std::path::{Path as FilePath, PathBuf};

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use globset::{GlobBuilder, GlobMatcher};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};
use tokio::sync::mpsc;

use super::object::{Object, has_known_ending};
use crate::error::{Error, Result};
use crate::stores::{Location, Stores};

/// Files that wait between the walk over a local folder and who reads them.
const WALKED_AHEAD: usize = 1_000;

/// Where the files of a table are: a file, a folder, or a pattern.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The file or folder; of a pattern, the part before the first wildcard.
    pub root: Location,
    /// The pattern, over paths in the store.
    pattern: Option<GlobMatcher>,
    /// As the table says it, without secrets.
    pub shown: String,
    /// The location ends in a slash or is a pattern: it is no file.
    is_many: bool,
}

impl Place {
    /// From a `LOCATION`: `data/*.json`, `s3://bucket/logs/`, `s3://bucket/2026/**/part-*.csv.gz`, `https://host/codes.csv`.
    ///
    /// # Errors
    /// [`Error::Config`] for a scheme that is not known or a pattern that is none.
    pub(crate) fn parse(stores: &Stores, location: &str) -> Result<Self> {
        if location.starts_with("https://") || location.starts_with("http://") {
            let root = stores.locate_web(location)?;
            return Ok(Self { shown: root.url.to_string(), root, pattern: None, is_many: false });
        }
        let Some(wild) = location.find(['*', '?', '[', '{']) else {
            let root = stores.locate(location)?;
            return Ok(Self { shown: root.url.to_string(), root, pattern: None, is_many: location.ends_with('/') });
        };
        let folder = location[..wild].rfind('/').map_or("", |slash| &location[..=slash]);
        let root = stores.locate(if folder.is_empty() { "." } else { folder })?;
        let prefix = if root.path.as_ref().is_empty() { String::new() } else { format!("{}/", root.path) };
        let rest = &location[folder.len()..];
        let pattern = GlobBuilder::new(&format!("{}{rest}", globset::escape(&prefix))).literal_separator(true).build();
        let pattern = pattern.map_err(|error| {
            let help = "'*' stands for a part of a name, '**' for any folders, '?' for a letter, {a,b} for either";
            Error::config_at(location, format!("location '{location}' is no pattern: {error}; {help}"))
        })?;
        let shown = format!("{}/{rest}", root.url.as_str().trim_end_matches('/'));
        Ok(Self { root, pattern: Some(pattern.compile_matcher()), shown, is_many: true })
    }

    /// Whether the location reads like that of a file: `codes.csv`, not `codes/` or `codes` or `*.csv`.
    pub(crate) fn names_one_file(&self) -> bool {
        !self.is_many && self.root.path.filename().is_some_and(has_known_ending)
    }

    /// Whether the location has wildcards.
    pub(crate) fn is_pattern(&self) -> bool {
        self.pattern.is_some()
    }

    /// The file at the location, if it is that of one file.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn file(&self) -> Result<Option<ObjectMeta>> {
        if self.is_many || self.root.path.as_ref().is_empty() {
            return Ok(None);
        }
        if self.is_web() {
            return self.web_file().await.map(Some);
        }
        match self.root.store.head(&self.root.path).await {
            // An object of nothing beside others below its name is how a console makes a folder.
            Ok(meta) => Ok(Some(meta).filter(|meta| meta.size > 0)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => {
                let is_folder = self.local_folder().is_some_and(|folder| folder.is_dir());
                if is_folder { Ok(None) } else { Err(error.into()) }
            }
        }
    }

    /// Whether it is a file on a web server.
    pub(crate) fn is_web(&self) -> bool {
        matches!(self.root.url.scheme(), "http" | "https")
    }

    /// What a web server says of its file. Many do not answer HEAD, or not for an address that was signed for GET.
    async fn web_file(&self) -> Result<ObjectMeta> {
        let (store, path) = (&self.root.store, &self.root.path);
        match store.head(path).await {
            Ok(meta) if meta.size > 0 => Ok(meta),
            _ => store
                .get(path)
                .await
                .map(|found| found.meta)
                .map_err(|error| Error::from(error).context(format!("cannot read '{}'", self.shown))),
        }
    }

    /// The file at `path` in the store; none when it is gone.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn object(&self, path: &str) -> Result<Option<Object>> {
        let path = Path::parse(path).map_err(|error| Error::internal(format!("a path of the list of files: {error}")))?;
        if self.is_web() {
            return self.web_file().await.map(|meta| Some(Object::new(meta, false)));
        }
        match self.root.store.head(&path).await {
            Ok(meta) => Ok(Some(Object::new(meta, self.root.url.scheme() == "file"))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a file at `path` in the store is one that a listing would show, if it is there.
    pub(crate) fn holds(&self, path: &Path) -> bool {
        let is_below = path.prefix_matches(&self.root.path);
        is_below && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(path.as_ref()))
    }

    /// The folders of a file, each as it is called; those above the location too.
    pub(crate) fn folders(&self, path: &Path) -> Vec<String> {
        let mut folders: Vec<String> = path.as_ref().split('/').map(str::to_owned).collect();
        folders.pop();
        folders
    }

    /// The folder to watch for new files, and whether those below it count too; `None` when the files are not on this machine's
    /// disks.
    pub(crate) fn watched_folder(&self) -> Option<(PathBuf, bool)> {
        let folder = self.local_folder()?;
        if self.names_one_file() {
            return folder.parent().map(|parent| (parent.to_owned(), false));
        }
        let prefix = self.root.path.parts().count();
        let is_deep = self.pattern.as_ref().is_none_or(|pattern| {
            let below = pattern.glob().glob();
            below.contains("**") || below.split('/').filter(|part| !part.is_empty()).count() > prefix + 1
        });
        Some((folder, is_deep))
    }

    fn local_folder(&self) -> Option<PathBuf> {
        (self.root.url.scheme() == "file").then(|| self.root.url.to_file_path().ok()).flatten()
    }

    /// The path of `object` below the location; its name, when the location is that file.
    pub(crate) fn relative<'a>(&self, path: &'a Path) -> &'a str {
        let root = self.root.path.as_ref();
        let below = path.as_ref().strip_prefix(root).map(|rest| rest.trim_start_matches('/'));
        below.filter(|rest| !rest.is_empty()).unwrap_or_else(|| path.filename().unwrap_or_default())
    }

    /// The file's address, as messages and `_file` show it.
    pub(crate) fn address(&self, path: &Path) -> String {
        match self.root.url.scheme() {
            "file" => format!("/{path}"),
            scheme => format!("{scheme}://{}/{path}", self.root.url.authority()),
        }
    }

    /// The files, in the order of their paths.
    ///
    /// # Errors
    /// In the stream: when the store cannot be listed, or does not list in order.
    pub(crate) async fn list(&self) -> Result<BoxStream<'static, Result<Object>>> {
        let is_local = self.root.url.scheme() == "file";
        if let Some(meta) = self.file().await? {
            return Ok(stream::once(async move { Ok(Object::new(meta, is_local)) }).boxed());
        }
        let objects = match self.local_folder() {
            Some(folder) => walk(folder, self.root.path.clone()),
            None => self.root.store.list(Some(&self.root.path)).map_err(Error::from).boxed(),
        };
        let pattern = self.pattern.clone();
        let shown = self.shown.clone();
        let mut before = String::new();
        let ordered = objects.map(move |object| {
            let object = object?;
            // A folder that a console made is listed without the slash that it is sorted by; it is passed over as empty.
            if object.size == 0 {
                return Ok(object);
            }
            if object.location.as_ref() < before.as_str() {
                return Err(Error::config(format!(
                    "'{shown}' lists its objects in no order; S3 directory buckets (Express One Zone) cannot be a source"
                )));
            }
            before.clear();
            before.push_str(object.location.as_ref());
            Ok(object)
        });
        let wanted = ordered.try_filter(move |object| {
            let is_wanted = pattern.as_ref().is_none_or(|pattern| pattern.is_match(object.location.as_ref()));
            std::future::ready(is_wanted)
        });
        Ok(wanted.map_ok(move |meta| Object::new(meta, is_local)).boxed())
    }
}

/// The files below a local folder. A folder's names are held while it is walked; `object_store` would hold all of them, in no order.
fn walk(folder: PathBuf, path: Path) -> BoxStream<'static, Result<ObjectMeta>> {
    let (sender, receiver) = mpsc::channel(WALKED_AHEAD);
    let walk = tokio::task::spawn_blocking(move || {
        if let Err(error) = walk_folder(&folder, &path, &sender) {
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

/// Says whether somebody still listens.
fn walk_folder(folder: &FilePath, path: &Path, sender: &Sender) -> Result<bool> {
    let at_folder = |error: std::io::Error| Error::from(error).context(format!("cannot list '{}'", folder.display()));
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        entries => entries.map_err(at_folder)?,
    };
    // Sorted as paths are: what is in folder `a` comes behind file `a-b`, because '/' is greater than '-'.
    let mut names: Vec<(String, std::ffi::OsString)> = Vec::new();
    for entry in entries {
        let entry = entry.map_err(at_folder)?;
        let name = entry.file_name();
        let Some(text) = name.to_str() else {
            tracing::warn!(file = %entry.path().display(), "a file whose name is not UTF-8 is passed over");
            continue;
        };
        let kind = entry.file_type().map_err(at_folder)?;
        let is_folder = if kind.is_symlink() { entry.path().is_dir() } else { kind.is_dir() };
        if is_folder && kind.is_symlink() && is_loop(folder, &entry.path()) {
            tracing::warn!(link = %entry.path().display(), "a link to a folder above it is not followed");
            continue;
        }
        names.push((format!("{text}{}", if is_folder { "/" } else { "" }), name));
    }
    names.sort_unstable();
    for (part, name) in names {
        let entry = folder.join(&name);
        let Ok(child) = Path::parse(format!("{path}/{}", part.trim_end_matches('/'))) else {
            tracing::warn!(file = %entry.display(), "a file whose name has a control character in it is passed over");
            continue;
        };
        if part.ends_with('/') {
            if !walk_folder(&entry, &child, sender)? {
                return Ok(false);
            }
            continue;
        }
        if is_unfinished(&part) {
            tracing::debug!(file = %entry.display(), "a file that is being written is passed over");
            continue;
        }
        let metadata = match std::fs::metadata(&entry) {
            // It went away since the folder was read, or it is a link to nothing.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            metadata => metadata.map_err(at_folder)?,
        };
        if !metadata.is_file() {
            continue;
        }
        let last_modified = metadata.modified().map_err(at_folder)?.into();
        let object = ObjectMeta { location: child, last_modified, size: metadata.len(), e_tag: None, version: None };
        if sender.blocking_send(Ok(object)).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `object_store` writes a file under its name with `#` and a number behind it, and opens none of such a name.
fn is_unfinished(name: &str) -> bool {
    name.rsplit_once('#').is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether `link`, in `folder`, leads back to it or above it.
fn is_loop(folder: &FilePath, link: &FilePath) -> bool {
    match (folder.canonicalize(), link.canonicalize()) {
        (Ok(folder), Ok(target)) => folder.starts_with(target),
        _ => true,
    }
}
