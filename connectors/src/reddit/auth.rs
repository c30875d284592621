//! Tokens: what is asked for, what is answered, when one is too old. The request itself is the client's.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use super::config::Grant;
use crate::error::{Error, Result};

/// A token is replaced this long before it expires, so that none expires on the way.
const AHEAD: TimeDelta = TimeDelta::seconds(60);
/// Assumed when an answer does not say: the shortest life that Reddit gives.
const LIFE_SECONDS: f64 = 3_600.0;

/// An access token.
#[derive(Clone)]
pub(super) struct Token {
    secret: String,
    renew_at: DateTime<Utc>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("renew_at", &self.renew_at).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Option<String>,
    expires_in: Option<f64>,
    error: Option<serde_json::Value>,
    error_description: Option<String>,
}

/// The form that asks for a token (<https://github.com/reddit-archive/reddit/wiki/OAuth2>).
pub(super) fn form(grant: &Grant) -> Vec<(&'static str, &str)> {
    match grant {
        Grant::Application => vec![("grant_type", "client_credentials")],
        Grant::Password { username, password } => {
            vec![("grant_type", "password"), ("username", username), ("password", password)]
        }
        Grant::RefreshToken(token) => vec![("grant_type", "refresh_token"), ("refresh_token", token)],
        Grant::Installed { device_id } => {
            vec![("grant_type", "https://oauth.reddit.com/grants/installed_client"), ("device_id", device_id)]
        }
    }
}

/// What to look at when a grant is refused.
pub(super) fn hint(grant: &Grant) -> &'static str {
    match grant {
        Grant::Application => "check client_id and client_secret under [reddit]",
        Grant::Password { .. } => {
            "check username and password under [reddit], that the application is of type 'script', that the account is one of \
             its developers, and that it does not use two-factor authentication"
        }
        Grant::RefreshToken(_) => "the refresh token may be revoked or belong to another client_id; grant it anew",
        Grant::Installed { .. } => "check client_id, and that device_id has 20 to 30 characters",
    }
}

impl Token {
    /// Reads the answer of the token endpoint, which refuses a grant with status 200 and an `error`.
    ///
    /// # Errors
    /// [`Error::Auth`] for a refused grant; [`Error::Transient`] for what is no answer of that endpoint.
    pub(super) fn parse(body: &[u8], grant: &Grant, now: DateTime<Utc>) -> Result<Self> {
        // The parser's message could quote the body, and so the token: it is not passed on.
        let answer: TokenAnswer = serde_json::from_slice(body)
            .map_err(|_| Error::transient("reddit's token endpoint answers with something that is not its JSON"))?;
        if let Some(secret) = answer.access_token {
            let life = answer.expires_in.unwrap_or(LIFE_SECONDS).clamp(0.0, 31_536_000.0);
            #[expect(clippy::cast_possible_truncation, reason = "clamped to a year of seconds")]
            let life = TimeDelta::seconds(life as i64);
            return Ok(Self { secret, renew_at: now + life - AHEAD });
        }
        let code = match answer.error {
            Some(serde_json::Value::String(code)) => code,
            Some(other) => other.to_string(),
            None => "no token".to_owned(),
        };
        let detail = answer.error_description.map_or_else(String::new, |text| format!(", \"{text}\""));
        Err(Error::auth(format!("reddit grants no token: {code}{detail}; {}", hint(grant))))
    }

    /// Whether it will do for another request.
    pub(super) fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        now < self.renew_at
    }

    /// The token itself, for the `Authorization` header only.
    pub(super) fn secret(&self) -> &str {
        &self.secret
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    #[test]
    fn token_is_renewed_ahead_of_its_end_and_never_shown() {
        let body = br#"{"access_token":"hush","token_type":"bearer","expires_in":3600,"scope":"*"}"#;
        let token = Token::parse(body, &Grant::Application, now()).unwrap();
        assert!(token.is_fresh(now() + TimeDelta::seconds(3_539)));
        assert!(!token.is_fresh(now() + TimeDelta::seconds(3_541)));
        assert!(!format!("{token:?}").contains("hush"));
    }

    #[test]
    fn refused_grant_says_what_to_check() {
        let body = br#"{"error":"unauthorized_client","error_description":"Only script apps may use password auth"}"#;
        let grant = Grant::Password { username: "ada".into(), password: "hush".into() };
        let error = Token::parse(body, &grant, now()).unwrap_err();
        assert!(matches!(error, Error::Auth { .. }));
        let text = error.to_string();
        assert!(text.contains("unauthorized_client") && text.contains("type 'script'") && !text.contains("hush"), "{text}");
    }

    #[test]
    fn html_instead_of_a_token_may_pass() {
        assert!(Token::parse(b"<html>", &Grant::Application, now()).unwrap_err().retry());
    }
}
