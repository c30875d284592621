//! What tables the lake has: its folders, walked, and remembered for a few seconds.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use catalog::store::{Table, TableName};
use connectors::context::Context;
use connectors::stores::Location;
use connectors::{Error, Result};
use datafusion::sql::sqlparser::keywords;
use futures::StreamExt;
use object_store::{ListResult, ObjectStore};

use super::PUBLIC;
use crate::catalog::Lookup;
use crate::session::Session;

/// How long a walk is good for.
const REMEMBERED: Duration = Duration::from_secs(10);

/// What is as good as now: the look-ups of one statement share a walk.
const FRESH: Duration = Duration::from_millis(500);

/// Folders listed at the same time.
const CONCURRENT: usize = 16;

/// A lake with more folders that are no tables, or deeper ones, is shown as far as this.
const MAX_FOLDERS: usize = 10_000;
const MAX_DEPTH: usize = 6;

/// What a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FolderKind {
    /// It has a `_delta_log`.
    Delta,
    /// It has our commit records.
    Parquet,
    /// It has Parquet files that nobody keeps records of.
    Files,
    /// It is in the catalog, and not in the folder of the lake that has its name.
    Registered,
}

/// A table of the lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LakeTable {
    /// Its folders, joined by `/`; empty for a table right below the lake's root.
    pub(crate) folder: String,
    /// Its name.
    pub(crate) name: String,
    pub(crate) kind: FolderKind,
}

impl LakeTable {
    fn registered(name: &TableName) -> Self {
        let folder = if name.database == PUBLIC { String::new() } else { name.database.clone() };
        Self { folder, name: name.table.clone(), kind: FolderKind::Registered }
    }

    /// What it is called in the catalog.
    pub(crate) fn registered_name(&self) -> TableName {
        TableName::new(self.schema(), self.name.as_str())
    }

    /// The schema it is in.
    pub(crate) fn schema(&self) -> &str {
        if self.folder.is_empty() { PUBLIC } else { &self.folder }
    }

    /// `lake://reddit/posts`.
    pub(crate) fn location(&self) -> String {
        let slash = if self.folder.is_empty() { "" } else { "/" };
        format!("lake://{}{slash}{}", self.folder, self.name)
    }

    /// Whether it holds the bad records of a source.
    pub(crate) fn is_bad(&self) -> bool {
        self.folder.starts_with("bad/")
    }

    /// As it is written in a query: `reddit.posts`, `lake."a/b".posts`.
    pub(crate) fn reference(&self) -> String {
        match self.schema() {
            PUBLIC => quoted(&self.name),
            schema => format!("{}.{}", quoted(schema), quoted(&self.name)),
        }
    }
}

/// A name as SQL takes it.
pub(crate) fn quoted(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '$'))
        && !is_reserved(name);
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// Whether the parser takes the word for something else where a name may stand.
fn is_reserved(name: &str) -> bool {
    let found = keywords::ALL_KEYWORDS.binary_search(&name.to_uppercase().as_str());
    let keyword = found.ok().and_then(|at| keywords::ALL_KEYWORDS_INDEX.get(at));
    keyword.is_some_and(|word| {
        keywords::RESERVED_FOR_IDENTIFIER.contains(word) || keywords::RESERVED_FOR_COLUMN_ALIAS.contains(word)
    })
}

/// The tables of the lake as of a moment ago.
pub(crate) struct LakeIndex {
    session: Session,
    catalog: Lookup,
    walked: Mutex<Option<(Instant, Arc<[LakeTable]>)>>,
}

impl std::fmt::Debug for LakeIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LakeIndex").finish_non_exhaustive()
    }
}

impl LakeIndex {
    pub(crate) fn new(session: &Session) -> Self {
        Self { session: session.clone(), catalog: Lookup::new(session), walked: Mutex::default() }
    }

    /// What connectors are given.
    pub(crate) fn context(&self) -> &Context {
        &self.session.context
    }

    /// The settings made real.
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// The catalog.
    pub(crate) fn catalog(&self) -> &Lookup {
        &self.catalog
    }

    /// What the catalog says of a table.
    pub(crate) async fn registered(&self, table: &LakeTable) -> Option<Table> {
        self.catalog.find(&table.registered_name()).await
    }

    /// What the last walk found, however long ago; asks nothing of the store.
    pub(crate) fn known(&self) -> Arc<[LakeTable]> {
        let walked = self.walked.lock().unwrap_or_else(PoisonError::into_inner);
        walked.as_ref().map(|(_, tables)| Arc::clone(tables)).unwrap_or_default()
    }

    /// All tables, sorted; from a walk that is a few seconds old at most.
    ///
    /// # Errors
    /// When the lake cannot be listed.
    pub(crate) async fn tables(&self) -> Result<Arc<[LakeTable]>> {
        self.tables_of(REMEMBERED).await
    }

    /// All tables, as of now.
    ///
    /// # Errors
    /// When the lake cannot be listed.
    pub(crate) async fn fresh_tables(&self) -> Result<Arc<[LakeTable]>> {
        self.tables_of(FRESH).await
    }

