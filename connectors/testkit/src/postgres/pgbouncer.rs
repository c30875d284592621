//! PgBouncer in front of a [`Postgres`], in transaction mode: what works through it keeps nothing on a connection between transactions.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::server::{PASSWORD, Postgres, USER};
use super::template::Home;
use crate::error::tail;
use crate::{Error, Result};

const START_LIMIT: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A pool of connections to one server. Dropping it ends it.
#[derive(Debug)]
pub struct PgBouncer {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl PgBouncer {
    /// Starts one with `connections` to each database of `server`.
    ///
    /// # Errors
    /// [`Error::Missing`] where there is none; when it does not start.
    pub fn start(server: &Postgres, connections: u32) -> Result<Self> {
        let program = find()?;
        let home = Home::of_this_user()?;
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let port = free.map_err(Error::io("finding a free port for PgBouncer"))?.port();
        let folder = home.folder.join(format!("pool-{}-{port}", std::process::id()));
        fs::create_dir_all(&folder).map_err(Error::io(format!("creating {}", folder.display())))?;
        home.give(&folder)?;
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).map_err(Error::io(format!("writing {}", path.display())))?;
            home.give(&path)
        };
        write("users", &format!("\"{USER}\" \"{PASSWORD}\"\n"))?;
        let (target, shown) = (server.port(), folder.display());
        write(
            "settings",
            &format!(
                "[databases]\n* = host=127.0.0.1 port={target}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = plain\nauth_file = {shown}/users\npool_mode = transaction\n\
             default_pool_size = {connections}\nlogfile = {shown}/log\npidfile = {shown}/pid\n"
            ),
        )?;
        let mut command = Command::new(program);
        command.arg("-q").arg(folder.join("settings")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        home.run_as(&mut command);
        let child = command.spawn().map_err(Error::io("starting PgBouncer"))?;
        let mut pool = Self { child, folder, port };
        pool.wait_until_ready()?;
        Ok(pool)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let ended = self.child.try_wait().map_err(Error::io("waiting for PgBouncer"))?;
            if ended.is_some() || Instant::now() > deadline {
                let status = ended.map_or_else(|| format!("not ready after {START_LIMIT:?}"), |status| status.to_string());
                let stderr = tail(&fs::read(self.folder.join("log")).unwrap_or_default());
                return Err(Error::Program { what: "pgbouncer".into(), status, stderr });
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    /// The URL of a database through the pool, with user and password.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }
}

fn find() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join("pgbouncer")).find(|program| Path::is_file(program));
    found.ok_or_else(|| Error::Missing {
        what: "PgBouncer".to_owned(),
        looked_at: "PATH, /usr/sbin".to_owned(),
        hint: "install the package 'pgbouncer'".to_owned(),
    })
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is reaped, and what it wrote is of no more use.
        self.child.kill().and_then(|()| self.child.wait()).and_then(|_| fs::remove_dir_all(&self.folder)).unwrap_or_default();
    }
}
