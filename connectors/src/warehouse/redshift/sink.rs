//! The sink: one commit, tried until the ledger has it or it cannot succeed.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, SchemaRef};
use async_trait::async_trait;
use datafusion::execution::runtime_env::RuntimeEnv;

use crate::clock::Clock;
use crate::context::{Context, TableSpec};
use crate::error::{Error, Result};
use crate::faults::{FILES_COPIED, point};
use crate::options::Options;
use crate::registry::Connector;
use crate::sink::{Audit, Batch, BatchId, Gate, Receipt, Sink, SinkPlan, WriteMode};
use crate::staging::StagingSizes;
use crate::stores::Location;
use crate::warehouse::Warehouse;
use crate::warehouse::gate::ColumnGate;
use crate::warehouse::redshift::audit;
use crate::warehouse::redshift::catalog::{self, TableColumn};
use crate::warehouse::redshift::check::Checker;
use crate::warehouse::redshift::columns::{LoadColumn, load_columns};
use crate::warehouse::redshift::config::RedshiftConfig;
use crate::warehouse::redshift::copied::copied_form;
use crate::warehouse::redshift::ddl;
use crate::warehouse::redshift::fault::Fault;
use crate::warehouse::redshift::fit::Fit;
use crate::warehouse::redshift::gate::GateColumns;
use crate::warehouse::redshift::ledger::{Entry, Ledger, holds};
use crate::warehouse::redshift::load::{Load, leftovers, new_table};
use crate::warehouse::redshift::loading::{Loading, tidy};
use crate::warehouse::redshift::names::{Relation, folded};
use crate::warehouse::redshift::options::{Overwrite, TableOptions};
use crate::warehouse::redshift::plan::Declared;
use crate::warehouse::redshift::problem::{Problem, While};
use crate::warehouse::redshift::session::Session;
use crate::warehouse::redshift::swap;
use crate::warehouse::redshift::upload::{StagingArea, Upload};
use crate::warehouse::redshift::waiting::Waiting;

/// A commit that loses to others, or whose connection breaks, is tried this often.
const ATTEMPTS: u32 = 8;
/// The first and the longest pause between two tries; each is drawn from half of it to all.
const PAUSES_MS: (u64, u64) = (200, 10_000);
/// Slices, where the cluster does not say ("STV_SLICES" is empty on serverless).
pub(crate) const DEFAULT_SLICES: u64 = 32;

/// A table of Redshift that is written.
#[derive(Debug)]
pub(crate) struct RedshiftSink {
    declared: Declared,
    config: RedshiftConfig,
    ledger: Ledger,
    lake: Location,
    sizes: StagingSizes,
    runtime: Arc<RuntimeEnv>,
    clock: Arc<dyn Clock>,
}

/// What the tries of one commit share: what was uploaded, and for columns of which types.
type Uploaded = Option<(Vec<DataType>, Upload)>;

impl RedshiftSink {
    pub(crate) fn open(table: &TableSpec, url: &str, context: &Context) -> Result<Self> {
        let options = Options::parse(Warehouse.name(), Warehouse.options(), &table.options)?;
        let name = Relation::parse(&table.location)?;
        let key = options.list("key");
        Ok(Self {
            ledger: Ledger::new(&name),
            declared: Declared {
                table: table.name.clone(),
                name,
                columns: table.columns.clone(),
                key: if key.is_empty() { table.primary_key.clone() } else { key },
                order_by: options.list("order_by"),
                options: TableOptions { comments: table.comments.clone(), ..TableOptions::read(&options)? },
            },
            config: RedshiftConfig::read(url, context)?,
            lake: context.stores.lake()?,
            sizes: context.sizes,
            runtime: Arc::clone(&context.runtime),
            clock: Arc::clone(&context.clock),
        })
    }

    fn name(&self) -> &Relation {
        &self.declared.name
    }

    async fn is_committed(&self, id: &BatchId) -> Result<bool, Problem> {
        let session = self.config.session().await?;
        Ok(holds(self.last_epoch(&session, id).await?, id))
    }

    async fn last_epoch(&self, session: &Session, id: &BatchId) -> Result<Option<i64>, Problem> {
        self.ledger.last_epoch(session, id).await.when("reading the ledger of")
    }

