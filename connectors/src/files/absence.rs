//! A location at which there is no file at all: misspelt, perhaps.

use std::path::Path;

use futures::TryStreamExt;

use super::listing::Place;
use crate::error::{Error, Result};
use crate::options::nearest;

/// Names of a folder that are looked through for one that is like the one that is not there.
const LOOKED_THROUGH: usize = 1_000;

/// That there is no file at `place`, and how far its path leads; `None` when there is one. A web server says so itself when it is asked.
///
/// # Errors
/// When the files cannot be listed.
pub(super) async fn absence(place: &Place) -> Result<Option<String>> {
    if place.is_web() || place.list().await?.try_next().await?.is_some() {
        return Ok(None);
    }
    let Some(folder) = place.local_folder() else { return Ok(Some(format!("there is no file at '{}'", place.shown))) };
    let shown = match place.is_pattern() {
        true => place.shown.trim_start_matches("file://").to_owned(),
        false => folder.display().to_string(),
    };
    let looked = tokio::task::spawn_blocking(move || instead_of(&folder)).await;
    let instead = looked.map_err(|error| Error::internal(format!("looking for a folder: {error}")))?;
    Ok(Some(format!("there is no file at '{shown}'{instead}")))
}

/// Of a path that leads nowhere, how far it leads, and what has a name there like the one that is missing.
fn instead_of(path: &Path) -> String {
    if path.is_dir() {
        return ", in a folder that is there".to_owned();
    }
    for missing in path.ancestors() {
        let (Some(parent), Some(name)) = (missing.parent(), missing.file_name()) else { break };
        let Ok(entries) = std::fs::read_dir(parent) else { continue };
        let names = entries.flatten().take(LOOKED_THROUGH).map(|entry| entry.file_name().to_string_lossy().into_owned());
        let (names, name) = (names.collect::<Vec<String>>(), name.to_string_lossy());
        let near = nearest(&name, names.iter().map(String::as_str)).map(|near| format!("; did you mean '{near}'?"));
        return format!(": the folder '{}' has no '{name}'{}", parent.display(), near.unwrap_or_default());
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_a_path_leads_and_a_name_like_the_missing_one_are_told() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("toll")).unwrap();
        let at = folder.path().display();
        assert_eq!(
            instead_of(&folder.path().join("tol/2026")),
            format!(": the folder '{at}' has no 'tol'; did you mean 'toll'?")
        );
        assert_eq!(instead_of(&folder.path().join("else")), format!(": the folder '{at}' has no 'else'"));
        assert_eq!(instead_of(&folder.path().join("toll")), ", in a folder that is there");
    }
}
