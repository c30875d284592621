//! One pass over a table of bad records: what of them are rows now, for the flows of one epoch, and what the table will hold.

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

use super::rest::{Rest, Stays, table, writer};
use super::tally::Tally;
use super::triage::{Fate, Mark, Taker, Takers, Triage};
use super::work::{Chunk, Work};
use crate::epoch::Scope;
use crate::epoch::bad_table::{self, Changed, Records};
use crate::flow::{Flow, plan};

/// What a pass is asked to do.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The source whose records are replayed.
    pub source: &'a str,
    /// The flows that may take them.
    pub flows: &'a [&'a Flow],
    /// The incarnation that they are of.
    pub incarnation: &'a str,
    /// What was not tried yet.
    pub work: &'a Work,
    /// How much an epoch may hold.
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
    /// Records that were not tried, for the limits, or because they go to other flows.
    pub untried: u64,
    /// Something in the table changes.
    pub changed: bool,
    pub(super) rows: Arc<dyn TableProvider>,
    /// None when the records were only looked at.
    pub(super) stays: Option<Stays>,
    _folder: TempDir,
}

/// Goes once through the files of the table that are to be tried next; none when all was tried.
///
/// # Errors
/// When the table or the local disk does not play along; [`connectors::Error::SchemaChanged`] when a record brings new columns.
pub async fn pass(scope: Scope<'_>, request: Request<'_>) -> Result<Option<Passed>> {
    let Some((parts, chunk)) = request.work.next() else { return Ok(None) };
    let mut records = bad_table::records_of(scope, parts, &chunk.parts).await?;
    let parent = scope.session.temporary_folder(&scope.pipeline.name);
    std::fs::create_dir_all(&parent).with_context(|| format!("cannot create {}", parent.display()))?;
    let folder = TempDir::with_prefix_in("replay-", &parent).with_context(|| format!("cannot write in {}", parent.display()))?;
    let place = scope.session.context.locate(&folder.path().to_string_lossy())?;
    let schema = records.schema();
    let mut pass = Pass::new(scope, request, chunk, &schema, place)?;
    while let Some(batch) = records.try_next().await.map_err(connectors::Error::from)? {
        pass.batch(&batch).await?;
        point("slice-batch");
    }
    let passed = Box::pin(pass.finish(folder)).await?;
    point("sliced");
    Ok(Some(passed))
}

/// A pass that is going on.
struct Pass<'a> {
    scope: Scope<'a>,
    request: Request<'a>,
    chunk: &'a Chunk,
    place: Location,
    triage: Triage,
    /// The flows of this epoch, once there is a record for any.
    chosen: Option<Chosen>,
    /// None when the records are only looked at.
    rest: Option<Rest<'a>>,
    /// Bytes of records that gave rows.
    bytes: u64,
    tally: Tally,
    untried: u64,
    changed: bool,
}

/// What a pass does with a record.
enum Route {
    /// It is tried.
    Try,
    /// It stays as it is, and no pass after this one tries it.
    Keep,
    /// Another pass tries it.
    Later,
}

/// What makes rows for the flows of one epoch.
struct Chosen {
    takers: Takers,
    replay: Box<dyn Replay>,
    /// None when the rows are only counted.
    rows: Option<StagingWriter>,
}

impl<'a> Pass<'a> {
    fn new(scope: Scope<'a>, request: Request<'a>, chunk: &'a Chunk, schema: &SchemaRef, place: Location) -> Result<Self> {
        let taker = |flow: &&Flow| Taker { flow: flow.id.clone(), upserts: flow.mode == WriteMode::Upsert };
        let triage = Triage::new(request.flows.iter().map(taker).collect(), request.incarnation.to_owned());
        let rest = match request.purpose {
            Purpose::Commit => Some(Rest::new(scope, place.join("rest"), schema, request.limits)?),
            Purpose::Look => None,
        };
        Ok(Self {
            scope,
            request,
            chunk,
            place,
            triage,
            chosen: None,
            rest,
            bytes: 0,
            tally: Tally::default(),
            untried: 0,
            changed: false,
        })
    }