    /// One try against the table as it is now.
    async fn attempt(&self, batch: &Batch, uploaded: &mut Uploaded) -> Result<(), Problem> {
        let session = self.config.session().await?;
        if holds(self.last_epoch(&session, &batch.id).await?, &batch.id) {
            // What a load that was killed right after its COMMIT still had to do.
            tidy(&session, self.name(), &leftovers(self.name(), &self.declared.options, batch.mode)).await;
            return Ok(());
        }
        let existing = self.columns(&session).await?;
        let columns = self.load_columns(batch, existing.as_deref())?;
        let upload = self.upload(&session, batch, &columns, uploaded).await?;
        point(FILES_COPIED);
        let exists = existing.is_some();
        let fit =
            Fit { waiting: self.waiting(), options: &self.declared.options, columns: &columns, longest: &upload.longest, exists };
        // A table that is to have other columns is made beside it.
        if !(exists && self.declared.is_replaced(batch.mode)) {
            fit.make(&session).await?;
        }
        // Somebody else may have made the table in the meantime, or a column of it.
        let existing = self.columns(&session).await?;
        let columns = self.load_columns(batch, existing.as_deref())?;
        if !is_for(uploaded.as_ref(), &columns) {
            return Err(Problem::Database(Fault::new("40001", "its columns changed meanwhile"), "loading"));
        }
        let kept = existing.as_deref().filter(|_| !self.declared.is_replaced(batch.mode));
        let loaded = self.load(&session, batch, &columns, &upload, lacks_required(kept, &columns, &batch.key)).await;
        if let Err(Problem::Database(fault, _)) = &loaded
            && fault.message.to_ascii_lowercase().contains("nosuchkey")
        {
            *uploaded = None;
        }
        loaded
    }

    async fn load(
        &self,
        session: &Session,
        batch: &Batch,
        columns: &[LoadColumn],
        upload: &Upload,
        lacks_required: bool,
    ) -> Result<(), Problem> {
        let last_epoch = self.ledger.prepare(session, &batch.id).await.when("making the ledger of")?;
        if holds(Some(last_epoch), &batch.id) {
            return Ok(());
        }
        let manifest = (!batch.files.is_empty()).then_some(upload.manifest.as_str());
        let key = table_key(&batch.key, columns);
        let kept = self.kept(session, batch.mode).await?;
        let is_replaced = self.declared.is_replaced(batch.mode);
        let anew =
            is_replaced.then(|| ddl::changes(&new_table(self.name()), columns, &upload.longest, false, &self.declared.options));
        let load = Load {
            table: self.name(),
            anew: anew.unwrap_or_default().into_iter().map(|change| change.statement).collect(),
            columns,
            key: &key,
            mode: batch.mode,
            options: &self.declared.options,
            manifest,
            iam_role: &self.config.iam_role,
            kept: &kept,
            counting: session.counting(),
            lacks_required,
        };
        let entry = Entry { id: &batch.id, mode: batch.mode, rows: upload.rows, bytes: upload.bytes, manifest };
        let loading = Loading { session, waiting: self.waiting(), ledger: &self.ledger, entry: &entry, last_epoch };
        loading.run(&load.statements()).await
    }

    fn waiting(&self) -> Waiting<'_> {
        Waiting { config: &self.config, table: self.name(), clock: self.clock.as_ref() }
    }

    async fn columns(&self, session: &Session) -> Result<Option<Vec<TableColumn>>, Problem> {
        catalog::columns(session, self.name()).await.when("reading the columns of")
    }

    fn load_columns(&self, batch: &Batch, existing: Option<&[TableColumn]>) -> Result<Vec<LoadColumn>> {
        let existing = existing.filter(|_| !self.declared.is_replaced(batch.mode));
        load_columns(self.name(), &batch.schema, existing, &self.declared.options.upserts, batch.mode)
    }

    fn area(&self, id: &BatchId) -> StagingArea {
        StagingArea::new(&self.config.staging, self.name(), id)
    }

    /// What was uploaded by an earlier try, if it fits these columns, or else what is uploaded now.
    async fn upload(
        &self,
        session: &Session,
        batch: &Batch,
        columns: &[LoadColumn],
        uploaded: &mut Uploaded,
    ) -> Result<Upload, Problem> {
        if is_for(uploaded.as_ref(), columns)
            && let Some((_, upload)) = uploaded
        {
            return Ok(upload.clone());
        }
        let area = self.area(&batch.id);
        area.clear_before(&batch.id).await?;
        let upload = if batch.files.is_empty() {
            Upload { manifest: String::new(), rows: 0, bytes: 0, longest: vec![0; columns.len()] }
        } else {
            let key = table_key(&batch.key, columns);
            match area.copy(batch, &self.lake, columns, &key, self.sizes, &self.runtime).await? {
                Some(upload) => upload,
                None => {
                    let mut checker = Checker::new(self.name().to_string(), columns, &key, self.declared.options.too_long);
                    area.upload(batch, &self.lake, &mut checker, slices(session).await, self.sizes, &self.runtime).await?
                }
            }
        };
        *uploaded = Some((file_types(columns), upload.clone()));
        Ok(upload)
    }

    /// The statements that give the table that is about to take this one's name its rights, comments and owner.
    ///
    /// # Errors
    /// [`Error::Config`] when views are bound to it.
    async fn kept(&self, session: &Session, mode: WriteMode) -> Result<Vec<String>, Problem> {
        if mode != WriteMode::Overwrite || self.declared.options.overwrite != Overwrite::Swap {
            return Ok(Vec::new());
        }
        let views = swap::bound_views(session, self.name()).await.when("looking for views of")?;
        if !views.is_empty() {
            let message = format!(
                "'overwrite' 'swap' would leave the views {} with the old rows of '{}': make them WITH NO SCHEMA BINDING, or use \
                 'overwrite' 'atomic'",
                views.join(", "),
                self.name()
            );
            return Err(Error::config_at("overwrite", message).into());
        }
        let mut kept = swap::grants(session, self.name()).await.when("reading the grants of")?;
        // Comments may be on columns that the new table has not.
        if !self.declared.is_replaced(mode) {
            kept.extend(swap::comments_and_owner(session, self.name()).await.when("reading the comments of")?);
        }
        Ok(kept)
    }
}

