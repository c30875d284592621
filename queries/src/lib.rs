//! The pipelines that ship with engine, one `.sql` a subject; the tests of this package run all of them.

use std::path::{Path, PathBuf};

/// Every pipeline of this folder, sorted.
///
/// # Errors
/// When the folder cannot be read.
pub fn pipelines() -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in Path::new(env!("CARGO_MANIFEST_DIR")).read_dir()? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
