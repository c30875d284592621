//! Notices by e-mail: over SMTP, to the server of `[mail]`.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use chrono::SecondsFormat;
use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::Error as SmtpError;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use url::Url;

use crate::config::Settings;
use crate::state::{RunRecord, RunStatus};

/// How long a server may take to take a letter.
const LIMIT: Duration = Duration::from_secs(30);
/// What a letter's subject shows of a line at most.
const SUBJECT: usize = 150;

/// A server that takes letters, and who they are from.
pub(super) struct Post {
    server: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    /// As it may be shown.
    pub(super) place: String,
}

/// The e-mail address that `text` is: `team@example.com`, or `mailto:team@example.com`.
pub(super) fn address(text: &str) -> Option<Address> {
    text.strip_prefix("mailto:").unwrap_or(text).parse().ok()
}

impl Post {
    /// Of `[mail]`. Connects to nobody yet.
    ///
    /// # Errors
    /// A setting that is missing, or makes no sense.
    pub(super) fn new(settings: &Settings) -> Result<Self> {
        let url = settings
            .text("mail.url")
            .context("no e-mail is sent without [mail] url, as in 'smtp://user@mail.example.com:587'")?;
        let (url, place) = connection(url, settings.text("mail.password"))?;
        let from = match (settings.text("mail.from"), address(&user(&url))) {
            (Some(from), _) => {
                let from = from.parse();
                from.map_err(|error| {
                    anyhow!("[mail] from is no address: {error}; expected one as in 'Engine <engine@example.com>'")
                })?
            }
            (None, Some(user)) => Mailbox::new(Some("engine".to_owned()), user),
            (None, None) => bail!("set [mail] from, whom e-mails are from, as in 'engine@example.com'"),
        };
        let server = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.as_str());
        let server = server.map_err(|error| anyhow!("[mail] url: {error}"))?.timeout(Some(LIMIT)).build();
        Ok(Self { server, from, place })
    }

    /// Sends what became of a run to `to`.
    ///
    /// # Errors
    /// Why not, and whether trying again may help.
    pub(super) async fn send(&self, to: &Address, run: &RunRecord) -> Result<(), (String, bool)> {
        let (subject, text) = letter(run);
        let message = Message::builder().from(self.from.clone()).to(Mailbox::new(None, to.clone())).subject(subject);
        let message = message.header(ContentType::TEXT_PLAIN).body(text).map_err(|error| (error.to_string(), false))?;
        let again = |error: &SmtpError| !error.is_permanent() && !error.is_client();
        let sent = tokio::time::timeout(LIMIT, self.server.send(message)).await;
        match sent {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err((format!("{}: {}", self.place, connectors::error::chain(&error)), again(&error))),
            Err(_) => Err((format!("{} did not answer within {} s", self.place, LIMIT.as_secs()), true)),
        }
    }
}

/// The URL with its password, and what may be shown of it. A server on another machine is spoken to in secret.
fn connection(text: &str, password: Option<&str>) -> Result<(Url, String)> {
    let expected = "expected smtp://user@host:587 (STARTTLS) or smtps://user@host:465";
    let mut url = Url::parse(text).map_err(|error| anyhow!("[mail] url: {error}; {expected}"))?;
    let host = url.host_str().map(str::to_owned).ok_or_else(|| anyhow!("[mail] url names no host; {expected}"))?;
    if !matches!(url.scheme(), "smtp" | "smtps") {
        bail!("[mail] url has the scheme '{}'; {expected}", url.scheme());
    }
    // Of a scheme that it does not know, `url` takes an address for a name.
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    let is_here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    if url.scheme() == "smtp" && !is_here && !url.query_pairs().any(|(name, _)| name == "tls") {
        url.query_pairs_mut().append_pair("tls", "required");
    }
    if let Some(password) = password
        && url.set_password(Some(password)).is_err()
    {
        bail!("[mail] url takes no password; {expected}");
    }
    if url.password().is_some() && url.username().is_empty() {
        bail!("[mail] password is set, and no user in [mail] url; {expected}");
    }
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Ok((url, format!("the mail server {host}{port}")))
}

/// The user of a URL, whose `@` is written `%40` there.
fn user(url: &Url) -> String {
    percent_encoding::percent_decode_str(url.username()).decode_utf8_lossy().into_owned()
}

/// Subject and text.
fn letter(run: &RunRecord) -> (String, String) {
    let name = format!("{}/{}", run.pipeline, run.run);
    let time = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let (what, error) = match (&run.error, run.status) {
        (Some(error), RunStatus::Failed) => (format!("failed: {error}"), format!("{error}\n\n")),
        _ => (format!("is done: {} rows written", run.totals.rows_written), String::new()),
    };
    let subject = format!("pipeline {} {what}", run.pipeline);
    let subject = subject.lines().next().unwrap_or_default().chars().take(SUBJECT).collect();
    let ended = run.ended_at.map_or_else(|| "-".to_owned(), time);
    let text = format!(
        "{error}run      {name}, attempt {}\nreason   {}\nstarted  {}\nended    {ended}\nrows     {} written, {} bad\nhost     {}\n\nMore: \
         engine runs show {name}\n",
        run.purpose.attempt,
        run.purpose.reason,
        time(run.started_at),
        run.totals.rows_written,
        run.totals.bad_rows,
        run.holder.host,
    );
    (subject, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_elsewhere_is_spoken_to_in_secret_and_no_password_is_shown() {
        let (url, place) = connection("smtp://me%40x.org@mail.x.org:587", Some("hu:sh@")).unwrap();
        assert_eq!(url.as_str(), "smtp://me%40x.org:hu%3Ash%40@mail.x.org:587?tls=required");
        assert_eq!((place.as_str(), user(&url).as_str()), ("the mail server mail.x.org:587", "me@x.org"));
        assert_eq!(connection("smtp://127.0.0.1:25", None).unwrap().0.query(), None);
        assert_eq!(connection("smtps://u@h", Some("p")).unwrap().0.query(), None);
        for (url, password, expected) in [
            ("http://h", None, "has the scheme 'http'; expected smtp://"),
            ("h:25", None, "names no host"),
            ("smtp://h", Some("hush"), "no user in [mail] url"),
        ] {
            let error = connection(url, password).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn addresses_are_told_from_other_targets() {
        assert_eq!(address("mailto:team@example.com"), address("team@example.com"));
        assert!(address("https://example.com/@x").is_none() && address("team").is_none());
    }
}
