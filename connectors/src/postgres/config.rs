//! Where a database is and how it is reached: a URL as libpq takes it, read strictly.
//!
//! The parameters are those of <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS>, with one difference:
//! without `sslmode`, a server that is not on this machine is verified (`verify-full`), where libpq takes what it gets (`prefer`).

use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::error::{Error, Result};
use crate::options::unknown;

/// The port of PostgreSQL.
const DEFAULT_PORT: u16 = 5432;
/// How long connecting may take: the network, TLS and the password together.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);
/// What the server shows of us in `pg_stat_activity`.
const APPLICATION: &str = "engine";

/// What `?` of a URL may hold.
const PARAMETERS: [&str; 6] = ["sslmode", "sslrootcert", "connect_timeout", "application_name", "host", "options"];

/// How far the server is believed: the meaning of `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// No TLS.
    Disable,
    /// TLS if the server has it; nothing is verified.
    Prefer,
    /// TLS; nothing is verified, unless `sslrootcert` is given: then as [`TlsMode::VerifyCa`].
    Require,
    /// TLS, with a certificate of a known authority.
    VerifyCa,
    /// TLS, with a certificate of a known authority for the host that was asked for.
    VerifyFull,
}

impl TlsMode {
    const NAMES: [(&'static str, Self); 5] = [
        ("disable", Self::Disable),
        ("prefer", Self::Prefer),
        ("require", Self::Require),
        ("verify-ca", Self::VerifyCa),
        ("verify-full", Self::VerifyFull),
    ];
}

/// A database, and as whom it is reached.
#[derive(Clone)]
pub struct ConnectionConfig {
    /// A name, an address, or the folder of a Unix socket.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// The user.
    pub user: String,
    /// The password, if one is needed.
    pub password: Option<String>,
    /// How far the server is believed.
    pub tls: TlsMode,
    /// The authorities to believe, instead of the system's.
    pub root_certificate: Option<PathBuf>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// What the server calls us.
    pub application: String,
    /// Settings of the session, as `-c name=value`.
    pub settings: Option<String>,
}

impl std::fmt::Debug for ConnectionConfig {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectionConfig").field("address", &self.shown()).field("tls", &self.tls).finish_non_exhaustive()
    }
}

impl ConnectionConfig {
    /// Reads `postgres://user:password@host:port/database?sslmode=…`. `password` is one that is given apart, where any character may
    /// stand in it as it is; it goes before that of the URL.
    ///
    /// # Errors
    /// [`Error::Config`] at `url`, which does not show the URL: a password may be in it.
    pub fn parse(url: &str, password: Option<&str>) -> Result<Self> {
        let parsed = Url::parse(&with_host(url)).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
        if !matches!(parsed.scheme(), "postgres" | "postgresql") {
            return Err(wrong(&format!("begins with '{}://'", parsed.scheme())));
        }
        let mut host = decoded(parsed.host_str().unwrap_or("localhost"))?;
        let database = decoded(parsed.path().trim_start_matches('/'))?;
        let user = decoded(parsed.username())?;
        if user.is_empty() {
            return Err(wrong("names no user"));
        }
        if database.is_empty() || database.contains('/') {
            return Err(wrong("has to name one database behind the host"));
        }
        let from_url = parsed.password().map(decoded).transpose()?;
        let mut config = Self {
            host: String::new(),
            port: parsed.port().unwrap_or(DEFAULT_PORT),
            database,
            user,
            password: password.map(str::to_owned).or(from_url).filter(|password| !password.is_empty()),
            tls: TlsMode::Prefer,
            root_certificate: None,
            connect_timeout: DEFAULT_TIMEOUT,
            application: APPLICATION.to_owned(),
            settings: None,
        };
        let mut tls = None;
        for (name, value) in parsed.query_pairs() {
            match name.as_ref() {
                "host" => host = value.into_owned(),
                "sslmode" => tls = Some(tls_mode(&value)?),
                _ => config.set(&name, &value)?,
            }
        }
        config.tls = tls.unwrap_or(if is_local(&host) { TlsMode::Prefer } else { TlsMode::VerifyFull });
        config.host = host;
        Ok(config)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "sslrootcert" => self.root_certificate = Some(PathBuf::from(value)),
            "application_name" => value.clone_into(&mut self.application),
            "options" => self.settings = Some(value.to_owned()),
            "connect_timeout" => {
                let seconds = value.parse().ok().filter(|seconds| *seconds > 0);
                let seconds = seconds.ok_or_else(|| wrong("has a connect_timeout that is no number of seconds"))?;
                self.connect_timeout = Duration::from_secs(seconds);
            }
            other => return Err(Error::config_at("url", unknown("parameter", other, "a postgres:// URL", PARAMETERS))),
        }
        Ok(())
    }

    /// Whether the host is the folder of a socket.
    pub fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }

    /// Whether nobody is between.
    pub fn is_on_this_machine(&self) -> bool {
        is_local(&self.host)
    }

    /// In messages: `database 'shop' on db.example.org:5432 as user 'me'`.
    pub fn shown(&self) -> String {
        format!("database '{}' on {}:{} as user '{}'", self.database, self.host, self.port, self.user)
    }

    /// What tells one database from another: where it is, and not as whom it is reached.
    pub fn place(&self) -> String {
        format!("{}:{}/{}", self.host, self.port, self.database)
    }
}

