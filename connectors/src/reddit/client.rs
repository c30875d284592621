//! One request to Reddit: token, pace, timeouts, attempts. What an answer means is [`super::answer`]'s; what is asked, and
//! which posts are new, is not known here.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};
use tokio::sync::Mutex;

use super::answer::{Answer, Verdict, judge};
use super::auth::{Token, form, hint};
use super::config::{Grant, RedditConfig};
use super::pacing::Pacing;
use crate::clock::Clock;
use crate::error::{Error, Result};

/// Attempts at one request, the first included.
const ATTEMPTS: u32 = 6;
/// The same while no connection comes about at all: an address that is wrong or a network that is down is better told
/// early, and the run can be repeated.
const CONNECT_ATTEMPTS: u32 = 3;
/// The first pause is at most this long; each further one at most twice the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// No pause of our own choice is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A longer wait than this, asked for by Reddit, is the caller's to schedule.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(900);
/// A page of a hundred posts of 40,000 characters each, with room.
const LARGEST_BODY: usize = 64 << 20;
/// Reaching a server that is there takes well under this.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);

/// A number in `0.0..1.0`: what randomises the pauses.
type Random = Arc<dyn Fn() -> f64 + Send + Sync>;

/// Talks to Reddit, or to whatever stands at the configured addresses.
pub(super) struct Client {
    http: reqwest::Client,
    config: RedditConfig,
    grant: Grant,
    clock: Arc<dyn Clock>,
    random: Random,
    token: Mutex<Option<Token>>,
    pacing: StdMutex<Pacing>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("api_url", &self.config.api_url).field("grant", &self.grant).finish_non_exhaustive()
    }
}

/// An answer, read to its end.
struct Received {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Client {
    /// Opens no connection yet.
    ///
    /// # Errors
    /// [`Error::Config`] for credentials, an address or a user agent that cannot be used.
    pub(super) fn new(config: RedditConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        let grant = config.grant()?;
        let address: url::Url = config
            .api_url
            .parse()
            .map_err(|error| Error::config_at("reddit.api_url", format!("[reddit] api_url '{}': {error}", config.api_url)))?;
        let mut builder = reqwest::Client::builder()
            .user_agent(config.agent())
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(config.timeout);
        if address.host_str().is_some_and(|host| host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| {
            Error::config_at("reddit.user_agent", format!("[reddit] the HTTP client cannot be set up: {}", cause(error)))
        })?;
        let random: Random = Arc::new(rand::random::<f64>);
        Ok(Self { http, config, grant, clock, random, token: Mutex::default(), pacing: StdMutex::default() })
    }

