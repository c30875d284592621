//! A running stand-in: PostgreSQL behind, a port in front.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::catalog::BOOTSTRAP;
use crate::copy::{S3Options, Stores};
use crate::data_api::{self, Front};
use crate::error::{Error, Result};
use crate::faults::Faults;
use crate::postgres::{Postgres, SETTINGS as POSTGRES_SETTINGS, copy_folder, temporary_folder};
use crate::session::serve;
use crate::shared::{Shared, connect};
use crate::sql::{SETTINGS, literal, quote};

/// How transactions see each other (c_serial_isolation).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// Only write-write conflicts fail: the default of new clusters.
    #[default]
    Snapshot,
    /// Whatever cannot be put in an order fails.
    Serializable,
}

/// How a stand-in is started.
#[derive(Debug, Clone)]
pub struct SimOptions {
    /// The port on the loopback address, a free one if 0.
    pub port: u16,
    /// The first user, who owns the database and may make others.
    pub user: String,
    /// The password of the first user.
    pub password: String,
    /// The database that is there from the start.
    pub database: String,
    /// The isolation level of the database.
    pub isolation: Isolation,
    /// A folder that keeps the data; a temporary one if not set.
    pub folder: Option<PathBuf>,
    /// The port of the Redshift Data API on the loopback address, a free one if 0; there is none if not set.
    pub data_api_port: Option<u16>,
    /// A folder that keeps PostgreSQL prepared for stand-ins to come: from the second start on only a copy is made.
    pub prepared: Option<PathBuf>,
    /// How many seconds its clock goes ahead of the machine's, or behind.
    pub clock_ahead: i32,
    /// S3.
    pub s3: S3Options,
}

impl Default for SimOptions {
    /// User `awsuser` with the password `redshift-sim`, database `dev`, a free port, S3 as the environment says.
    fn default() -> Self {
        Self {
            port: 0,
            user: "awsuser".to_owned(),
            password: "redshift-sim".to_owned(),
            database: "dev".to_owned(),
            isolation: Isolation::default(),
            folder: None,
            data_api_port: None,
            prepared: None,
            clock_ahead: 0,
            s3: S3Options::from_environment(),
        }
    }
}

/// A running stand-in. Dropping it cuts its connections and stops its PostgreSQL.
#[derive(Debug)]
pub struct RedshiftSim {
    address: SocketAddr,
    data_api: Option<SocketAddr>,
    options: SimOptions,
    faults: Arc<Faults>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    // After the thread, which uses it.
    postgres: Option<Postgres>,
}

impl RedshiftSim {
    /// Starts a stand-in: a second for PostgreSQL to be made, and it serves from threads of its own, so that a caller may block.
    ///
    /// # Errors
    /// If there is no PostgreSQL on the machine, it does not start, or the port is taken.
    pub async fn start(options: SimOptions) -> Result<Self> {
        tokio::task::spawn_blocking(move || Self::start_blocking(options))
            .await
            .map_err(|error| Error::Config(error.to_string()))?
    }

    /// The same, for a caller without a runtime.
    ///
    /// # Errors
    /// As [`RedshiftSim::start`].
    pub fn start_blocking(options: SimOptions) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(Error::io("starting threads"))?;
        let template = match &options.prepared {
            Some(folder) if options.folder.is_none() => Some(prepare(&runtime, folder, &options)?),
            _ => None,
        };
        let postgres = Postgres::start(options.folder.as_deref(), template.as_deref())?;
        let socket = postgres.socket();
        if postgres.is_new {
            runtime.block_on(bootstrap(&socket, &options)).map_err(Error::io("preparing PostgreSQL"))?;
        }
        let (listener, address) = listen(options.port)?;
        let front = options.data_api_port.map(listen).transpose()?;
        let data_api = front.as_ref().map(|(_, address)| *address);
        let faults = Arc::new(Faults::default());
        let stores = Stores::new(options.s3.clone());
        let shared = Arc::new(Shared::new(socket, options.database.clone(), stores, Arc::clone(&faults)));
        let (stop, stopped) = oneshot::channel();
        let front = front.map(|(listener, _)| (listener, data_api_front(address, &options), Arc::clone(&shared)));
        let work = move || {
            if let Some((listener, front, shared)) = front {
                runtime.spawn(serve_data_api(listener, front, shared));
            }
            runtime.block_on(accept(listener, shared, stopped));
            runtime.shutdown_background();
        };
        let thread =
            std::thread::Builder::new().name("redshift-sim".into()).spawn(work).map_err(Error::io("starting a thread"))?;
        Ok(Self { address, data_api, options, faults, stop: Some(stop), thread: Some(thread), postgres: Some(postgres) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The first user.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.options.user
    }

    /// The password of the first user.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.options.password
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.options.database
    }

    /// The URL of the database with user and password, for clients of PostgreSQL: `postgres://..`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://{}:{}@{}/{}?sslmode=disable", self.user(), self.password(), self.address, self.database())
    }

    /// The endpoint of the Data API, if it has one: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn data_api_endpoint(&self) -> Option<String> {
        self.data_api.map(|address| format!("http://{address}"))
    }

    /// The faults it is to deliver.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }
}

impl Drop for RedshiftSim {
    fn drop(&mut self) {
        // A stand-in that has ended already was noticed by its clients.
        let _told = self.stop.take().map(|stop| stop.send(()));
        drop(self.thread.take().map(JoinHandle::join));
        drop(self.postgres.take());
    }
}

