//! The run of a landing zone: file by file, in the order in which they landed.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow, bail};
use connectors::faults::point;
use connectors::files::{Landed, Waiting};
use connectors::registry::connector;
use connectors::sink::WriteMode;
use connectors::source::{BadRecord, Offset, SliceLimits, SliceRequest};
use datafusion::arrow::array::{Array, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Schema};
use tokio_util::sync::CancellationToken;

use super::prepare::{Prepared, prepare, unknown};
use super::refusal::{Fault, Refusal};
use super::schema::TableSchema;
use super::statements::FILE;
use super::zone::{Zone, spec};
use crate::catalog::register::Registrar;
use crate::cause::one_line;
use crate::epoch::record::LANDED;
use crate::epoch::{Scope, recover, staging_folder};
use crate::run::{self, Observer, RunOptions};
use crate::session::Session;
use crate::sql::{Pipeline, TableKind};
use crate::state::{Checkpoint, FlowCheckpoint, FlowProgress, LandedFile, Lease, StageCheckpoint, StateStore};

/// Files that are held at a time: the oldest of those that wait.
const MOST_FILES: usize = 10_000;
/// The cursor that says which files were done.
const DONE: &str = "landed";
/// What the cursors of the tables' schemas begin with.
const SCHEMA: &str = "schema ";
/// The flow of the notes that files were refused. No table is called so.
const REFUSED: &str = "_refused";

/// What became of a file, or would become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is loaded: so many rows.
    Loaded(u64),
    /// It was loaded by a run that was killed before it could say so.
    Known,
    /// It is refused.
    Refused(String),
    /// It would be loaded.
    Would,
    /// It was not loaded now, and is tried again.
    Failed(String),
}

/// A file that was dealt with.
#[derive(Debug, Clone)]
pub struct Done {
    /// It, as the load log has it.
    pub landed: LandedFile,
    /// What became of it.
    pub outcome: Outcome,
}

/// One run of a zone.
pub struct Landings<'a> {
    /// The zone.
    pub zone: &'a Zone,
    /// Stores, memory, clock.
    pub session: &'a Session,
    /// Where progress lives; `None`: nothing was ever run.
    pub store: Option<&'a dyn StateStore>,
    /// Who watches.
    pub observer: &'a Observer,
    /// Ends the run after the file that it is at.
    pub stop: &'a CancellationToken,
    /// Told of each file.
    pub tell: &'a (dyn Fn(&Done) + Sync),
}

impl std::fmt::Debug for Landings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Landings").field("zone", &self.zone.name).finish_non_exhaustive()
    }
}

/// What a run knows and changes.
struct Work<'a> {
    all: &'a Landings<'a>,
    store: &'a dyn StateStore,
    lease: &'a Lease,
    /// The zone's cursors, by name.
    cursors: BTreeMap<String, String>,
    /// Rows that were loaded so far, by table.
    rows: BTreeMap<String, u64>,
}

