//! Files by path: `FROM 'x.csv'`, `FROM 's3://bucket/x/*.parquet'`. They are read as DataFusion reads them, through our stores.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use connectors::context::Context;
use connectors::options::nearest;
use connectors::stores::Location;
use datafusion::catalog::TableProvider;
use datafusion::common::{DataFusionError, plan_err};
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::error::Result;
use datafusion::execution::SessionState;
use futures::StreamExt;
use object_store::ObjectStore;

/// Endings that files are known by, and what they are to DataFusion.
const ENDINGS: [(&str, &str); 7] = [
    ("parquet", "parquet"),
    ("pq", "parquet"),
    ("csv", "csv"),
    ("tsv", "csv"),
    ("json", "json"),
    ("ndjson", "json"),
    ("jsonl", "json"),
];

/// What a pattern is made of.
const WILDCARDS: [char; 3] = ['*', '?', '['];

/// Gives the session's state as it is now; `None` when the session is gone.
pub(crate) type CurrentState = Box<dyn Fn() -> Option<SessionState> + Send + Sync>;

/// Opens files.
pub(crate) struct Files {
    context: Context,
    state: CurrentState,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").finish_non_exhaustive()
    }
}

/// Whether a name is a path or URL rather than the name of a table.
pub(crate) fn looks_like_a_place(name: &str) -> bool {
    name.contains('/') || name.contains(WILDCARDS) || format_of(name).is_some()
}

/// Whether a path or URL may be that of a folder with a table: neither a pattern nor, by its ending, a file.
pub(crate) fn is_folder(name: &str) -> bool {
    name.contains('/') && !name.contains(WILDCARDS) && format_of(name).is_none()
}

/// The connector of the files that a pattern with a wildcard for a folder means: DataFusion's own patterns are of file names only.
///
/// # Errors
/// When the pattern does not end as files do whose kind is known.
pub(crate) fn over_folders(name: &str) -> Result<Option<&'static str>> {
    let (_, Some(pattern)) = split_pattern(name) else { return Ok(None) };
    let Some((_, file)) = pattern.rsplit_once('/') else { return Ok(None) };
    match format_of(file) {
        Some((format, _)) => Ok(Some(format)),
        None => plan_err!("'{name}' does not say which kind of files it means; it may end in: {}", endings()),
    }
}

/// Format, compression and what else the format has to be told, by the ending of a file's name.
fn format_of(name: &str) -> Option<(&'static str, HashMap<String, String>)> {
    let (ending, compression) = ListingTableConfig::infer_file_extension_and_compression_type(name).ok()?;
    // A name without a dot is not an ending.
    let ending = Some(ending.to_lowercase()).filter(|ending| name.len() > ending.len() && name.contains('.'))?;
    let (_, format) = ENDINGS.iter().find(|(known, _)| *known == ending)?;
    let mut options: HashMap<String, String> =
        compression.into_iter().map(|kind| ("format.compression".to_owned(), kind)).collect();
    if ending == "tsv" {
        options.insert("format.delimiter".to_owned(), "\t".to_owned());
    }
    Some((format, options))
}

impl Files {
    pub(crate) fn new(context: Context, state: CurrentState) -> Self {
        Self { context, state }
    }

    /// The session's state as it is now.
    pub(crate) fn state(&self) -> Result<SessionState> {
        (self.state)().ok_or_else(|| DataFusionError::Internal("the session is gone".to_owned()))
    }

    /// The files at a path or URL: one, all below a folder, or those that a pattern fits.
    ///
    /// # Errors
    /// When there is none, or none whose ending is known.
    pub(crate) async fn open(&self, text: &str) -> Result<Arc<dyn TableProvider>> {
        let state = self.state()?;
        let (base, pattern) = split_pattern(text);
        let place = self.context.locate(if base.is_empty() { "." } else { base })?;
        let mut root = place.url.clone();
        root.set_path("");
        state.runtime_env().register_object_store(&root, Arc::clone(&place.store));
        let is_folder = text.ends_with('/') || pattern.is_some() || place.url.to_file_path().is_ok_and(|path| path.is_dir());
        let mut url = place.url.clone();
        if is_folder {
            url.set_path(&format!("{}/", url.path().trim_end_matches('/')));
        }
        let glob = pattern.map(glob::Pattern::new).transpose().map_err(|error| DataFusionError::External(Box::new(error)))?;
        let has_pattern = glob.is_some();
        let url = ListingTableUrl::try_new(url, glob)?;
        let first = first_file(&url, &place, &state).await?;
        let Some(first) = first else { return nothing_at(text, &place) };
        let Some((format, options)) = format_of(&first) else {
            return plan_err!("'{first}' is of no kind that is known by its ending; there are: {}", endings());
        };
        let Some(factory) = state.get_file_format_factory(format) else {
            return plan_err!("files of the format {format} are not read");
        };
        // A pattern says itself which files it means; a folder is read as what its first file is.
        let ending = if has_pattern { "" } else { first.split_once('.').map_or("", |_| ending(&first)) };
        let listing = ListingOptions::new(factory.create(&state, &options)?).with_file_extension(ending);
        let config = ListingTableConfig::new(url).with_listing_options(listing);
        let config = if is_folder { config.infer_partitions_from_path(&state).await? } else { config };
        Ok(Arc::new(ListingTable::try_new(config.infer_schema(&state).await?)?))
    }
}

