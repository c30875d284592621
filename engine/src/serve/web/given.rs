//! What a request is given: its parameters behind `?`, its body, and the handles that it was let in with.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use axum::extract::rejection::{BytesRejection, FormRejection};
use axum::extract::{Form, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use connectors::options::nearest;
use serde::de::DeserializeOwned;

use super::app::App;
use super::guard::Caller;
use super::problem::Problem;
use super::times;

impl<S: Sync> FromRequestParts<S> for App {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        given(parts)
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        given(parts)
    }
}

fn given<T: Clone + Send + Sync + 'static>(parts: &Parts) -> Result<T, Problem> {
    let missing = || Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "a request came past the guard");
    parts.extensions.get().cloned().ok_or_else(missing)
}

/// The parameters of a request, each once.
#[derive(Debug, Default)]
pub(super) struct Parameters(BTreeMap<String, String>);

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::parse(parts.uri.query().unwrap_or_default())
    }
}

impl Parameters {
    fn parse(query: &str) -> Result<Self, Problem> {
        let mut parameters = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if value.contains('\0') {
                return Err(Problem::bad_request(format!("parameter '{name}' has a character NUL in it")));
            }
            if parameters.insert(name.clone().into_owned(), value.into_owned()).is_some() {
                return Err(Problem::bad_request(format!("parameter '{name}' is given twice")));
            }
        }
        Ok(Self(parameters))
    }

    /// Fails when one is none of `known`.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Problem> {
        let Some(stranger) = self.0.keys().find(|name| !known.contains(&name.as_str())) else { return Ok(()) };
        let problem = Problem::bad_request(format!("there is no parameter '{stranger}'"));
        Err(match nearest(stranger, known.iter().copied()) {
            Some(near) => problem.help(format!("did you mean '{near}'?")),
            None => problem.help(format!("there are: {}", known.join(", "))),
        })
    }

    /// The text, unless it is empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// A number between `least` and `most`, both included.
    pub(super) fn number<T>(&self, name: &str, least: T, most: T) -> Result<Option<T>, Problem>
    where
        T: FromStr + PartialOrd + Display,
    {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.parse::<T>() {
            Ok(number) if number >= least && number <= most => Ok(Some(number)),
            _ => Err(Problem::bad_request(format!("parameter '{name}' is '{text}', expected a number from {least} to {most}"))),
        }
    }

    /// A time, in one of the forms that [`times`] reads.
    pub(super) fn time(&self, name: &str) -> Result<Option<DateTime<Utc>>, Problem> {
        self.text(name)
            .map(|text| times::parse(text).map_err(|expected| not_a_time("parameter", name, text, &expected)))
            .transpose()
    }
}

/// A time that is none.
pub(super) fn not_a_time(what: &str, name: &str, text: &str, expected: &str) -> Problem {
    Problem::bad_request(format!("{what} '{name}' is '{text}', expected {expected}"))
}

/// The JSON in a body.
#[derive(Debug)]
pub(super) struct Json<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = content_type(&request);
        if kind != "application/json" {
            let detail = format!("the body is '{kind}', expected application/json");
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).help("send 'Content-Type: application/json'"));
        }
        json(&Bytes::from_request(request, state).await?).map(Self)
    }
}

/// JSON as a value.
pub(super) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem::bad_request(format!("the body is not as expected: {error}")))
}

/// The kind of a request's body, without its parameters.
pub(super) fn content_type(request: &Request) -> String {
    let value = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_lowercase()
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {} bytes", super::MAX_BODY))
            }
            status => Self::new(status, rejection.body_text()),
        }
    }
}

/// A form of ours, with the proof that it is.
#[derive(Debug)]
pub(super) struct Posted(pub(super) BTreeMap<String, String>);

/// The field with the proof.
pub(super) const PROOF_FIELD: &str = "csrf";

impl<S: Send + Sync> FromRequest<S> for Posted {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let caller = request.extensions().get::<Caller>().cloned();
        let Form(fields) = Form::<BTreeMap<String, String>>::from_request(request, state).await.map_err(of_form)?;
        let is_proven = caller.zip(fields.get(PROOF_FIELD)).is_some_and(|(caller, given)| caller.proves(given));
        if !is_proven {
            return Err(Problem::new(StatusCode::FORBIDDEN, "the form is not of this server, or older than the sign-in")
                .help("go back, load the page again and repeat what you did"));
        }
        Ok(Self(fields))
    }
}

fn of_form(rejection: FormRejection) -> Problem {
    match rejection {
        FormRejection::BytesRejection(rejection) => rejection.into(),
        other => Problem::new(other.status(), other.body_text()),
    }
}

impl Posted {
    /// The text of a field; empty when there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default().trim()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_named_when_they_are_wrong() {
        let message = |query: &str| {
            let parameters = Parameters::parse(query).map_err(|problem| problem.detail)?;
            parameters.only(&["limit", "status"]).map_err(|problem| problem.help.unwrap_or_default())?;
            parameters.number("limit", 1_u32, 1_000).map_err(|problem| problem.detail)
        };
        assert_eq!(message("limit=5&status="), Ok(Some(5)));
        assert_eq!(message(""), Ok(None));
        for (query, expected) in [
            ("limit=0", "parameter 'limit' is '0', expected a number from 1 to 1000"),
            ("limit=%3Cb%3E", "parameter 'limit' is '<b>', expected a number from 1 to 1000"),
            ("limit=1&limit=2", "parameter 'limit' is given twice"),
            ("limt=1", "did you mean 'limit'?"),
            ("x=1", "there are: limit, status"),
            ("status=a%00", "parameter 'status' has a character NUL in it"),
        ] {
            assert_eq!(message(query), Err(expected.to_owned()), "{query}");
        }
    }
}