    async fn tables_of(&self, age: Duration) -> Result<Arc<[LakeTable]>> {
        {
            let walked = self.walked.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((at, tables)) = walked.as_ref()
                && at.elapsed() < age
            {
                return Ok(Arc::clone(tables));
            }
        }
        let mut tables = walk(self.context()).await?;
        tables.extend(self.catalog.list().await.iter().map(|table| LakeTable::registered(table.name())));
        // What has a folder of the lake stays as the walk found it: the sort is stable.
        tables.sort_by(|a, b| (&a.folder, &a.name).cmp(&(&b.folder, &b.name)));
        tables.dedup_by(|a, b| (&a.folder, &a.name) == (&b.folder, &b.name));
        let tables: Arc<[LakeTable]> = tables.into();
        let mut walked = self.walked.lock().unwrap_or_else(PoisonError::into_inner);
        *walked = Some((Instant::now(), Arc::clone(&tables)));
        Ok(tables)
    }
}

/// Level by level, each folder with one listing.
async fn walk(context: &Context) -> Result<Vec<LakeTable>> {
    let root = context.stores.lake()?;
    let mut tables = Vec::new();
    let mut level = vec![String::new()];
    let mut folders = 0;
    for _ in 0..MAX_DEPTH {
        folders += level.len();
        if level.is_empty() || folders > MAX_FOLDERS {
            break;
        }
        let looks: Vec<_> = level.into_iter().map(|folder| look(&root, folder)).collect();
        let mut looks = futures::stream::iter(looks).buffer_unordered(CONCURRENT);
        let mut next = Vec::new();
        while let Some(look) = looks.next().await {
            match look? {
                Look::Table(table) => tables.push(table),
                Look::Folders(folders) => next.extend(folders),
            }
        }
        level = next;
    }
    if folders > MAX_FOLDERS {
        tracing::warn!(
            folders = MAX_FOLDERS,
            "the lake has more folders than are looked at; tables in the others need their whole name"
        );
    }
    Ok(tables)
}

enum Look {
    Table(LakeTable),
    Folders(Vec<String>),
}

async fn look(root: &Location, path: String) -> Result<Look> {
    let place = if path.is_empty() { root.clone() } else { root.join(&path) };
    let listing = list(&place).await?;
    // The lake itself is no table, whatever lies in it.
    if let (false, Some(kind)) = (path.is_empty(), kind(&listing)) {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        return Ok(Look::Table(LakeTable { folder: folder.to_owned(), name: name.to_owned(), kind }));
    }
    let names = listing.common_prefixes.iter().filter_map(|prefix| prefix.filename().map(str::to_owned));
    let visible = names.filter(|name| !name.starts_with(['.', '_']));
    let slash = if path.is_empty() { "" } else { "/" };
    Ok(Look::Folders(visible.map(|name| format!("{path}{slash}{name}")).collect()))
}

/// What lies right below a place; nothing when it is not there.
pub(crate) async fn list(place: &Location) -> Result<ListResult> {
    match place.store.list_with_delimiter(Some(&place.path)).await {
        Err(object_store::Error::NotFound { .. }) => Ok(ListResult { common_prefixes: Vec::new(), objects: Vec::new() }),
        other => Ok(other.map_err(Error::from)?),
    }
}

/// Whether a folder with this in it is a table.
pub(crate) fn kind(listing: &ListResult) -> Option<FolderKind> {
    let has = |name: &str| listing.common_prefixes.iter().any(|prefix| prefix.filename() == Some(name));
    let partitions = || listing.common_prefixes.iter().filter_map(|prefix| prefix.filename()).any(|name| name.contains('='));
    let files = || listing.objects.iter().filter_map(|object| object.location.filename()).any(|name| name.ends_with(".parquet"));
    if has("_delta_log") {
        Some(FolderKind::Delta)
    } else if has("_engine") {
        Some(FolderKind::Parquet)
    } else if files() || partitions() {
        Some(FolderKind::Files)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_they_must_be() {
        for (name, expected) in [
            ("posts", "posts"),
            ("posts$bad", "posts$bad"),
            ("first", "first"),
            ("order", "\"order\""),
            ("from", "\"from\""),
            ("Second", "\"Second\""),
            ("a/b", "\"a/b\""),
            ("1st", "\"1st\""),
            ("a\"b", "\"a\"\"b\""),
        ] {
            assert_eq!(quoted(name), expected);
        }
    }

    #[test]
    fn a_table_of_the_root_is_in_no_folder() {
        let table = |folder: &str| LakeTable { folder: folder.into(), name: "t".into(), kind: FolderKind::Delta };
        assert_eq!((table("").reference(), table("").location()), ("t".to_owned(), "lake://t".to_owned()));
        assert_eq!((table("a/b").reference(), table("a/b").location()), ("\"a/b\".t".to_owned(), "lake://a/b/t".to_owned()));
    }
}
