//! Signing in: a token for a cookie.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use super::Html;
use super::layout::{Page, Place, proof};
use crate::serve::web::answer::Peer;
use crate::serve::web::app::App;
use crate::serve::web::given::{Parameters, Posted};
use crate::serve::web::guard::{Caller, NotTaken, refused};
use crate::serve::web::problem::Problem;

pub(super) async fn page(caller: Caller, parameters: Parameters) -> Result<Response, Problem> {
    parameters.only(&["to"])?;
    if caller.is_signed_in() || caller.may_write() {
        return Ok(Redirect::to(inside(parameters.text("to").unwrap_or("/"))).into_response());
    }
    Ok(Html::from(form(&caller, parameters.text("to").unwrap_or("/"), None)).into_response())
}

fn form(caller: &Caller, to: &str, wrong: Option<&str>) -> Markup {
    let body = html! {
        section.sign-in {
            h1 { "Sign in" }
            form method="post" action="/sign-in" {
                (proof(caller))
                input type="hidden" name="to" value=(inside(to));
                label for="token" { "Token" }
                input id="token" name="token" type="password" required autofocus autocomplete="current-password"
                    aria-invalid=[wrong.map(|_| "true")] aria-describedby=[wrong.map(|_| "wrong")];
                @if let Some(wrong) = wrong { p.bad id="wrong" role="alert" { (wrong) } }
                button.primary { "Sign in" }
            }
            p.dim { "The token is what " code { "serve.token" } " or " code { "serve.read_token" } " is set to on the server." }
        }
    };
    Page { title: "Sign in", place: Place::Elsewhere, caller, is_live: false }.around(&body)
}

/// An address of this server, whatever was given: nobody is sent elsewhere after signing in.
fn inside(to: &str) -> &str {
    let is_inside = to.starts_with('/') && !to.starts_with("//") && !to.contains(['\\', '\r', '\n', '\t']);
    if is_inside { to } else { "/" }
}

pub(super) async fn sign_in(
    app: App,
    caller: Caller,
    axum::Extension(peer): axum::Extension<Peer>,
    posted: Posted,
) -> Result<Response, Problem> {
    let to = posted.0.get("to").map_or("/", String::as_str);
    match app.guard.role_of(peer.0.ip(), posted.text("token")) {
        Ok(role) => {
            let cookie = app.guard.sign_in(role);
            Ok(([(header::SET_COOKIE, cookie)], Redirect::to(inside(to))).into_response())
        }
        Err(not_taken) => {
            app.figures.refused.inc();
            let problem = refused(&not_taken);
            let status = if matches!(not_taken, NotTaken::Wrong) { StatusCode::UNAUTHORIZED } else { problem.status };
            Ok(Html(status, form(&caller, to, Some(&problem.detail))).into_response())
        }
    }
}

pub(super) async fn sign_out(app: App, caller: Caller, _posted: Posted) -> Response {
    ([(header::SET_COOKIE, app.guard.sign_out(&caller))], Redirect::to("/sign-in")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for to in ["//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil", "", "evil", "/\t/evil.example"] {
            assert_eq!(inside(to), "/", "{to}");
        }
        assert_eq!(inside("/pipelines/a?x=1"), "/pipelines/a?x=1");
    }
}
