//! The files at a location, in the order of their paths, as a stream that holds a page at a time.

use std::ops::Range;
use std::path::PathBuf;

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetOptions, ObjectMeta, ObjectStoreExt};

use super::object::{Object, has_known_ending};
use super::pattern::{Pattern, WILDCARDS};
use super::walk::walk;
use crate::error::{Error, Result};
use crate::secrets::without_values;
use crate::stores::{Location, Stores};

/// Where the files of a table are: a file, a folder, or a pattern.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The file or folder; of a pattern, the part before the first wildcard.
    pub root: Location,
    /// The pattern, over paths in the store.
    pattern: Option<Pattern>,
    /// As the table says it, without secrets.
    pub shown: String,
    /// The location ends in a slash or is a pattern: it is no file.
    is_many: bool,
    /// Of one file: the version that it has to be.
    version: Option<u64>,
}

impl Place {
    /// From a `LOCATION`: `data/*.json`, `s3://bucket/logs/`, `s3://bucket/2026/**/part-*.csv.gz`, `https://host/codes.csv`.
    ///
    /// # Errors
    /// [`Error::Config`] for a scheme that is not known or a pattern that is none.
    pub(crate) fn parse(stores: &Stores, location: &str) -> Result<Self> {
        if location.starts_with("https://") || location.starts_with("http://") {
            let root = stores.locate_web(location)?;
            return Ok(Self { shown: without_values(root.url.as_str()), root, pattern: None, is_many: false, version: None });
        }
        let Some(wild) = location.find(WILDCARDS) else {
            let root = stores.locate(location)?;
            return Ok(Self {
                shown: without_values(root.url.as_str()),
                root,
                pattern: None,
                is_many: location.ends_with('/'),
                version: None,
            });
        };
        let folder = location[..wild].rfind('/').map_or("", |slash| &location[..=slash]);
        let root = stores.locate(if folder.is_empty() { "." } else { folder })?;
        let prefix = if root.path.as_ref().is_empty() { String::new() } else { format!("{}/", root.path) };
        let rest = &location[folder.len()..];
        let pattern = Pattern::new(&prefix, rest).map_err(|error| {
            let help = "'*' stands for a part of a name, '**' for any folders, '?' for a letter, {a,b} for either";
            Error::config_at(location, format!("location '{location}' is no pattern: {error}; {help}"))
        })?;
        let shown = without_values(&format!("{}/{rest}", root.url.as_str().trim_end_matches('/')));
        Ok(Self { root, pattern: Some(pattern), shown, is_many: true, version: None })
    }

    /// Of the files below the location only the one at `file`, in which no letter is a wildcard; of that only one `version`, if it is given.
    ///
    /// # Errors
    /// [`Error::Config`] when the location is no folder, or `file` no path.
    pub(crate) fn only(&self, file: &str, version: Option<u64>) -> Result<Self> {
        if self.is_pattern() || self.is_web() {
            return Err(Error::config_at(
                "file",
                format!("option 'file' is for a LOCATION that is a folder; '{}' is none", self.shown),
            ));
        }
        let root = self.root.join(file);
        if root.path.as_ref().is_empty() || root.path == self.root.path {
            return Err(Error::config_at(
                "file",
                format!("option 'file' is '{file}', expected the path of a file below LOCATION"),
            ));
        }
        Ok(Self { shown: self.address(&root.path), root, pattern: None, is_many: false, version })
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
            Ok(meta) if self.is_another(&meta) => {
                Err(Error::transient(format!("'{}' was written anew since it was looked at", self.shown)))
            }
            // An object of nothing beside others below its name is how a console makes a folder.
            Ok(meta) => Ok(Some(meta).filter(|meta| meta.size > 0)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => {
                let is_folder = self.local_folder().is_some_and(|folder| folder.is_dir());
                if is_folder { Ok(None) } else { Err(error.into()) }
            }
        }
    }

