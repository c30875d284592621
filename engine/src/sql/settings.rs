//! `SET pipeline.* = ...`: a DataFusion config extension, so that `SET`, `SHOW` and `information_schema` work as everywhere.

use std::any::Any;
use std::ops::{Deref, Range};

use connectors::options::nearest;
use datafusion::common::config::{ConfigExtension, ExtensionOptions};
use datafusion::common::extensions_options;
use datafusion::config::{ConfigEntry, ConfigOptions};
use datafusion::error::Result;

use super::Diagnostic;
use super::script::find_word;

extensions_options! {
    /// The settings without their prefix.
    pub struct PipelineFields {
        /// Cron expression of five fields, in UTC. Recorded and shown by `engine plan`; `engine run` runs at once.
        pub schedule: Option<String>, default = None
        /// How often a run tries an epoch again after a fault that may pass.
        pub retries: u64, default = 0
        /// Rows after which an epoch is committed; 0: the setting [run] epoch_rows.
        pub epoch_rows: u64, default = 0
        /// Bytes received after which an epoch is committed; 0: the setting [run] epoch_bytes.
        pub epoch_bytes: u64, default = 0
    }
}

/// What a pipeline file sets about itself.
///
/// Settings are listed under their whole name: `SHOW pipeline.retries` looks for that.
#[derive(Debug, Clone, Default)]
pub struct PipelineOptions(PipelineFields);

impl Deref for PipelineOptions {
    type Target = PipelineFields;

    fn deref(&self) -> &PipelineFields {
        &self.0
    }
}

impl ExtensionOptions for PipelineOptions {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        self.0.set(key, value)
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        let whole = |entry: ConfigEntry| ConfigEntry { key: format!("{}.{}", Self::PREFIX, entry.key), ..entry };
        self.0.entries().into_iter().map(whole).collect()
    }
}

impl ConfigExtension for PipelineOptions {
    const PREFIX: &'static str = "pipeline";
}

/// The pipeline's own settings in `options`.
pub fn pipeline_options(options: &ConfigOptions) -> PipelineOptions {
    options.extensions.get::<PipelineOptions>().cloned().unwrap_or_default()
}

/// What DataFusion says of a `SET` that it refuses, in terms of the pipeline's own settings when it is about one of them.
pub fn explain(text: &str, statement: &Range<usize>, mut diagnostic: Diagnostic) -> Diagnostic {
    let lower = text[statement.clone()].to_lowercase();
    let Some((_, rest)) = lower.split_once("pipeline.").filter(|_| lower.starts_with("set")) else { return diagnostic };
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    let (given, value) = (&rest[..end], rest[end..].trim_start_matches([' ', '=']).trim());
    let entries = PipelineOptions::default().entries();
    let names: Vec<&str> = entries.iter().map(|entry| entry.key.trim_start_matches("pipeline.")).collect();
    diagnostic.span = find_word(text, statement, given).or(diagnostic.span);
    if names.contains(&given) {
        let why =
            if diagnostic.message.contains("invalid digit") { "expected a whole number" } else { diagnostic.message.as_str() };
        diagnostic.message = format!("pipeline.{given} is {value}: {why}");
    } else {
        diagnostic.message = format!("unknown setting 'pipeline.{given}'");
        diagnostic.helps = vec![match nearest(given, names.iter().copied()) {
            Some(name) => format!("did you mean 'pipeline.{name}'?"),
            None => format!("there are: {}", names.join(", ")),
        }];
    }
    diagnostic
}
