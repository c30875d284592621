//! Whether a browser sends a request that changes something because a page of ours told it to.
//!
//! Browsers say where a request comes from (`Sec-Fetch-Site`, Fetch Metadata; `Origin`, RFC 6454), which no page can forge. Besides, a
//! form of ours carries a proof in it, and our script one in a header; what carries it in the body is checked there, by
//! [`Posted`](crate::serve::web::given::Posted).

use axum::http::{HeaderMap, StatusCode, header};

use super::{Caller, PROOF_HEADER};
use crate::serve::web::problem::Problem;

/// Whether the request is not another site's.
///
/// # Errors
/// When it is, or may be.
pub(super) fn check(headers: &HeaderMap, path: &str, caller: &Caller) -> Result<(), Problem> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let (site, origin, host) = (text("sec-fetch-site"), text("origin"), text(header::HOST.as_str()));
    let is_ours = match (site, origin) {
        (Some(site), _) if !matches!(site, "same-origin" | "none") => false,
        (_, Some(origin)) => origin.split_once("://").is_some_and(|(_, authority)| Some(authority) == host),
        _ => true,
    };
    if !is_ours {
        return Err(Problem::new(StatusCode::FORBIDDEN, "the request comes from a page of another site"));
    }
    // Programs that are no browser send neither header, and nobody makes them send anything.
    let is_browser = site.is_some() || origin.is_some();
    let is_proven = text(PROOF_HEADER).is_some_and(|given| caller.proves(given));
    let proves_in_header = path.starts_with("/api/");
    if proves_in_header && (is_browser || caller.is_signed_in()) && !is_proven {
        return Err(Problem::new(StatusCode::FORBIDDEN, format!("a request of a browser takes the header {PROOF_HEADER}"))
            .help("from a program, send 'Authorization: Bearer ...' and no cookie"));
    }
    Ok(())
}
