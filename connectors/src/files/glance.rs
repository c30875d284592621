//! Files that nobody declared: `SELECT * FROM 'in/*.csv'`. Their place is glanced at for their format and their folders, and they are
//! read as a table that declares no columns is; but more of them are looked at for its columns, and nothing is kept.

use std::sync::Arc;

use catalog::crawl::{Ending, Format as Kind, SkipReason};
use futures::TryStreamExt;
use object_store::ObjectMeta;
use object_store::memory::InMemory;
use object_store::path::Path;
use url::Url;

use super::config::{FileTable, Findings};
use super::connector::options_of;
use super::ledger::Ledger;
use super::listing::Place;
use super::news::News;
use super::object::{Format, Object};
use super::pattern::WILDCARDS;
use super::source::{FileSource, Parking};
use crate::context::{Context, TableComments, TableSpec};
use crate::error::{Error, Result};
use crate::source::Source;
use crate::staging::NULL_FOLDER;
use crate::stores::Location;

/// Files whose folders decide which of them are columns.
const LOOKED_AT: usize = 1_000;

/// Parquet files that are told by their names; of more, only that they are more.
const NAMED: usize = 50_000;

/// What is at a place.
#[derive(Debug, Clone)]
pub struct Glance {
    /// What the files hold.
    pub kind: Kind,
    /// The names of folders called `day=...` that all files are in, of those that were looked at.
    pub folders: Vec<String>,
    /// Of Parquet files, what another reader of them has to know.
    pub parquet: Option<ParquetFiles>,
    location: String,
}

/// Parquet files, as another reader finds them.
#[derive(Debug, Clone)]
pub struct ParquetFiles {
    /// Where the location begins: a folder, or the file.
    pub root: Location,
    /// All of them.
    pub files: Vec<ObjectMeta>,
    /// The location is a folder, and every file in it is one of these, right in the folders that are columns, by values that are not
    /// escaped.
    pub is_folder: bool,
}

/// What a location is found to be.
#[derive(Debug)]
pub enum Glanced {
    /// Files that can be read.
    Files(Glance),
    /// Files, of which this is the first; no name says what they hold.
    Unknown(String),
    /// No file.
    Nothing,
}

/// Looks at the names of the files at `location`.
///
/// # Errors
/// [`Error::Config`] for a location that is none; otherwise when it cannot be listed.
pub async fn glance(location: &str, context: &Context) -> Result<Glanced> {
    let place = Place::parse(&context.stores, location)?;
    let mut kind = Kind::of_path(if place.is_web() { place.root.path.as_ref() } else { location });
    let mut found = Found::new(location, &place);
    if place.is_web() {
        return Ok(kind.map_or_else(|| Glanced::Unknown(place.shown.clone()), |kind| Glanced::Files(found.glance(kind))));
    }
    let mut unknown = None;
    let mut files = place.list().await?;
    while let Some(object) = files.try_next().await? {
        let relative = place.relative(&object.path);
        let ending = Ending::of(relative);
        match (SkipReason::of(relative, object.size), ending, kind) {
            (Some(_), ..) => found.passed_over += 1,
            (None, Ending::Format(one), Some(kind)) if one != kind => found.passed_over += 1,
            (None, Ending::Format(one), None) => {
                kind = Some(one);
                found.add(&object);
            }
            (None, _, Some(_)) => found.add(&object),
            (None, _, None) => {
                unknown.get_or_insert_with(|| place.address(&object.path));
                found.passed_over += 1;
            }
        }
        if found.count >= LOOKED_AT && (kind != Some(Kind::Parquet) || found.count > NAMED) {
            break;
        }
    }
    Ok(match (kind, unknown) {
        (Some(kind), _) if found.count > 0 => Glanced::Files(found.glance(kind)),
        (None, Some(first)) => Glanced::Unknown(first),
        _ => Glanced::Nothing,
    })
}

