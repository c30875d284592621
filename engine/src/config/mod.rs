//! The settings: `engine.toml`, the environment, secrets; what is set, by whom, and what it means.
//!
//! Every key is declared once, in [`KEYS`]; the file, the environment, `engine config` and the documentation follow it.

mod file;
mod interpolate;
mod keys;
mod landing;
mod secrets;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use connectors::aws::secrets::SecretsManager;
use connectors::options::{nearest, parse_bytes, parse_duration};
use connectors::secrets::without_secrets;
use connectors::stores::S3Config;

pub use interpolate::{RUN_TIME, interpolate, without_run_date};
pub use keys::{KEYS, Key};
pub use landing::{LANDING_KEYS, LandingKey, LandingSettings};
pub use secrets::Secrets;

/// What the environment variables of settings begin with.
const PREFIX: &str = "ENGINE_";
/// Schemes of places for tables.
const PLACES: [&str; 3] = ["file", "s3", "s3a"];

/// Sections that are needed to ask for secrets.
const ASKING: [&str; 3] = ["s3", "secrets", "sqs"];

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A line of `engine.toml`.
    File {
        /// The file, as it was given.
        path: String,
        /// From 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Environment(name) => write!(f, "environment {name}"),
        }
    }
}

/// One setting in force.
#[derive(Clone)]
pub struct Setting {
    /// What was declared.
    pub key: &'static Key,
    /// The value, with `${...}` resolved; `None` when it is not set and has no default.
    pub value: Option<String>,
    /// Who set it.
    pub origin: Origin,
    /// The text that refers to a secret, which may change.
    secret: Option<String>,
}

impl std::fmt::Debug for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} = {} ({})", self.key.path(), self.shown(), self.origin)
    }
}

impl Setting {
    /// The value as it may be shown: a secret is masked.
    pub fn shown(&self) -> String {
        match &self.value {
            None => "(not set)".to_owned(),
            Some(_) if self.key.secret || self.secret.is_some() => "********".to_owned(),
            Some(value) if self.key.kind == keys::Kind::Url => masked(value),
            Some(value) if self.key.kind == keys::Kind::State && value.contains("://") => masked(value),
            Some(value) => without_secrets(value),
        }
    }

    /// What stands in the file.
    fn in_file(&self) -> &str {
        self.value.as_deref().filter(|_| matches!(self.origin, Origin::File { .. })).unwrap_or_default()
    }

    /// Resolves the `${...}` of a value of the file.
    fn resolve(&mut self, text: &str, environment: &BTreeMap<String, String>, secrets: &Secrets) -> Result<()> {
        let resolved = interpolate(text, environment, secrets);
        self.value = Some(resolved.with_context(|| format!("{}: {}", self.origin, self.key.path()))?);
        self.secret = interpolate::has_secret(text).then(|| text.to_owned());
        Ok(())
    }
}

/// A URL without the passwords that it may have: before its last `@`, whatever letters they have, and behind its `?`.
fn masked(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "********".to_owned() };
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => match user.split_once(':') {
            Some((user, _)) => (format!("{user}:********@"), rest),
            None => (format!("{user}@"), rest),
        },
        None => (String::new(), rest),
    };
    let (address, query) = rest.split_once('?').map_or((rest, None), |(address, query)| (address, Some(query)));
    let option = |option: &str| match option.split_once('=') {
        Some((name, _)) if name.to_ascii_lowercase().contains("pass") => format!("{name}=********"),
        _ => option.to_owned(),
    };
    let query = query.map(|query| format!("?{}", query.split('&').map(option).collect::<Vec<_>>().join("&")));
    format!("{scheme}://{user}{address}{}", query.unwrap_or_default())
}

/// The settings in force.
#[derive(Debug, Clone)]
pub struct Settings {
    all: Vec<Setting>,
    landings: Vec<LandingSettings>,
    secrets: Arc<Secrets>,
}

