//! Two files of one name: a pipeline is known by its file's stem, and one of them would go on where the other ended.

use std::path::{Path, PathBuf};

use anyhow::Result;
use chrono::{DateTime, Utc};

use crate::state::{Page, StateStore};

/// Runs that are looked through for one that says which file it was of; runs of an earlier version do not.
const LOOKED_THROUGH: u32 = 20;

/// What to say when the pipeline was last run from another file, which is still there and says something else. A file that was moved,
/// or is a copy, is the same pipeline.
pub(super) async fn warning(store: &dyn StateStore, pipeline: &str, file: &Path, now: DateTime<Utc>) -> Result<Option<String>> {
    let page = Page { pipeline: Some(pipeline.to_owned()), limit: LOOKED_THROUGH, ..Page::default() };
    let last = store.runs(&page, now).await?.into_iter().find_map(|run| run.holder.file).map(PathBuf::from);
    let Some(last) = last else { return Ok(None) };
    let (Ok(other), Ok(own)) = (std::fs::canonicalize(&last), std::fs::canonicalize(file)) else { return Ok(None) };
    let (Ok(its_text), Ok(own_text)) = (std::fs::read(&other), std::fs::read(&own)) else { return Ok(None) };
    if other == own || its_text == own_text {
        return Ok(None);
    }
    Ok(Some(format!(
        "pipeline '{pipeline}' was last run from {}: a pipeline is known by the name of its file, so this run goes on where that one \
         ended; if {} is another pipeline, give it another name",
        last.display(),
        file.display()
    )))
}