    /// Reads one page; `parse` turns the body into what the caller wants, and its transient errors count as a failed attempt.
    ///
    /// # Errors
    /// What the last attempt failed with.
    pub(super) async fn get<T>(
        &self,
        path: &str,
        parameters: &[(&'static str, String)],
        what: &str,
        parse: impl Fn(Bytes) -> Result<T>,
    ) -> Result<T> {
        let url = format!("{}{path}", self.config.api_url.trim_end_matches('/'));
        let mut renewed = false;
        let mut attempt = 0;
        loop {
            let token = self.token().await?;
            self.pause_for_pace().await;
            attempt += 1;
            let request = self.http.get(&url).query(parameters).bearer_auth(token.secret());
            let (error, wait) = match self.attempt(request, what).await {
                Err(error) => (error, None),
                Ok(received) => match judge(&received.answer(), what) {
                    Verdict::Good => match parse(received.body) {
                        Err(error) if error.retry() => (error.context(what), None),
                        parsed => return parsed.map_err(|error| error.context(what)),
                    },
                    Verdict::NewToken if renewed => {
                        return Err(Error::auth(format!(
                            "{what}: reddit refuses a new token as well (401); {}",
                            hint(&self.grant)
                        )));
                    }
                    Verdict::NewToken => {
                        renewed = true;
                        self.drop_token(token.secret()).await;
                        continue;
                    }
                    Verdict::Final(error) => return Err(error),
                    Verdict::Again(error, wait) => (error, wait),
                },
            };
            self.pause_after(error, wait, attempt).await?;
        }
    }

    /// A token that will do, fetched when there is none.
    async fn token(&self) -> Result<Token> {
        let mut held = self.token.lock().await;
        if let Some(token) = held.as_ref().filter(|token| token.is_fresh(self.clock.now())) {
            return Ok(token.clone());
        }
        let what = "reddit's token endpoint";
        let mut attempt = 0;
        loop {
            attempt += 1;
            let id = self.config.client_id.as_deref().unwrap_or_default();
            let secret = self.config.client_secret.as_deref().unwrap_or_default();
            let request = self.http.post(&self.config.token_url).basic_auth(id, Some(secret)).form(&form(&self.grant));
            let (error, wait) = match self.attempt(request, what).await {
                Err(error) => (error, None),
                Ok(received) => match judge(&received.answer(), what) {
                    Verdict::Good => match Token::parse(&received.body, &self.grant, self.clock.now()) {
                        Err(error) if error.retry() => (error, None),
                        Err(error) => return Err(error),
                        Ok(token) => return Ok(held.insert(token).clone()),
                    },
                    Verdict::NewToken => {
                        return Err(Error::auth(
                            "reddit does not know this application (401); check client_id and client_secret under [reddit]",
                        ));
                    }
                    Verdict::Final(Error::Config { .. }) => {
                        return Err(Error::auth(format!(
                            "reddit refuses the grant ({}); {}",
                            received.status,
                            hint(&self.grant)
                        )));
                    }
                    Verdict::Final(error) => return Err(error),
                    Verdict::Again(error, wait) => (error, wait),
                },
            };
            self.pause_after(error, wait, attempt).await?;
        }
    }

    /// Forgets the token that was refused, unless another request has already replaced it.
    async fn drop_token(&self, refused: &str) {
        let mut held = self.token.lock().await;
        if held.as_ref().is_some_and(|token| token.secret() == refused) {
            *held = None;
        }
    }

    /// One attempt, to the end of the body.
    async fn attempt(&self, request: RequestBuilder, what: &str) -> Result<Received> {
        let failed = |error: reqwest::Error| {
            let host = error.url().and_then(|url| url.host_str()).unwrap_or("reddit").to_owned();
            let source = error.without_url();
            let (how, next) = match (source.is_connect(), source.is_timeout()) {
                (true, _) => {
                    (format!("{host} cannot be reached"), "; check the network, and api_url and token_url under [reddit]")
                }
                (false, true) => (format!("no answer from {host} in time"), ""),
                (false, false) => (format!("the connection to {host} failed"), ""),
            };
            Error::Transient { message: format!("{what}: {how}: {}{next}", root_cause(&source)), source: Some(Box::new(source)) }
        };
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        self.pacing.lock().unwrap_or_else(PoisonError::into_inner).learn(&headers, self.clock.now());
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > LARGEST_BODY {
                return Err(Error::data(format!("{what}: the answer is larger than {} MiB", LARGEST_BODY >> 20)));
            }
            body.extend_from_slice(&chunk);
        }
        tracing::debug!(what, status = status.as_u16(), bytes = body.len(), "reddit answered");
        Ok(Received { status, headers, body: body.freeze() })
    }

    async fn pause_for_pace(&self) {
        let wait = self.pacing.lock().unwrap_or_else(PoisonError::into_inner).wait(self.clock.now());
        if !wait.is_zero() {
            tracing::debug!(wait_ms = wait.as_millis(), "pacing requests to reddit");
            self.clock.sleep(wait).await;
        }
    }

    /// Waits before the next attempt.
    ///
    /// # Errors
    /// `error`, when it is final, when the attempts are used up, or when Reddit asks for a longer wait than is sensible here.
    async fn pause_after(&self, error: Error, wait: Option<Duration>, attempt: u32) -> Result<()> {
        if !error.retry() || wait.is_some_and(|wait| wait > LONGEST_RETRY_AFTER) {
            return Err(error);
        }
        let attempts = if is_unreachable(&error) { CONNECT_ATTEMPTS } else { ATTEMPTS };
        if attempt >= attempts {
            return Err(error.context(format!("after {attempt} attempts")));
        }
        let pause = wait.map_or_else(|| backoff(attempt, (self.random)()), |wait| wait.max(Duration::from_millis(1)));
        tracing::warn!(attempt, attempts, wait_ms = pause.as_millis(), %error, "asking reddit again");
        self.clock.sleep(pause).await;
        Ok(())
    }
}

impl Received {
    fn answer(&self) -> Answer<'_> {
        Answer { status: self.status, headers: &self.headers, body: &self.body }
    }
}

/// Exponential, with full jitter: clients that failed together do not come back together
/// (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).
fn backoff(attempt: u32, random: f64) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(LONGEST_PAUSE);
    longest.mul_f64(random.clamp(0.0, 1.0))
}

/// Whether the fault is that no connection came about.
fn is_unreachable(error: &Error) -> bool {
    let Error::Transient { source: Some(source), .. } = error else { return false };
    source.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect)
}

/// The last cause is the one that says something: those before it are the layers that it went through.
fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    std::error::Error::source(&error).map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_are_spread() {
        assert_eq!(backoff(1, 1.0), Duration::from_secs(1));
        assert_eq!(backoff(4, 1.0), Duration::from_secs(8));
        assert_eq!(backoff(4, 0.25), Duration::from_secs(2));
        assert_eq!(backoff(60, 1.0), LONGEST_PAUSE);
        assert_eq!(backoff(3, 0.0), Duration::ZERO);
    }

    #[test]
    fn unusable_settings_are_named() {
        let clock: Arc<dyn Clock> = Arc::new(crate::clock::SystemClock);
        let url = RedditConfig { api_url: "nowhere".into(), ..RedditConfig::default() };
        assert_eq!(Client::new(url, Arc::clone(&clock)).unwrap_err().subject(), Some("reddit.api_url"));
        let agent = RedditConfig { user_agent: Some("a\nb".into()), ..RedditConfig::default() };
        assert_eq!(Client::new(agent, clock).unwrap_err().subject(), Some("reddit.user_agent"));
    }
}
