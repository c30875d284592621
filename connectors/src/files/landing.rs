//! Files that land below one place and are each loaded by themselves: which of them are new, what is in one, and where one goes that is refused.
//!
//! It does not know what they are loaded into. What was done is remembered by the same lists of files as the offset of a table of files
//! (`ledger`), so that a million of them cost a few runs and none of them memory.

use std::collections::BinaryHeap;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use catalog::crawl::{Ending, Format as Kind, SkipReason};
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::config::Text;
use super::connector::options_of;
use super::csv::header::folded;
use super::infer::{Files, schema};
use super::ledger::{Entry, Ledger, Progress, Walk};
use super::listing::Place;
use super::object::{Format, Object};
use super::open::fetch;
use super::pattern::WILDCARDS;
use crate::context::{Context, TableComments, TableSpec};
use crate::error::{Error, Result};
use crate::source::Offset;
use crate::stores::Location;

/// A file on a disk of this machine is left alone for so long before it is looked at: whoever writes it may not have finished.
const QUIET: Duration = Duration::from_millis(500);

/// Decompressed bytes that tell how a CSV file is written, and its header.
const HEAD: u64 = 1 << 19;

/// A folder or prefix to which files come, and the part of it to which those go that are refused.
#[derive(Debug)]
pub struct Landing {
    place: Place,
    aside: String,
    ledger: Ledger,
    context: Context,
}

/// A file that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landed {
    /// Its path from the place on.
    pub key: String,
    /// Bytes, as stored.
    pub size: u64,
    /// When it was written.
    pub modified: DateTime<Utc>,
    /// Another one when it is written anew.
    pub version: u64,
    /// What the store calls its version, if it does.
    pub etag: Option<String>,
    path: Path,
    old: Option<Entry>,
}

/// The oldest first; of two of one moment, by their paths.
impl Ord for Landed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.modified, &self.key).cmp(&(other.modified, &other.key))
    }
}

impl PartialOrd for Landed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Files that were not done.
#[derive(Debug, Default)]
pub struct Waiting {
    /// The oldest of them, in the order in which they landed.
    pub files: Vec<Landed>,
    /// There are others.
    pub more: bool,
}

/// What a file turned out to have.
#[derive(Debug, Clone)]
pub struct Looked {
    /// Its columns, as a table that is made of it has them; each with the narrowest type that all that was seen of it fits.
    pub schema: SchemaRef,
    /// What it holds: `CSV`, `JSON` or `PARQUET`.
    pub connector: &'static str,
}

impl Looked {
    /// Whether a column of the file is the one that a table calls `wanted`: capitals are no difference, in CSV spaces and punctuation are none
    /// either.
    pub fn is_same(&self, found: &str, wanted: &str) -> bool {
        let is_folded = self.connector == Kind::Csv.as_str();
        found.to_lowercase() == wanted.to_lowercase() || (is_folded && folded(found) == folded(wanted))
    }
}

impl Landing {
    /// Of `location`, a folder or `s3://bucket/prefix/`; `aside` is where refused files go, below it. In `home` it is kept which files were done.
    ///
    /// # Errors
    /// [`Error::Config`] for a location that is none.
    pub fn new(location: &str, aside: &str, home: &Location, context: &Context) -> Result<Self> {
        let slash = if location.ends_with('/') { "" } else { "/" };
        let place = Place::parse(&context.stores, &format!("{location}{slash}"))?;
        if place.is_pattern() || place.is_web() || location.contains(WILDCARDS) {
            return Err(Error::config_at(location, format!("'{location}' is no folder and no s3://bucket/prefix/")));
        }
        let aside = format!("{}/", aside.trim_matches('/'));
        Ok(Self { place, aside, ledger: Ledger::new(home.join("landed")), context: context.clone() })
    }

    /// The address of a file, as messages show it.
    pub fn address(&self, key: &str) -> String {
        self.place.address(&self.place.root.join(key).path)
    }

    /// The place, as a table's `LOCATION` says it.
    pub fn location(&self) -> &str {
        &self.place.shown
    }

    /// Where a refused file goes.
    pub fn aside(&self, key: &str) -> String {
        self.address(&format!("{}{key}", self.aside))
    }

    /// The files that `done` does not know, at most `most`: those that landed first. Holds no more than these.
    ///
    /// # Errors
    /// When the place cannot be listed, or the list of what was done cannot be read.
    pub async fn waiting(&self, done: Option<&str>, most: usize) -> Result<Waiting> {
        let found = self.found(done, most).await?;
        let young = |file: &Landed| (self.context.clock.now() - file.modified).to_std().is_ok_and(|age| age < QUIET);
        if self.place.is_local() && found.files.iter().any(young) {
            self.context.clock.sleep(QUIET).await;
            let again = self.found(done, most).await?;
            // What is still being written is for the next time.
            let files = again.files.into_iter().filter(|file| found.files.contains(file) || !young(file)).collect();
            return Ok(Waiting { files, more: again.more });
        }
        Ok(found)
    }

