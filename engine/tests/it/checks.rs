//! What must hold of a lake: right after a kill, and when a later run has ended.

use std::collections::BTreeSet;
use std::path::Path;

use datafusion::prelude::{ParquetReadOptions, SessionContext};

use crate::lab::{Lab, block_on, files_below};
use crate::pipelines::Table;

/// What an undisturbed run left: per table its rows after each commit, the last of them its rows.
#[derive(Debug)]
pub(crate) struct Expected(Vec<Vec<Vec<String>>>);

impl Expected {
    /// From a lab whose run was not disturbed.
    pub(crate) fn of(lab: &Lab) -> Self {
        let history = |table: &Table| {
            let (count, distinct) = lab.counts(table);
            assert_eq!(count, distinct, "{} has a row twice", table.path);
            history(lab, table)
        };
        Self(lab.subject.tables.iter().map(history).collect())
    }

    /// The same, and what a further run left, which made one commit per table at most.
    pub(crate) fn then(mut self, lab: &Lab) -> Self {
        for (table, history) in lab.subject.tables.iter().zip(&mut self.0) {
            history.extend(lab.rows(table));
        }
        self
    }

    /// What an outside reader sees at any time: a whole number of epochs, and whole files. `context` is for the message.
    pub(crate) fn whole_epochs(&self, lab: &Lab, context: &str) {
        for (table, history) in lab.subject.tables.iter().zip(&self.0) {
            if let Some(rows) = lab.rows(table) {
                assert!(history.contains(&rows), "{context}: {} holds part of an epoch: {rows:#?}", table.path);
            }
            // Whoever reads the folder itself may see files early, but never a part of one.
            directory_rows(&lab.lake().join(table.path), context);
        }
    }

    /// The tables are those of the undisturbed run.
    pub(crate) fn same_rows(&self, lab: &Lab, context: &str) {
        for (table, history) in lab.subject.tables.iter().zip(&self.0) {
            assert_eq!(lab.rows(table).as_ref(), history.last(), "{context}: {}", table.path);
        }
    }

    /// The tables are those of the undisturbed run, and nothing else is there.
    pub(crate) fn holds(&self, lab: &Lab, context: &str) {
        self.same_rows(lab, context);
        self.nothing_is_left(lab, context);
    }

    /// Nothing is there but the tables.
    pub(crate) fn nothing_is_left(&self, lab: &Lab, context: &str) {
        for table in lab.subject.tables {
            nothing_stray(lab, table, context);
        }
        let left = files_below(&lab.lake().join(".engine")).into_iter();
        let (remembered, staged): (Vec<_>, Vec<_>) = left.partition(|file| file.starts_with("sources/"));
        assert_eq!(staged, [""; 0], "{context}: staged files are left");
        assert!(remembered.len() <= 1, "{context}: more is left than what a source remembers at its offset: {remembered:?}");
        assert_eq!(files_below(&lab.state().join("tmp")), [""; 0], "{context}: temporary files are left");
    }
}

/// The rows of a table after each of its commits: read from copies whose log ends there.
fn history(lab: &Lab, table: &Table) -> Vec<Vec<String>> {
    let log = if table.connector == "DELTA" { "_delta_log" } else { "_engine" };
    let folder = lab.lake().join(table.path);
    let commits = commits(&folder.join(log));
    let copies = tempfile::TempDir::new().unwrap();
    let after = |version: usize| {
        let copy = copies.path().join(version.to_string());
        for file in files_below(&folder) {
            let is_later = commits[version + 1..].iter().any(|name| file == format!("{log}/{name}"));
            if !is_later {
                std::fs::create_dir_all(copy.join(&file).parent().unwrap()).unwrap();
                std::fs::hard_link(folder.join(&file), copy.join(&file)).unwrap();
            }
        }
        lab.rows_at(table.connector, copy.to_str().unwrap()).unwrap()
    };
    (0..commits.len()).map(after).collect()
}

/// The files of a log, in order.
fn commits(log: &Path) -> Vec<String> {
    let is_commit = |name: &String| name.strip_suffix(".json").is_some_and(|number| number.parse::<u64>().is_ok());
    files_below(log).into_iter().filter(is_commit).collect()
}

/// Every file in the table's folder is one that the log knows, and every file that the table has is there.
fn nothing_stray(lab: &Lab, table: &Table, context: &str) {
    let folder = lab.lake().join(table.path);
    let found: BTreeSet<String> = files_below(&folder).into_iter().filter(|name| !is_unfinished(name)).collect();
    let is_log = |name: &&String| name.starts_with("_delta_log/") || name.starts_with("_engine/");
    let odd: Vec<&String> = found.iter().filter(is_log).filter(|name| !name.ends_with(".json")).collect();
    assert!(odd.is_empty(), "{context}: {} has odd files in its log: {odd:?}", table.path);
    let data: BTreeSet<String> = found.iter().filter(|name| !is_log(name)).cloned().collect();
    if table.connector == "DELTA" {
        let known = delta_files(&folder.join("_delta_log"));
        let stray: Vec<_> = data.difference(&known).collect();
        assert!(stray.is_empty(), "{context}: {} has files that are not in its log: {stray:?}", table.path);
    } else {
        let rows = lab.rows(table).unwrap().len();
        assert_eq!(directory_rows(&folder, context), rows, "{context}: {} as a plain folder", table.path);
        let odd: Vec<_> = data.iter().filter(|name| !name.ends_with(".parquet")).collect();
        assert!(odd.is_empty(), "{context}: {} has odd files: {odd:?}", table.path);
    }
}

/// `object_store` writes a local file under its name with `#` and a number behind it, and renames it when it is whole. Killed in
/// between, it leaves a name that no listing shows and no reader of `*.parquet` or of a log takes up.
fn is_unfinished(name: &str) -> bool {
    name.rsplit_once('#').is_some_and(|(_, number)| number.parse::<u32>().is_ok())
}

/// What a Delta log names: files of the table, and files that were.
fn delta_files(log: &Path) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for commit in commits(log) {
        for line in std::fs::read_to_string(log.join(commit)).unwrap().lines() {
            let action: serde_json::Value = serde_json::from_str(line).unwrap();
            let path = action["add"]["path"].as_str().or(action["remove"]["path"].as_str());
            known.extend(path.map(str::to_owned));
        }
    }
    known
}

/// The rows that a reader of plain Parquet folders counts; each file must be whole.
fn directory_rows(folder: &Path, context: &str) -> usize {
    let is_data = |name: &String| name.ends_with(".parquet");
    let path = |file: String| folder.join(file).to_str().unwrap().to_owned();
    let files: Vec<String> = files_below(folder).into_iter().filter(is_data).map(path).collect();
    if files.is_empty() {
        return 0;
    }
    block_on(async {
        let session = SessionContext::new();
        let read = async { session.read_parquet(files, ParquetReadOptions::default()).await?.count().await };
        read.await.unwrap_or_else(|error| panic!("{context}: {} has a file that is not whole: {error}", folder.display()))
    })
}

/// An independent witness that is not to be had here. In CI that is an error.
pub(crate) fn skipped(witness: &str, error: &dyn std::fmt::Display) {
    assert!(std::env::var_os("CI").is_none(), "{witness}: {error}");
    eprintln!("skipped: {witness} is not to be had: {error}");
}
