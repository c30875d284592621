//! One pass over a table of bad records: what of them are rows now, for the flows of one epoch, and what the table will hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use connectors::faults::point;
use connectors::replay::{Purpose, Replay, ReplayRequest, Replayed};
use connectors::sink::WriteMode;
use connectors::source::{BadRecord, SliceLimits};
use connectors::staging::StagingWriter;
use connectors::stores::Location;
use datafusion::catalog::TableProvider;
use datafusion::datasource::empty::EmptyTable;
use futures::TryStreamExt;
use tempfile::TempDir;

use super::tally::Tally;
use super::triage::{Fate, Mark, Taker, Takers, Triage};
use crate::epoch::Scope;
use crate::epoch::bad_table::{self, Changed, Records};
use crate::epoch::slice::files_as_table;
use crate::flow::{Flow, plan};

/// How many records of each set of takers, the first in the table's order, were tried in this replay and are there still.
pub type Tried = BTreeMap<Takers, u64>;

/// What a pass is asked to do.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The source whose records are replayed.
    pub source: &'a str,
    /// The flows that may take them.
    pub flows: &'a [&'a Flow],
    /// The incarnation that they are of.
    pub incarnation: &'a str,
    /// Records that are passed over.
    pub tried: &'a Tried,
    /// How many are tried.
    pub limits: SliceLimits,
    /// What for.
    pub purpose: Purpose,
}

/// What a pass found.
#[derive(Debug)]
pub struct Passed {
    /// What became of the records.
    pub tally: Tally,
    /// The flows that take the rows.
    pub takers: Takers,
    /// Records to be passed over by the next pass, beside those that this one passed over.
    pub tried: Tried,
    /// There are records that were not tried for the limits, or because they go to other flows.
    pub more: bool,
    /// Something in the table changes.
    pub changed: bool,
    pub(super) rows: Arc<dyn TableProvider>,
    pub(super) rest: Arc<dyn TableProvider>,
    pub(super) rest_rows: u64,
    _folder: TempDir,
}

/// Goes once through the bad records; none when there is no table of them.
///
/// # Errors
/// When the table or the local disk does not play along; [`connectors::Error::SchemaChanged`] when a record brings new columns.
pub async fn pass(scope: Scope<'_>, request: Request<'_>) -> Result<Option<Passed>> {
    let Some(mut records) = bad_table::records(scope, request.source).await? else { return Ok(None) };
    let parent = scope.session.temporary_folder(&scope.pipeline.name);
    std::fs::create_dir_all(&parent).with_context(|| format!("cannot create {}", parent.display()))?;
    let folder = TempDir::with_prefix_in("replay-", &parent).with_context(|| format!("cannot write in {}", parent.display()))?;
    let place = scope.session.context.locate(&folder.path().to_string_lossy())?;
    let schema = records.schema();
    let mut pass = Pass::new(scope, request, &schema, place)?;
    while let Some(batch) = records.try_next().await.map_err(connectors::Error::from)? {
        pass.batch(&batch).await?;
        point("slice-batch");
    }
    let passed = pass.finish(&schema, folder).await?;
    point("sliced");
    Ok(Some(passed))
}

/// A pass that is going on.
struct Pass<'a> {
    scope: Scope<'a>,
    request: Request<'a>,
    place: Location,
    triage: Triage,
    /// Records met, by the flows that take them.
    met: BTreeMap<Takers, u64>,
    /// The flows of this epoch, once there is a record for any.
    chosen: Option<Chosen>,
    rest: Option<StagingWriter>,
    bytes: u64,
    tally: Tally,
    tried: Tried,
    more: bool,
    changed: bool,
}

/// What makes rows for the flows of one epoch.
struct Chosen {
    takers: Takers,
    replay: Box<dyn Replay>,
    /// None when the rows are only counted.
    rows: Option<StagingWriter>,
}