impl Landings<'_> {
    /// Deals with all files that are there now, under the lease of the zone.
    ///
    /// # Errors
    /// When a file could not be loaded for a reason that may pass: the others were dealt with all the same.
    pub async fn run(&self, lease: &Lease) -> Result<()> {
        let store = self.store.ok_or_else(|| anyhow!("no state store"))?;
        let mut work = Work { all: self, store, lease, cursors: self.cursors().await?, rows: BTreeMap::new() };
        work.recover().await?;
        let mut failures: BTreeMap<String, String> = BTreeMap::new();
        while !self.stop.is_cancelled() {
            let waiting = self.waiting(&work.cursors).await?;
            let before = work.cursors.get(DONE).cloned();
            let mut moved = false;
            for file in &waiting.files {
                if self.stop.is_cancelled() {
                    break;
                }
                moved |= work.deal_with(file, &mut failures).await?;
            }
            let done = work.cursors.get(DONE);
            if done != before.as_ref() {
                self.zone.landing.retain(done.map(String::as_str)).await?;
            }
            // A place that is never empty is left in the end: the next run goes on.
            if !waiting.more || !moved {
                break;
            }
        }
        match failures.len() {
            0 => Ok(()),
            count => {
                let each: Vec<String> = failures.into_iter().map(|(table, error)| format!("{table}: {error}")).collect();
                bail!("files for {count} of the tables were not loaded, and stay where they are: {}", each.join("; "))
            }
        }
    }

    /// Says of each file that is there what would become of it, as far as that can be told without loading those before it.
    ///
    /// # Errors
    /// When the place or the state cannot be read.
    pub async fn plan(&self) -> Result<()> {
        let cursors = self.cursors().await?;
        for file in &self.waiting(&cursors).await?.files {
            let mut landed = unknown(self.zone, file);
            let looked = match prepare(self.zone, self.session, file, |table| schema_of(&cursors, table), &mut landed).await {
                Ok(prepared) => self.check_rows(file, &prepared).await,
                Err(fault) => Err(fault),
            };
            let outcome = match looked {
                Ok(()) => Outcome::Would,
                Err(Fault::Gone) => continue,
                Err(Fault::Refused(refusal)) => Outcome::Refused(refusal.told()),
                Err(Fault::Failed(error)) => Outcome::Failed(one_line(&error)),
            };
            (self.tell)(&Done { landed, outcome });
        }
        Ok(())
    }

    /// Reads the rows and looks for one that does not fit.
    async fn check_rows(&self, file: &Landed, prepared: &Prepared) -> Result<(), Fault> {
        let pipeline = self.pipeline(&prepared.text).await.map_err(Fault::Failed)?;
        match self.first_bad(&pipeline, file, prepared).await? {
            Some(refusal) => Err(refusal.into()),
            None => Ok(()),
        }
    }

    async fn cursors(&self) -> Result<BTreeMap<String, String>> {
        let Some(store) = self.store else { return Ok(BTreeMap::new()) };
        let cursors = store.cursors().await?;
        let own = cursors.into_iter().filter(|cursor| cursor.pipeline == self.zone.name);
        Ok(own.map(|cursor| (cursor.name, cursor.value)).collect())
    }

    async fn waiting(&self, cursors: &BTreeMap<String, String>) -> Result<Waiting> {
        Ok(self.zone.landing.waiting(cursors.get(DONE).map(String::as_str), MOST_FILES).await?)
    }

    async fn pipeline(&self, text: &str) -> Result<Pipeline> {
        let path = self.zone.file();
        let parsed = Pipeline::parse(&path, text.to_owned(), self.session).await;
        parsed.map_err(|errors| {
            let place = path.display().to_string();
            let errors: Vec<String> = errors.iter().map(|error| error.render(&place, text)).collect();
            anyhow!("{}", errors.join("\n"))
        })
    }

    /// The first record of the file that does not fit, with its line and column: what a load only says in a sentence.
    async fn first_bad(&self, pipeline: &Pipeline, file: &Landed, prepared: &Prepared) -> Result<Option<Refusal>, Fault> {
        let failed = |error: anyhow::Error| Fault::Failed(error);
        let Some(table) = pipeline.tables.get(FILE).filter(|table| matches!(table.kind, TableKind::Source(_))) else {
            return Ok(None);
        };
        let mut resolved = self.session.resolve(&table.spec).map_err(|error| failed(error.into()))?;
        resolved.options.push(("on_error".to_owned(), "quarantine".to_owned()));
        let home = self.session.source_folder(&self.zone.name, FILE).map_err(|error| failed(error.into()))?;
        let of = |error: connectors::Error| Fault::of(error.into());
        let source =
            connector(&resolved.connector).map_err(of)?.source(&resolved, home, &self.session.context).await.map_err(of)?;
        let limits = SliceLimits { rows: u64::MAX, bytes: u64::MAX };
        let mut rows = source.read(None, &SliceRequest::new(limits, None)).await.map_err(of)?;
        let mut passed = 0;
        loop {
            let batch = rows.next_batch().await.map_err(of)?;
            if let Some(record) = rows.take_bad().first() {
                return Ok(Some(Refusal::of_record(record)));
            }
            let Some(batch) = batch else { break };
            for (name, most) in &prepared.lengths {
                let Some(texts) = batch.column_by_name(name).and_then(|column| cast(column, &DataType::Utf8).ok()) else {
                    continue;
                };
                if let Some(record) = self.too_long(texts.as_ref(), *most, (name, passed), &file.key) {
                    return Ok(Some(Refusal::of_record(&record)));
                }
            }
            passed += batch.num_rows() as u64;
        }
        match rows.take_fault() {
            Some(error) => Err(of(error)),
            None => Ok(None),
        }
    }

    /// The first text of a column that is too long.
    fn too_long(&self, texts: &dyn Array, most: u32, (name, passed): (&str, u64), key: &str) -> Option<BadRecord> {
        let texts = texts.as_any().downcast_ref::<StringArray>()?;
        let unit = if self.zone.counts_bytes { "bytes" } else { "letters" };
        let length = |text: &str| if self.zone.counts_bytes { text.len() } else { text.chars().count() };
        let (row, has) = (0..texts.len()).find_map(|row| {
            let has = if texts.is_null(row) { 0 } else { length(texts.value(row)) };
            (has > most as usize).then_some((row, has))
        })?;
        Some(BadRecord {
            file: self.zone.landing.address(key),
            row: Some(passed + row as u64 + 1),
            column: Some(name.to_owned()),
            reason: format!("a text of {has} {unit}, and the column takes {most}"),
            ..BadRecord::default()
        })
    }
}