impl Settings {
    /// Reads `engine.toml` (`path`, or the one in the working directory if there is one) and the environment.
    ///
    /// # Errors
    /// An unknown key or section, a value of the wrong kind, an unresolvable `${...}`: each with file and line.
    pub fn load(path: Option<&Path>, environment: &BTreeMap<String, String>) -> Result<Self> {
        let from_file = match path {
            Some(path) => file::read(path, environment)?,
            None if Path::new("engine.toml").exists() => file::read(Path::new("engine.toml"), environment)?,
            None => file::Content::default(),
        };
        Self::of(from_file, environment)
    }

    fn of(file: file::Content, environment: &BTreeMap<String, String>) -> Result<Self> {
        let all: Vec<Setting> = KEYS.iter().map(|key| effective(key, &file.values, environment)).collect();
        // Whom to ask for secrets is in settings too.
        let is_late = |setting: &Setting| !ASKING.contains(&setting.key.section) && interpolate::is_in_aws(setting.in_file());
        let (late, early): (Vec<usize>, Vec<usize>) = (0..all.len()).partition(|index| is_late(&all[*index]));
        let mut settings = Self { all, landings: file.landings, secrets: Arc::default() };
        settings.resolve(&early, environment)?;
        let endpoint = settings.text("secrets.endpoint").map(str::to_owned);
        settings.secrets = Arc::new(Secrets::new(SecretsManager::new(settings.s3(), endpoint)));
        settings.resolve(&late, environment)?;
        Ok(settings)
    }

    fn resolve(&mut self, which: &[usize], environment: &BTreeMap<String, String>) -> Result<()> {
        for index in which {
            let setting = &mut self.all[*index];
            if matches!(setting.origin, Origin::File { .. }) {
                let text = setting.in_file().to_owned();
                setting.resolve(&text, environment, &self.secrets)?;
            }
            check(setting)?;
        }
        Ok(())
    }

    /// The same settings, with the secrets that they refer to as these are now; `None` when they refer to none.
    ///
    /// # Errors
    /// When one cannot be read any more.
    pub fn renewed(&self, environment: &BTreeMap<String, String>) -> Result<Option<Self>> {
        if self.all.iter().all(|setting| setting.secret.is_none()) {
            return Ok(None);
        }
        let mut renewed = self.clone();
        for setting in &mut renewed.all {
            if let Some(text) = setting.secret.clone() {
                setting.resolve(&text, environment, &self.secrets)?;
                check(setting)?;
            }
        }
        Ok(Some(renewed))
    }

    /// Where `${secret:...}` is looked up.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// `[s3]`, and where queues are asked.
    pub fn s3(&self) -> S3Config {
        let text = |name: &str| self.text(&format!("s3.{name}")).map(str::to_owned);
        S3Config {
            endpoint: text("endpoint"),
            region: text("region"),
            path_style: text("path_style").and_then(|flag| flag.parse().ok()),
            access_key_id: text("access_key_id"),
            secret_access_key: text("secret_access_key"),
            session_token: text("session_token"),
            queue_endpoint: self.text("sqs.endpoint").map(str::to_owned),
        }
    }

    /// The landing zones, in the order of the file.
    pub fn landings(&self) -> &[LandingSettings] {
        &self.landings
    }

    /// All of them, in the order of their declaration.
    pub fn all(&self) -> &[Setting] {
        &self.all
    }

    /// The value of `path` (`"lake.url"`).
    pub fn text(&self, path: &str) -> Option<&str> {
        self.all.iter().find(|setting| setting.key.path() == path).and_then(|setting| setting.value.as_deref())
    }

    /// Whether nobody has set `path`.
    pub fn is_default(&self, path: &str) -> bool {
        self.all.iter().any(|setting| setting.key.path() == path && setting.origin == Origin::Default)
    }

    /// The value of a key that has a default.
    ///
    /// # Errors
    /// When it is not set.
    pub fn required(&self, path: &str) -> Result<&str> {
        self.text(path).ok_or_else(|| anyhow!("setting {path} is not set"))
    }

