//! What a pipeline writes gets into the catalog: after its first commit, when its columns change, and when it has grown.
//!
//! The catalog describes what the sinks hold, so that it is told after the commit, from the table itself, and never stands in its
//! way: what goes wrong here is a warning. What a killed run did not tell, the next run does: the first time it has nothing more to
//! read, it looks at all of its sinks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use arrow::datatypes::{Field, Schema};
use catalog::drift::{NewVersion, Policy, compare};
use catalog::partitions::Partitioning;
use catalog::store::{Alteration, CatalogStore, Registration, Statistics, Table, TableName, TableOptions};
use connectors::context::{TableComments, TableSpec};
use connectors::registry::{TableFacts, connector};
use tokio::sync::OnceCell;

use super::lake::PUBLIC;
use super::registered::spec_of;
use super::{taken, warehouse};
use crate::cause::one_line;
use crate::epoch::Scope;
use crate::session::Session;
use crate::sql::comments::{Comments, comments};
use crate::state::Checkpoint;

/// So long a run waits for the catalog.
const PATIENCE: Duration = Duration::from_secs(10);

/// And so long it leaves a catalog alone that could not be written.
const PAUSE: Duration = Duration::from_secs(60);

/// Times that a table is looked at again because somebody else changed it meanwhile.
const ATTEMPTS: u32 = 3;

/// Tells the catalog of one run's sinks.
#[derive(Debug)]
pub struct Registrar {
    session: Session,
    store: OnceCell<Arc<dyn CatalogStore>>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// By sink: its columns when the catalog was last told.
    columns: BTreeMap<String, BTreeSet<String>>,
    /// Sinks that have grown since.
    grown: BTreeSet<String>,
    /// All sinks were looked at.
    settled: bool,
    failed: Option<Instant>,
}

/// A table that is written.
struct Sink<'a> {
    spec: &'a TableSpec,
    key: &'a [String],
    /// What led to it, for the table's history.
    why: String,
    /// The columns that were written, where one knows.
    columns: Option<BTreeSet<String>>,
}

impl Registrar {
    /// Of a run that has told nothing yet.
    pub fn new(session: &Session) -> Self {
        Self { session: session.clone(), store: OnceCell::new(), known: Mutex::default() }
    }

    /// An epoch was committed: sinks that are new, or have new columns, are told of at once.
    pub async fn committed(&self, scope: Scope<'_>, checkpoint: &Checkpoint) {
        // What is put aside is a flow of its own, which makes no progress; its table is in `system.bad_records`.
        for flow in checkpoint.flows.iter().filter(|flow| flow.progress.is_some() && !flow.is_refusal()) {
            let name = &flow.sink.name;
            let schema = checkpoint.stages.get(flow.stage).and_then(|stage| stage.schema().ok());
            let columns = schema.map(|schema| names(&schema)).unwrap_or_default();
            let is_told = {
                let mut known = self.known();
                known.grown.insert(name.clone());
                known.columns.get(name).is_some_and(|known| known.is_superset(&columns))
            };
            if !is_told {
                let why = format!("written by pipeline {} in epoch {}", checkpoint.pipeline, checkpoint.epoch);
                self.tell(scope, &Sink { spec: &flow.sink, key: &flow.key, why, columns: Some(columns) }).await;
            }
        }
    }

    /// Nothing more is there to read: sinks that have grown are measured; the first time in a run, all are looked at.
    pub async fn settle(&self, scope: Scope<'_>) {
        let (grown, told) = {
            let mut known = self.known();
            let is_first = !std::mem::replace(&mut known.settled, true);
            let told: Option<BTreeSet<String>> = is_first.then(|| known.columns.keys().cloned().collect());
            (std::mem::take(&mut known.grown), told)
        };
        let mut seen = BTreeSet::new();
        for flow in &scope.pipeline.flows {
            let name = &flow.table.name;
            let is_due = grown.contains(name) || told.as_ref().is_some_and(|told| !told.contains(name));
            if is_due && seen.insert(name) {
                let why = format!("written by pipeline {}", scope.pipeline.name);
                self.tell(scope, &Sink { spec: &flow.table, key: &flow.sink_plan.key, why, columns: None }).await;
            }
        }
    }

