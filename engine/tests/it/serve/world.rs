//! A server as a process, with a folder of pipelines, a lake and a state folder of its own.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take that is to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// Where a server runs.
pub(crate) struct World {
    folder: TempDir,
    environment: BTreeMap<String, String>,
}

/// A server; killed when it is dropped.
pub(crate) struct Serving {
    child: Child,
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// With more in the environment.
    pub(crate) fn with(settings: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("queries")).unwrap();
        let environment = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { folder, environment }
    }

    /// The same place, with more in the environment.
    pub(crate) fn and(mut self, settings: &[(&str, &str)]) -> Self {
        self.environment.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file whole: under another name first.
    pub(crate) fn put(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let draft = self.path("draft");
        std::fs::write(&draft, text).unwrap();
        std::fs::rename(draft, path).unwrap();
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

    /// A server of the folder `queries`, whose log goes into the file `log`.
    pub(crate) fn serve(&self) -> Serving {
        self.serve_at("queries")
    }

    /// A server of the pipelines at `place`.
    pub(crate) fn serve_at(&self, place: &str) -> Serving {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        let child = self.command(&["serve", place]).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Serving { child }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// What `engine runs --json` prints, the oldest first.
    pub(crate) fn runs(&self, pipeline: &str) -> Vec<Value> {
        let output = self.engine(&["runs", pipeline, "--limit", "1000", "--json"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut runs: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        runs.reverse();
        runs
    }

    /// The status of each run, the oldest first.
    pub(crate) fn statuses(&self, pipeline: &str) -> Vec<String> {
        self.runs(pipeline).iter().map(|run| run["status"].as_str().unwrap().to_owned()).collect()
    }

    /// The first column of a query's rows.
    pub(crate) fn query(&self, sql: &str) -> Vec<String> {
        let output = self.engine(&["shell", "-c", sql, "--format", "csv"]);
        if !output.status.success() {
            return vec![format!("{}", String::from_utf8_lossy(&output.stderr))];
        }
        String::from_utf8_lossy(&output.stdout).lines().skip(1).map(str::to_owned).collect()
    }

    /// Waits until something holds.
    pub(crate) fn wait(&self, what: &str, mut holds: impl FnMut() -> bool) -> Duration {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < PATIENCE, "not so after {PATIENCE:?}: {what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        begun.elapsed()
    }
}

impl Serving {
    pub(crate) fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Waits for its end; says its exit code.
    pub(crate) fn end(mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the server does not end");
    }
}

/// A webhook that keeps what it is told.
pub(crate) struct Webhook {
    pub(crate) url: String,
    told: Arc<Mutex<Vec<Value>>>,
}

impl Webhook {
    /// Answers the first `failing` requests with an error.
    pub(crate) fn start(failing: usize) -> Self {
        Self::with(failing, Duration::ZERO)
    }

    /// Takes its time for each answer.
    pub(crate) fn slow(takes: Duration) -> Self {
        Self::with(0, takes)
    }

    fn with(failing: usize, takes: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook/secret-path", listener.local_addr().unwrap());
        let told = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&told);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let body = answer(stream.unwrap(), number < failing, takes);
                if number >= failing {
                    kept.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
                }
            }
        });
        Self { url, told }
    }

    pub(crate) fn told(&self) -> Vec<Value> {
        self.told.lock().unwrap().clone()
    }
}

fn answer(mut stream: TcpStream, fails: bool, takes: Duration) -> Vec<u8> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" || line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    std::thread::sleep(takes);
    let status = if fails { "503 Busy" } else { "200 OK" };
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
    body
}
