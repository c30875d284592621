//! What went wrong, as RFC 9457 has it: `application/problem+json`. Pages show the same to people.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use connectors::options::nearest;
use connectors::secrets::without_secrets;
use serde_json::{Map, Value};

use super::described::described;
use crate::serve::ControlError;
use crate::sql::Diagnostic;
use crate::state::StateError;

/// Something that went wrong.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    /// What is wrong with this request.
    pub(super) detail: String,
    /// What to try.
    pub(super) help: Option<String>,
    /// Of SQL.
    place: Option<Box<Place>>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Where in a statement something is wrong.
#[derive(Debug, Clone)]
struct Place {
    at: Option<(usize, usize)>,
    rendered: String,
}

described! {
    /// Something that went wrong (RFC 9457).
    pub(super) struct Told as "Problem" {
        /// Always `about:blank`: the status says what kind of problem it is.
        r#type: &'static str,
        /// The status in words.
        title: String,
        /// The HTTP status.
        status: u16,
        /// What is wrong with this request.
        detail: String,
        /// What to try.
        help: Option<String>,
        /// Of SQL: the line, from 1.
        line: Option<usize>,
        /// Of SQL: the column in it, from 1.
        column: Option<usize>,
        /// Of SQL: the line with the place marked, for a terminal.
        rendered: Option<String>,
    }
}

impl Problem {
    /// Of a status, with what is wrong.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: without_secrets(&detail.into()), help: None, place: None, headers: Vec::new() }
    }

    /// The request makes no sense.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// There is no `kind` of the name; one whose name is like it is.
    pub(super) fn unknown<'a>(kind: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let problem = Self::new(StatusCode::NOT_FOUND, format!("there is no {kind} '{name}'"));
        match nearest(name, known) {
            Some(near) => problem.help(format!("did you mean '{near}'?")),
            None => problem,
        }
    }

    /// A statement that is wrong.
    pub(super) fn of_sql(mistake: &Diagnostic, text: &str) -> Self {
        let place = Place { at: mistake.place(text), rendered: mistake.render("query", text) };
        let help = mistake.helps.first().cloned();
        Self { help, place: Some(Box::new(place)), ..Self::bad_request(mistake.message.as_str()) }
    }

    /// With what to try.
    #[must_use]
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Of SQL: the line with the place marked.
    pub(super) fn rendered(&self) -> Option<&str> {
        self.place.as_ref().map(|place| place.rendered.as_str())
    }

    /// Of SQL: the line and the column in it, both from 1.
    pub(super) fn at(&self) -> Option<(usize, usize)> {
        self.place.as_ref().and_then(|place| place.at)
    }

    /// As JSON; what is not known is left out.
    pub(super) fn told(&self) -> Map<String, Value> {
        let at = self.at();
        let told = Told {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            help: self.help.clone(),
            line: at.map(|(line, _)| line),
            column: at.map(|(_, column)| column),
            rendered: self.rendered().map(str::to_owned),
        };
        match serde_json::to_value(told) {
            Ok(Value::Object(told)) => told.into_iter().filter(|(_, value)| !value.is_null()).collect(),
            _ => Map::new(),
        }
    }

    /// With a header of the answer.
    #[must_use]
    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Value::Object(self.told()).to_string();
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        response.headers_mut().extend(self.headers.clone());
        response.extensions_mut().insert(self);
        response
    }
}

impl From<anyhow::Error> for Problem {
    fn from(error: anyhow::Error) -> Self {
        let message = without_secrets(&format!("{error:#}"));
        tracing::error!(error = message, "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }
}

impl From<StateError> for Problem {
    fn from(error: StateError) -> Self {
        match &error {
            StateError::Unavailable { .. } => {
                tracing::warn!(error = %without_secrets(&error.to_string()), "the state store did not answer");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()).header(header::RETRY_AFTER, "5")
            }
            _ => anyhow::Error::from(error).into(),
        }
    }
}

impl From<catalog::Error> for Problem {
    fn from(error: catalog::Error) -> Self {
        anyhow::Error::from(error).into()
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::NoSuchPipeline { name, nearest } => Self::unknown("pipeline", &name, nearest.as_deref()),
            ControlError::Other(error) => error.into(),
            other => Self::new(StatusCode::CONFLICT, other.to_string()),
        }
    }
}

/// Whether a person asks, who is shown a page.
pub(super) fn wants_page<B>(request: &Request<B>) -> bool {
    let path = request.uri().path();
    let is_for_programs = path.starts_with("/api/") || matches!(path, "/metrics" | "/health" | "/ready" | "/events");
    let is_fetched = request.headers().contains_key(super::guard::PROOF_HEADER);
    !is_for_programs && !is_fetched && !path.starts_with("/assets/")
}

/// Nothing has that path.
pub(super) async fn not_there(request: Request) -> Problem {
    let path = request.uri().path();
    let problem = Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at {path}"));
    if path.starts_with("/api") {
        return match nearest(path, super::api::PATHS) {
            Some(near) => problem.help(format!("did you mean {near}?")),
            None => problem.help("/api/openapi.json says what there is"),
        };
    }
    problem
}

/// There is something, and not with that method.
pub(super) async fn not_allowed(method: Method, request: Request) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is nothing that {} does", request.uri().path()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_what_is_wrong_and_what_to_try() {
        let problem = Problem::unknown("pipeline", "redit", ["toll", "reddit"]);
        insta::assert_snapshot!(
            Value::Object(problem.told()).to_string(),
            @r#"{"detail":"there is no pipeline 'redit'","help":"did you mean 'reddit'?","status":404,"title":"Not Found","type":"about:blank"}"#
        );
    }

    #[test]
    fn no_secret_is_told() {
        let problem = Problem::bad_request("cannot read https://me:hunter2@example.com/x?token=hunter2");
        assert!(!Value::Object(problem.told()).to_string().contains("hunter2"));
    }

    #[test]
    fn a_mistake_in_sql_has_its_place() {
        let text = "SELECT\n  nonsense";
        let problem = Problem::of_sql(&Diagnostic::new("no field", Some(9..17)).help("try another"), text);
        let told = problem.told();
        assert_eq!((&told["line"], &told["column"], &told["help"]), (&2.into(), &3.into(), &"try another".into()));
    }
}
