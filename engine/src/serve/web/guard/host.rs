//! The `Host` header: which server the browser means.
//!
//! A page of another site can have its own name point at 127.0.0.1, and then reads from here what a page of ours would (DNS rebinding).
//! What it cannot do is name this server otherwise than by its own name.

use std::net::IpAddr;

use axum::http::{HeaderMap, StatusCode, Uri, header};

use crate::serve::web::problem::Problem;
use crate::serve::web::settings::{WebSettings, is_loopback};

/// Whether the request names a server that this one is.
///
/// # Errors
/// With what to set.
pub(super) fn check(settings: &WebSettings, headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
    let given = uri.authority().map(|authority| authority.as_str());
    let given = given.or_else(|| headers.get(header::HOST).and_then(|host| host.to_str().ok()));
    let Some(host) = given.and_then(name) else {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "the request has no Host header, or one that names no host"));
    };
    // Who has to show a token to anybody is not deceived by a name. The names that are set are all that there are, then.
    let is_any = !settings.is_open() && settings.hosts.is_empty();
    if is_any || is_own(&host) || settings.hosts.contains(&host) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, format!("this server is not known as '{host}'"))
        .help("set serve.hosts (ENGINE_SERVE_HOSTS) to the names that it is reached by, or use http://localhost"))
}

/// Names of this machine for itself.
fn is_own(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.ends_with(".localhost") || address.parse::<IpAddr>().is_ok_and(is_loopback)
}

/// The name before the port, in lower case.
fn name(authority: &str) -> Option<String> {
    let end = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (name, port) = authority.split_at(end);
    let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    let name = name.trim_end_matches('.');
    (is_port && !name.is_empty() && !name.contains('@')).then(|| name.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_ports() {
        for (authority, expected) in [
            ("localhost:8080", Some("localhost")),
            ("LocalHost.", Some("localhost")),
            ("[::1]:80", Some("[::1]")),
            ("127.0.0.1", Some("127.0.0.1")),
            ("", None),
            (":80", None),
            ("a:b", None),
            ("me@localhost", None),
            ("[::1", None),
        ] {
            assert_eq!(name(authority).as_deref(), expected, "{authority}");
        }
    }

    #[test]
    fn own_names_are_those_of_the_loopback() {
        for host in ["localhost", "engine.localhost", "127.0.0.1", "127.8.0.1", "[::1]"] {
            assert!(is_own(host), "{host}");
        }
        for host in ["localhost.evil.example", "evil.example", "127.0.0.1.evil.example", "192.0.2.1", "0.0.0.0"] {
            assert!(!is_own(host), "{host}");
        }
    }
}
