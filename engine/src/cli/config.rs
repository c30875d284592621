//! `engine config`: the settings in force.

use std::fmt::Write as _;

use anyhow::Result;

use super::Status;
use super::printer::Printer;
use crate::config::{LANDING_KEYS, Settings};

/// Arguments of `engine config`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  engine config
  engine config --help-keys    what each key is for, and its environment variables
  ENGINE_LAKE_URL=s3://bucket/lake engine config")]
pub(super) struct ConfigArguments {
    /// Say what each key is for and which environment variables set it
    #[arg(long)]
    help_keys: bool,
}

pub(super) fn config(arguments: &ConfigArguments, settings: &Settings, printer: &mut Printer) -> Result<Status> {
    let mut text = String::new();
    let mut section = "";
    for setting in settings.all() {
        if setting.key.section != section {
            section = setting.key.section;
            writeln!(text, "{}[{section}]", if text.is_empty() { "" } else { "\n" })?;
        }
        if arguments.help_keys {
            writeln!(text, "  {:<18} {} ({})", setting.key.name, setting.key.help, setting.key.environment().join(", "))?;
        } else {
            writeln!(text, "  {:<18} = {:<46} # {}", setting.key.name, setting.shown(), setting.origin)?;
        }
    }
    for zone in settings.landings().iter().filter(|_| !arguments.help_keys) {
        writeln!(text, "\n[[landing]]")?;
        for (name, value) in zone.shown() {
            writeln!(text, "  {name:<18} = {:<46} # {}", value.as_deref().unwrap_or("(not set)"), zone.origin)?;
        }
    }
    if arguments.help_keys {
        writeln!(text, "\n[[landing]]")?;
        for key in LANDING_KEYS {
            writeln!(text, "  {:<18} {} (only in engine.toml)", key.name, key.help)?;
        }
    }
    printer.data(&text);
    Ok(Status::Done)
}