/// Starts a stand-in, says where it is, and serves until the process is told to end.
///
/// # Errors
/// As [`RedshiftSim::start`], and if signals cannot be listened to.
pub async fn run(options: SimOptions, started: impl FnOnce(&RedshiftSim)) -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminated = signal(SignalKind::terminate()).map_err(Error::io("listening to signals"))?;
    let sim = RedshiftSim::start(options).await?;
    started(&sim);
    tokio::select! {
        _ = terminated.recv() => {}
        result = tokio::signal::ctrl_c() => result.map_err(Error::io("listening to signals"))?,
    }
    tokio::task::spawn_blocking(move || drop(sim)).await.map_err(|error| Error::Config(error.to_string()))
}

/// The folder of a PostgreSQL that was prepared for such options, and that does not run. Processes that ask at the same time wait
/// for the one that makes it.
fn prepare(runtime: &tokio::runtime::Runtime, folder: &Path, options: &SimOptions) -> Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    (
        BOOTSTRAP,
        POSTGRES_SETTINGS,
        SETTINGS,
        &options.user,
        &options.password,
        &options.database,
        format!("{:?}", options.isolation),
        options.clock_ahead,
    )
        .hash(&mut hasher);
    let name = format!("{:016x}", hasher.finish());
    std::fs::create_dir_all(folder).map_err(Error::io(format!("creating {}", folder.display())))?;
    let lock = folder.join(format!("{name}.lock"));
    let lock = std::fs::File::create(&lock).map_err(Error::io(format!("creating {}", lock.display())))?;
    lock.lock().map_err(Error::io("waiting for a PostgreSQL to be prepared"))?;
    let (finished, unfinished) = (folder.join(&name), folder.join(format!("{name}.new")));
    if !finished.exists() {
        // What a process left that was killed here.
        drop(std::fs::remove_dir_all(&unfinished));
        std::fs::create_dir_all(&unfinished).map_err(Error::io(format!("creating {}", unfinished.display())))?;
        let temporary = temporary_folder()?;
        let postgres = Postgres::start(Some(temporary.path()), None)?;
        runtime.block_on(bootstrap(&postgres.socket(), options)).map_err(Error::io("preparing PostgreSQL"))?;
        drop(postgres);
        copy_folder(temporary.path(), &unfinished)?;
        std::fs::rename(&unfinished, &finished).map_err(Error::io(format!("renaming {}", unfinished.display())))?;
    }
    Ok(finished)
}

/// A port on the loopback address.
fn listen(port: u16) -> Result<(TcpListener, SocketAddr)> {
    let what = || format!("listening on port {port}");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(Error::io(what()))?;
    listener.set_nonblocking(true).map_err(Error::io(what()))?;
    let address = listener.local_addr().map_err(Error::io(what()))?;
    Ok((listener, address))
}

fn data_api_front(address: SocketAddr, options: &SimOptions) -> Front {
    Front { address, user: options.user.clone(), database: options.database.clone() }
}

async fn serve_data_api(listener: TcpListener, front: Front, shared: Arc<Shared>) {
    match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => data_api::serve(listener, front, shared).await,
        Err(error) => tracing::error!(%error, "the port of the Data API cannot be used"),
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, mut stopped: oneshot::Receiver<()>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the port cannot be used"),
    };
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            Some(_) = sessions.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(sessions.spawn(serve(stream, Arc::clone(&shared)))),
                Err(error) => tracing::warn!(%error, "a connection was not accepted"),
            },
        }
    }
}

/// Makes a new PostgreSQL look like Redshift: the template first, then the first user and database.
async fn bootstrap(socket: &Path, options: &SimOptions) -> io::Result<()> {
    let mut template = connect(socket, "template1").await?;
    for part in BOOTSTRAP {
        template.must(part).await?;
    }
    let (user, database) = (quote(&options.user), quote(&options.database));
    template.must("SET password_encryption = md5").await?;
    template.must("ALTER SYSTEM SET password_encryption = md5").await?;
    template.must("SELECT pg_reload_conf()").await?;
    template.must(&format!("CREATE ROLE {user} LOGIN CREATEDB CREATEROLE PASSWORD {}", literal(&options.password))).await?;
    template.must(&format!("GRANT SELECT ON pg_catalog.svv_table_info TO {user}; GRANT pg_read_all_stats TO {user}")).await?;
    template.must(&format!("ALTER SCHEMA public OWNER TO {user}; GRANT CREATE ON SCHEMA public TO PUBLIC")).await?;
    let settings: Vec<String> =
        SETTINGS.iter().map(|(name, value)| format!("ALTER ROLE ALL SET redshift_sim.{name} = {}", literal(value))).collect();
    template.must(&settings.join(";")).await?;
    let rights: Vec<String> =
        SETTINGS.iter().map(|(name, _)| format!("GRANT SET ON PARAMETER redshift_sim.{name} TO PUBLIC")).collect();
    template.must(&rights.join(";")).await?;
    drop(template);
    let mut postgres = connect(socket, "postgres").await?;
    postgres.must(&format!("CREATE DATABASE {database} OWNER {user}")).await?;
    let level = match options.isolation {
        Isolation::Snapshot => "repeatable read",
        Isolation::Serializable => "serializable",
    };
    postgres.must(&format!("ALTER DATABASE {database} SET default_transaction_isolation = '{level}'")).await?;
    postgres.must(&format!("ALTER DATABASE {database} SET redshift_sim.clock_ahead = '{}'", options.clock_ahead)).await?;
    postgres.must("ALTER SYSTEM SET default_transaction_isolation = 'repeatable read'").await?;
    postgres.must("SELECT pg_reload_conf()").await.map(|_| ())
}