#[async_trait]
impl Sink for RedshiftSink {
    async fn plan(&self, query: &SchemaRef, mode: WriteMode) -> Result<SinkPlan> {
        let session = self.config.session().await?;
        let existing = self.columns(&session).await.map_err(|problem| problem.into_error(self.name()))?;
        self.declared.plan(existing.as_deref(), query, mode)
    }

    async fn gate(&self, plan: &SinkPlan) -> Result<Option<Arc<dyn Gate>>> {
        let session = self.config.session().await?;
        let existing = self.columns(&session).await.map_err(|problem| problem.into_error(self.name()))?;
        let existing = existing.filter(|_| !self.declared.options.replaces_columns);
        // Only upserts have a key, and rows that say that they are deleted.
        let mode = if plan.key.is_empty() { WriteMode::Append } else { WriteMode::Upsert };
        let columns = load_columns(self.name(), &plan.schema, existing.as_deref(), &self.declared.options.upserts, mode)?;
        let key = table_key(&plan.key, &columns);
        let table = self.name().to_string();
        let form = copied_form(&plan.schema, &columns, &key)?;
        let columns = GateColumns { table, columns, key, form };
        Ok(Some(Arc::new(ColumnGate { columns, handling: self.declared.options.handling })))
    }

    async fn committed(&self, batch: &BatchId) -> Result<bool> {
        self.is_committed(batch).await.map_err(|problem| problem.into_error(self.name()))
    }

    async fn exists(&self) -> Result<Option<bool>> {
        let session = self.config.session().await?;
        let existing = self.columns(&session).await.map_err(|problem| problem.into_error(self.name()))?;
        Ok(Some(existing.is_some()))
    }

    async fn audit(&self) -> Result<Option<Audit>> {
        let audited = audit::audit(&self.config, &self.declared, &self.ledger).await;
        audited.map(Some).map_err(|problem| problem.into_error(self.name()))
    }

    async fn abandon(&self, batch: &BatchId) -> Result<()> {
        let area = self.area(batch);
        area.clear_before(batch).await?;
        area.clear(batch).await
    }

    async fn commit(&self, batch: &Batch) -> Result<Receipt> {
        let mut uploaded = None;
        let mut attempt = 0;
        while let Err(problem) = Box::pin(self.attempt(batch, &mut uploaded)).await {
            // Whatever it was: the ledger knows whether the batch is in, if only it can be asked.
            if matches!(self.is_committed(&batch.id).await, Ok(true)) {
                break;
            }
            attempt += 1;
            if !problem.passes() || attempt == ATTEMPTS {
                return Err(problem.into_error(self.name()));
            }
            tracing::info!(table = %self.name(), ?problem, attempt, "trying the load again");
            let longest = (PAUSES_MS.0 << attempt).min(PAUSES_MS.1);
            self.clock.sleep(Duration::from_millis(rand::random_range(longest / 2..=longest))).await;
        }
        self.area(&batch.id).clear(&batch.id).await?;
        Ok(batch.receipt())
    }
}

/// How many files are loaded at the same time.
async fn slices(session: &Session) -> u64 {
    // Serverless has no such table, or an empty one.
    let slices = session.number("SELECT COUNT(*) FROM stv_slices").await.ok().flatten();
    slices.and_then(|slices| u64::try_from(slices).ok()).filter(|slices| *slices > 0).unwrap_or(DEFAULT_SLICES)
}

/// Whether columns that the table takes no NULL for are left to it, as one that it numbers, or need no value in a row that is deleted.
fn lacks_required(existing: Option<&[TableColumn]>, columns: &[LoadColumn], key: &[String]) -> bool {
    let is_loaded = |there: &TableColumn| columns.iter().any(|column| column.name == there.name);
    let key = table_key(key, columns);
    existing.unwrap_or_default().iter().any(|there| !there.nullable && !is_loaded(there))
        || columns.iter().any(|column| column.deletes)
            && columns.iter().any(|column| column.required && !key.contains(&column.name))
}

fn file_types(columns: &[LoadColumn]) -> Vec<DataType> {
    columns.iter().map(|column| column.file_type.clone()).collect()
}

fn is_for(uploaded: Option<&(Vec<DataType>, Upload)>, columns: &[LoadColumn]) -> bool {
    uploaded.is_some_and(|(types, _)| *types == file_types(columns))
}

/// The key, as the table calls its columns.
fn table_key(key: &[String], columns: &[LoadColumn]) -> Vec<String> {
    let name = |key: &String| columns.iter().find(|column| column.name.eq_ignore_ascii_case(&folded(key)));
    key.iter().filter_map(name).map(|column| column.name.clone()).collect()
}
