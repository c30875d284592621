//! The pipelines' files: in a folder, or below a prefix of a bucket.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use connectors::stores::Location;
use object_store::ObjectStoreExt;

use crate::session::Session;
use crate::sql::script;

/// The largest file of a pipeline in a bucket.
const LARGEST: u64 = 16 << 20;

/// Where pipelines are.
#[derive(Debug, Clone)]
pub enum Place {
    /// A folder.
    Folder(PathBuf),
    /// Below a prefix of a bucket.
    Bucket(Location),
}

/// The state of a file that changes when the file does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stamp(String);

/// Files by pipeline: where each is, and its stamp.
pub type Files = BTreeMap<String, (PathBuf, Stamp)>;

impl Place {
    /// From `queries/` or `s3://bucket/queries/`.
    ///
    /// # Errors
    /// When it is no folder, or its scheme is not known.
    pub fn parse(text: &str, session: &Session) -> Result<Self> {
        if text.contains("://") && !text.starts_with("file://") {
            let location = session.context.stores.locate(text).with_context(|| format!("'{text}' cannot be read"))?;
            return Ok(Self::Bucket(location));
        }
        let folder = PathBuf::from(text.strip_prefix("file://").unwrap_or(text));
        if !folder.is_dir() {
            let what = if folder.exists() {
                "is a file; name the folder that it is in"
            } else {
                "is not there; make it, or name another folder"
            };
            bail!("{} {what}", folder.display());
        }
        Ok(Self::Folder(folder))
    }

    /// The `.sql` files there are now. Of a folder those in it, not in folders below.
    ///
    /// # Errors
    /// When the folder or the bucket cannot be read: that says nothing of the files.
    pub async fn list(&self) -> Result<Files> {
        match self {
            Self::Folder(folder) => list_folder(folder),
            Self::Bucket(location) => list_bucket(location).await,
        }
    }

    /// The text of a file.
    ///
    /// # Errors
    /// When it cannot be read, or is not UTF-8.
    pub async fn read(&self, path: &Path) -> Result<String> {
        let Self::Bucket(location) = self else { return script::read(path) };
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let object = location.join(&name);
        let found = object.store.get(&object.path).await.with_context(|| format!("cannot read {}", path.display()))?;
        if found.meta.size > LARGEST {
            bail!("{} has {} bytes; a pipeline is at most {LARGEST}", path.display(), found.meta.size);
        }
        let bytes = found.bytes().await.with_context(|| format!("cannot read {}", path.display()))?;
        script::decode(bytes.to_vec(), path)
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::Bucket(location) => f.write_str(location.url.as_str()),
        }
    }
}

fn list_folder(folder: &Path) -> Result<Files> {
    let mut files = Files::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
        let Some(name) = pipeline_name(&path) else { continue };
        // It may be gone since it was listed.
        let Ok(meta) = std::fs::metadata(&path) else { continue };
        if !meta.is_file() {
            continue;
        }
        let modified = meta.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok()).unwrap_or_default();
        files.insert(name, (path, Stamp(format!("{}-{}-{}", meta.len(), modified.as_nanos(), identity(&meta)))));
    }
    Ok(files)
}

/// Tells a file from another that took its name at the same moment.
#[cfg(unix)]
fn identity(meta: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(meta)
}

#[cfg(not(unix))]
fn identity(_meta: &std::fs::Metadata) -> u64 {
    0
}

async fn list_bucket(location: &Location) -> Result<Files> {
    let prefix = Some(&location.path).filter(|path| !path.as_ref().is_empty());
    let mut files = Files::new();
    let listed = location.store.list_with_delimiter(prefix).await.with_context(|| format!("cannot list {}", location.url))?;
    for object in listed.objects {
        let shown = PathBuf::from(format!(
            "{}/{}",
            location.url.as_str().trim_end_matches('/'),
            object.location.filename().unwrap_or_default()
        ));
        let Some(name) = pipeline_name(&shown) else { continue };
        let stamp = object.e_tag.unwrap_or_else(|| object.last_modified.to_rfc3339());
        files.insert(name, (shown, Stamp(format!("{}-{stamp}", object.size))));
    }
    Ok(files)
}

/// What a file's pipeline is called; `None` of a file that is none.
fn pipeline_name(path: &Path) -> Option<String> {
    let is_sql = path.extension().is_some_and(|extension| extension == "sql");
    let name = path.file_stem()?.to_str()?;
    // What editors leave beside a file while they write it.
    (is_sql && !name.starts_with('.') && !name.starts_with('#')).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_shows_its_pipelines_and_when_they_change() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.sql", "b.SQL", ".a.sql.swp", ".#a.sql", "#c.sql", "readme.md"] {
            std::fs::write(folder.path().join(name), "SELECT 1").unwrap();
        }
        std::fs::create_dir(folder.path().join("d.sql")).unwrap();
        let place = Place::Folder(folder.path().to_owned());
        let first = place.list().await.unwrap();
        assert_eq!(first.keys().collect::<Vec<_>>(), ["a"]);
        // Written anew in another file that is renamed into place, as editors do.
        std::fs::write(folder.path().join("new"), "SELECT 2").unwrap();
        std::fs::rename(folder.path().join("new"), folder.path().join("a.sql")).unwrap();
        assert_ne!(place.list().await.unwrap()["a"].1, first["a"].1);
    }
}
