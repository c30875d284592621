//! The pipelines that ship with engine, one `.sql` a subject; the tests of this package run all of them.

use std::path::PathBuf;

/// Every pipeline of this folder, sorted.
///
/// # Errors
/// When the folder cannot be read.
pub fn pipelines() -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    // As Cargo says when the tests run: what it said when they were built may be of another clone with the same target folder.
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    for entry in folder.read_dir()? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