    async fn tell(&self, scope: Scope<'_>, sink: &Sink<'_>) {
        if self.known().failed.is_some_and(|failed| failed.elapsed() < PAUSE) {
            return;
        }
        let told = tokio::time::timeout(PATIENCE, self.register(scope, sink)).await;
        let told = told.unwrap_or_else(|_| {
            let message = format!("it did not answer within {} s", PATIENCE.as_secs());
            Err(catalog::Error::Store { message, source: None }.into())
        });
        let mut known = self.known();
        match told {
            Ok(None) => {}
            Ok(Some(columns)) => {
                known.grown.remove(&sink.spec.name);
                known.columns.insert(sink.spec.name.clone(), columns);
            }
            Err(error) => {
                // What is wrong with one table says nothing about the others.
                if matches!(error.downcast_ref(), Some(catalog::Error::Store { .. })) {
                    known.failed = Some(Instant::now());
                }
                let error = one_line(&error);
                tracing::warn!(table = sink.spec.name, error, "the catalog was not told of a table; its rows are committed");
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The columns that the catalog has for the sink now; none when the sink is not there.
    async fn register(&self, scope: Scope<'_>, sink: &Sink<'_>) -> Result<Option<BTreeSet<String>>> {
        let spec = self.session.resolve(sink.spec)?;
        // A table of the warehouse is in the catalog as what it is.
        let meant = taken::meant(&self.session, &spec)?.map(|meant| TableSpec { options: sink.spec.options.clone(), ..meant });
        let name = name_of(&self.session, &scope.pipeline.name, meant.as_ref().unwrap_or(&spec))?;
        let store = self.store.get_or_try_init(|| super::open(&self.session)).await?;
        let connector = connector(&spec.connector)?;
        if connector.is_metered(&self.session.context) {
            let Some(written) = &sink.columns else { return Ok(None) };
            let known = store.find(&name).await?.map(|table| names(&table.registration.schema));
            // The database folds names.
            let has = |name: &String| known.iter().flatten().any(|known| known.eq_ignore_ascii_case(name));
            if known.is_some() && written.iter().all(has) {
                return Ok(Some(written.clone()));
            }
        }
        let Some(facts) = connector.facts(&spec, &self.session.context).await? else { return Ok(None) };
        let sink = &Sink {
            spec: meant.as_ref().unwrap_or(sink.spec),
            key: sink.key,
            why: sink.why.clone(),
            columns: sink.columns.clone(),
        };
        let said = scope.pipeline.tables.get(&sink.spec.name).map(|table| comments(&scope.pipeline.text, &table.span));
        let registration = registration(name, &scope.pipeline.name, sink, &facts)?;
        let statistics = Statistics { rows: facts.rows, bytes: facts.bytes, files: facts.files };
        let (inherited, is_warehouse) = (&sink.spec.comments, taken::is_warehouse(&spec));
        let why = &sink.why;
        let update = Update { registrar: self, store: store.as_ref(), registration, inherited, statistics, is_warehouse, why };
        let mut attempt = 1;
        while let Err(error) = update.run(said.as_ref().unwrap_or(&Comments::default())).await {
            let is_race = matches!(error.downcast_ref(), Some(catalog::Error::Conflict { .. }));
            if !is_race || attempt == ATTEMPTS {
                return Err(error);
            }
            attempt += 1;
        }
        Ok(Some(sink.columns.iter().flatten().cloned().chain(names(&facts.schema)).collect()))
    }
}

fn names(schema: &Schema) -> BTreeSet<String> {
    schema.fields().iter().map(|field| field.name().clone()).collect()
}

/// One table on its way into the catalog.
struct Update<'a> {
    registrar: &'a Registrar,
    store: &'a dyn CatalogStore,
    registration: Registration,
    /// What is said of what the table was made from, where nothing is said of the table.
    inherited: &'a TableComments,
    statistics: Statistics,
    is_warehouse: bool,
    why: &'a str,
}

impl Update<'_> {
    async fn run(&self, said: &Comments) -> Result<()> {
        let name = &self.registration.name;
        let now = self.registrar.session.context.clock.now();
        let mut table = match self.store.find(name).await? {
            Some(table) => table,
            None => {
                let registered = self.store.register(&self.registration, self.why, now).await;
                let table = registered.with_context(|| format!("registering {name}"))?;
                tracing::info!(table = %name, "registered in the catalog");
                table
            }
        };
        self.check_same(&table)?;
        if table.registration.schema != self.registration.schema {
            let changes = compare(&table.registration.schema, &self.registration.schema).changes;
            let version = NewVersion { schema: self.registration.schema.clone(), changes };
            table = self.store.evolve(name, table.version, &version, self.why, now).await?;
        }
        for alteration in self.alterations(&table, said) {
            self.store.alter(name, &alteration, now).await?;
        }
        Ok(())
    }

    /// Refuses to describe another table under its name.
    fn check_same(&self, table: &Table) -> Result<()> {
        let (known, ours) = (&table.registration, &self.registration);
        let session = &self.registrar.session;
        if self.is_warehouse && moved(known, ours)
            || taken::is_same(session, table, &session.resolve(&spec_of(ours, ""))?, &ours.registered_by)?
        {
            return Ok(());
        }
        bail!(
            "{} is in the catalog as the {} table at {}, registered by {}; this one is {} at {}: write to another folder, or take the \
             other out of the catalog: engine catalog forget {}",
            ours.name,
            known.connector,
            known.location,
            known.registered_by,
            ours.connector,
            ours.location,
            known.name
        )
    }

    /// What is different but for the columns.
    fn alterations(&self, table: &Table, said: &Comments) -> Vec<Alteration> {
        let (known, ours) = (&table.registration, &self.registration);
        let mut alterations = Vec::new();
        if !known.connector.eq_ignore_ascii_case(&ours.connector) {
            alterations.push(Alteration::Connector(ours.connector.clone()));
        }
        if known.location != ours.location {
            alterations.push(Alteration::Location(ours.location.clone()));
        }
        if known.options != ours.options {
            alterations.push(Alteration::Options(ours.options.clone()));
        }
        if known.partitioning != ours.partitioning {
            alterations.push(Alteration::Partitioning(ours.partitioning.clone()));
        }
        if known.key != ours.key {
            alterations.push(Alteration::Key(ours.key.clone()));
        }
        // A comment that the file no longer has may have come from elsewhere: it stays.
        let comment = said.table.as_ref().or(self.inherited.table.as_ref().filter(|_| known.comment.is_none()));
        if comment.is_some() && comment != known.comment.as_ref() {
            alterations.push(Alteration::Comment(comment.cloned()));
        }
        for field in ours.schema.fields() {
            let (column, there) = (field.name(), table.column_comments.get(field.name()));
            let own = said.columns.iter().find(|(name, _)| name == column).map(|(_, comment)| comment.as_str());
            let comment = own.or_else(|| self.inherited.column(column).filter(|_| there.is_none()));
            if let Some(comment) = comment.filter(|comment| there.map(String::as_str) != Some(*comment)) {
                alterations.push(Alteration::ColumnComment { column: column.clone(), comment: Some(comment.to_owned()) });
            }
        }
        if table.statistics != self.statistics {
            alterations.push(Alteration::Statistics(self.statistics));
        }
        alterations
    }
}

fn registration(name: TableName, pipeline: &str, sink: &Sink<'_>, facts: &TableFacts) -> Result<Registration> {
    let plain = |field: &Field| Field::new(field.name(), field.data_type().clone(), field.is_nullable());
    let fields: Vec<Field> = facts.schema.fields().iter().map(|field| plain(field)).collect();
    let is_partition = |name: &String| fields.iter().find(|field| field.name() == name).cloned();
    let partitions: Vec<Field> = facts.partition_by.iter().filter_map(is_partition).collect();
    let folders: Vec<String> = partitions.iter().map(|field| format!("{0}={{{0}}}", field.name())).collect();
    let partitioning = Partitioning::parse(&folders.join("/"), &partitions)?;
    let option = sink.spec.options.iter().find(|(name, _)| name.eq_ignore_ascii_case("key")).map(|(_, value)| value);
    let listed = option.map(|names| names.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>());
    let key = match (sink.key, listed) {
        ([], Some(listed)) => listed,
        ([], None) => sink.spec.primary_key.clone(),
        (key, _) => key.to_vec(),
    };
    Ok(Registration {
        name,
        connector: sink.spec.connector.clone(),
        location: sink.spec.location.clone(),
        options: TableOptions(sink.spec.options.iter().cloned().collect()),
        schema: Schema::new(fields),
        partitioning,
        key,
        policy: Policy::Evolve,
        comment: None,
        registered_by: registered_by(pipeline),
    })
}

/// A table of the warehouse moves with it between the lake and databases: by who registered it, or when it is of the warehouse as it was.
fn moved(known: &Registration, ours: &Registration) -> bool {
    known.connector.eq_ignore_ascii_case(taken::WAREHOUSE) || known.registered_by == ours.registered_by
}

/// How the catalog names a pipeline that registers tables.
pub(super) fn registered_by(pipeline: &str) -> String {
    format!("pipeline {pipeline}")
}

/// A table below the lake is called as its folders are; one elsewhere as its pipeline calls it.
pub(super) fn name_of(session: &Session, pipeline: &str, spec: &TableSpec) -> Result<TableName> {
    if let Some(name) = warehouse::name_of(session, &spec.connector, &spec.location) {
        return Ok(name?);
    }
    let (place, lake) = (session.context.locate(&spec.location)?, session.context.stores.lake()?);
    let below = place.path.prefix_match(&lake.path).filter(|_| place.same_store(&lake));
    let mut folders: Vec<String> = below.into_iter().flatten().map(|part| part.as_ref().to_owned()).collect();
    Ok(match folders.pop() {
        None => TableName::new(pipeline, spec.name.as_str()),
        Some(table) if folders.is_empty() => TableName::new(PUBLIC, table),
        Some(table) => TableName::new(folders.join("/"), table),
    })
}
