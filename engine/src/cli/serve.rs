//! `engine serve [PLACE]`.

use anyhow::Result;

use super::Status;
use super::printer::Printer;
use super::signals::Interrupts;
use crate::serve::Server;
use crate::serve::files::Place;
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
    printer.note(&format!("serving the pipelines of {place}; Ctrl-C stops"));
    let work = server.run();
    tokio::pin!(work);
    tokio::select! {
        () = &mut work => {}
        () = interrupts.abort.cancelled() => {
            // Runs end at once, and say so in their records.
            abort.cancel();
            work.await;
            return Ok(Status::Aborted);
        }
        () = interrupts.listen(|text| tracing::warn!("{text}")) => {}
    }
    Ok(Status::Done)
}
