//! One server: started, asked, stopped.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::binaries::Binaries;
use super::certificates::Certificates;
use super::template::Home;
use crate::error::tail;
use crate::python::run;
use crate::{Error, Result};

/// The superuser of every server.
pub const USER: &str = "tester";
/// The superuser's password, which TCP connections need.
pub const PASSWORD: &str = "never-to-be-seen";

/// How long a server may take to start: other tests use the machine too.
const START_LIMIT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(3);
/// Another process may take the port between the moment it was found free and the server's start.
const MOST_PORTS: u32 = 5;

/// Ends the server whose number is `$1` when our end of its standard input is closed, also because we were killed, and removes `$2`.
const WATCH: &str = r#"read -r line; kill -INT "$1"; while kill -0 "$1"; do sleep 0.02; done; rm -rf "$2""#;

/// What is durable elsewhere need not be here; and nothing happens by itself.
const SETTINGS: [(&str, &str); 8] = [
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("autovacuum", "off"),
    ("max_wal_size", "2GB"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("shared_buffers", "64MB"),
];

/// A server of its own, with a Unix socket and a port of the loopback interface. Dropping it ends it (a fast shutdown: open
/// transactions are rolled back) and removes all it held; so does the end of the process, whatever ended it.
#[derive(Debug)]
pub struct Postgres {
    child: Child,
    watch: Child,
    binaries: Binaries,
    folder: PathBuf,
    port: u16,
}

/// How a server is to be.
#[derive(Debug, Default)]
pub struct PostgresBuilder {
    settings: Vec<(String, String)>,
    certificates: Option<Certificates>,
}

impl PostgresBuilder {
    /// A setting of `postgresql.conf`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes TLS connections, with the server's certificate of these. Others are still taken.
    #[must_use]
    pub fn tls(mut self, certificates: &Certificates) -> Self {
        self.certificates = Some(certificates.clone());
        self
    }

    /// [`Self::start`] where there is PostgreSQL; `None`, having said so, where there is none. In CI that is an error.
    ///
    /// # Panics
    /// When it is there and does not start, and when it is not there in CI.
    #[must_use]
    #[expect(clippy::print_stderr, clippy::panic, reason = "what a test that cannot go on, or need not, says")]
    pub fn start_or_skip(self) -> Option<Postgres> {
        match self.start() {
            Ok(server) => Some(server),
            Err(error @ Error::Missing { .. }) if std::env::var_os("CI").is_none() => {
                eprintln!("skipped: PostgreSQL is not to be had: {error}");
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Starts the server and waits until it takes connections. It blocks, for a tenth of a second once the template is made.
    ///
    /// # Errors
    /// [`Error::Missing`] where there is no PostgreSQL; when it does not start, with the end of its log.
    pub fn start(self) -> Result<Postgres> {
        static SERVERS: AtomicU32 = AtomicU32::new(0);
        let binaries = Binaries::find()?;
        let home = Home::open(&binaries.version)?;
        let number = SERVERS.fetch_add(1, Ordering::Relaxed);
        let folder = home.folder.join(format!("{}-{number}", std::process::id()));
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(Error::io(format!("removing {}", folder.display())))?;
        }
        fs::DirBuilder::new().mode(0o711).create(&folder).map_err(Error::io(format!("creating {}", folder.display())))?;
        home.give(&folder)?;
        home.copy_template(&binaries, &folder.join("data"))?;
        self.install_certificates(&home, &folder)?;
        let mut started = self.spawn(&binaries, &home, &folder);
        for _ in 1..MOST_PORTS {
            match started {
                Err(Error::Program { ref stderr, .. }) if stderr.contains("in use") => {
                    started = self.spawn(&binaries, &home, &folder);
                }
                _ => break,
            }
        }
        started
    }

    fn install_certificates(&self, home: &Home, folder: &Path) -> Result<()> {
        let Some(certificates) = &self.certificates else { return Ok(()) };
        for (from, name) in [(&certificates.certificate, "server.crt"), (&certificates.key, "server.key")] {
            let to = folder.join("data").join(name);
            fs::copy(from, &to).map_err(Error::io(format!("copying {}", from.display())))?;
            let private = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o600);
            fs::set_permissions(&to, private).map_err(Error::io(format!("closing {}", to.display())))?;
            home.give(&to)?;
        }
        Ok(())
    }

    fn spawn(&self, binaries: &Binaries, home: &Home, folder: &Path) -> Result<Postgres> {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let port = free.map_err(Error::io("finding a free port for PostgreSQL"))?.port();
        let log = File::create(folder.join("log")).map_err(Error::io("creating the log of PostgreSQL"))?;
        let mut command = Command::new(binaries.program("postgres"));
        command.arg("-D").arg(folder.join("data")).arg("-k").arg(folder).args(["-h", "127.0.0.1", "-p", &port.to_string()]);
        let given = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let tls = self.certificates.iter().map(|_| ("ssl", "on"));
        for (name, value) in SETTINGS.into_iter().chain(tls).chain(given) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        // By itself, so that a signal to all of a test's processes does not end what watches over it as well.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).process_group(0);
        home.run_as(&mut command);
        let child = command.spawn().map_err(Error::io("starting PostgreSQL"))?;
        let watch = Command::new("sh")
            .args(["-c", WATCH, "watch", &child.id().to_string()])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(Error::io("starting what watches over PostgreSQL"))?;
        let mut server = Postgres { child, watch, binaries: binaries.clone(), folder: folder.to_owned(), port };
        server.wait_until_ready()?;
        Ok(server)
    }
}

impl Postgres {
    /// A server with the usual settings, as [`PostgresBuilder::start`].
    ///
    /// # Errors
    /// As [`PostgresBuilder::start`].
    pub fn start() -> Result<Self> {
        Self::builder().start()
    }

    /// The same where there is PostgreSQL; `None`, having said so, where there is none. In CI that is an error.
    ///
    /// # Panics
    /// When it is there and does not start, and when it is not there in CI.
    #[must_use]
    pub fn start_or_skip() -> Option<Self> {
        Self::builder().start_or_skip()
    }

    /// A server whose settings are chosen.
    #[must_use]
    pub fn builder() -> PostgresBuilder {
        PostgresBuilder::default()
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        // It says here how far it is, as `pg_ctl --wait` reads it: https://www.postgresql.org/docs/current/app-pg-ctl.html
        let status = self.folder.join("data/postmaster.pid");
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if fs::read_to_string(&status).is_ok_and(|text| text.lines().nth(7).is_some_and(|line| line.trim() == "ready")) {
                return Ok(());
            }
            let ended = self.child.try_wait().map_err(Error::io("waiting for PostgreSQL"))?;
            if ended.is_some() || Instant::now() > deadline {
                let status = ended.map_or_else(|| format!("not ready after {START_LIMIT:?}"), |status| status.to_string());
                return Err(Error::Program { what: "postgres".into(), status, stderr: self.log() });
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Makes a database, and returns its URL.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn create_database(&self, name: &str) -> Result<String> {
        self.sql("postgres", &format!("CREATE DATABASE \"{}\"", name.replace('"', "\"\"")))?;
        Ok(self.url(name))
    }

    /// The URL of a database by TCP, with user and password.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// The port of the loopback interface.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its Unix socket, which needs no password.
    #[must_use]
    pub fn socket_folder(&self) -> &Path {
        &self.folder
    }

    /// Its major version.
    #[must_use]
    pub fn version(&self) -> u32 {
        let digits: String = self.binaries.version.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or(0)
    }

    /// Runs statements with psql as the superuser, each for itself, up to the first that fails. Returns the rows of those that have any:
    /// a line each, columns separated by `|`.
    ///
    /// # Errors
    /// What the server said.
    pub fn sql(&self, database: &str, statements: &str) -> Result<String> {
        static SCRIPTS: AtomicU32 = AtomicU32::new(0);
        let script = self.folder.join(format!("script-{}", SCRIPTS.fetch_add(1, Ordering::Relaxed)));
        let input = fs::write(&script, statements).and_then(|()| File::open(&script));
        let input = input.map_err(Error::io(format!("writing {}", script.display())))?;
        let answer = run(&format!("psql in {database}"), self.psql(database).stdin(input));
        fs::remove_file(&script).map_err(Error::io(format!("removing {}", script.display())))?;
        let answer = answer?;
        Ok(String::from_utf8_lossy(&answer).trim_end().to_owned())
    }

    /// psql in a database as the superuser, which reads statements from its standard input: for what has to stay open.
    #[must_use]
    pub fn psql(&self, database: &str) -> Command {
        let mut command = Command::new(self.binaries.program("psql"));
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", USER, "-d", database]);
        command.arg("-h").arg(&self.folder).args(["-p", &self.port.to_string()]);
        command.env_remove("PGOPTIONS").env_remove("PGSERVICE");
        command
    }

    /// The end of what the server wrote to its log.
    #[must_use]
    pub fn log(&self) -> String {
        tail(&fs::read(self.folder.join("log")).unwrap_or_default())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // What watches over the server ends it when it reads the end of this, and removes the folder once the server is no more.
        drop(self.watch.stdin.take());
        self.child.wait().and_then(|_| self.watch.wait()).map(drop).unwrap_or_default();
    }
}
