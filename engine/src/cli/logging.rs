//! Logs on standard error, as text or JSON.

use std::io::IsTerminal;

use indicatif::MultiProgress;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use super::printer::Aside;
use crate::serve::RunLogs;

/// How a log event looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// One line for a person
    Text,
    /// One JSON object
    Json,
}

/// What goes into the logs of runs. Without it, every event of every crate would be made, for nobody.
fn logged() -> Targets {
    ["engine", "connectors", "catalog"].iter().fold(Targets::new(), |targets, ours| targets.with_target(*ours, LevelFilter::INFO))
}

/// Starts logging; `ENGINE_LOG` (`engine=debug,connectors=trace`) overrides `verbose`. `epochs`: every committed epoch is
/// an event worth telling even if nothing more is asked for. That S3 is asked again always is.
pub(super) fn start(format: Format, verbose: u8, epochs: bool, lines: &MultiProgress) {
    let default = match (verbose, format) {
        (0, Format::Text) if epochs => {
            "engine=warn,connectors=warn,engine::access=info,engine::run=info,engine::serve=info,object_store::client::retry=info"
        }
        (0, Format::Text) => "engine=warn,connectors=warn,object_store::client::retry=info",
        (0, Format::Json) | (1, _) => "engine=info,connectors=info,object_store::client::retry=info",
        _ => "engine=debug,connectors=debug,object_store::client::retry=info",
    };
    let filter = EnvFilter::try_from_env("ENGINE_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let aside = Aside(lines.clone());
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(move || aside.clone())
        .with_ansi(std::io::stderr().is_terminal() && format == Format::Text);
    let layer = match format {
        Format::Text => layer.compact().with_filter(filter).boxed(),
        Format::Json => layer.json().flatten_event(true).with_filter(filter).boxed(),
    };
    let started = tracing_subscriber::registry().with(layer).with(RunLogs.with_filter(logged())).try_init();
    // A second start in one process keeps the first one's format.
    drop(started);
}