    async fn found(&self, done: Option<&str>, most: usize) -> Result<Waiting> {
        let mut known = Walk::along(self.ledger.known(&progress(done)?).await?);
        let mut listed = match self.place.list().await {
            Err(Error::NotFound { .. }) => return Ok(Waiting::default()),
            listed => listed?,
        };
        let (mut oldest, mut more) = (BinaryHeap::new(), false);
        while let Some(object) = listed.try_next().await? {
            let key = self.place.relative(&object.path);
            if self.is_passed_over(key, &object) {
                continue;
            }
            let old = known.at(object.path.as_ref()).await?;
            if old.as_ref().is_some_and(|entry| entry.version == object.version) {
                continue;
            }
            oldest.push(self.landed(object, old));
            if oldest.len() > most {
                oldest.pop();
                more = true;
            }
        }
        Ok(Waiting { files: oldest.into_sorted_vec(), more })
    }

    fn landed(&self, object: Object, old: Option<Entry>) -> Landed {
        Landed {
            key: self.place.relative(&object.path).to_owned(),
            size: object.size,
            modified: object.modified,
            version: object.version,
            etag: object.etag.as_deref().map(str::to_owned),
            path: object.path,
            old,
        }
    }

    /// Whether a file is none that anybody means to have loaded: what was refused, what is hidden or not finished, a folder that a console
    /// made as an object of nothing.
    fn is_passed_over(&self, key: &str, object: &Object) -> bool {
        let is_folder = object.size == 0 && !self.place.is_local() && !key.rsplit('/').next().unwrap_or(key).contains('.');
        let skipped = || {
            use SkipReason::{Checksum, Folder, Hidden, Temporary};
            matches!(SkipReason::of(key, object.size), Some(Folder | Hidden | Checksum | Temporary))
        };
        key.starts_with(&self.aside) || is_folder || skipped()
    }

    /// `done`, with a file more.
    ///
    /// # Errors
    /// When the list of what was done cannot be written.
    pub async fn with(&self, done: Option<&str>, file: &Landed) -> Result<String> {
        let mut progress = progress(done)?;
        let entry = Entry { path: file.path.as_ref().to_owned(), size: file.size, version: file.version };
        progress.add(entry, file.old.as_ref());
        Ok(self.ledger.compact(progress).await?.store()?.0)
    }

