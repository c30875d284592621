//! A landing zone of its own, and what became of the files that were put into it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with an `engine.toml`, whose zone is the folder `in`, unless it is elsewhere.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) environment: BTreeMap<String, String>,
    landed: std::cell::Cell<u64>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with("[[landing]]\nurl = './in'\n", BTreeMap::new())
    }

    pub(crate) fn with(settings: &str, environment: BTreeMap<String, String>) -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("engine.toml"), settings).unwrap();
        Self { folder, environment, landed: std::cell::Cell::new(0) }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a file into the zone, each a second after the one before; all of them long ago.
    pub(crate) fn put(&self, key: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path("in").join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        self.landed.set(self.landed.get() + 1);
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + self.landed.get());
        std::fs::File::options().append(true).open(&path).unwrap().set_modified(at).unwrap();
        self
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_engine"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("ENGINE_SERVE_LISTEN", "127.0.0.1:0")
            .envs(&self.environment)
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn engine(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs `engine land`; its exit code and what it printed.
    pub(crate) fn land(&self) -> (i32, String) {
        let output = self.engine(&["land"]);
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code().unwrap_or(-1), text)
    }

    /// Everything is loaded.
    pub(crate) fn land_well(&self) -> String {
        let (code, text) = self.land();
        assert_eq!(code, 0, "{text}");
        text
    }

    /// Something is refused: what was printed.
    pub(crate) fn land_badly(&self) -> String {
        let (code, text) = self.land();
        assert_eq!(code, 1, "{text}");
        text
    }

    /// The lines of a query's answer, the first of which names the columns.
    pub(crate) fn query(&self, sql: &str) -> Vec<String> {
        let output = self.engine(&["shell", "-c", sql, "--format", "csv"]);
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    /// A table of the warehouse that is the lake, its columns first; `None` when there is none.
    pub(crate) fn table(&self, name: &str) -> Option<Vec<String>> {
        if !self.path(&format!("lake/warehouse/public/{name}/_delta_log")).exists() {
            return None;
        }
        Some(self.query(&format!("SELECT * FROM warehouse.public.{name} ORDER BY 1")))
    }

    /// The load log, the oldest first: key, table, mode, status, rows, schema version, whether the table existed.
    pub(crate) fn log(&self) -> Vec<String> {
        let columns = "file_key, table_name, load_mode, status, \"rows\", schema_version, table_existed";
        self.query(&format!("SELECT {columns} FROM system.loads ORDER BY epoch")).split_off(1)
    }

    /// A reason that was put beside a refused file, which has to be there too, and not where it was.
    pub(crate) fn reason(&self, key: &str) -> Value {
        assert!(!self.path("in").join(key).exists(), "{key} is still there");
        assert!(self.path("in/rejected").join(key).exists(), "{key} is not aside");
        let text = std::fs::read_to_string(self.path("in/rejected").join(format!("{key}.reason.json"))).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// Every file below a folder, by its path from there.
    pub(crate) fn files(&self, folder: &str) -> Vec<String> {
        crate::lab::files_below(&self.path(folder))
    }
}
