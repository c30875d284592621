//! The web server of `engine serve`: an API for programs, pages for people, figures for monitors.
//!
//! | question | place |
//! |---|---|
//! | how is it set up | `settings` |
//! | how many connections, how slow may they be | `server`, `patience`, `tls` |
//! | what happens to every request | `answer` |
//! | who is let in, and what may they do | `guard`, `token` |
//! | what does a program ask for | `api` |
//! | what does a person see | `pages`, `assets`, `recent` |
//! | what does a monitor ask for | `probes`, `figures` |
//! | how is something wrong told | `problem` |
//!
//! It decides nothing about pipelines: all that it shows and does is [`Control`]'s, the state store's and the catalog's.

mod answer;
mod api;
mod app;
mod assets;
mod described;
mod figures;
mod given;
mod guard;
mod history;
mod pages;
mod patience;
mod probes;
mod problem;
mod query;
mod recent;
mod server;
mod settings;
mod times;
mod tls;
mod token;

use anyhow::Result;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use settings::{QueryLimits, TlsFiles, WebSettings};
pub use token::Token;

use super::Control;

/// Bytes of a body: a statement, a form.
const MAX_BODY: usize = 256 * 1024;

/// Serves on `listener` until `stop`; requests that have begun get a moment to end.
///
/// # Errors
/// A certificate that cannot be used.
pub async fn serve(control: Control, listener: TcpListener, settings: WebSettings, stop: CancellationToken) -> Result<()> {
    let port = listener.local_addr()?.port();
    let app = app::App::new(control, settings, port, stop.clone())?;
    server::run(app, listener, stop).await
}