fn schema_of(cursors: &BTreeMap<String, String>, table: &str) -> Option<TableSchema> {
    serde_json::from_str(cursors.get(&format!("{SCHEMA}{table}"))?).ok()
}

impl Work<'_> {
    fn name(&self) -> &str {
        &self.all.zone.name
    }

    fn scope<'s>(&'s self, pipeline: &'s Pipeline, registrar: &'s Registrar) -> Scope<'s> {
        let all = self.all;
        Scope {
            pipeline,
            session: all.session,
            store: self.store,
            lease: self.lease,
            observer: all.observer,
            registrar,
            stop: all.stop,
        }
    }

    /// Finishes what a run that was killed had recorded, and removes what it had staged. What can never be finished is dropped: its file is
    /// looked at again.
    async fn recover(&self) -> Result<()> {
        if self.store.progress(self.name()).await?.pending.is_none() {
            return Ok(staging_folder(self.all.session, self.name())?.clear(None).await?);
        }
        let any = self.all.pipeline("SELECT 1;\n").await?;
        let registrar = Registrar::new(self.all.session);
        let scope = self.scope(&any, &registrar);
        let Err(error) = recover::recover(scope, &self.store.progress(self.name()).await?).await else { return Ok(()) };
        match Fault::of(error) {
            Fault::Refused(refusal) => {
                tracing::warn!(zone = self.name(), error = refusal.told(), "what was staged of a file cannot be loaded");
                recover::discard(scope, &self.store.progress(self.name()).await?).await
            }
            fault => Err(anyhow!("{}", fault.told())),
        }
    }

    /// Loads or refuses one file. Says whether it does not wait any more.
    async fn deal_with(&mut self, file: &Landed, failures: &mut BTreeMap<String, String>) -> Result<bool> {
        let mut landed = unknown(self.all.zone, file);
        if failures.contains_key(&landed.table) {
            // The files of a table are loaded in their order.
            return Ok(false);
        }
        let outcome = match self.loaded(file, &mut landed).await {
            Ok(outcome) => outcome,
            Err(Fault::Gone) => return Ok(false),
            Err(Fault::Refused(refusal)) => match self.refuse(file, &mut landed, &refusal).await {
                Ok(()) => Outcome::Refused(refusal.told()),
                Err(error) => Outcome::Failed(one_line(&error)),
            },
            Err(Fault::Failed(error)) => Outcome::Failed(one_line(&error)),
        };
        let (zone, key, table) = (self.name(), &landed.key, &landed.table);
        match &outcome {
            Outcome::Loaded(rows) => tracing::info!(zone, key, table, rows, mode = landed.action, "file loaded"),
            Outcome::Refused(error) => tracing::warn!(zone, key, table, error, "file refused"),
            Outcome::Failed(error) => {
                tracing::error!(zone, key, table, error, "file not loaded, it is tried again");
                failures.insert(landed.table.clone(), error.clone());
            }
            Outcome::Known | Outcome::Would => tracing::debug!(zone, key, "file was loaded before"),
        }
        let is_dealt_with = !matches!(outcome, Outcome::Failed(_));
        (self.all.tell)(&Done { landed, outcome });
        Ok(is_dealt_with)
    }

    async fn loaded(&mut self, file: &Landed, landed: &mut LandedFile) -> Result<Outcome, Fault> {
        let failed = |error: crate::state::StateError| Fault::Failed(error.into());
        let progress = self.store.progress(self.name()).await.map_err(failed)?;
        if progress.pending.is_some() {
            // The load before this one was recorded and could not be committed.
            self.recover().await.map_err(Fault::Failed)?;
        }
        let cursors = &self.cursors;
        let prepared = prepare(self.all.zone, self.all.session, file, |table| schema_of(cursors, table), landed).await;
        let mark = Offset(landed.mark());
        let is_known = |flow: &&FlowProgress| flow.offsets.get(LANDED) == Some(&mark);
        let progress = self.store.progress(self.name()).await.map_err(failed)?;
        let known = progress.flows.iter().find(|(id, flow)| *id != REFUSED && is_known(flow));
        if known.is_some() {
            // Its schema may not have been kept yet.
            let keeps = match prepared {
                Ok(prepared) => prepared.keeps,
                // The table is what it made of it by now.
                Err(Fault::Refused(_)) => None,
                Err(fault) => return Err(fault),
            };
            self.keep(file, landed, keeps).await.map_err(Fault::Failed)?;
            return Ok(Outcome::Known);
        }
        let prepared = prepared?;
        let rows = self.load(file, &prepared).await?;
        point("landing-loaded");
        self.keep(file, landed, prepared.keeps).await.map_err(Fault::Failed)?;
        Ok(Outcome::Loaded(rows))
    }

    /// Runs the pipeline of a file. Says how many rows it brought.
    async fn load(&mut self, file: &Landed, prepared: &Prepared) -> Result<u64, Fault> {
        let all = self.all;
        let mut pipeline = all.pipeline(&prepared.text).await.map_err(Fault::Failed)?;
        if !prepared.lengths.is_empty()
            && let Some(refusal) = all.first_bad(&pipeline, file, prepared).await?
        {
            return Err(refusal.into());
        }
        pipeline.landed = Some(prepared.landed.clone());
        pipeline.options.set_retries(0);
        pipeline.options.set_whole();
        // A file that was begun is loaded to its end: part of it is no epoch.
        let never = CancellationToken::new();
        let options = RunOptions::default();
        let ran = Box::pin(run::held(&mut pipeline, all.session, self.store, self.lease, options, all.observer, &never)).await;
        let outcome = match ran {
            Ok(outcome) => outcome,
            Err(error) => return Err(self.explained(&pipeline, file, prepared, error).await.unwrap_or_else(|fault| fault)),
        };
        let so_far = outcome.summary.sinks.get(&super::statements::name(&prepared.table)).map_or(0, |sink| sink.rows_written);
        let before = self.rows.insert(prepared.table.clone(), so_far).unwrap_or_default();
        Ok(so_far.saturating_sub(before))
    }

    /// What came of a file that was not loaded: if that is the file's fault, nothing of it is left to be committed.
    async fn explained(
        &self,
        pipeline: &Pipeline,
        file: &Landed,
        prepared: &Prepared,
        error: anyhow::Error,
    ) -> Result<Fault, Fault> {
        let refusal = match Fault::of(error) {
            Fault::Refused(refusal) => refusal,
            fault => return Ok(fault),
        };
        let progress = self.store.progress(self.name()).await.map_err(|error| Fault::Failed(error.into()))?;
        if progress.pending.is_some() {
            let registrar = Registrar::new(self.all.session);
            recover::discard(self.scope(pipeline, &registrar), &progress).await.map_err(Fault::Failed)?;
            if self.store.progress(self.name()).await.map_err(|error| Fault::Failed(error.into()))?.pending.is_some() {
                return Err(Fault::Failed(anyhow!("{}", refusal.told())));
            }
        }
        let first = self.all.first_bad(pipeline, file, prepared).await?;
        Ok(Fault::Refused(first.unwrap_or(refusal)))
    }

    /// Writes down that a file is loaded, and the schema that it gave a table.
    async fn keep(&mut self, file: &Landed, landed: &LandedFile, keeps: Option<TableSchema>) -> Result<()> {
        if let Some(schema) = keeps {
            let name = format!("{SCHEMA}{}", schema.table_name);
            self.set(&name, serde_json::to_string(&schema)?).await?;
            point("landing-schema-kept");
        }
        let done = self.all.zone.landing.with(self.cursors.get(DONE).map(String::as_str), file).await?;
        self.set(DONE, done).await?;
        point("landing-kept");
        tracing::debug!(zone = self.name(), key = landed.key, "file is done");
        Ok(())
    }

    async fn set(&mut self, cursor: &str, value: String) -> Result<()> {
        let now = self.all.session.context.clock.now();
        let before = self.cursors.get(cursor).map(String::as_str);
        if !self.store.move_cursor(self.name(), cursor, before, &value, &[], now).await? {
            bail!("landing zone '{}' was taken over by another run", self.name());
        }
        self.cursors.insert(cursor.to_owned(), value);
        Ok(())
    }

    /// Puts a file aside: a copy, its reason, a note in the load log; only then is it removed.
    async fn refuse(&self, file: &Landed, landed: &mut LandedFile, refusal: &Refusal) -> Result<()> {
        let landing = &self.all.zone.landing;
        landed.error = Some(refusal.told());
        let document = refusal.document(file, landed, self.all.session.context.clock.now());
        point("landing-refusing");
        landing.set_aside(file, serde_json::to_vec_pretty(&document)?).await?;
        point("landing-aside");
        self.note(landed).await?;
        point("landing-noted");
        landing.remove(file).await?;
        point("landing-removed");
        Ok(())
    }

    /// An epoch that brings nothing, and says why.
    async fn note(&self, landed: &LandedFile) -> Result<()> {
        let progress = self.store.progress(self.name()).await?;
        let mark = Offset(landed.mark());
        let noted = progress.flows.get(REFUSED).and_then(|flow| flow.offsets.get(LANDED));
        if noted == Some(&mark) {
            return Ok(());
        }
        let now = self.all.session.context.clock.now();
        let table = landed.table.rsplit('.').next().unwrap_or_default();
        let offsets = BTreeMap::from([(LANDED.to_owned(), mark)]);
        let checkpoint = Checkpoint {
            pipeline: self.name().to_owned(),
            incarnation: progress.incarnation,
            epoch: progress.next_epoch,
            recorded_at: now,
            date: None,
            folder: format!("refused-{:08}", progress.next_epoch),
            stages: vec![StageCheckpoint::new(&Schema::empty().into(), Vec::new(), Vec::new())],
            flows: vec![FlowCheckpoint {
                flow: REFUSED.to_owned(),
                sink: spec(&self.all.zone.settings.schema, table, false),
                mode: if landed.action == "append" { WriteMode::Append } else { WriteMode::Overwrite },
                key: Vec::new(),
                stage: 0,
                rows_in: 0,
                bad_rows: 0,
                landed_at: Some(landed.landed_at),
                landed: Some(landed.clone()),
                replaces: None,
                progress: Some(FlowProgress { sink: REFUSED.to_owned(), offsets, ..FlowProgress::default() }),
            }],
        };
        self.store.record(self.lease, &checkpoint).await?;
        point("landing-recorded");
        Ok(self.store.advance(self.lease, checkpoint.epoch, now).await?)
    }
}
