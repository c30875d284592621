//! A folder to run the binary in, with nothing of the outside in its environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// Posts per subreddit of the replay, unless a test wants others.
pub(super) const POSTS: u64 = 40;

/// Tables that most pipelines here begin with.
pub(super) const TABLES: &str = "\
CREATE EXTERNAL TABLE posts STORED AS REDDIT LOCATION 'r/rust/new';
CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'lake://t' OPTIONS ('key' 'id');
";

/// A working directory of its own.
pub(crate) struct Bench {
    folder: TempDir,
    environment: BTreeMap<String, String>,
    secrets: Vec<String>,
}

/// How the binary ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let environment = BTreeMap::from([("ENGINE_REDDIT_REPLAY_POSTS".to_owned(), POSTS.to_string())]);
        Self { folder: TempDir::new().unwrap(), environment, secrets: Vec::new() }
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// No output may ever show this.
    pub(crate) fn secret(&mut self, value: &str) -> &mut Self {
        self.secrets.push(value.to_owned());
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        std::fs::write(self.path(name), content).unwrap();
        self
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_engine"));
        command.args(arguments).current_dir(self.folder.path()).env_clear().envs(&self.environment).stdin(Stdio::null());
        command
    }

    /// Runs the binary to its end, and looks at what no output may hold.
    pub(crate) fn engine(&self, arguments: &[&str]) -> Ended {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let ended = Ended { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) };
        for word in ["panicked", "RUST_BACKTRACE", "stack backtrace"] {
            assert!(!ended.stderr.contains(word), "{word}: {}", ended.stderr);
        }
        for secret in &self.secrets {
            assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret), "a secret is shown:\n{ended:?}");
        }
        ended
    }

    /// The same, which has to succeed; its standard output.
    pub(crate) fn good(&self, arguments: &[&str]) -> String {
        let ended = self.engine(arguments);
        assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
        ended.stdout
    }

    /// Writes `text` as `p.sql` and runs it; the summary.
    pub(crate) fn run(&self, text: &str) -> serde_json::Value {
        self.write("p.sql", text);
        serde_json::from_str(&self.good(&["run", "p.sql", "--json"])).unwrap()
    }

    /// What a query over a lake table, which is called `t` in it, returns.
    pub(crate) fn query(&self, location: &str, query: &str) -> String {
        self.write("q.sql", format!("CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION '{location}';\n{query};\n"));
        let table = self.good(&["run", "q.sql"]);
        let cells = table.lines().filter(|line| line.starts_with('|')).skip(1);
        cells.map(|line| line.trim_matches('|').trim().to_owned()).collect::<Vec<_>>().join("\n")
    }

    /// Every file below `name`, with its size.
    pub(crate) fn listing(&self, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.path(name), &mut found);
        found.sort();
        found
    }

    /// What was said, with what differs from run to run left out.
    pub(crate) fn shown(&self, ended: &Ended) -> String {
        let folder = self.folder.path().display().to_string();
        let (out, err) = (ended.stdout.replace(&folder, "[dir]"), ended.stderr.replace(&folder, "[dir]"));
        let out = if out.is_empty() { String::new() } else { format!("{out}\n") };
        let err = if err.is_empty() { String::new() } else { format!("--- stderr\n{err}") };
        format!("{out}{err}--- exit {}\n", ended.code)
    }
}

fn walk(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if let Ok(metadata) = path.metadata() {
            // One that is gone is the draft of somebody who is still writing.
            found.push(format!("{} {}", path.display(), metadata.len()));
        }
    }
}

/// Compares with the recorded snapshot; times, sizes and memory are left out.
macro_rules! snapshot {
    ($name:expr, $text:expr) => {
        insta::with_settings!({
            prepend_module_to_snapshot => false,
            omit_expression => true,
            snapshot_path => "../snapshots",
            filters => vec![
                (r"peak memory [\d.]+ \w+", "peak memory [memory]"),
                (r"\d+\.\d\d s\b", "[time]"),
                (r" +[\d.]+ [KM]?i?B ", "   [bytes] "),
                (r" +\d+\.\d\d\n", "  [time]\n"),
                (r"process \d+ on \S+", "process [pid] on [host]"),
            ]
        }, { insta::assert_snapshot!($name, $text) })
    };
}
pub(super) use snapshot;