/// The files of a place, as far as they were listed.
struct Found<'a> {
    location: &'a str,
    place: &'a Place,
    /// Names of folders that all files were in.
    folders: Option<Vec<String>>,
    files: Vec<ObjectMeta>,
    count: usize,
    passed_over: usize,
    is_even: bool,
}

impl<'a> Found<'a> {
    fn new(location: &'a str, place: &'a Place) -> Self {
        Self { location, place, folders: None, files: Vec::new(), count: 0, passed_over: 0, is_even: true }
    }

    fn add(&mut self, object: &Object) {
        self.count += 1;
        let relative = self.place.relative(&object.path);
        let parts: Vec<&str> = relative.rsplit_once('/').map_or_else(Vec::new, |(folders, _)| folders.split('/').collect());
        let names: Vec<String> = parts.iter().copied().filter_map(named).collect();
        let escaped = parts.iter().any(|part| part.contains('%') || part.ends_with(NULL_FOLDER));
        self.is_even &= !escaped && names.len() == parts.len();
        if self.count <= LOOKED_AT {
            match &mut self.folders {
                None => self.folders = Some(names),
                Some(folders) => {
                    self.is_even &= *folders == names;
                    folders.retain(|name| names.contains(name));
                }
            }
        } else {
            self.is_even &= self.folders.as_ref() == Some(&names);
        }
        if self.files.len() < NAMED {
            self.files.push(ObjectMeta {
                location: object.path.clone(),
                last_modified: object.modified,
                size: object.size,
                e_tag: object.etag.as_deref().map(str::to_owned),
                version: None,
            });
        }
    }

    fn glance(self, kind: Kind) -> Glance {
        let is_pattern = self.place.is_pattern();
        // Where folders are chosen by a pattern, those of its own are columns too: `day=2026-11-21/*.csv`.
        let own = self.location.split('/').filter(|_| is_pattern).filter_map(named);
        let mut folders: Vec<String> = own.filter(|name| !name.contains(WILDCARDS)).collect();
        for name in self.folders.unwrap_or_default() {
            if !folders.contains(&name) {
                folders.push(name);
            }
        }
        let is_complete = kind == Kind::Parquet && self.count > 0 && self.count <= NAMED;
        let is_folder = !is_pattern && self.is_even && self.passed_over == 0;
        let parquet = ParquetFiles { root: self.place.root.clone(), files: self.files, is_folder };
        Glance { kind, folders, parquet: is_complete.then_some(parquet), location: self.location.to_owned() }
    }
}

/// The column of a folder called `column=value`.
fn named(folder: &str) -> Option<String> {
    folder.split_once('=').map(|(name, _)| name.to_lowercase()).filter(|name| !name.is_empty())
}

impl Glance {
    /// The files as a table.
    ///
    /// # Errors
    /// [`Error::Config`] and [`Error::Data`] when no columns can be told from them.
    pub async fn open(&self, context: &Context) -> Result<Arc<dyn Source>> {
        let format = match self.kind {
            Kind::Json => Format::Json,
            Kind::Csv => Format::Csv,
            Kind::Parquet => Format::Parquet,
            other => return Err(Error::internal(format!("files of {other}"))),
        };
        let spec = TableSpec {
            name: self.location.clone(),
            connector: self.kind.as_str().to_owned(),
            location: self.location.clone(),
            series: None,
            partition_by: self.folders.clone(),
            columns: None,
            primary_key: Vec::new(),
            options: Vec::new(),
            comments: TableComments::default(),
        };
        let home = nowhere()?;
        let table = FileTable::open(&spec, &home, context, format, options_of(format), Findings::Dropped).await?;
        let table = Arc::new(table);
        let news = Arc::new(News::new(&table, context)?);
        Ok(Arc::new(FileSource { table, ledger: Ledger::new(home), parked: Parking::default(), news }))
    }
}

/// Where what is kept of a table goes when nothing is to be.
fn nowhere() -> Result<Location> {
    let url = Url::parse("memory:///").map_err(|error| Error::internal(format!("memory: {error}")))?;
    Ok(Location { url, store: Arc::new(InMemory::new()), path: Path::default() })
}