    /// Removes lists that `done` does not need.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn retain(&self, done: Option<&str>) -> Result<()> {
        let runs = progress(done)?.runs.into_iter().map(|(name, _)| name).collect();
        self.ledger.retain(&runs).await
    }

    /// What is in a file: all of it where `is_all`, otherwise its beginning, which has the names of a CSV file's columns. By the `names` that a table
    /// has, it is told how such a file is written.
    ///
    /// # Errors
    /// [`Error::Data`] when it cannot be read, [`Error::NotFound`] when it is gone; otherwise when the store does not answer.
    pub async fn look(&self, file: &Landed, is_all: bool, names: &[String]) -> Result<Looked> {
        let format = match Ending::of(&file.key) {
            Ending::Format(Kind::Json) => Format::Json,
            Ending::Format(Kind::Parquet) => Format::Parquet,
            _ => Format::Csv,
        };
        let connector = Kind::from(format).as_str();
        let header = (format == Format::Csv).then(|| ("header".to_owned(), "true".to_owned()));
        let spec = TableSpec {
            name: file.key.clone(),
            connector: connector.to_owned(),
            location: self.place.shown.clone(),
            series: None,
            partition_by: Vec::new(),
            columns: None,
            primary_key: Vec::new(),
            options: header.into_iter().collect(),
            comments: TableComments::default(),
        };
        let text = Text::of(&spec, format, options_of(format))?;
        let files = Files { name: &file.key, place: &self.place, format, text: &text };
        let object = self.object(file).await?;
        // Which members the records of a JSON file have, only all of them say.
        let bytes = if is_all || format == Format::Json { u64::MAX } else { HEAD };
        let observed = files.observe(&object, bytes, names).await?;
        Ok(Looked { schema: schema(&observed, false), connector })
    }

    /// The first `most` bytes of a file, decompressed.
    ///
    /// # Errors
    /// As [`Self::look`].
    pub async fn read(&self, file: &Landed, most: usize) -> Result<Vec<u8>> {
        use tokio::io::AsyncReadExt;
        let (object, address) = (self.object(file).await?, self.address(&file.key));
        let Some(body) = fetch(&self.place, &object).await? else { return Err(gone(&address)) };
        let mut bytes = Vec::new();
        let reader = body.open(&address).await?;
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        let read = reader.take(most).read_to_end(&mut bytes).await;
        read.map_err(|error| super::open::read_error(&error, &address))?;
        Ok(bytes)
    }

    /// The file as it was when it was listed.
    async fn object(&self, file: &Landed) -> Result<Object> {
        let found = self.place.object(file.path.as_ref()).await?.ok_or_else(|| gone(&self.address(&file.key)))?;
        if found.version == file.version { Ok(found) } else { Err(self.anew(file)) }
    }

    fn anew(&self, file: &Landed) -> Error {
        Error::transient(format!("'{}' was written anew since it was looked at", self.address(&file.key)))
    }

    /// Copies a refused file to where such files go, and puts `reason` beside it. The file stays where it is.
    ///
    /// # Errors
    /// When it is gone, or was written anew meanwhile: then it is another file. When the store refuses.
    pub async fn set_aside(&self, file: &Landed, reason: Vec<u8>) -> Result<()> {
        self.object(file).await?;
        let (root, store) = (&self.place.root, &self.place.root.store);
        let copy = root.join(&format!("{}{}", self.aside, file.key)).path;
        // A local store copies by a link: over one of the same file, it would leave another beside it.
        match store.delete(&copy).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        store.copy(&file.path, &copy).await?;
        self.object(file).await?;
        let beside = root.join(&format!("{}{}.reason.json", self.aside, file.key)).path;
        store.put(&beside, Bytes::from(reason).into()).await?;
        Ok(())
    }

    /// Removes a file that was copied, unless it was written anew meanwhile; says whether it did.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn remove(&self, file: &Landed) -> Result<bool> {
        match self.object(file).await {
            Ok(_) => {}
            Err(Error::NotFound { .. } | Error::Transient { source: None, .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
        match self.place.root.store.delete(&file.path).await {
            Ok(()) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn gone(address: &str) -> Error {
    Error::not_found(format!("'{address}' is gone"))
}

fn progress(done: Option<&str>) -> Result<Progress> {
    Progress::load(done.map(|text| Offset(text.to_owned())).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &std::path::Path, name: &str, text: &str) {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[tokio::test]
    async fn files_wait_in_the_order_in_which_they_landed_until_they_are_done() {
        let (folder, context) = (tempfile::tempdir().unwrap(), crate::lake::testing::local_lake().1);
        let home = context.stores.lake().unwrap().join("home");
        let landing = Landing::new(folder.path().to_str().unwrap(), "rejected/", &home, &context).unwrap();
        assert!(landing.waiting(None, 9).await.unwrap().files.is_empty());
        for name in ["d/append/t/b.csv", "d/append/t/a.csv", "d/append/t/[x] {1}*.csv", "rejected/d/append/t/a.csv", "d/_SUCCESS"]
        {
            write(folder.path(), name, "id\n1\n");
            std::thread::sleep(Duration::from_millis(5));
        }
        write(folder.path(), "d/append/t/a.csv.tmp", "i");
        let waiting = landing.waiting(None, 2).await.unwrap();
        let keys: Vec<&str> = waiting.files.iter().map(|file| file.key.as_str()).collect();
        assert_eq!((keys, waiting.more), (vec!["d/append/t/b.csv", "d/append/t/a.csv"], true));
        let mut done = None;
        for file in &waiting.files {
            done = Some(landing.with(done.as_deref(), file).await.unwrap());
        }
        let rest = landing.waiting(done.as_deref(), 2).await.unwrap();
        assert_eq!((rest.files.len(), rest.files[0].key.as_str(), rest.more), (1, "d/append/t/[x] {1}*.csv", false));
        let looked = landing.look(&rest.files[0], true, &[]).await.unwrap();
        assert_eq!((looked.schema.field(0).name().as_str(), looked.connector), ("id", "CSV"));
        write(folder.path(), "d/append/t/a.csv", "id\n1\n2\n");
        assert_eq!(landing.waiting(done.as_deref(), 9).await.unwrap().files.len(), 2, "it was written anew");
    }

    #[tokio::test]
    async fn a_refused_file_is_copied_with_its_reason_and_removed_only_as_it_was() {
        let (folder, context) = (tempfile::tempdir().unwrap(), crate::lake::testing::local_lake().1);
        let home = context.stores.lake().unwrap().join("home");
        let landing = Landing::new(folder.path().to_str().unwrap(), "rejected", &home, &context).unwrap();
        write(folder.path(), "d/a b%20c.csv", "x\n");
        let file = landing.waiting(None, 9).await.unwrap().files.remove(0);
        landing.set_aside(&file, b"{}".to_vec()).await.unwrap();
        let aside = |name: &str| std::fs::read_to_string(folder.path().join("rejected/d").join(name)).unwrap();
        assert_eq!((aside("a b%20c.csv").as_str(), aside("a b%20c.csv.reason.json").as_str()), ("x\n", "{}"));
        std::fs::remove_file(folder.path().join("d/a b%20c.csv")).unwrap();
        write(folder.path(), "d/a b%20c.csv", "another\n");
        assert!(!landing.remove(&file).await.unwrap(), "it is another file");
        let file = landing.waiting(None, 9).await.unwrap().files.remove(0);
        assert!(landing.remove(&file).await.unwrap() && !folder.path().join("d/a b%20c.csv").exists());
        assert!(!landing.remove(&file).await.unwrap());
    }
}