    /// A size in bytes.
    ///
    /// # Errors
    /// When it is not set, or is none.
    pub fn bytes(&self, path: &str) -> Result<u64> {
        let text = self.required(path)?;
        parse_bytes(text).ok_or_else(|| anyhow!("setting {path} is '{text}', expected a size"))
    }

    /// A whole number.
    ///
    /// # Errors
    /// When it is not set, or is none.
    pub fn number(&self, path: &str) -> Result<u64> {
        let text = self.required(path)?;
        text.parse().map_err(|_| anyhow!("setting {path} is '{text}', expected a whole number"))
    }
}

/// Environment over file over default.
fn effective(
    key: &'static Key,
    from_file: &BTreeMap<String, (String, Origin)>,
    environment: &BTreeMap<String, String>,
) -> Setting {
    for name in key.environment() {
        if let Some(value) = environment.get(&name).filter(|value| !value.is_empty()) {
            return Setting { key, value: Some(value.clone()), origin: Origin::Environment(name), secret: None };
        }
    }
    match from_file.get(&key.path()) {
        Some((value, origin)) => Setting { key, value: Some(value.clone()), origin: origin.clone(), secret: None },
        None => Setting { key, value: key.default.map(str::to_owned), origin: Origin::Default, secret: None },
    }
}

/// Whether tables can be kept there.
fn is_place(url: &str) -> bool {
    match url.split_once("://") {
        Some((scheme, rest)) => PLACES.contains(&scheme) && !rest.is_empty(),
        None => !url.is_empty(),
    }
}

/// What `[state] url` may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StateUrl {
    /// A folder of this machine.
    Folder,
    /// A PostgreSQL database.
    Postgres,
    /// A folder of a bucket.
    Objects,
}

/// What `url` names as a place of state; `None` when that is nothing.
pub(crate) fn state_url(url: &str) -> Option<StateUrl> {
    match url.split_once("://") {
        None | Some(("file", _)) => (!folder(url).is_empty()).then_some(StateUrl::Folder),
        Some(("postgres" | "postgresql", rest)) => (!rest.is_empty()).then_some(StateUrl::Postgres),
        Some(("s3" | "s3a", rest)) => (!rest.is_empty()).then_some(StateUrl::Objects),
        Some(_) => None,
    }
}

/// The path of a folder that may be given as a URL.
pub(crate) fn folder(url: &str) -> &str {
    url.strip_prefix("file://").unwrap_or(url)
}

/// The variables of `environment` that read like settings and are none, each with the setting that was probably meant.
pub fn unknown_variables(environment: &BTreeMap<String, String>) -> Vec<String> {
    let known: BTreeSet<String> = KEYS.iter().flat_map(Key::environment).collect();
    let mut warnings = Vec::new();
    for name in environment.keys().filter(|name| !known.contains(*name)) {
        let of_section = |key: &&Key| name.starts_with(&format!("{PREFIX}{}_", key.section.to_uppercase()));
        let Some(section) = KEYS.iter().find(of_section).map(|key| key.section) else { continue };
        let given = &name[PREFIX.len() + section.len() + 1..];
        let near = nearest(given, KEYS.iter().filter(|key| key.section == section).map(|key| key.name));
        warnings.push(match near {
            Some(near) => {
                let near = format!("{PREFIX}{section}_{near}").to_uppercase();
                format!("environment variable {name} is no setting and has no effect; did you mean {near}?")
            }
            None => format!(
                "environment variable {name} is no setting and has no effect; `engine config --help-keys` lists those that there are"
            ),
        });
    }
    warnings
}

