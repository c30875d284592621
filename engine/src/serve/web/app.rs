//! What every request is given.

use std::ops::Deref;
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::figures::Figures;
use super::guard::Guard;
use super::recent::Recent;
use super::settings::WebSettings;
use super::{api, assets, pages, probes};
use crate::catalog::Lookup;
use crate::serve::Control;
use crate::serve::workers::Workers;
use crate::shell::Reader;

/// What the server holds; a handle.
#[derive(Debug, Clone)]
pub(super) struct App(Arc<Held>);

/// What the server holds.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) control: Control,
    pub(super) settings: WebSettings,
    pub(super) guard: Guard,
    pub(super) figures: Figures,
    /// Answers ad-hoc queries.
    pub(super) reader: Reader,
    /// Room for them.
    pub(super) queries: Arc<Semaphore>,
    /// The threads that they run on.
    pub(super) workers: Workers,
    pub(super) catalog: Lookup,
    /// The last runs, for whoever looks at the same moment.
    pub(super) recent: Recent,
    /// The server stops: what would go on for ever ends.
    pub(super) stop: CancellationToken,
    pub(super) router: Router,
}

impl Deref for App {
    type Target = Held;

    fn deref(&self) -> &Held {
        &self.0
    }
}

impl App {
    /// # Errors
    /// When threads cannot be started; when metrics or DataFusion cannot be set up, which is a bug.
    pub(super) fn new(control: Control, settings: WebSettings, port: u16, stop: CancellationToken) -> Result<Self> {
        let session = control.session();
        let reader = Reader::new(session, settings.query.memory)?;
        let catalog = Lookup::new(session);
        let guard = Guard::new(&settings, port, Arc::clone(&session.context.clock));
        let queries = Arc::new(Semaphore::new(settings.query.at_once.min(Semaphore::MAX_PERMITS)));
        let workers = Workers::start("queries")?;
        let figures = Figures::new()?;
        let (recent, router) = (Recent::default(), router());
        Ok(Self(Arc::new(Held { control, settings, guard, figures, reader, queries, workers, catalog, recent, stop, router })))
    }
}

/// Everything there is, without its state: handlers take the [`App`] out of the request.
fn router() -> Router {
    Router::new()
        .merge(probes::routes())
        .merge(assets::routes())
        .merge(api::routes())
        .merge(pages::routes())
        .fallback(super::problem::not_there)
        .method_not_allowed_fallback(super::problem::not_allowed)
        .layer(axum::extract::DefaultBodyLimit::max(super::MAX_BODY))
}
