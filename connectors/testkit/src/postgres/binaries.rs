//! Where the programs of PostgreSQL are.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::python::run;
use crate::{Error, Result};

/// Where distributions put them: one folder a version.
const FOLDERS: [&str; 3] = ["/usr/lib/postgresql", "/usr/local/opt", "/opt/homebrew/opt"];

/// The folder of one version's programs.
#[derive(Debug, Clone)]
pub(super) struct Binaries {
    folder: PathBuf,
    /// As `postgres --version` has it, as a part of a file's name.
    pub(super) version: String,
}

impl Binaries {
    /// Those in `$PG_BIN`, else on the path, else the newest of the distribution's.
    pub(super) fn find() -> Result<Self> {
        let candidates = match std::env::var_os("PG_BIN") {
            Some(folder) => vec![PathBuf::from(folder)],
            None => [on_the_path(), of_the_distribution()].concat(),
        };
        // The folders of a path may hold `psql` alone, as a wrapper.
        let whole = |folder: &PathBuf| ["initdb", "postgres", "psql"].iter().all(|name| folder.join(name).is_file());
        match candidates.iter().find(|folder| whole(folder)) {
            Some(folder) => {
                let answer = run("asking postgres for its version", Command::new(folder.join("postgres")).arg("--version"))?;
                let words = String::from_utf8_lossy(&answer).into_owned();
                let number = words.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()));
                let version = number.unwrap_or("unknown").to_owned();
                Ok(Self { folder: folder.clone(), version })
            }
            None => Err(Error::Missing {
                what: "PostgreSQL (initdb, postgres and psql in one folder)".to_owned(),
                looked_at: candidates.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", "),
                hint: "install the package 'postgresql', or set PG_BIN to the folder that holds them".to_owned(),
            }),
        }
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn on_the_path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).filter(|folder| folder.join("initdb").is_file()).collect()
}

/// The newest first.
fn of_the_distribution() -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for entry in FOLDERS.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten() {
        let digits: String = entry.file_name().to_string_lossy().chars().filter(char::is_ascii_digit).collect();
        if Path::new(&entry.path()).join("bin").is_dir() && entry.path().to_string_lossy().contains("postgresql") {
            found.push((digits.parse().unwrap_or(0), entry.path().join(OsStr::new("bin"))));
        }
    }
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, folder)| folder).collect()
}
