//! A table of a warehouse held against the Delta table of the same rows, each read by a package that shares no code with ours.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::run;
use crate::{Error, Result};

/// What [`same_rows`] needs, for [`venv_with`](super::venv_with).
pub const WAREHOUSE_PACKAGES: &[&str] = &["deltalake==1.6.6", "pyarrow==26.0.1", "psycopg[binary]==3.3.9"];

#[derive(Deserialize)]
struct Counts {
    rows: u64,
    distinct: u64,
}

/// How many rows, and how many different keys, are in the Delta table at `folder` and in `table` of the database at `url`, value by
/// value the same. It blocks.
///
/// # Errors
/// If they differ, with the first row that does, or if one cannot be read.
pub fn same_rows(python: &Path, folder: &Path, url: &str, table: &str, key: &str) -> Result<(u64, u64)> {
    let what = format!("comparing {} with {table}", folder.display());
    let mut command = Command::new(python);
    // By the environment: arguments are quoted in errors.
    command.args(["-c", include_str!("same_rows.py")]).arg(folder).args([table, key]).env("WAREHOUSE_URL", url);
    let answer = run(&what, &mut command)?;
    let counts: Counts = serde_json::from_slice(&answer)
        .map_err(|_| Error::Answer { what, answer: String::from_utf8_lossy(&answer).chars().take(500).collect() })?;
    Ok((counts.rows, counts.distinct))
}
