//! What is crawled: a folder or a file, as the user calls it and as the catalog does.

use std::collections::BTreeSet;

use catalog::crawl::{may_be_of, table_names};
use futures::TryStreamExt;

use crate::error::{Error, Result};
use crate::files::listing::Place;
use crate::options::nearest;
use crate::secrets::without_secrets;
use crate::stores::Stores;

/// Names of folders and files that are remembered, to say which one was meant.
const MOST_NAMES: usize = 1_000;
/// What can be listed. What databases have is crawled elsewhere.
const CRAWLED: [&str; 4] = ["file", "s3", "s3a", "lake"];

/// A place to crawl.
#[derive(Debug, Clone)]
pub struct CrawlLocation {
    pub(super) place: Place,
    /// The folder's address; that of its folder, of a file.
    address: String,
    /// The folder as the user called it.
    called: String,
    is_file: bool,
}

impl CrawlLocation {
    /// From a folder, a file, or `s3://bucket/prefix`.
    ///
    /// # Errors
    /// [`Error::Config`] for a pattern or a scheme that is not known; [`Error::NotFound`] for a local folder that is not there; when
    /// the store does not answer.
    pub async fn open(stores: &Stores, location: &str) -> Result<Self> {
        if let Some((scheme, _)) = location.split_once("://").filter(|(scheme, _)| !CRAWLED.contains(scheme)) {
            let shown = without_secrets(location);
            let why = match scheme {
                "http" | "https" => "a web server does not list its files; declare a table at the address of one",
                _ => "a crawl takes a folder, a file, or s3://bucket/prefix",
            };
            return Err(Error::config_at(location, format!("'{shown}' cannot be crawled: {why}")));
        }
        let place = Place::parse(stores, location)?;
        if place.root.url.scheme() != "file" && place.root.path.as_ref().contains('%') {
            return Err(Error::config_at(
                location,
                format!(
                    "'{location}' has a '%' in its name, which a LOCATION takes for a code; rename it, or crawl a folder above it"
                ),
            ));
        }
        if place.is_pattern() {
            return Err(Error::config_at(
                location,
                format!("'{location}' is a pattern; a crawl takes a folder, and finds out itself which of its files are tables"),
            ));
        }
        let is_file = place.file().await?.is_some();
        let path = place.root.path.clone();
        let (address, called) = if is_file {
            let folder: object_store::path::Path = path.parts().take(path.parts().count().saturating_sub(1)).collect();
            (place.address(&folder), location.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned())
        } else {
            (place.address(&path), location.trim_end_matches('/').to_owned())
        };
        if !is_file && place.root.url.scheme() == "file" && !std::path::Path::new(&address).is_dir() {
            return Err(missing(location, &address));
        }
        // The root of a disk or bucket is called by its slash alone.
        let called = if called.is_empty() && location.starts_with('/') { "/".to_owned() } else { called };
        Ok(Self { place, address: address.trim_end_matches('/').to_owned(), called, is_file })
    }

    /// Its address, without a slash at its end: of a file, that of its folder.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What is at `relative` as the catalog calls it, wherever the process runs.
    pub fn registered(&self, relative: &str) -> String {
        format!("{}/{relative}", self.address)
    }

    /// The same as the user would call it.
    pub fn called(&self, registered: &str) -> String {
        match self.relative(registered) {
            Some(relative) if self.called.is_empty() => relative.to_owned(),
            Some(relative) => format!("{}/{relative}", self.called.trim_end_matches('/')),
            None => registered.to_owned(),
        }
    }

    /// What a registered location is called below this one; `None` when it is elsewhere.
    pub fn relative<'a>(&self, registered: &'a str) -> Option<&'a str> {
        registered.strip_prefix(&self.address)?.strip_prefix('/')
    }

    /// Whether it is one file.
    pub fn is_file(&self) -> bool {
        self.is_file
    }

    /// The file's name, if it is one file.
    pub fn file_name(&self) -> Option<&str> {
        self.is_file.then(|| self.place.root.path.filename()).flatten()
    }

    /// What tables may be called of the names of folders and files here, some of them, when `table` is not among them; `None` when it may
    /// be found here. Lists, and reads nothing.
    ///
    /// # Errors
    /// When the location cannot be listed.
    pub async fn without_table(&self, table: &str) -> Result<Option<BTreeSet<String>>> {
        let mut names: BTreeSet<String> = table_names(&self.address).into_iter().last().into_iter().collect();
        let mut files = self.place.list().await?;
        while let Some(file) = files.try_next().await? {
            for name in table_names(self.place.relative(&file.path)) {
                if may_be_of(table, &name) {
                    return Ok(None);
                }
                if names.len() < MOST_NAMES {
                    names.insert(name);
                }
            }
        }
        let is_of_location = names.iter().any(|name| may_be_of(table, name));
        Ok(Some(names).filter(|_| !is_of_location))
    }

    /// The path of the folder in its store, with a slash at its end unless it is the store's root.
    pub(super) fn prefix(&self) -> String {
        let root = self.place.root.path.as_ref();
        let folder = if self.is_file { root.rsplit_once('/').map_or("", |(folder, _)| folder) } else { root };
        if folder.is_empty() { String::new() } else { format!("{folder}/") }
    }
}

/// What to say of a local folder that is not there.
fn missing(location: &str, address: &str) -> Error {
    let path = std::path::Path::new(address);
    let wanted = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let siblings: Vec<String> = path
        .parent()
        .and_then(|parent| std::fs::read_dir(parent).ok())
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let hint = match nearest(&wanted, siblings.iter().map(String::as_str)) {
        Some(near) => format!("did you mean '{near}'?"),
        None => "check the path".to_owned(),
    };
    Error::not_found(format!("there is no folder or file '{location}'; {hint}"))
}
