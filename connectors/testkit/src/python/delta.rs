//! A Delta table as the Python package `deltalake` sees it, with its rows read by pyarrow: a reader that shares no scan code with ours.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::run;
use crate::{Error, Result};

/// What [`delta_counts`] needs, for [`venv_with`](super::venv_with).
pub const DELTA_PACKAGES: &[&str] = &["deltalake==1.6.6", "pyarrow==26.0.1"];

const SCRIPT: &str = include_str!("delta_counts.py");

#[derive(Deserialize)]
struct Counts {
    count: u64,
    distinct: u64,
}

/// `SELECT count(*), count(DISTINCT key)` over the newest version of a table, with `python` of an environment that has
/// [`DELTA_PACKAGES`]. `storage_options` are those of delta-rs, for example an S3 server's `environment()`. It blocks.
///
/// # Errors
/// If the table cannot be read: the error has the end of Python's output.
pub fn delta_counts(
    python: &Path,
    table_uri: &str,
    key: &str,
    storage_options: impl IntoIterator<Item = (String, String)>,
) -> Result<(u64, u64)> {
    let options: BTreeMap<String, String> = storage_options.into_iter().collect();
    let options = serde_json::json!(options).to_string();
    // By the environment, not the arguments: those can be read by every user, and are quoted in errors.
    let what = format!("counting {table_uri}");
    let answer = run(&what, Command::new(python).args(["-c", SCRIPT, table_uri, key]).env("STORAGE_OPTIONS", options))?;
    let counts: Counts = serde_json::from_slice(&answer)
        .map_err(|_| Error::Answer { what, answer: String::from_utf8_lossy(&answer).chars().take(500).collect() })?;
    Ok((counts.count, counts.distinct))
}
