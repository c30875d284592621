//! One connection: made with care, asked by plain statements and COPY.
//!
//! Plain statements (the simple protocol) leave no prepared statement behind; COPY needs one, which is closed within its transaction.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::{CopyOutStream, NoTls, SimpleQueryMessage};

use super::config::{ConnectionConfig, TlsMode};
use super::error::from_server;
use super::tls;
use crate::error::{Error, Result};

/// How long a leave may take.
const LEAVE_LIMIT: Duration = Duration::from_secs(2);
/// Names of databases that an error looks through for one that was meant.
const MOST_DATABASES: usize = 1_000;

/// What a server calls its version when a session begins, and what every Redshift says there ("Amazon Redshift and PostgreSQL",
/// `c_redshift-and-postgres-sql`).
const VERSION: &str = "server_version";
const REDSHIFT: &str = "8.0.2";

/// A connection. Dropping it ends it, and with it whatever the server was doing for it.
#[derive(Debug)]
pub struct Client {
    inner: tokio_postgres::Client,
    config: Arc<ConnectionConfig>,
    /// What the server says that it is.
    version: Option<String>,
    /// Why the connection ended, which the server says to nobody in particular.
    ended: Arc<OnceLock<tokio_postgres::Error>>,
    /// Moves the bytes.
    connection: JoinSet<()>,
}

/// A row of a plain statement: every value as text.
pub type TextRow = Vec<Option<String>>;

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// [`Error::Auth`], [`Error::NotFound`] for a database, with the nearest name, [`Error::Config`] for TLS that the server has not;
    /// [`Error::Transient`] when nobody answers. Each names host, database and user.
    pub async fn connect(config: &ConnectionConfig) -> Result<Self> {
        match Self::open(config).await {
            Err(Error::NotFound { message }) => Err(Error::NotFound { message: with_nearest_database(message, config).await }),
            opened => opened,
        }
    }

    async fn open(config: &ConnectionConfig) -> Result<Self> {
        let Ok(connected) = timeout(config.connect_timeout, connected(config)).await else {
            return Err(Error::transient(format!(
                "connecting, {}: no answer within {} s; check host and port, and that the server is reached from here \
                 (connect_timeout in the url waits longer)",
                config.shown(),
                config.connect_timeout.as_secs()
            )));
        };
        let (inner, connection, version) = connected?;
        let ended = Arc::new(OnceLock::new());
        let mut connections = JoinSet::new();
        let end = Arc::clone(&ended);
        connections.spawn(async move {
            if let Err(error) = connection.await {
                // The first and only: this is the one task that sets it.
                end.get_or_init(|| error);
            }
        });
        Ok(Self { inner, config: Arc::new(config.clone()), version, ended, connection: connections })
    }

    /// Begins a transaction that reads, in which all statements see the same rows, and values are written as texts in one way.
    ///
    /// # Errors
    /// As the server says.
    pub async fn begin_read(&self) -> Result<()> {
        self.execute(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; \
             SET LOCAL IntervalStyle = 'postgres'; SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'",
        )
        .await
    }

    /// Ends a transaction that only read, and takes leave: a server notes clients that do not, and a pool gives up their connection.
    pub async fn end_read(self) {
        // It changed nothing, so nothing is lost whatever comes of it.
        drop(timeout(LEAVE_LIMIT, self.inner.batch_execute("COMMIT")).await);
        let Self { inner, mut connection, .. } = self;
        drop(inner);
        drop(timeout(LEAVE_LIMIT, connection.join_next()).await);
    }

    /// Runs statements without rows.
    ///
    /// # Errors
    /// As the server says.
    pub async fn execute(&self, statements: &str) -> Result<()> {
        self.inner.batch_execute(statements).await.map_err(|error| self.error(error, "a statement"))
    }

    /// The rows of a statement, as texts.
    ///
    /// # Errors
    /// As the server says.
    pub async fn rows(&self, statement: &str, doing: &str) -> Result<Vec<TextRow>> {
        let messages = self.inner.simple_query(statement).await.map_err(|error| self.error(error, doing))?;
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        Ok(rows.map(|row| (0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect()).collect())
    }

    /// The bytes of `COPY … TO STDOUT`, within a transaction.
    ///
    /// # Errors
    /// As the server says.
    pub async fn copy_out(&self, statement: &str, doing: &str) -> Result<CopyOutStream> {
        self.inner.copy_out(statement).await.map_err(|error| self.error(error, doing))
    }

    /// An error of the driver, as whoever runs us reads it.
    pub fn error(&self, error: tokio_postgres::Error, doing: &str) -> Error {
        match self.ended.get().and_then(tokio_postgres::Error::as_db_error) {
            Some(said) if error.is_closed() => {
                Error::transient(format!("{doing}, {}: the server ended the connection: {}", self.config.shown(), said.message()))
            }
            _ => from_server(error, doing, &self.config),
        }
    }

    /// The driver, for who writes.
    pub(crate) fn driver(&mut self) -> &mut tokio_postgres::Client {
        &mut self.inner
    }

    /// The driver, for statements of one's own. What they fail with is for [`Self::error`] to say.
    pub fn plain(&self) -> &tokio_postgres::Client {
        &self.inner
    }

    /// Whether the server is a Redshift.
    pub(crate) fn is_redshift(&self) -> bool {
        self.version.as_deref() == Some(REDSHIFT)
    }

    /// Where it is connected to.
    pub fn config(&self) -> &ConnectionConfig {
        &self.config
    }
}