    /// Whether a file is another version than the one that is wanted.
    fn is_another(&self, meta: &ObjectMeta) -> bool {
        self.version.is_some_and(|wanted| Object::new(meta.clone(), self.is_local()).version != wanted)
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
            Ok(meta) => Ok(Some(Object::new(meta, self.is_local()))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a file at `path` in the store is one that a listing would show, if it is there.
    pub(crate) fn holds(&self, path: &Path) -> bool {
        let is_below = path.prefix_matches(&self.root.path);
        is_below && self.pattern.as_ref().is_none_or(|pattern| pattern.fits(path))
    }

    /// The folders of a file, each as it is called; those above the location too.
    pub(crate) fn folders(&self, path: &Path) -> Vec<String> {
        let mut folders: Vec<String> = path.as_ref().split('/').map(str::to_owned).collect();
        folders.pop();
        folders
    }

    /// Of the folders of a file, joined by slashes, those that `levels` of partitions stand for: all that are below the location. Where
    /// a pattern is the location, it is not known which of its folders are fixed, and the last ones count; among them those before the
    /// first wildcard, unless `**` lets some files lie less deep than others.
    pub(crate) fn partition_folder<'a>(&self, path: &'a Path, levels: usize) -> &'a str {
        let folder = |file: &'a str| file.rsplit_once('/').map_or("", |(folder, _)| folder);
        match &self.pattern {
            None => folder(self.relative(path)),
            Some(pattern) if pattern.text().contains("**") => last_folders(folder(self.relative(path)), levels),
            Some(_) => last_folders(folder(path.as_ref()), levels),
        }
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
            let below = pattern.text();
            below.contains("**") || below.split('/').filter(|part| !part.is_empty()).count() > prefix + 1
        });
        Some((folder, is_deep))
    }

    /// Whether the files are on this machine's disks.
    pub(crate) fn is_local(&self) -> bool {
        self.root.url.scheme() == "file"
    }

    /// How to ask for `range` of a file, or for all of it, as it was when it was listed: if it was written anew since, the store answers
    /// [`object_store::Error::Precondition`]. A web server that calls its versions by no etag cannot be asked so.
    pub(crate) fn request(&self, object: &Object, range: Option<Range<u64>>) -> GetOptions {
        GetOptions {
            range: range.map(Into::into),
            if_match: object.etag.as_deref().map(str::to_owned),
            if_unmodified_since: self.is_local().then_some(object.modified),
            ..GetOptions::default()
        }
    }

    /// The file or folder on this machine's disks; of a pattern, the part before the first wildcard.
    pub(super) fn local_folder(&self) -> Option<PathBuf> {
        self.is_local().then(|| self.root.url.to_file_path().ok()).flatten()
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
        let is_local = self.is_local();
        if let Some(meta) = self.file().await? {
            return Ok(stream::once(async move { Ok(Object::new(meta, is_local)) }).boxed());
        }
        let pattern = self.pattern.clone();
        let objects = match (self.local_folder(), &pattern) {
            (Some(folder), pattern) => walk(folder, self.root.path.clone(), pattern.clone()),
            (None, Some(pattern)) => pattern.list(&self.root),
            (None, None) => self.root.store.list(Some(&self.root.path)).map_err(Error::from).boxed(),
        };
        let ordered = in_order(objects, self.shown.clone());
        let wanted = ordered.try_filter(move |object| {
            let is_wanted = pattern.as_ref().is_none_or(|pattern| pattern.fits(&object.location));
            std::future::ready(is_wanted)
        });
        Ok(wanted.map_ok(move |meta| Object::new(meta, is_local)).boxed())
    }
}

/// `objects` as they were listed, but for folders that were made as objects with something in them.
///
/// # Errors
/// In the stream: when they are not in the order of their paths.
fn in_order(objects: BoxStream<'static, Result<ObjectMeta>>, shown: String) -> BoxStream<'static, Result<ObjectMeta>> {
    let mut before = String::new();
    let ordered = objects.try_filter_map(move |object| {
        let path = object.location.as_ref();
        // A folder is listed without the slash that it is sorted by; if it is empty, it is passed over as such.
        let found = if object.size == 0 {
            Ok(Some(object))
        } else if path >= before.as_str() {
            path.clone_into(&mut before);
            Ok(Some(object))
        } else if before.starts_with(path) {
            tracing::debug!(folder = path, "a folder that was made as an object with something in it is passed over");
            Ok(None)
        } else {
            Err(Error::config(format!(
                "'{shown}' lists its objects in no order; S3 directory buckets (Express One Zone) cannot be a source"
            )))
        };
        std::future::ready(found)
    });
    ordered.boxed()
}

/// The last `levels` of folders that are joined by slashes, or as many as there are.
pub(crate) fn last_folders(folder: &str, levels: usize) -> &str {
    match (levels.checked_sub(1), folder.len()) {
        (None, length) => &folder[length..],
        (Some(above), _) => folder.rmatch_indices('/').nth(above).map_or(folder, |(slash, _)| &folder[slash + 1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of a listing of paths and sizes.
    async fn listed(objects: &[(&str, u64)]) -> Result<Vec<String>> {
        let meta = |(path, size): &(&str, u64)| ObjectMeta {
            location: Path::from(*path),
            last_modified: chrono::DateTime::UNIX_EPOCH,
            size: *size,
            e_tag: None,
            version: None,
        };
        let objects: Vec<Result<ObjectMeta>> = objects.iter().map(meta).map(Ok).collect();
        in_order(stream::iter(objects).boxed(), "s3://b/in".into())
            .map_ok(|object| object.location.to_string())
            .try_collect()
            .await
    }

    #[tokio::test]
    async fn a_folder_that_was_made_as_an_object_is_no_disorder() {
        let empty = listed(&[("in/x.json", 1), ("in/x", 0), ("in/x/a.json", 1)]).await.unwrap();
        assert_eq!(empty, ["in/x.json", "in/x", "in/x/a.json"], "that it is empty is noted by whoever reads");
        // The key is 'in/x/', with a line break in it.
        assert_eq!(listed(&[("in/x.json", 1), ("in/x", 1), ("in/x/a.json", 1)]).await.unwrap(), ["in/x.json", "in/x/a.json"]);
        let disorder = listed(&[("in/b", 1), ("in/a", 1)]).await.unwrap_err().to_string();
        assert!(disorder.contains("lists its objects in no order"), "{disorder}");
    }

    #[test]
    fn the_last_folders_are_as_many_as_there_are() {
        for (folder, levels, expected) in
            [("a/b/c", 2, "b/c"), ("a/b/c", 3, "a/b/c"), ("a/b", 3, "a/b"), ("a", 1, "a"), ("", 2, ""), ("a/b", 0, "")]
        {
            assert_eq!(last_folders(folder, levels), expected, "{folder} {levels}");
        }
    }
}
