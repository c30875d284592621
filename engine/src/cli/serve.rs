//! `engine serve [PLACE]`.

use anyhow::{Context as _, Result};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Status;
use super::printer::Printer;
use super::signals::Interrupts;
use crate::serve::files::Place;
use crate::serve::web::{self, WebSettings};
use crate::serve::{Control, Server};
use crate::session::Session;
use crate::state;

/// Arguments of `engine serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  engine serve                          run the pipelines in queries/ when they are due
  engine serve s3://bucket/queries/
  engine runs                           see what was run
  engine runs show reddit/12            and how one run went

When a pipeline is due its file says: SET pipeline.schedule, pipeline.trigger, pipeline.after (`engine check` \
knows them all). New, changed and removed files take effect at once; of one that is wrong, the last good \
version goes on. Ctrl-C or SIGTERM finishes the epochs that are under way ([serve] grace), a second one \
aborts them; killed at any time, the next server goes on where it must. Two servers on one state store \
share the work.")]
pub(super) struct ServeArguments {
    /// The folder of the pipelines, or s3://bucket/prefix/
    #[arg(value_name = "PLACE", default_value = "queries")]
    place: String,
}

pub(super) async fn serve(arguments: ServeArguments, session: &Session, printer: &mut Printer) -> Result<Status> {
    let place = Place::parse(&arguments.place, session)?;
    let store = state::open(session).await?;
    let interrupts = Interrupts::default();
    let server = Server::new(session.clone(), store, place.clone(), interrupts.stop.clone())?;
    let abort = server.abort();
    let web = Web::bind(session).await?;
    let at = web.as_ref().map(|web| format!(", pages and API at {}", web.address)).unwrap_or_default();
    printer.note(&format!("serving the pipelines of {place}{at}; Ctrl-C stops"));
    let pages = web.map(|web| web.serve(server.control(), interrupts.stop.clone()));
    let work = async {
        let pages = async {
            match pages {
                Some(pages) => pages.await,
                None => Ok(()),
            }
        };
        let ((), served) = tokio::join!(server.run(), pages);
        served
    };
    tokio::pin!(work);
    tokio::select! {
        served = &mut work => served?,
        () = interrupts.abort.cancelled() => {
            // Runs end at once, and say so in their records.
            abort.cancel();
            work.await?;
            return Ok(Status::Aborted);
        }
        () = interrupts.listen(|text| tracing::warn!("{text}")) => {}
    }
    Ok(Status::Done)
}

/// The web server, which has its port and does not answer yet.
struct Web {
    settings: WebSettings,
    listener: TcpListener,
    address: String,
}

impl Web {
    /// None where the settings say that there is to be none.
    async fn bind(session: &Session) -> Result<Option<Self>> {
        if session.settings.text("serve.listen") == Some("off") {
            return Ok(None);
        }
        let settings = WebSettings::from(&session.settings)?;
        let listener = TcpListener::bind(settings.listen).await.with_context(|| {
            format!(
                "cannot listen on {}; set serve.listen (ENGINE_SERVE_LISTEN) to another address, or to 'off' for a server without pages",
                settings.listen
            )
        })?;
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        let address = format!("{scheme}://{}", listener.local_addr()?);
        Ok(Some(Self { settings, listener, address }))
    }

    async fn serve(self, control: Control, stop: CancellationToken) -> Result<()> {
        web::serve(control, self.listener, self.settings, stop).await
    }
}
