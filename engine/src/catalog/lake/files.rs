//! Files by path: `FROM 'x.csv'`, `FROM 's3://bucket/x/*.parquet'`. They are read as a table that declares no columns reads them, so that
//! rows do not depend on how a place is written.

use std::path::Path;
use std::sync::Arc;

use catalog::crawl::{EXTENSIONS, Format};
use connectors::files::{Glanced, WILDCARDS, glance};
use connectors::options::nearest;
use datafusion::catalog::TableProvider;
use datafusion::common::{DataFusionError, plan_err};
use datafusion::error::Result;
use datafusion::execution::SessionState;

use super::parquet;
use crate::flow::source_table::SourceTable;
use crate::session::Session;

/// Gives the session's state as it is now; `None` when the session is gone.
pub(crate) type CurrentState = Box<dyn Fn() -> Option<SessionState> + Send + Sync>;

/// Opens files.
pub(crate) struct Files {
    session: Session,
    state: CurrentState,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").finish_non_exhaustive()
    }
}

/// Whether a name is a path or URL rather than the name of a table.
pub(crate) fn looks_like_a_place(name: &str) -> bool {
    name.contains('/') || name.contains(WILDCARDS) || Format::of_path(name).is_some()
}

/// Whether a path or URL may be that of a folder with a table: neither a pattern nor, by its ending, a file.
pub(crate) fn is_folder(name: &str) -> bool {
    name.contains('/') && !name.contains(WILDCARDS) && Format::of_path(name).is_none()
}

impl Files {
    pub(crate) fn new(session: Session, state: CurrentState) -> Self {
        Self { session, state }
    }

    /// The session's state as it is now.
    pub(crate) fn state(&self) -> Result<SessionState> {
        (self.state)().ok_or_else(|| DataFusionError::Internal("the session is gone".to_owned()))
    }

    /// The files at a path or URL: one, all below a folder, or those that a pattern fits. Folders called `day=...` are columns.
    ///
    /// # Errors
    /// When there is none, or none whose ending is known, or no columns can be told from them.
    pub(crate) async fn open(&self, text: &str) -> Result<Arc<dyn TableProvider>> {
        let location = self.session.interpolated(text).map_err(|error| DataFusionError::Plan(format!("'{text}': {error:#}")))?;
        let context = &self.session.context;
        let found = match glance(&location, context).await? {
            Glanced::Files(found) => found,
            Glanced::Unknown(first) => {
                return plan_err!("'{first}' is of no kind that is known by its ending; there are: {}", endings());
            }
            Glanced::Nothing => return self.nothing_at(text, &location),
        };
        let source = found.open(context).await?;
        if let Some(files) = &found.parquet
            && let Some(table) = parquet::read(&self.state()?, files, &found.folders, &source.schema()).await?
        {
            return Ok(table);
        }
        Ok(Arc::new(SourceTable::new(text.to_owned(), source)))
    }

    /// There is no such file.
    fn nothing_at<T>(&self, text: &str, location: &str) -> Result<T> {
        let place = self.session.context.locate(location).ok().and_then(|place| place.url.to_file_path().ok());
        match place.and_then(|path| nearest_file(text, &path)) {
            Some(near) => plan_err!("there is no file at '{text}'; did you mean '{near}'?"),
            None => plan_err!("there is no file at '{text}'"),
        }
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
    let endings: Vec<String> = EXTENSIONS.iter().map(|(ending, _)| format!(".{ending}")).collect();
    format!("{} (also with .gz, .zst, .bz2, .xz)", endings.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_from_names() {
        for place in ["x.csv", "a/b", "s3://b/k", "*.parquet", "{a,b}", "x.ndjson.gz", "X.CSV", "./x"] {
            assert!(looks_like_a_place(place), "{place}");
        }
        for name in ["posts", "posts$bad", "csv", "gz", "a.b", "json"] {
            assert!(!looks_like_a_place(name), "{name}");
        }
    }
}
