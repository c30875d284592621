//! A landing zone, opened: its place, its warehouse, what the settings say.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use connectors::context::{TableComments, TableSpec};
use connectors::files::Landing;
use connectors::options::nearest;
use connectors::registry::{Connector, connector};
use connectors::sink::Sink;
use datafusion::arrow::datatypes::SchemaRef;

use super::statements::{REPLACES, location, name};
use crate::config::LandingSettings;
use crate::session::Session;

/// What the first part of a key is where the warehouse is the lake.
const LAKE: &str = "warehouse";

/// A landing zone.
#[derive(Debug, Clone)]
pub struct Zone {
    /// How it is called among the runs.
    pub name: String,
    /// What the settings say.
    pub settings: LandingSettings,
    /// What the first part of a key must be.
    pub database: String,
    /// Its files.
    pub(super) landing: Arc<Landing>,
    /// Lengths of texts are of bytes.
    pub(super) counts_bytes: bool,
}

/// The zones that the settings have; one of them, where a name is given.
///
/// # Errors
/// When there is none, none of that name, or one of them makes no sense.
pub fn zones(session: &Session, name: Option<&str>) -> Result<Vec<Zone>> {
    let all = session.settings.landings();
    if all.is_empty() {
        bail!(
            "there is no landing zone; put one into engine.toml: [[landing]] on a line of its own, and url = 's3://bucket/prefix/' below it"
        );
    }
    let Some(name) = name else { return all.iter().map(|settings| Zone::open(settings, session)).collect() };
    let Some(found) = all.iter().find(|zone| zone.name == name) else {
        let names = || all.iter().map(|zone| zone.name.as_str());
        let hint = nearest(name, names()).map_or_else(
            || format!("there are: {}", names().collect::<Vec<_>>().join(", ")),
            |near| format!("did you mean '{near}'?"),
        );
        bail!("there is no landing zone '{name}'; {hint}");
    };
    Ok(vec![Zone::open(found, session)?])
}

impl Zone {
    /// From the settings. Asks nobody.
    ///
    /// # Errors
    /// When they make no sense.
    pub fn open(settings: &LandingSettings, session: &Session) -> Result<Self> {
        let home = session.source_folder(&settings.name, "landing")?;
        let landing = Landing::new(&settings.url, &settings.rejected, &home, &session.context);
        let landing = landing.with_context(|| format!("{}: landing.url", settings.origin))?;
        let place = warehouse()?.place(&spec(&settings.schema, "any", false), &session.context)?;
        let of_place = place.as_deref().and_then(|place| place.rsplit('/').next()).filter(|name| !name.is_empty());
        let database = settings.database.as_deref().or(of_place).unwrap_or(LAKE).to_owned();
        let counts_bytes = place.is_some_and(|place| place.starts_with("redshift"));
        Ok(Self { name: settings.name.clone(), settings: settings.clone(), database, landing: Arc::new(landing), counts_bytes })
    }

    /// What errors and leases call it in place of a pipeline's file.
    pub fn file(&self) -> PathBuf {
        PathBuf::from(format!("{}.sql", self.name))
    }

    /// What the settings say, for a person.
    pub fn text(&self) -> String {
        let shown = self.settings.shown();
        let lines = shown.iter().filter_map(|(name, value)| Some(format!("-- {name} = '{}'\n", value.as_ref()?)));
        format!("-- The landing zone of {}.\n{}", self.settings.origin, lines.collect::<String>())
    }

    /// A table, as people call it.
    pub(super) fn table(&self, table: &str) -> String {
        format!("{}.{table}", self.settings.schema)
    }

    /// A table for writing.
    pub(super) async fn sink(&self, table: &str, replaces: bool, session: &Session) -> connectors::Result<Arc<dyn Sink>> {
        warehouse()?.sink(&spec(&self.settings.schema, table, replaces), &session.context).await
    }

    /// The columns of a table; `None` when there is none.
    pub(super) async fn columns(&self, table: &str, session: &Session) -> connectors::Result<Option<SchemaRef>> {
        let found = warehouse()?.table(&spec(&self.settings.schema, table, false), &session.context).await?;
        Ok(found.map(|found| found.provider.schema()))
    }
}

fn warehouse() -> connectors::Result<&'static dyn Connector> {
    connector("WAREHOUSE")
}

/// A table of the warehouse, as the statements declare it.
pub(super) fn spec(schema: &str, table: &str, replaces: bool) -> TableSpec {
    TableSpec {
        name: name(table),
        connector: "WAREHOUSE".to_owned(),
        location: location(schema, table),
        series: None,
        partition_by: Vec::new(),
        columns: None,
        primary_key: Vec::new(),
        options: replaces.then(|| (REPLACES.0.to_owned(), REPLACES.1.to_owned())).into_iter().collect(),
        comments: TableComments::default(),
    }
}
