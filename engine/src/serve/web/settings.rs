//! `[serve]`: where the web server listens, whom it lets in, and what it bounds.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use connectors::options::parse_duration;

use super::token::Token;
use crate::config::Settings;

/// A token that is shorter can be found by trying.
const MIN_TOKEN: usize = 16;

/// What `[serve]` says of the web server.
#[derive(Debug, Clone)]
pub struct WebSettings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Lets its bearer do everything. Without it, everybody who reaches the server may.
    pub token: Option<Token>,
    /// Lets its bearer see and query.
    pub read_token: Option<Token>,
    /// Names that the server is reached by, in lower case, besides those of this machine.
    pub hosts: Vec<String>,
    /// The files of a certificate and its key: with them, HTTPS is spoken, and nothing else.
    pub tls: Option<TlsFiles>,
    /// Bounds of ad-hoc queries.
    pub query: QueryLimits,
    /// Connections at the same time; others wait to be accepted.
    pub connections: usize,
    /// How long a sign-in lasts.
    pub signed_in: Duration,
}

/// Files in PEM form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those that lead to its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Bounds of ad-hoc queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryLimits {
    /// Rows of an answer.
    pub rows: usize,
    /// How long one may take.
    pub time: Duration,
    /// Bytes that all together may hold in memory.
    pub memory: usize,
    /// How many run at the same time; others wait for a moment, and are then refused.
    pub at_once: usize,
}

impl WebSettings {
    /// What the settings in force say.
    ///
    /// # Errors
    /// A setting that makes no sense, and a server that others reach without a token.
    pub fn from(settings: &Settings) -> Result<Self> {
        let web = Self {
            listen: address(settings.required("serve.listen")?)?,
            token: token(settings, "serve.token")?,
            read_token: token(settings, "serve.read_token")?,
            hosts: hosts(settings.text("serve.hosts").unwrap_or_default()),
            tls: tls(settings)?,
            query: QueryLimits {
                rows: usize::try_from(settings.number("serve.query_rows")?)?,
                time: duration(settings, "serve.query_timeout")?,
                memory: usize::try_from(settings.bytes("serve.query_memory")?)?,
                at_once: usize::try_from(settings.number("serve.queries")?)?,
            },
            connections: usize::try_from(settings.number("serve.connections")?)?,
            signed_in: duration(settings, "serve.signed_in")?,
        };
        web.check_tokens(settings)?;
        Ok(web)
    }

    /// Whether only this machine reaches the server, and everybody on it may.
    pub fn is_open(&self) -> bool {
        self.token.is_none()
    }

    fn check_tokens(&self, settings: &Settings) -> Result<()> {
        let is_local = is_loopback(self.listen.ip());
        ensure!(
            is_local || self.token.is_some(),
            "setting serve.listen is {}, which other machines reach: set serve.token (ENGINE_SERVE_TOKEN) to a secret of at least \
             {MIN_TOKEN} characters, or listen on 127.0.0.1",
            self.listen
        );
        ensure!(
            self.read_token.is_none() || self.token.is_some(),
            "setting serve.read_token is set and serve.token is not: without that one everybody who reaches the server may do \
             everything; set both"
        );
        let (token, read_token) = (settings.text("serve.token"), settings.text("serve.read_token"));
        ensure!(
            token.is_none() || token != read_token,
            "settings serve.token and serve.read_token are the same: whoever may read could do everything; set two different secrets"
        );
        if !is_local && self.tls.is_none() {
            tracing::warn!(
                listen = %self.listen,
                "tokens travel unencrypted: set serve.tls_certificate and serve.tls_key, or put a proxy that speaks HTTPS in front"
            );
        }
        Ok(())
    }
}

/// Whether the address is this machine's own.
pub(super) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn address(text: &str) -> Result<SocketAddr> {
    let mut found = text.to_socket_addrs().with_context(|| {
        format!("setting serve.listen is '{text}', expected an address and a port, as in '127.0.0.1:8080' or '[::1]:8080'")
    })?;
    found.next().ok_or_else(|| anyhow!("setting serve.listen is '{text}', which is no address of this machine"))
}

fn token(settings: &Settings, path: &str) -> Result<Option<Token>> {
    let Some(text) = settings.text(path) else { return Ok(None) };
    ensure!(
        text.chars().count() >= MIN_TOKEN,
        "setting {path} has fewer than {MIN_TOKEN} characters and could be guessed; `openssl rand -hex 32` makes a good one"
    );
    ensure!(
        text.bytes().all(|byte| byte.is_ascii_graphic()),
        "setting {path} has blanks, or letters that are not ASCII, which an Authorization header cannot carry"
    );
    Ok(Some(Token::new(text)))
}

fn hosts(text: &str) -> Vec<String> {
    text.split(',').map(|host| host.trim().to_lowercase()).filter(|host| !host.is_empty()).collect()
}

fn tls(settings: &Settings) -> Result<Option<TlsFiles>> {
    let file = |path: &str| settings.text(path).map(PathBuf::from);
    match (file("serve.tls_certificate"), file("serve.tls_key")) {
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) => bail!("setting serve.tls_certificate is set and serve.tls_key is not; HTTPS takes both"),
        (None, Some(_)) => bail!("setting serve.tls_key is set and serve.tls_certificate is not; HTTPS takes both"),
    }
}

fn duration(settings: &Settings, path: &str) -> Result<Duration> {
    let text = settings.required(path)?;
    parse_duration(text).ok_or_else(|| anyhow!("setting {path} is '{text}', expected a time span, as in '30s'"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn made(given: &[(&str, &str)]) -> Result<WebSettings, String> {
        let environment: BTreeMap<String, String> =
            given.iter().map(|(name, value)| (format!("ENGINE_SERVE_{name}"), (*value).to_owned())).collect();
        WebSettings::from(&Settings::load(None, &environment).unwrap()).map_err(|error| format!("{error:#}"))
    }

    const TOKEN: &str = "0123456789abcdef";

    #[test]
    fn without_settings_only_this_machine_is_served() {
        let settings = made(&[]).unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
        assert!(settings.is_open());
    }

    #[test]
    fn a_server_that_others_reach_takes_a_token() {
        for listen in ["0.0.0.0:80", "[::]:80", "192.0.2.1:80"] {
            let message = made(&[("LISTEN", listen)]).unwrap_err();
            assert!(message.contains("serve.token (ENGINE_SERVE_TOKEN)"), "{message}");
            assert!(made(&[("LISTEN", listen), ("TOKEN", TOKEN)]).is_ok());
        }
        for listen in ["127.0.0.1:80", "127.9.9.9:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert!(made(&[("LISTEN", listen)]).is_ok(), "{listen}");
        }
    }

    #[test]
    fn tokens_that_would_not_protect_are_refused() {
        for (given, expected) in [
            (vec![("TOKEN", "short")], "fewer than 16 characters"),
            (vec![("TOKEN", "0123456789 bcdef")], "has blanks"),
            (vec![("READ_TOKEN", TOKEN)], "serve.token is not"),
            (vec![("TOKEN", TOKEN), ("READ_TOKEN", TOKEN)], "are the same"),
            (vec![("TLS_KEY", "k.pem")], "serve.tls_certificate is not"),
            (vec![("TLS_CERTIFICATE", "c.pem")], "serve.tls_key is not"),
            (vec![("LISTEN", "8080")], "expected an address and a port"),
        ] {
            let message = made(&given).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn no_token_is_in_what_is_printed() {
        let settings = made(&[("TOKEN", TOKEN)]).unwrap();
        assert!(!format!("{settings:?}").contains(TOKEN));
    }
}
