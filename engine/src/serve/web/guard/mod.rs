//! Who is let in, and what they may: decided once for every request, before anything looks at it.
//!
//! | question | place |
//! |---|---|
//! | was the server meant, or a name that somebody pointed at it | [`host`] |
//! | did a page of ours make the browser send this | [`origin`] |
//! | who has signed in | [`sessions`] |
//! | who tries tokens | [`failures`] |

mod failures;
mod host;
mod origin;
mod sessions;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use connectors::clock::Clock;

use super::problem::Problem;
use super::settings::WebSettings;
use super::token::{self, Token};
use failures::Failures;
use sessions::Sessions;

/// The header in which our own script proves that a page of ours sent the request.
pub(super) const PROOF_HEADER: &str = "x-csrf-token";

/// What anybody may ask for.
const OPEN: [&str; 4] = ["/health", "/ready", "/sign-in", "/favicon.ico"];

/// What is posted and changes nothing.
const READS: [&str; 4] = ["/api/v1/query", "/query/rows", "/sign-in", "/sign-out"];

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// See and query.
    Read,
    /// Everything.
    Write,
}

/// How a caller was known.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Known {
    /// By nothing: the server is open to this machine.
    Local,
    /// By a token.
    Bearer,
    /// By the cookie of a sign-in.
    SignedIn(String),
    /// Not at all; what is open to anybody was asked for.
    Nobody,
}

/// Who asks.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) role: Role,
    known: Known,
    /// What forms of ours carry.
    proof: Arc<str>,
}

impl Caller {
    /// For the log.
    pub(super) fn name(&self) -> &'static str {
        match (&self.known, self.role) {
            (Known::Local, _) => "local",
            (Known::Bearer, Role::Write) => "token",
            (Known::Bearer, Role::Read) => "read token",
            (Known::SignedIn(_), Role::Write) => "signed in",
            (Known::SignedIn(_), Role::Read) => "signed in to read",
            (Known::Nobody, _) => "nobody",
        }
    }

    /// Whether there is something to sign out of.
    pub(super) fn is_signed_in(&self) -> bool {
        matches!(self.known, Known::SignedIn(_))
    }

    /// Whether there is anything that the caller may see.
    pub(super) fn may_see(&self) -> bool {
        self.known != Known::Nobody
    }

    pub(super) fn may_write(&self) -> bool {
        self.role == Role::Write && self.known != Known::Nobody
    }

    /// What a form carries, so that no other site can send it.
    pub(super) fn proof(&self) -> &str {
        &self.proof
    }

    /// Whether `given` is that.
    pub(super) fn proves(&self, given: &str) -> bool {
        Token::new(&self.proof).is(given)
    }
}

/// The answer to who asks.
#[derive(Debug)]
pub(super) enum Admission {
    Let(Caller),
    Refused(Box<Refusal>),
}

/// Why nobody was let in.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) response: Response,
    pub(super) is_wrong_token: bool,
}

impl From<Problem> for Admission {
    fn from(problem: Problem) -> Self {
        Self::Refused(Box::new(Refusal { response: problem.into_response(), is_wrong_token: false }))
    }
}

/// Lets callers in.
#[derive(Debug)]
pub(super) struct Guard {
    settings: WebSettings,
    clock: Arc<dyn Clock>,
    sessions: Sessions,
    failures: Failures,
    /// Proves that a form is of this process, where nobody signs in.
    proof: Arc<str>,
    cookie: String,
}

/// Why a token was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    Wrong,
    /// From this address, too many were wrong; seconds until the next is looked at.
    TooMany(u64),
}

impl Guard {
    pub(super) fn new(settings: &WebSettings, port: u16, clock: Arc<dyn Clock>) -> Self {
        // Cookies know no ports: two servers of one machine would sign each other's users out.
        let prefix = if settings.tls.is_some() { "__Host-" } else { "" };
        Self {
            settings: settings.clone(),
            clock,
            sessions: Sessions::new(settings.signed_in),
            failures: Failures::default(),
            proof: token::random().into(),
            cookie: format!("{prefix}engine_{port}"),
        }
    }

    /// Decides about a request from `address`.
    pub(super) fn admit<B>(&self, address: IpAddr, request: &Request<B>) -> Admission {
        let (headers, path) = (request.headers(), request.uri().path());
        if let Err(problem) = host::check(&self.settings, headers, request.uri()) {
            return problem.into();
        }
        let caller = match self.caller(address, headers) {
            Ok(caller) => caller,
            Err(refusal) => return Admission::Refused(refusal),
        };
        let is_open = OPEN.contains(&path) || path.starts_with("/assets/");
        let caller = match caller {
            Some(caller) => caller,
            None if is_open => Caller { role: Role::Read, known: Known::Nobody, proof: Arc::clone(&self.proof) },
            None => return Admission::Refused(Box::new(unknown(request))),
        };
        if request.method().is_safe() {
            return Admission::Let(caller);
        }
        // A browser sends no Authorization header unless a script of ours tells it to.
        if caller.known != Known::Bearer
            && let Err(problem) = origin::check(headers, path, &caller)
        {
            return problem.into();
        }
        if !caller.may_write() && !READS.contains(&path) {
            let detail = "a read token sees and queries, and changes nothing";
            return Problem::new(StatusCode::FORBIDDEN, detail).help("use the token of serve.token").into();
        }
        Admission::Let(caller)
    }

