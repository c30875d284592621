//! Where PostgreSQL's programs are.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};

/// The first version with MERGE.
const OLDEST: u32 = 15;
/// Where distributions put the programs, a folder for each version.
const FOLDERS: &[&str] = &["/usr/lib/postgresql", "/usr/pgsql-*", "/opt/homebrew/opt", "/usr/local/opt", "/usr/local/pgsql"];

/// The folder with `initdb` and `postgres`: `$PG_BIN`, else the first fit one of PATH, else the newest of the distribution's folders.
pub(super) fn find() -> Result<PathBuf> {
    if let Some(folder) = env::var_os("PG_BIN").map(PathBuf::from) {
        return if version(&folder) >= OLDEST {
            Ok(folder)
        } else {
            Err(Error::Config(format!("PG_BIN={} has no initdb and postgres of version {OLDEST} or later", folder.display())))
        };
    }
    let path = env::var_os("PATH").unwrap_or_default();
    // A link in PATH is followed, because the programs look for their libraries from where they really are.
    let in_path =
        env::split_paths(&path).filter_map(|folder| Some(folder.join("initdb").canonicalize().ok()?.parent()?.to_owned()));
    let mut installed: Vec<PathBuf> = FOLDERS.iter().flat_map(|folder| versions_in(Path::new(folder))).collect();
    installed.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
    in_path
        .chain(installed)
        .find(|folder| version(folder) >= OLDEST)
        .ok_or_else(|| Error::NoPostgres { searched: FOLDERS.join(", ") })
}

/// The `bin` folders below a distribution's folder, whose last part may end with `*`.
fn versions_in(folder: &Path) -> Vec<PathBuf> {
    let (parent, prefix) = match folder.to_str().and_then(|folder| folder.strip_suffix('*')) {
        Some(pattern) => {
            let pattern = Path::new(pattern);
            (pattern.parent().unwrap_or(pattern), pattern.file_name().and_then(|name| name.to_str()).unwrap_or_default())
        }
        None => (folder, ""),
    };
    let entries = parent.read_dir().into_iter().flatten().filter_map(std::result::Result::ok);
    let named = entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix)));
    let below = named.map(|entry| entry.path().join("bin"));
    below.chain([folder.join("bin")]).filter(|folder| folder.join("initdb").exists()).collect()
}

/// The major version of the programs in a folder, 0 if they are not there.
fn version(folder: &Path) -> u32 {
    if !folder.join("initdb").exists() {
        return 0;
    }
    let output = Command::new(folder.join("postgres")).arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let number = text.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()));
    number.and_then(|number| number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()).unwrap_or(0)
}