impl<'a> Pass<'a> {
    fn new(scope: Scope<'a>, request: Request<'a>, schema: &SchemaRef, place: Location) -> Result<Self> {
        let taker = |flow: &&Flow| Taker { flow: flow.id.clone(), upserts: flow.mode == WriteMode::Upsert };
        let triage = Triage::new(request.flows.iter().map(taker).collect(), request.incarnation.to_owned());
        let rest = match request.purpose {
            Purpose::Commit => Some(writer(scope, place.join("rest"), schema)?),
            Purpose::Look => None,
        };
        Ok(Self {
            scope,
            request,
            place,
            triage,
            met: BTreeMap::new(),
            chosen: None,
            rest,
            bytes: 0,
            tally: Tally::default(),
            tried: Tried::new(),
            more: false,
            changed: false,
        })
    }

    async fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let records = Records::new(batch);
        let mut rest = Rest::default();
        for index in 0..batch.num_rows() {
            let mark = records.mark(index)?;
            if self.is_tried(&mark)? {
                let record = records.record(index)?;
                self.record(index, &mark, record, &mut rest).await?;
            } else {
                rest.same.push(index);
            }
        }
        if let Some(writer) = &mut self.rest {
            if !rest.same.is_empty() {
                writer.write(bad_table::taken(batch, rest.same.into_iter())?).await?;
            }
            if !rest.changed.is_empty() {
                writer.write(bad_table::changed(batch, &rest.changed)?).await?;
            }
        }
        if let Some(chosen) = &mut self.chosen
            && let Some(rows) = chosen.replay.batch()?
            && let Some(writer) = &mut chosen.rows
        {
            writer.write(rows).await?;
            self.scope.observer.read(self.request.source, writer.rows(), self.bytes);
        }
        Ok(())
    }

    /// Whether a record of `mark` is one of this pass's. Opens the replay at the first.
    fn is_tried(&mut self, mark: &Mark) -> Result<bool> {
        let takers = match self.triage.fate(mark) {
            Fate::Tried(takers) => takers,
            Fate::Left(why) => {
                self.tally.leaves(why);
                return Ok(false);
            }
        };
        let met = self.met.entry(takers.clone()).or_default();
        *met += 1;
        if *met <= self.request.tried.get(&takers).copied().unwrap_or_default() {
            return Ok(false);
        }
        let SliceLimits { rows, bytes } = self.request.limits;
        let is_full = self.tally.records >= rows || self.bytes >= bytes || self.scope.stop.is_cancelled();
        let is_other = self.chosen.as_ref().is_some_and(|chosen| chosen.takers != takers);
        if is_full || is_other {
            self.more = true;
            return Ok(false);
        }
        if self.chosen.is_none() {
            self.chosen = Some(self.choose(takers)?);
        }
        Ok(true)
    }

    fn choose(&self, takers: Takers) -> Result<Chosen> {
        let name = self.request.source;
        let source = self.scope.pipeline.source(name).with_context(|| format!("source '{name}' is not in the pipeline"))?;
        let flows: Vec<&Flow> = takers.iter().filter_map(|index| self.request.flows.get(*index).copied()).collect();
        let used = plan::columns_of(&flows, &self.scope.pipeline.context.state())?.remove(name).unwrap_or_default();
        let used: Vec<usize> = used.into_iter().collect();
        let schema = Arc::new(source.schema().project(&used)?);
        let replay = source.replay(&ReplayRequest { columns: Some(used), purpose: self.request.purpose })?;
        let rows = match self.request.purpose {
            Purpose::Commit => Some(writer(self.scope, self.place.join("rows"), &schema)?),
            Purpose::Look => None,
        };
        Ok(Chosen { takers, replay, rows })
    }

    /// Tries one record: it leaves the table, or is in the `rest`.
    async fn record(&mut self, index: usize, mark: &Mark, record: BadRecord, rest: &mut Rest) -> Result<()> {
        let Some(chosen) = &mut self.chosen else { return Ok(()) };
        self.bytes += record.raw.len() as u64;
        self.tally.tried(&record);
        if self.request.purpose == Purpose::Look {
            // The table stays as it is: the next pass meets all of them again.
            *self.tried.entry(chosen.takers.clone()).or_default() += 1;
        }
        match chosen.replay.record(&record).await? {
            Replayed::Impossible(why) => {
                self.tally.stays(&record, None, &why);
                self.stays(mark);
                rest.same.push(index);
            }
            Replayed::Decoded { rows, bad } => {
                self.tally.rows += rows;
                self.tally.no_records += u64::from(rows == 0 && bad.is_empty());
                if let Some(first) = bad.first() {
                    self.tally.stays(first, first.column.as_deref(), &first.reason);
                }
                if rows == 0 && !bad.is_empty() {
                    self.whole(index, mark, record, bad, rest);
                } else {
                    self.parts(index, mark, record, bad, rest);
                }
            }
        }
        Ok(())
    }

    /// A record that gave no row stays as a whole, with its own bytes, whatever part of it is at fault now.
    fn whole(&mut self, index: usize, mark: &Mark, record: BadRecord, bad: Vec<BadRecord>, rest: &mut Rest) {
        self.stays(mark);
        match bad.into_iter().next() {
            Some(now) if (&now.reason, &now.column) != (&record.reason, &record.column) => {
                self.changed = true;
                let record = BadRecord { reason: now.reason, column: now.column, ..record };
                rest.changed.push(Changed { index, record, flows: mark.flows.clone() });
            }
            _ => rest.same.push(index),
        }
    }

    /// Of a record that gave rows, what is bad of it still waits for the flows that took them, and all of it for others.
    fn parts(&mut self, index: usize, mark: &Mark, record: BadRecord, bad: Vec<BadRecord>, rest: &mut Rest) {
        let Some(chosen) = &self.chosen else { return };
        self.changed = true;
        let others = self.triage.others(mark, &chosen.takers);
        let takers = self.triage.names(&chosen.takers);
        let parts = bad.into_iter().map(|record| (record, takers.clone()));
        let parts: Vec<_> = parts.chain(others.map(|flows| (record, flows))).collect();
        for (record, flows) in parts {
            self.stays(&Mark { flows: Some(flows.clone()), kept: record.kept, ..mark.clone() });
            rest.changed.push(Changed { index, record, flows: Some(flows) });
        }
    }

    /// A record of `mark` is in the table when the epoch is committed.
    fn stays(&mut self, mark: &Mark) {
        if self.request.purpose == Purpose::Look {
            return;
        }
        match self.triage.fate(mark) {
            Fate::Tried(takers) => *self.tried.entry(takers).or_default() += 1,
            Fate::Left(why) => self.tally.leaves(why),
        }
    }

    async fn finish(self, schema: &SchemaRef, folder: TempDir) -> Result<Passed> {
        let rest_rows = self.rest.as_ref().map_or(0, StagingWriter::rows);
        let rest = provider(self.rest, schema, &self.place.join("rest")).await?;
        let source = self.scope.pipeline.source(self.request.source).map(|source| source.schema());
        let source = source.with_context(|| format!("source '{}' is not in the pipeline", self.request.source))?;
        let (takers, rows) = self.chosen.map_or_else(Default::default, |chosen| (chosen.takers, chosen.rows));
        let rows = provider(rows, &source, &self.place.join("rows")).await?;
        let (tally, tried) = (self.tally, self.tried);
        Ok(Passed { tally, takers, tried, more: self.more, changed: self.changed, rows, rest, rest_rows, _folder: folder })
    }
}

/// What of a batch stays in the table.
#[derive(Debug, Default)]
struct Rest {
    /// As it is.
    same: Vec<usize>,
    /// Otherwise.
    changed: Vec<Changed>,
}

fn writer(scope: Scope<'_>, place: Location, schema: &SchemaRef) -> Result<StagingWriter> {
    let context = &scope.session.context;
    Ok(StagingWriter::new(place, Arc::clone(schema), &[], context.sizes.temporary(), &context.runtime)?)
}

/// What was written, as a table of the columns of `schema`.
async fn provider(writer: Option<StagingWriter>, schema: &SchemaRef, place: &Location) -> Result<Arc<dyn TableProvider>> {
    let files = match writer {
        Some(writer) => writer.finish().await?,
        None => Vec::new(),
    };
    if files.is_empty() {
        return Ok(Arc::new(EmptyTable::new(Arc::clone(schema))));
    }
    Ok(Arc::new(files_as_table(schema, place)?))
}