/// What moves the bytes of a connection, until it ends.
type Moving = Pin<Box<dyn Future<Output = std::result::Result<(), tokio_postgres::Error>> + Send>>;

async fn connected(config: &ConnectionConfig) -> Result<(tokio_postgres::Client, Moving, Option<String>)> {
    let refused = |error| from_server(error, "connecting", config);
    if config.is_socket() || config.tls == TlsMode::Disable {
        let (client, connection) = settings(config).connect(NoTls).await.map_err(refused)?;
        let version = connection.parameter(VERSION).map(str::to_owned);
        return Ok((client, Box::pin(connection), version));
    }
    let (client, connection) = settings(config).connect(tls::connector(config)?).await.map_err(refused)?;
    let version = connection.parameter(VERSION).map(str::to_owned);
    Ok((client, Box::pin(connection), version))
}

fn settings(config: &ConnectionConfig) -> tokio_postgres::Config {
    let mut settings = tokio_postgres::Config::new();
    if config.is_socket() {
        settings.host_path(&config.host);
    } else {
        settings.host(config.host.trim_start_matches('[').trim_end_matches(']'));
    }
    settings.port(config.port).user(&config.user).dbname(&config.database).application_name(&config.application);
    if let Some(password) = &config.password {
        settings.password(password);
    }
    if let Some(options) = &config.settings {
        settings.options(options);
    }
    settings.ssl_mode(match config.tls {
        _ if config.is_socket() => SslMode::Disable,
        TlsMode::Disable => SslMode::Disable,
        TlsMode::Prefer => SslMode::Prefer,
        TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
    });
    // A peer that is gone without a word (a machine switched off, a firewall that forgot) is noticed within minutes, not hours.
    settings.keepalives(true).keepalives_idle(Duration::from_secs(60));
    settings.keepalives_interval(Duration::from_secs(15)).keepalives_retries(4);
    settings
}

/// Says which database was probably meant, if the server lets us look.
async fn with_nearest_database(message: String, config: &ConnectionConfig) -> String {
    let elsewhere = ConnectionConfig { database: "postgres".to_owned(), ..config.clone() };
    let Ok(client) = Client::open(&elsewhere).await else { return message };
    let statement = format!("SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate LIMIT {MOST_DATABASES}");
    let Ok(rows) = client.rows(&statement, "listing the databases").await else { return message };
    let names: Vec<String> = rows.into_iter().flatten().flatten().collect();
    format!("{message}; {}", crate::postgres::query::meant(&config.database, "databases", &names))
}