    async fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let records = Records::new(batch);
        let mut fates = Fates::default();
        for index in 0..batch.num_rows() {
            let mark = records.mark(index)?;
            match self.route(&mark)? {
                Route::Try => {
                    let record = records.record(index)?;
                    self.record(index, &mark, record, &mut fates).await?;
                }
                Route::Keep => fates.same.push(index),
                Route::Later => fates.later.push(index),
            }
        }
        if let Some(rest) = &mut self.rest {
            rest.tried(bad_table::taken(batch, fates.same.into_iter())?).await?;
            rest.tried(bad_table::changed(batch, &fates.changed)?).await?;
            rest.untried(bad_table::taken(batch, fates.later.into_iter())?).await?;
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

    /// What becomes of a record of `mark`. Opens the replay at the first that is tried.
    fn route(&mut self, mark: &Mark) -> Result<Route> {
        let takers = match self.triage.fate(mark) {
            Fate::Tried(takers) => takers,
            Fate::Left(why) => {
                // A pass over the same files has counted it, if there was one.
                if self.chunk.done.is_empty() {
                    self.tally.leaves(why);
                }
                return Ok(Route::Keep);
            }
        };
        if self.chunk.done.contains(&takers) {
            return Ok(Route::Keep);
        }
        let is_other = self.chosen.as_ref().is_some_and(|chosen| chosen.takers != takers);
        if is_other || self.is_full() {
            self.untried += 1;
            return Ok(Route::Later);
        }
        if self.chosen.is_none() {
            self.chosen = Some(self.choose(takers)?);
        }
        Ok(Route::Try)
    }

    /// Records that are bad still are no burden to an epoch: only rows fill it.
    fn is_full(&self) -> bool {
        let SliceLimits { rows, bytes } = self.chunk.limits(self.request.limits);
        let is_limited = self.request.purpose == Purpose::Commit;
        is_limited && (self.tally.rows >= rows || self.bytes >= bytes) || self.scope.stop.is_cancelled()
    }

    fn choose(&self, takers: Takers) -> Result<Chosen> {
        let name = self.request.source;
        let source = self.scope.pipeline.source(name).with_context(|| format!("source '{name}' is not in the pipeline"))?;
        let flows: Vec<&Flow> = takers.iter().filter_map(|index| self.request.flows.get(*index).copied()).collect();
        let wanted = plan::wanted(&flows, &self.scope.pipeline.context.state())?.remove(name).unwrap_or_default();
        let used: Vec<usize> = wanted.columns.into_iter().collect();
        let schema = Arc::new(source.schema().project(&used)?);
        let replay = source.replay(&ReplayRequest { columns: Some(used), purpose: self.request.purpose })?;
        let rows = match self.request.purpose {
            Purpose::Commit => Some(writer(self.scope, self.place.join("rows"), &schema)?),
            Purpose::Look => None,
        };
        Ok(Chosen { takers, replay, rows })
    }

    /// Tries one record: it leaves the table, or is in the `rest`.
    async fn record(&mut self, index: usize, mark: &Mark, record: BadRecord, fates: &mut Fates) -> Result<()> {
        let Some(chosen) = &mut self.chosen else { return Ok(()) };
        self.tally.tried(&record);
        match chosen.replay.record(&record).await? {
            Replayed::Impossible(why) => {
                self.tally.stays(&record, None, &why);
                self.stays(mark);
                fates.same.push(index);
            }
            Replayed::Decoded { rows, bad } => {
                self.tally.rows += rows;
                self.bytes += if rows > 0 { record.raw.len() as u64 } else { 0 };
                self.tally.no_records += u64::from(rows == 0 && bad.is_empty());
                if let Some(first) = bad.first() {
                    self.tally.stays(first, first.column.as_deref(), &first.reason);
                }
                if rows == 0 && !bad.is_empty() {
                    self.whole(index, mark, record, bad, fates);
                } else {
                    self.parts(index, mark, record, bad, fates);
                }
            }
        }
        Ok(())
    }

    /// A record that gave no row stays as a whole, with its own bytes, whatever part of it is at fault now.
    fn whole(&mut self, index: usize, mark: &Mark, record: BadRecord, bad: Vec<BadRecord>, fates: &mut Fates) {
        self.stays(mark);
        match bad.into_iter().next() {
            Some(now) if (&now.reason, &now.column) != (&record.reason, &record.column) => {
                self.changed = true;
                let record = BadRecord { reason: now.reason, column: now.column, ..record };
                fates.changed.push(Changed { index, record, flows: mark.flows.clone() });
            }
            _ => fates.same.push(index),
        }
    }

    /// Of a record that gave rows, what is bad of it still waits for the flows that took them, and all of it for others.
    fn parts(&mut self, index: usize, mark: &Mark, record: BadRecord, bad: Vec<BadRecord>, fates: &mut Fates) {
        let Some(chosen) = &self.chosen else { return };
        self.changed = true;
        let others = self.triage.others(mark, &chosen.takers);
        let takers = self.triage.names(&chosen.takers);
        let parts = bad.into_iter().map(|record| (record, takers.clone()));
        let parts: Vec<_> = parts.chain(others.map(|flows| (record, flows))).collect();
        for (record, flows) in parts {
            self.stays(&Mark { flows: Some(flows.clone()), kept: record.kept, ..mark.clone() });
            fates.changed.push(Changed { index, record, flows: Some(flows) });
        }
    }

    /// A record of `mark` is in the table when the epoch is committed: if no flow of the file waits for it any more, it is left there.
    fn stays(&mut self, mark: &Mark) {
        if let (Purpose::Commit, Fate::Left(why)) = (self.request.purpose, self.triage.fate(mark)) {
            self.tally.leaves(why);
        }
    }

    async fn finish(self, folder: TempDir) -> Result<Passed> {
        let source = self.scope.pipeline.source(self.request.source).map(|source| source.schema());
        let source = source.with_context(|| format!("source '{}' is not in the pipeline", self.request.source))?;
        let (takers, rows) = self.chosen.map_or_else(Default::default, |chosen| (chosen.takers, chosen.rows));
        let rows: Arc<dyn TableProvider> = match rows {
            Some(rows) => table(rows, &source, &self.place.join("rows")).await?,
            None => Arc::new(EmptyTable::new(source)),
        };
        let stays = match self.rest {
            Some(rest) => Some(rest.finish().await?),
            None => None,
        };
        let (tally, untried, changed) = (self.tally, self.untried, self.changed);
        Ok(Passed { tally, takers, untried, changed, rows, stays, _folder: folder })
    }
}

/// What of a batch stays in the table.
#[derive(Debug, Default)]
struct Fates {
    /// As it is, for good.
    same: Vec<usize>,
    /// Otherwise, for good.
    changed: Vec<Changed>,
    /// As it is, until another pass.
    later: Vec<usize>,
}
