//! `SET pipeline.* = ...`: a DataFusion config extension, so that `SET`, `SHOW` and `information_schema` work as everywhere.

use datafusion::common::config::{ConfigExtension, ExtensionOptions};
use datafusion::common::extensions_options;
use datafusion::config::ConfigOptions;

extensions_options! {
    /// What a pipeline file sets about itself.
    pub struct PipelineOptions {
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

impl ConfigExtension for PipelineOptions {
    const PREFIX: &'static str = "pipeline";
}

/// The pipeline's own settings in `options`.
pub fn pipeline_options(options: &ConfigOptions) -> PipelineOptions {
    options.extensions.get::<PipelineOptions>().cloned().unwrap_or_default()
}

/// The names that follow `pipeline.`
pub fn names() -> Vec<String> {
    PipelineOptions::default().entries().into_iter().map(|entry| entry.key).collect()
}