/// `.csv.gz` of a file name: its ending and that of its compression.
fn ending(name: &str) -> &str {
    let compressed = ["gz", "gzip", "zst", "bz2", "xz"];
    let last = name.rfind('.').unwrap_or(0);
    match name[..last].rfind('.') {
        Some(before) if compressed.contains(&&name[last + 1..]) => &name[before..],
        _ => &name[last..],
    }
}

/// What stands before the first part with a wildcard, and the rest.
fn split_pattern(text: &str) -> (&str, Option<&str>) {
    let Some(wildcard) = text.find(WILDCARDS) else { return (text, None) };
    let start = text[..wildcard].rfind('/').map_or(0, |slash| slash + 1);
    (&text[..start], Some(&text[start..]))
}

/// The name of the first file that is neither hidden nor empty.
async fn first_file(url: &ListingTableUrl, place: &Location, state: &SessionState) -> Result<Option<String>> {
    let mut files = url.list_all_files(state, place.store.as_ref() as &dyn ObjectStore, "").await?;
    while let Some(file) = files.next().await {
        let file = file?;
        let name = file.location.filename().unwrap_or_default();
        if file.size > 0 && !name.starts_with(['.', '_']) {
            return Ok(Some(name.to_owned()));
        }
    }
    Ok(None)
}

/// There is no such file.
fn nothing_at<T>(text: &str, place: &Location) -> Result<T> {
    match nearest_file(text, &place.url.to_file_path().unwrap_or_default()) {
        Some(near) => plan_err!("there is no file at '{text}'; did you mean '{near}'?"),
        None => plan_err!("there is no file at '{text}'"),
    }
}

/// The file of the local disk whose name is like that of `path`, written as `text` writes `path`.
pub(crate) fn nearest_file(text: &str, path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let near = nearest(&name, names.iter().map(String::as_str)).filter(|near| *near != name)?;
    Some(text.replace(name.as_ref(), near))
}

/// The endings that files are known by, for a message.
pub(crate) fn endings() -> String {
    let endings: Vec<String> = ENDINGS.iter().map(|(ending, _)| format!(".{ending}")).collect();
    format!("{} (also with .gz, .zst, .bz2, .xz)", endings.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_from_names() {
        for place in ["x.csv", "a/b", "s3://b/k", "*.parquet", "x.ndjson.gz", "X.CSV", "./x"] {
            assert!(looks_like_a_place(place), "{place}");
        }
        for name in ["posts", "posts$bad", "csv", "gz", "a.b", "json"] {
            assert!(!looks_like_a_place(name), "{name}");
        }
    }

    #[test]
    fn a_pattern_begins_with_the_part_that_has_a_wildcard() {
        assert_eq!(split_pattern("s3://b/x/y=*/z.csv"), ("s3://b/x/", Some("y=*/z.csv")));
        assert_eq!(split_pattern("*.csv"), ("", Some("*.csv")));
        assert_eq!(split_pattern("a/b.csv"), ("a/b.csv", None));
    }

    #[test]
    fn a_pattern_over_folders_says_which_kind_of_files_it_means() {
        assert_eq!(over_folders("s3://b/x/y=*/z.csv.gz").unwrap(), Some("csv"));
        assert_eq!(over_folders("x/**/*.parquet").unwrap(), Some("parquet"));
        assert_eq!(over_folders("x/*.csv").unwrap(), None);
        assert!(over_folders("x/*/part-*").unwrap_err().to_string().contains(".parquet"));
    }

    #[test]
    fn an_ending_takes_its_compression_along() {
        assert_eq!(ending("a.b.csv.gz"), ".csv.gz");
        assert_eq!(ending("a.csv"), ".csv");
    }
}