/// A URL without a host, as a socket has it, is one of this machine.
fn with_host(url: &str) -> String {
    match url.split_once("@/") {
        Some((user, rest)) if !rest.contains('@') => format!("{user}@localhost/{rest}"),
        _ => url.to_owned(),
    }
}

fn tls_mode(value: &str) -> Result<TlsMode> {
    let names = TlsMode::NAMES.map(|(name, _)| name);
    let found = TlsMode::NAMES.into_iter().find(|(name, _)| *name == value);
    found.map(|(_, mode)| mode).ok_or_else(|| Error::config_at("url", unknown("value", value, "sslmode", names)))
}

/// Whether a host is this machine: nobody is between.
fn is_local(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.starts_with('/') || host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn decoded(text: &str) -> Result<String> {
    let text = percent_decode_str(text).decode_utf8();
    text.map(std::borrow::Cow::into_owned).map_err(|_| wrong("holds bytes that are no text"))
}

fn wrong(what: &str) -> Error {
    let expected =
        "expected 'postgres://user@host:5432/database'; a password with characters like @ / # goes into the option 'password'";
    Error::config_at("url", format!("the url {what}; {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> ConnectionConfig {
        ConnectionConfig::parse(url, None).unwrap()
    }

    fn refused(url: &str) -> String {
        ConnectionConfig::parse(url, None).unwrap_err().to_string()
    }

    #[test]
    fn what_a_url_says_is_taken_and_the_rest_is_safe() {
        let config = parse("postgresql://me:p%40ss@db.example.org/shop?connect_timeout=3&application_name=nightly");
        assert_eq!((config.host.as_str(), config.port, config.database.as_str()), ("db.example.org", 5432, "shop"));
        assert_eq!(config.password.as_deref(), Some("p@ss"));
        assert_eq!((config.tls, config.connect_timeout), (TlsMode::VerifyFull, Duration::from_secs(3)));
        assert_eq!(config.application, "nightly");
        assert!(!format!("{config:?}").contains("p@ss") && !config.shown().contains("p@ss"));
    }

    #[test]
    fn only_this_machine_is_believed_without_being_asked_who_it_is() {
        for (url, mode) in [
            ("postgres://me@localhost/a", TlsMode::Prefer),
            ("postgres://me@127.0.0.1:1/a", TlsMode::Prefer),
            ("postgres://me@[::1]/a", TlsMode::Prefer),
            ("postgres://me@/a?host=/run/postgresql", TlsMode::Prefer),
            ("postgres://me@10.0.0.5/a", TlsMode::VerifyFull),
            ("postgres://me@10.0.0.5/a?sslmode=require", TlsMode::Require),
        ] {
            assert_eq!(parse(url).tls, mode, "{url}");
        }
    }

    #[test]
    fn a_password_apart_goes_first() {
        let config = ConnectionConfig::parse("postgres://me:old@h/a", Some("n/e@w")).unwrap();
        assert_eq!(config.password.as_deref(), Some("n/e@w"));
    }

    #[test]
    fn what_is_wrong_is_named_and_never_the_password() {
        for (url, part) in [
            ("postgres://h/a", "names no user"),
            ("postgres://me:hush@h", "one database"),
            ("postgres://me:hush@h/a/b", "one database"),
            ("mysql://me:hush@h/a", "mysql://"),
            ("postgres://me:hush@h/a?sslmod=require", "did you mean 'sslmode'?"),
            ("postgres://me:hush@h/a?sslmode=verify_full", "did you mean 'verify-full'?"),
            ("postgres://me:hu#sh@h/a", "password"),
            ("hush", "postgres://"),
        ] {
            let error = refused(url);
            assert!(error.contains(part) && !error.contains("hush"), "{url}: {error}");
        }
    }
}
