use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use connectors::clock::SystemClock;

use super::*;
use crate::serve::web::settings::QueryLimits;

const WRITE: &str = "write-write-write-write";
const READ: &str = "read-read-read-read-read";

fn guard(with_tokens: bool) -> Guard {
    let token = |text: &str| with_tokens.then(|| Token::new(text));
    let settings = WebSettings {
        listen: "127.0.0.1:8080".parse().unwrap(),
        token: token(WRITE),
        read_token: token(READ),
        hosts: vec!["engine.example".to_owned()],
        tls: None,
        query: QueryLimits { rows: 1, time: Duration::from_secs(1), memory: 1, at_once: 1 },
        connections: 1,
        signed_in: Duration::from_secs(60),
    };
    Guard::new(&settings, 8080, Arc::new(SystemClock))
}

fn status(guard: &Guard, method: Method, path: &str, headers: &[(&str, &str)]) -> u16 {
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost:8080");
    }
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    match guard.admit("127.0.0.1".parse().unwrap(), &request.body(Body::empty()).unwrap()) {
        Admission::Let(_) => 200,
        Admission::Refused(refusal) => refusal.response.status().as_u16(),
    }
}

fn bearer(token: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer {token}"))
}

#[test]
fn tokens_say_what_may_be_done() {
    let guard = guard(true);
    let run = "/api/v1/pipelines/p/run";
    for (token, method, path, expected) in [
        (WRITE, Method::GET, "/api/v1/pipelines", 200),
        (READ, Method::GET, "/api/v1/pipelines", 200),
        (WRITE, Method::POST, run, 200),
        (READ, Method::POST, run, 403),
        (READ, Method::POST, "/api/v1/query", 200),
        (READ, Method::POST, "/api/v1/query/", 403),
        ("wrong", Method::GET, "/api/v1/pipelines", 401),
        ("", Method::GET, "/health", 401),
    ] {
        let (name, value) = bearer(token);
        assert_eq!(status(&guard, method.clone(), path, &[(name, &value)]), expected, "{token} {method} {path}");
    }
    for (path, expected) in [
        ("/api/v1/pipelines", 401),
        ("/metrics", 401),
        ("/api/openapi.json", 401),
        ("/health", 200),
        ("/ready", 200),
        ("/sign-in", 200),
        ("/assets/app.css", 200),
        ("/", 303),
        ("/query", 303),
        ("/events", 401),
    ] {
        assert_eq!(status(&guard, Method::GET, path, &[]), expected, "{path}");
    }
    assert_eq!(status(&guard, Method::GET, "/", &[("authorization", "Basic eDp5")]), 401);
    assert_eq!(status(&guard, Method::POST, run, &[]), 401);
}

#[test]
fn an_open_server_answers_to_its_own_names_only() {
    let guard = guard(false);
    for (host, expected) in [
        ("localhost:8080", 200),
        ("127.0.0.1:8080", 200),
        ("[::1]:8080", 200),
        ("engine.example", 200),
        ("ENGINE.example:443", 200),
        ("evil.example:8080", 421),
        ("localhost.evil.example", 421),
        ("", 400),
    ] {
        assert_eq!(status(&guard, Method::GET, "/", &[("host", host)]), expected, "{host}");
    }
}

#[test]
fn other_sites_change_nothing() {
    let guard = guard(false);
    let proof = guard.proof.to_string();
    let api = "/api/v1/pipelines/p/run";
    let own = ("origin", "http://localhost:8080");
    for (path, headers, expected) in [
        (api, vec![], 200),
        (api, vec![own], 403),
        (api, vec![own, ("x-csrf-token", &*proof)], 200),
        (api, vec![("sec-fetch-site", "same-origin"), ("x-csrf-token", "wrong")], 403),
        (api, vec![("origin", "http://evil.example"), ("x-csrf-token", &*proof)], 403),
        (api, vec![("origin", "null")], 403),
        (api, vec![("sec-fetch-site", "cross-site")], 403),
        (api, vec![("sec-fetch-site", "same-site"), ("x-csrf-token", &*proof)], 403),
        // A form's proof is in its body.
        ("/pipelines/p/run", vec![own, ("sec-fetch-site", "same-origin")], 200),
        ("/pipelines/p/run", vec![("origin", "http://localhost:9999")], 403),
    ] {
        assert_eq!(status(&guard, Method::POST, path, &headers), expected, "{path} {headers:?}");
    }
}

#[test]
fn a_sign_in_is_a_cookie_of_its_own_role() {
    let guard = guard(true);
    let cookie = |role| guard.sign_in(role).split(';').next().unwrap().to_owned();
    let (reads, writes) = (cookie(Role::Read), cookie(Role::Write));
    let run = "/pipelines/p/run";
    assert_eq!(status(&guard, Method::GET, "/", &[("cookie", &reads)]), 200);
    assert_eq!(status(&guard, Method::POST, run, &[("cookie", &reads)]), 403);
    assert_eq!(status(&guard, Method::POST, run, &[("cookie", &format!("other=1; {writes}"))]), 200);
    assert_eq!(status(&guard, Method::GET, "/", &[("cookie", "engine_8080=guess")]), 303);
    // A cookie alone, which a browser sends for anybody, does nothing at the API.
    assert_eq!(status(&guard, Method::POST, "/api/v1/pipelines/p/run", &[("cookie", &writes)]), 403);
    let header = guard.sign_in(Role::Read);
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=60"] {
        assert!(header.contains(part), "{header}");
    }
}

#[test]
fn guesses_are_counted_and_then_not_looked_at() {
    let guard = guard(true);
    let address = "192.0.2.1".parse().unwrap();
    for _ in 0..10 {
        assert_eq!(guard.role_of(address, "guess"), Err(NotTaken::Wrong));
    }
    assert!(matches!(guard.role_of(address, WRITE), Err(NotTaken::TooMany(_))));
    assert_eq!(guard.role_of("192.0.2.2".parse().unwrap(), WRITE), Ok(Role::Write));
}