fn check(setting: &Setting) -> Result<()> {
    let Some(value) = &setting.value else { return Ok(()) };
    let good = match setting.key.kind {
        keys::Kind::Text => true,
        keys::Kind::Bytes => parse_bytes(value).is_some_and(|bytes| bytes > 0),
        keys::Kind::Number => value.parse::<u64>().is_ok_and(|number| number > 0),
        keys::Kind::Flag => value.parse::<bool>().is_ok(),
        keys::Kind::Duration => parse_duration(value).is_some(),
        keys::Kind::Url => value.contains("://"),
        keys::Kind::State => state_url(value).is_some(),
        keys::Kind::Place => is_place(value),
        keys::Kind::Folder => !folder(value).is_empty() && !folder(value).contains("://"),
    };
    if !good {
        bail!("{}: {} is '{}', expected {}", setting.origin, setting.key.path(), setting.shown(), setting.key.kind.expected());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_of_a_url_are_not_shown() {
        for (url, shown) in [
            ("postgres://u@h:5432/db", "postgres://u@h:5432/db"),
            ("postgres://u:hush@h/db?sslmode=require", "postgres://u:********@h/db?sslmode=require"),
            ("postgres://u:hu@sh@h/db", "postgres://u:********@h/db"),
            ("postgres://u:h/u?s#h@h/db?sslmode=require", "postgres://u:********@h/db?sslmode=require"),
            ("postgres://h/db?user=u&password=hush", "postgres://h/db?user=u&password=********"),
            ("hush", "********"),
        ] {
            assert_eq!(masked(url), shown);
        }
    }

    fn settings(text: &str, environment: &BTreeMap<String, String>) -> Result<Settings> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("engine.toml");
        std::fs::write(&path, text)?;
        Settings::load(Some(&path), environment)
    }

    #[test]
    fn variables_are_resolved_and_missing_ones_named() {
        let environment = BTreeMap::from([("BUCKET".to_owned(), "b".to_owned())]);
        let found = settings("[lake]\nurl = 's3://${BUCKET}/x'\n", &environment).unwrap();
        assert_eq!(found.text("lake.url"), Some("s3://b/x"));
        let error = format!("{:#}", settings("[lake]\nurl = '${NOWHERE}'\n", &environment).unwrap_err());
        assert!(
            error.ends_with(
                "engine.toml:2: lake.url: environment variable NOWHERE is not set; set it, or give a default with ${NOWHERE:-...}"
            ),
            "{error}"
        );
    }

    #[test]
    fn a_secret_that_has_changed_is_picked_up_and_shown_nowhere() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hush").unwrap();
        let text = format!("[lake]\nurl = '/data/${{secret:file:{}}}'\n", file.path().display());
        let environment = BTreeMap::new();
        let before = settings(&text, &environment).unwrap();
        std::fs::write(file.path(), "hush again\n").unwrap();
        let after = before.renewed(&environment).unwrap().unwrap();
        assert_eq!((before.text("lake.url"), after.text("lake.url")), (Some("/data/hush"), Some("/data/hush again")));
        assert!(!format!("{after:?}").contains("hush"), "{after:?}");
        assert!(settings("", &environment).unwrap().renewed(&environment).unwrap().is_none());
    }

    #[test]
    fn what_is_needed_to_ask_for_a_secret_cannot_be_one() {
        let error = settings("[s3]\nregion = '${secret:aws:x}'\n", &BTreeMap::new()).unwrap_err();
        assert!(format!("{error:#}").contains("cannot be a setting of [s3] or [secrets]"), "{error:#}");
    }

    #[test]
    fn variables_that_read_like_settings_and_are_none_are_told_with_the_nearest_setting() {
        let names = [
            "ENGINE_LAKE_URLL",
            "ENGINE_RUN_COLOUR",
            "ENGINE_LAKE_URL",
            "ENGINE_REDDIT_REPLAY_POSTS",
            "ENGINE_TEST_PEERS",
            "REDDIT_X",
        ];
        let environment = names.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect();
        assert_eq!(
            unknown_variables(&environment),
            [
                "environment variable ENGINE_LAKE_URLL is no setting and has no effect; did you mean ENGINE_LAKE_URL?",
                "environment variable ENGINE_RUN_COLOUR is no setting and has no effect; `engine config --help-keys` lists those that \
                 there are",
            ]
        );
    }
}
