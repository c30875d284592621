//! What an answer of Reddit means: good, worth another attempt, or final. A pure decision; the client acts on it.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, LOCATION};
use serde::Deserialize;

use super::pacing::{reset_after, retry_after};
use crate::error::Error;

/// An answer's head, and its body where that says why.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    /// Status code.
    pub(super) status: StatusCode,
    /// Headers.
    pub(super) headers: &'a HeaderMap,
    /// The body, whole.
    pub(super) body: &'a [u8],
}

/// What to do with it.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Use the body.
    Good,
    /// The token is not, or no longer, accepted.
    NewToken,
    /// Ask again, after this long if the other side said so; the error is what it becomes when attempts run out.
    Again(Error, Option<Duration>),
    /// Asking again would give the same.
    Final(Error),
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Refusal {
    reason: Option<String>,
    message: Option<String>,
}

/// Decides; `what` names the request in messages.
pub(super) fn judge(answer: &Answer<'_>, what: &str) -> Verdict {
    let code = answer.status.as_u16();
    match code {
        200..=299 => Verdict::Good,
        401 => Verdict::NewToken,
        429 => {
            let wait = retry_after(answer.headers).or_else(|| reset_after(answer.headers));
            let message = format!("{what}: reddit limits the rate of requests (429)");
            Verdict::Again(Error::RateLimited { message, retry_after: wait }, wait)
        }
        500..=599 => {
            Verdict::Again(Error::transient(format!("{what}: reddit answers {}", answer.status)), retry_after(answer.headers))
        }
        _ => Verdict::Final(refused(answer, what)),
    }
}

fn refused(answer: &Answer<'_>, what: &str) -> Error {
    let refusal: Refusal = serde_json::from_slice(answer.body).unwrap_or_default();
    let why = refusal.reason.or(refusal.message).map_or_else(String::new, |reason| format!(", reason '{reason}'"));
    match answer.status.as_u16() {
        300..=399 => redirected(answer, what),
        403 => Error::auth(format!(
            "{what}: reddit forbids it (403{why}); a private or quarantined community needs an account that may read it: set \
             username and password, or refresh_token, under [reddit]"
        )),
        404 => {
            Error::not_found(format!("{what}: reddit has nothing there (404{why}); check the spelling, it may also be banned"))
        }
        451 => Error::not_found(format!("{what}: withheld for legal reasons in this country (451{why})")),
        code => Error::config(format!("{what}: reddit refuses the request ({code}{why})")),
    }
}

/// Redirects are answers: following one would silently read something else than what the table names.
fn redirected(answer: &Answer<'_>, what: &str) -> Error {
    let target = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or("an unnamed place");
    let path = target.split('?').next().unwrap_or(target);
    if path.contains("/subreddits/search") {
        return Error::not_found(format!("{what}: there is no such subreddit; check the spelling in LOCATION"));
    }
    Error::not_found(format!("{what}: reddit redirects to {path} ({}); name that in LOCATION instead", answer.status.as_u16()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, header: Option<(&'static str, &str)>, body: &str) -> Verdict {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(name, value.parse().unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        judge(&Answer { status, headers: &headers, body: body.as_bytes() }, "r/x/new")
    }

    #[test]
    fn refusals_are_final_and_say_why() {
        let Verdict::Final(Error::Auth { message }) = verdict(403, None, r#"{"reason":"private","error":403}"#) else {
            panic!("403 is final")
        };
        assert!(message.contains("reason 'private'"), "{message}");
        assert!(matches!(verdict(404, None, ""), Verdict::Final(Error::NotFound { .. })));
        assert!(matches!(verdict(451, None, ""), Verdict::Final(Error::NotFound { .. })));
        assert!(matches!(verdict(400, None, ""), Verdict::Final(Error::Config { .. })));
    }

    #[test]
    fn redirects_are_not_followed() {
        let search = Some(("location", "https://www.reddit.com/subreddits/search?q=x"));
        let Verdict::Final(error) = verdict(302, search, "") else { panic!("302 is final") };
        assert!(error.to_string().contains("no such subreddit"), "{error}");
        let Verdict::Final(error) = verdict(301, Some(("location", "/r/y/comments/1")), "") else { panic!("301 is final") };
        assert!(error.to_string().contains("redirects to /r/y/comments/1 (301)"), "{error}");
    }

    #[test]
    fn limits_and_server_faults_are_asked_again() {
        assert!(matches!(
            verdict(429, Some(("retry-after", "4")), "<html>"),
            Verdict::Again(Error::RateLimited { .. }, Some(wait)) if wait == Duration::from_secs(4)
        ));
        for status in [500, 502, 503, 504, 520, 522] {
            assert!(matches!(verdict(status, None, "<html>"), Verdict::Again(Error::Transient { .. }, None)), "{status}");
        }
    }
}
