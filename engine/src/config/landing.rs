//! `[[landing]]` of `engine.toml`: the landing zones, of which there may be several.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, anyhow, bail};
use connectors::options::unknown;
use connectors::secrets::without_secrets;
use toml::de::{DeTable, DeValue};

use super::{Origin, Secrets, interpolate, is_place};

/// The section.
pub(super) const SECTION: &str = "landing";

/// A key of a landing zone.
#[derive(Debug)]
pub struct LandingKey {
    /// The key.
    pub name: &'static str,
    /// What it is for.
    pub help: &'static str,
}

/// Every key of a landing zone.
pub const LANDING_KEYS: &[LandingKey] = &[
    LandingKey { name: "url", help: "where files land: a folder, or s3://bucket/prefix/" },
    LandingKey { name: "name", help: "how it is called among the runs; 'landing' by default, needed with several zones" },
    LandingKey {
        name: "database",
        help: "what the first part of a key must be; by default the database of warehouse.url, or 'warehouse' where that is the lake",
    },
    LandingKey { name: "schema", help: "the schema of the tables; 'public' by default" },
    LandingKey { name: "queue", help: "URL of an SQS queue that tells of the objects; otherwise the place is listed" },
    LandingKey { name: "rejected", help: "the prefix, below url, that refused files go to; 'rejected/' by default" },
];

/// The schema of tables where the settings name none.
const DEFAULT_SCHEMA: &str = "public";
/// Where refused files go.
const DEFAULT_REJECTED: &str = "rejected/";

/// A landing zone, as the settings have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LandingSettings {
    /// How it is called among the runs.
    pub name: String,
    /// Where files land.
    pub url: String,
    /// What the first part of a key must be.
    pub database: Option<String>,
    /// The schema of the tables.
    pub schema: String,
    /// What tells of new files.
    pub queue: Option<String>,
    /// Where refused files go, below `url`.
    pub rejected: String,
    /// The line of its section.
    pub origin: Origin,
}

impl LandingSettings {
    /// Its keys and their values as they may be shown; `None`: it is not set.
    pub fn shown(&self) -> [(&'static str, Option<String>); 6] {
        [
            ("url", Some(without_secrets(&self.url))),
            ("name", Some(self.name.clone())),
            ("database", self.database.clone()),
            ("schema", Some(self.schema.clone())),
            ("queue", self.queue.as_deref().map(without_secrets)),
            ("rejected", Some(self.rejected.clone())),
        ]
    }
}

/// The zones of the section; `line_of` says on which line of the file `shown` a byte is.
///
/// # Errors
/// What is wrong, with the line, and what is right.
pub(super) fn read(
    content: &DeValue<'_>,
    section_line: usize,
    line_of: &dyn Fn(usize) -> usize,
    shown: &str,
    environment: &BTreeMap<String, String>,
) -> Result<Vec<LandingSettings>> {
    let DeValue::Array(sections) = content else {
        bail!(
            "{shown}:{section_line}: there may be several landing zones: write [[{SECTION}]] on a line of its own, in two brackets"
        );
    };
    let mut zones: Vec<LandingSettings> = Vec::new();
    for section in sections {
        let line = line_of(section.span().start);
        let DeValue::Table(content) = section.get_ref() else {
            bail!("{shown}:{line}: a landing zone is a section: write [[{SECTION}]] on a line of its own");
        };
        let zone = zone(content, line, line_of, shown, environment)?;
        if let Some(other) = zones.iter().find(|other| other.name == zone.name) {
            bail!(
                "{shown}:{line}: two landing zones are called '{}' (the other one is at {}); give each a name, as in name = 'sales'",
                zone.name,
                other.origin
            );
        }
        zones.push(zone);
    }
    Ok(zones)
}

fn zone(
    content: &DeTable<'_>,
    section_line: usize,
    line_of: &dyn Fn(usize) -> usize,
    shown: &str,
    environment: &BTreeMap<String, String>,
) -> Result<LandingSettings> {
    let mut values: BTreeMap<&str, String> = BTreeMap::new();
    let mut line = section_line;
    for (name, value) in content {
        line = line_of(name.span().start);
        let Some(key) = LANDING_KEYS.iter().find(|key| key.name == name.get_ref().as_ref()) else {
            let known = LANDING_KEYS.iter().map(|key| key.name);
            bail!("{shown}:{line}: {}", unknown("key", name.get_ref(), &format!("[[{SECTION}]]"), known));
        };
        let DeValue::String(text) = value.get_ref() else {
            bail!("{shown}:{line}: {SECTION}.{} takes a text, in quotes", key.name);
        };
        let text = interpolate(text, environment, &Secrets::default())
            .with_context(|| format!("{shown}:{line}: {SECTION}.{}", key.name))?;
        check(key.name, &text).map_err(|expected| {
            anyhow!("{shown}:{line}: {SECTION}.{} is '{}', expected {expected}", key.name, without_secrets(&text))
        })?;
        values.insert(key.name, text);
    }
    let url = values.remove("url");
    let url = url.ok_or_else(|| anyhow!("{shown}:{line}: a landing zone needs its url: a folder, or s3://bucket/prefix/"))?;
    Ok(LandingSettings {
        url,
        name: values.remove("name").unwrap_or_else(|| SECTION.to_owned()),
        database: values.remove("database"),
        schema: values.remove("schema").unwrap_or_else(|| DEFAULT_SCHEMA.to_owned()),
        queue: values.remove("queue"),
        rejected: values.remove("rejected").unwrap_or_else(|| DEFAULT_REJECTED.to_owned()),
        origin: Origin::File { path: shown.to_owned(), line: section_line },
    })
}

/// Whether a value makes sense; what is expected if it does not.
fn check(key: &str, text: &str) -> Result<(), &'static str> {
    let is_name =
        |text: &str| !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-'));
    let path: BTreeSet<&str> = text.trim_end_matches('/').split('/').collect();
    let good = match key {
        "url" => is_place(text) && !text.contains(connectors::files::WILDCARDS),
        "name" => is_name(text),
        "database" => !text.is_empty() && !text.contains('/'),
        "schema" => is_name(text) && !text.starts_with('-'),
        "queue" => text.contains("://"),
        _ => !path.iter().any(|part| part.is_empty() || *part == "." || *part == ".."),
    };
    let expected = match key {
        "url" => "a folder or s3://bucket/prefix/, without wildcards",
        "name" => "letters, digits, '_' and '-'",
        "database" => "the name of a database",
        "schema" => "the name of a schema: letters, digits, '_' and '-'",
        "queue" => "the URL of an SQS queue",
        _ => "a prefix below url, as in 'rejected/'",
    };
    if good { Ok(()) } else { Err(expected) }
}
