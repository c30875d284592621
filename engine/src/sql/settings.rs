//! `SET pipeline.* = ...`: a DataFusion config extension, so that `SET`, `SHOW` and `information_schema` work as everywhere.

use std::any::Any;
use std::collections::BTreeSet;
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
        /// When `engine serve` runs it: a cron expression of five fields, or six with seconds in front, or `@hourly`, `@daily` ...
        pub schedule: Option<String>, default = None
        /// The IANA time zone of the schedule, as in `Europe/Berlin`.
        pub time_zone: String, default = "UTC".to_owned()
        /// A run of the schedule begins up to this much later, each pipeline at a moment of its own: `30s`.
        pub jitter: Option<String>, default = None
        /// What makes `engine serve` run it: `s3://bucket/prefix*.json`, a folder, `table lake.x.y`; several in `any(.., ..)` or `all(.., ..)`.
        pub trigger: Option<String>, default = None
        /// From when on `engine serve` runs it once for every time of the schedule, each with its `${run.date}`: a date or a time.
        pub catchup: Option<String>, default = None
        /// Pipelines after whose successful runs `engine serve` runs it, separated by commas.
        pub after: Option<String>, default = None
        /// How long `engine serve` waits before it tries a failed run again; doubles from attempt to attempt.
        pub retry_delay: String, default = "30s".to_owned()
        /// How long a run of `engine serve` may take.
        pub timeout: Option<String>, default = None
        /// Who is told of a run of `engine serve` that failed for good: URLs of webhooks, separated by blanks.
        pub on_failure: Option<String>, default = None
        /// Who is told of a run of `engine serve` that ended well.
        pub on_success: Option<String>, default = None
        /// Runs of it at the same time: 1, since each goes on where the one before has ended.
        pub concurrency: u64, default = 1
        /// `engine serve` does not run it by itself.
        pub paused: bool, default = false
        /// How often a run tries an epoch again after a fault that may pass, and `engine serve` a run that failed.
        pub retries: u64, default = 0
        /// Rows after which an epoch is committed; when it is not set, the setting [run] epoch_rows.
        pub epoch_rows: u64, default = 0
        /// Bytes received after which an epoch is committed; when it is not set, the setting [run] epoch_bytes.
        pub epoch_bytes: u64, default = 0
    }
}

/// What a pipeline file sets about itself.
///
/// Settings are listed under their whole name: `SHOW pipeline.retries` looks for that.
#[derive(Debug, Clone, Default)]
pub struct PipelineOptions(PipelineFields);

impl PipelineOptions {
    /// How often epochs are tried again.
    pub fn set_retries(&mut self, retries: u64) {
        self.0.retries = retries;
    }

    /// All of what is read is one epoch.
    pub fn set_whole(&mut self) {
        (self.0.epoch_rows, self.0.epoch_bytes) = (u64::MAX, u64::MAX);
    }
}

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
        if key.starts_with("epoch_") && value.trim().parse() == Ok(0_u64) {
            return datafusion::common::config_err!("expected a whole number above zero");
        }
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

/// What DataFusion says of a `SET` that it refuses, in terms of the setting: `known` are all that there are.
pub fn explain(text: &str, statement: &Range<usize>, mut diagnostic: Diagnostic, known: &[ConfigEntry]) -> Diagnostic {
    let Some((given, value)) = assignment(&text[statement.clone()]) else { return diagnostic };
    let keys: BTreeSet<&str> = known.iter().map(|entry| entry.key.as_str()).collect();
    diagnostic.span = find_setting(text, statement, &given).or(diagnostic.span);
    // Some names that DataFusion takes are not among its entries, as `timezone`.
    let said = diagnostic.message.to_lowercase();
    let is_unknown = !keys.contains(given.as_str()) && (said.contains("not found") || said.contains("not find"));
    if !is_unknown {
        let why = if said.contains("invalid digit") { "expected a whole number" } else { &diagnostic.message };
        diagnostic.message = format!("{given} is {value}: {why}");
    } else {
        diagnostic.message = format!("unknown setting '{given}'");
        diagnostic.helps = vec![match nearest_setting(&given, &keys) {
            Some(name) => format!("did you mean '{name}'?"),
            None if given.starts_with(OWN) => format!("there are: {}", own(&keys).join(", ")),
            None => format!("there are: {}, and those that `engine shell -c 'SHOW ALL'` lists", own(&keys).join(", ")),
        }];
    }
    diagnostic
}

/// What the pipeline's own settings begin with.
const OWN: &str = "pipeline.";

fn own(keys: &BTreeSet<&str>) -> Vec<String> {
    keys.iter().filter_map(|key| key.strip_prefix(OWN)).map(str::to_owned).collect()
}

/// Name, in lower case, and value of `SET name = value` and `SET name TO value`.
fn assignment(statement: &str) -> Option<(String, &str)> {
    let (set, rest) = statement.split_once(char::is_whitespace)?;
    let rest = rest.trim_start();
    let end = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.'))).unwrap_or(rest.len());
    let value = rest[end..].trim_start();
    let value =
        value.strip_prefix('=').or_else(|| value.get(..2).filter(|to| to.eq_ignore_ascii_case("to")).map(|_| &value[2..]))?;
    (set.eq_ignore_ascii_case("set") && end > 0).then(|| (rest[..end].to_lowercase(), value.trim()))
}

/// Where the last part of the setting's name stands.
fn find_setting(text: &str, statement: &Range<usize>, given: &str) -> Option<Range<usize>> {
    find_word(text, statement, given.rsplit('.').next().unwrap_or(given))
}

/// The setting that was probably meant: of the same section, else the one whose last part is nearest.
fn nearest_setting<'a>(given: &str, keys: &BTreeSet<&'a str>) -> Option<&'a str> {
    let parts = |key: &'a str| key.rsplit_once('.').unwrap_or(("", key));
    let (section, name) = given.rsplit_once('.').unwrap_or(("", given));
    let in_section = keys.iter().map(|key| parts(key)).filter(|(other, _)| *other == section).map(|(_, last)| last);
    let whole = |last: &str| keys.iter().find(|key| parts(key) == (section, last)).copied();
    if let Some(key) = nearest(name, in_section).and_then(whole) {
        return Some(key);
    }
    // A section that is there has no such setting; what is called so in another section is something else, unless it is just that.
    let last = nearest(name, keys.iter().map(|key| parts(key).1))?;
    keys.iter().find(|key| parts(key).1 == last && (!given.starts_with(OWN) || key.starts_with(OWN))).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_and_the_value_of_a_setting_are_read() {
        assert_eq!(assignment("SET Pipeline.retries = many"), Some(("pipeline.retries".to_owned(), "many")));
        assert_eq!(assignment("set  timezone TO 'x'"), Some(("timezone".to_owned(), "'x'")));
        assert_eq!(assignment("SELECT 1"), None);
    }

    #[test]
    fn the_nearest_setting_is_of_the_same_section_if_there_is_one() {
        let keys = BTreeSet::from([
            "datafusion.execution.batch_size",
            "datafusion.execution.time_zone",
            "pipeline.retries",
            "datafusion.sql.size",
        ]);
        for (given, near) in [
            ("datafusion.execution.batch_sizee", Some("datafusion.execution.batch_size")),
            ("datafusio.execution.batch_size", Some("datafusion.execution.batch_size")),
            ("timezone", Some("datafusion.execution.time_zone")),
            ("pipeline.retrys", Some("pipeline.retries")),
            ("pipeline.batch_size", None),
            ("colour", None),
        ] {
            assert_eq!(nearest_setting(given, &keys), near, "{given}");
        }
    }
}