    /// Who it is; nobody is not wrong yet.
    fn caller(&self, address: IpAddr, headers: &HeaderMap) -> Result<Option<Caller>, Box<Refusal>> {
        let caller = |role, known, proof: &Arc<str>| Caller { role, known, proof: Arc::clone(proof) };
        if self.settings.is_open() {
            return Ok(Some(caller(Role::Write, Known::Local, &self.proof)));
        }
        if let Some(shown) = headers.get(header::AUTHORIZATION) {
            let shown = shown.to_str().unwrap_or_default();
            let (scheme, shown) = shown.split_once(' ').unwrap_or((shown, ""));
            let taken = match scheme.eq_ignore_ascii_case("bearer") {
                true => self.role_of(address, shown.trim()),
                false => Err(NotTaken::Wrong),
            };
            return match taken {
                Ok(role) => Ok(Some(caller(role, Known::Bearer, &self.proof))),
                Err(not_taken) => Err(Box::new(Refusal { response: refused(&not_taken).into_response(), is_wrong_token: true })),
            };
        }
        let found = cookie(headers, &self.cookie).and_then(|id| Some((id, self.sessions.find(id, self.clock.now())?)));
        Ok(found.map(|(id, session)| caller(session.role, Known::SignedIn(id.to_owned()), &session.proof)))
    }

    /// What the bearer of `shown` may.
    ///
    /// # Errors
    /// When it is no token, or too many from there were none.
    pub(super) fn role_of(&self, address: IpAddr, shown: &str) -> Result<Role, NotTaken> {
        let now = self.clock.now();
        if let Some(seconds) = self.failures.wait(address, now) {
            return Err(NotTaken::TooMany(seconds));
        }
        let is = |token: &Option<Token>| token.as_ref().is_some_and(|token| token.is(shown));
        // Both are compared, whichever it is.
        let (writes, reads) = (is(&self.settings.token), is(&self.settings.read_token));
        if writes || reads {
            return Ok(if writes { Role::Write } else { Role::Read });
        }
        self.failures.note(address, now);
        Err(NotTaken::Wrong)
    }

    /// Begins a session; the value of the `Set-Cookie` header.
    pub(super) fn sign_in(&self, role: Role) -> String {
        let id = self.sessions.begin(role, self.clock.now());
        self.cookie_header(&id, self.settings.signed_in.as_secs())
    }

    /// Ends the session of `caller`; the value of the `Set-Cookie` header.
    pub(super) fn sign_out(&self, caller: &Caller) -> String {
        if let Known::SignedIn(id) = &caller.known {
            self.sessions.end(id);
        }
        self.cookie_header("", 0)
    }

    fn cookie_header(&self, id: &str, seconds: u64) -> String {
        let secure = if self.settings.tls.is_some() { "; Secure" } else { "" };
        format!("{}={id}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}", self.cookie)
    }
}

/// What a wrong token is told.
pub(super) fn refused(not_taken: &NotTaken) -> Problem {
    match not_taken {
        NotTaken::Wrong => Problem::new(StatusCode::UNAUTHORIZED, "the token is wrong")
            .header(header::WWW_AUTHENTICATE, "Bearer realm=\"engine\", error=\"invalid_token\"")
            .help("send 'Authorization: Bearer ...' with the value of serve.token or serve.read_token"),
        NotTaken::TooMany(seconds) => {
            Problem::new(StatusCode::TOO_MANY_REQUESTS, format!("too many wrong tokens; the next is looked at in {seconds} s"))
                .header(header::RETRY_AFTER, &seconds.to_string())
        }
    }
}

/// A person is shown where to sign in, a program what to send.
fn unknown<B>(request: &Request<B>) -> Refusal {
    let wants_page = super::problem::wants_page(request);
    let response = if wants_page && request.method().is_safe() {
        let to = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let to = percent_encoding::utf8_percent_encode(to, percent_encoding::NON_ALPHANUMERIC);
        Redirect::to(&format!("/sign-in?to={to}")).into_response()
    } else {
        Problem::new(StatusCode::UNAUTHORIZED, "this server takes a token")
            .header(header::WWW_AUTHENTICATE, "Bearer realm=\"engine\"")
            .help("send 'Authorization: Bearer ...' with the value of serve.token or serve.read_token")
            .into_response()
    };
    Refusal { response, is_wrong_token: false }
}

/// The value of a cookie.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(given, _)| *given == name).map(|(_, value)| value)
}
