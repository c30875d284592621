//! The Delta sink: what a commit puts into the log, and how it meets others.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::execution::runtime_env::RuntimeEnv;
use deltalake_core::errors::DeltaTableError;
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties, TableReference};
use deltalake_core::kernel::{Action, Add, EagerSnapshot, Transaction};
use deltalake_core::logstore::LogStoreRef;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::file::metadata::ParquetMetaData;

use crate::clock::Clock;
use crate::context::{Context, TableComments, TableSpec};
use crate::error::{Error, Result};
use crate::faults::{AFTER_TABLE_COMMIT, BEFORE_TABLE_COMMIT, FILES_COPIED, point};
use crate::lake::COMMIT_ATTEMPTS;
use crate::lake::delta::keys::KeySet;
use crate::lake::delta::reader::DataFile;
use crate::lake::delta::upsert::{Sifted, Upsert, Upserted};
use crate::lake::delta::{self, Delta, audit, log, schema, stats};
use crate::lake::files::{self, Copied};
use crate::lake::schema::{canonical, find, meet, resolve, storable};
use crate::options::Options;
use crate::parquet_object::ObjectReader;
use crate::registry::Connector;
use crate::sink::{Audit, Batch, BatchId, Receipt, Sink, SinkPlan, WriteMode, check_key};
use crate::staging::{FileForm, StagedFile, StagingSizes};
use crate::stores::Location;
use crate::upserts::{self, Deletes, Upserts};

/// A Delta table that is written.
#[derive(Debug)]
pub(crate) struct DeltaSink {
    table: String,
    location: Location,
    lake: Location,
    log: LogStoreRef,
    partition_by: Vec<String>,
    declared: Option<SchemaRef>,
    comments: TableComments,
    key: Vec<String>,
    order_by: Vec<String>,
    upserts: Upserts,
    /// An overwrite gives the table the columns of its rows.
    replaces_columns: bool,
    runtime: Arc<RuntimeEnv>,
    sizes: StagingSizes,
    clock: Arc<dyn Clock>,
}

/// What the tries of one commit share.
struct Work {
    copied: Vec<Copied>,
    /// The actions that add the staged files; made when they have been copied.
    adds: Option<Vec<Action>>,
    keys: Option<KeySet>,
    /// Files written so far; those that do not get into the log are removed.
    written: BTreeSet<String>,
}

/// Which files an overwriting batch takes the place of.
#[derive(Debug, Clone, Copy)]
enum Replaced<'a> {
    All,
    /// These, by their paths from the table's root.
    Some(&'a [String]),
}

/// How a try ended that was not an error.
enum Attempt {
    /// By this try, which named these files.
    Committed(BTreeSet<String>),
    /// By another try, or another process.
    There,
    LostRace,
}

impl DeltaSink {
    pub(crate) fn open(table: &TableSpec, context: &Context) -> Result<Self> {
        let options = Options::parse("DELTA", Delta.options(), &table.options)?;
        let location = context.locate(&table.location)?;
        let key = options.list("key");
        Ok(Self {
            table: table.name.clone(),
            log: log::open(&location)?,
            location,
            lake: context.stores.lake()?,
            partition_by: table.partition_by.clone(),
            declared: table.columns.clone(),
            comments: table.comments.clone(),
            key: if key.is_empty() { table.primary_key.clone() } else { key },
            order_by: options.list("order_by"),
            upserts: Upserts::read(&options)?,
            replaces_columns: delta::replaces_columns(&options)?,
            runtime: Arc::clone(&context.runtime),
            sizes: context.sizes,
            clock: Arc::clone(&context.clock),
        })
    }

    async fn holds(&self, snapshot: Option<&EagerSnapshot>, id: &BatchId) -> Result<bool> {
        let Some(snapshot) = snapshot else { return Ok(false) };
        let version = snapshot.transaction_version(self.log.as_ref(), id.writer()).await.map_err(log::error)?;
        Ok(version.is_some_and(|version| version >= transaction(id).version))
    }

    /// One try against the table as it is now.
    async fn attempt(&self, batch: &Batch, replaced: Replaced<'_>, work: &mut Work) -> Result<Attempt> {
        let snapshot = log::snapshot(&self.log).await?;
        if self.holds(snapshot.as_ref(), &batch.id).await? {
            return Ok(Attempt::There);
        }
        let kept = self.upserts.kept(&batch.schema, batch.mode);
        let mut actions = self.table_actions(snapshot.as_ref(), batch, &kept)?;
        let columns = match &snapshot {
            Some(snapshot) if !self.is_replaced(batch.mode) => {
                crate::lake::schema::grown(schema::columns(snapshot)?.as_ref(), &kept)
            }
            _ => kept,
        };
        let mut there = Vec::new();
        if let Some(snapshot) = &snapshot {
            actions.extend(match (batch.mode, replaced) {
                (WriteMode::Append, _) => Vec::new(),
                (WriteMode::Overwrite, Replaced::All) => {
                    snapshot.log_data().iter().map(|file| Action::Remove(file.remove_action(true))).collect()
                }
                (WriteMode::Overwrite, Replaced::Some(files)) => self.some_removed(snapshot, batch, files)?,
                (WriteMode::Upsert, _) => {
                    let upserted = self.upserted(snapshot, batch, &columns, work).await?;
                    there = upserted.there;
                    upserted.actions
                }
            });
        }
        actions.extend(self.additions(batch, &columns, &there, work).await?);
        point(FILES_COPIED);
        point(BEFORE_TABLE_COMMIT);
        let name = |action: &Action| match action {
            Action::Add(add) => Some(add.path.clone()),
            _ => None,
        };
        let named = actions.iter().filter_map(name).collect();
        let committed = self.append_to_log(snapshot.as_ref(), batch, actions).await;
        point(AFTER_TABLE_COMMIT);
        match committed {
            Ok(()) => Ok(Attempt::Committed(named)),
            Err(error) if log::lost_race(&error) => Ok(Attempt::LostRace),
            // The log may have the commit and only the answer, or work after it, have failed.
            Err(error) => match log::snapshot(&self.log).await {
                Ok(now) if self.holds(now.as_ref(), &batch.id).await? => Ok(Attempt::There),
                _ => Err(log::error(error)),
            },
        }
    }

    /// What makes the table, or its columns, fit the batch.
    fn table_actions(&self, snapshot: Option<&EagerSnapshot>, batch: &Batch, kept: &SchemaRef) -> Result<Vec<Action>> {
        let Some(snapshot) = snapshot else { return schema::create(&self.comments.on(kept), &batch.partition_by) };
        self.check(snapshot, batch.mode, &batch.partition_by)?;
        if self.is_replaced(batch.mode) {
            return Ok(schema::replace(snapshot, &self.comments.on(kept))?.into_iter().collect());
        }
        let columns = schema::columns(snapshot)?;
        self.check_merge(&columns, kept, batch.mode)?;
        meet(&self.table, Some(columns.as_ref()), kept)?;
        Ok(schema::grow(snapshot, &self.comments.on(kept))?.into_iter().collect())
    }

    /// The column that only says which rows are deleted, as it is staged: whatever the table has of that name.
    fn marker(&self, query: &Schema, mode: WriteMode) -> Result<Option<Field>> {
        let Some(index) = self.upserts.marker_index(query, mode) else { return Ok(None) };
        let marker = query.field(index);
        Ok(Some(Field::new(marker.name(), storable(marker.name(), marker.data_type())?, true)))
    }

    /// Whether the table gets the columns of the rows.
    fn is_replaced(&self, mode: WriteMode) -> bool {
        self.replaces_columns && mode == WriteMode::Overwrite
    }

    /// Removes `files`. Were one of them gone, its rows would be elsewhere in the table, beside those that take their place.
    fn some_removed(&self, snapshot: &EagerSnapshot, batch: &Batch, files: &[String]) -> Result<Vec<Action>> {
        let mut missing: BTreeSet<&str> = files.iter().map(String::as_str).collect();
        let log = snapshot.log_data();
        let removed = log.iter().filter(|file| missing.remove(file.path().as_ref()));
        let actions: Vec<Action> = removed.map(|file| Action::Remove(file.remove_action(true))).collect();
        match missing.first() {
            None => Ok(actions),
            Some(file) => Err(Error::data(format!(
                "batch {} takes the place of files that another writer has taken out of the table meanwhile, as {file} ({} of {}); restore \
                 the version of the table before that",
                batch.id,
                missing.len(),
                files.len()
            ))),
        }
    }

    /// Files are written anew without the rows that are replaced: the columns that a query lacks would go with them.
    fn check_merge(&self, columns: &Schema, query: &Schema, mode: WriteMode) -> Result<()> {
        if mode != WriteMode::Upsert || self.upserts.upsert != upserts::Upsert::Merge {
            return Ok(());
        }
        let Some(lacked) = columns.fields().iter().find(|column| find(query, column.name()).is_none()) else { return Ok(()) };
        let message = format!(
            "'upsert' 'merge' keeps the values of columns that are not written, as '{}', which a table of the lake does not; select all columns of \
             table '{}' (the one that 'deleted' names is not written), or leave 'upsert' out: they are then NULL in the rows that are replaced",
            lacked.name(),
            self.table
        );
        Err(Error::config_at("upsert", message))
    }

    /// Removes the files that hold a key of the batch, and adds what else they hold.
    async fn upserted(&self, snapshot: &EagerSnapshot, batch: &Batch, columns: &SchemaRef, work: &mut Work) -> Result<Upserted> {
        let keys = self.keys(batch, &mut work.keys).await?;
        let stem = batch.id.file_stem();
        let marked = self.upserts.deleted.as_deref().filter(|_| self.upserts.deletes == Deletes::Soft);
        let upsert = Upsert {
            log: &self.log,
            table: &self.table,
            stem: &stem,
            keys,
            columns,
            form: &FileForm::lasting()?,
            sizes: self.sizes,
            upsert: self.upserts.upsert,
            mark: marked.and_then(|marked| find(columns, marked)).map(|field| field.name().as_str()),
        };
        let mut written = Vec::new();
        let upserted = upsert.run(snapshot, &mut written).await;
        work.written.extend(written);
        upserted
    }

    /// The keys of the batch, read once.
    async fn keys<'a>(&self, batch: &Batch, keys: &'a mut Option<KeySet>) -> Result<&'a KeySet> {
        if batch.key.is_empty() {
            return Err(no_key(&self.table));
        }
        if let Some(keys) = keys {
            return Ok(keys);
        }
        let names = resolve(&self.table, "key", &batch.schema, &batch.key)?;
        let fields = names.iter().filter_map(|name| find(&batch.schema, name)).cloned().collect();
        let staged = batch.files.iter().map(|file| self.staged(file)).collect::<Result<Vec<_>>>()?;
        let marker = self.upserts.deleted.as_deref().and_then(|deleted| find(&batch.schema, deleted));
        let read = KeySet::read(&staged, batch.receipt().rows, fields, marker, &self.runtime.memory_pool).await?;
        Ok(keys.insert(read))
    }

    fn staged(&self, file: &StagedFile) -> Result<DataFile> {
        Ok(DataFile {
            store: Arc::clone(&self.lake.store),
            path: files::staged_path(file)?,
            bytes: file.bytes,
            partition: file.partition.iter().cloned().collect(),
        })
    }

    /// Puts the staged files into the table and says so in Delta's terms. Of keys that are `there` no rows are added.
    async fn additions(&self, batch: &Batch, columns: &SchemaRef, there: &[bool], work: &mut Work) -> Result<Vec<Action>> {
        let sifts = self.upserts.deleted.is_some() || self.upserts.upsert == upserts::Upsert::Insert;
        if batch.mode == WriteMode::Upsert && sifts {
            return self.sifted(batch, columns, there, work).await;
        }
        if let Some(adds) = &work.adds {
            return Ok(adds.clone());
        }
        work.written.extend(work.copied.iter().map(|file| file.path.clone()));
        files::copy(&self.lake, &self.location, &work.copied).await?;
        let mut adds = Vec::with_capacity(work.copied.len());
        for file in &work.copied {
            adds.push(self.copied(file, columns).await?);
        }
        work.adds = Some(adds.clone());
        Ok(adds)
    }

    /// Writes what the table keeps of the staged files. Another try may find other rows there.
    async fn sifted(&self, batch: &Batch, columns: &SchemaRef, there: &[bool], work: &mut Work) -> Result<Vec<Action>> {
        let keys = self.keys(batch, &mut work.keys).await?;
        let marker = self.upserts.marker_index(&batch.schema, batch.mode);
        let marker = marker.map(|marker| batch.schema.field(marker).name().as_str());
        let (form, store) = (FileForm::lasting()?, self.log.object_store(None));
        let (mut adds, mut first) = (Vec::with_capacity(work.copied.len()), 0);
        for file in &work.copied {
            let next = first + usize::try_from(file.staged.rows).map_err(|_| Error::internal("file of too many rows"))?;
            let is_left_out = |key: &usize| keys.deletion(*key).is_some() || there.get(*key) == Some(&true);
            let left_out: Vec<u64> = (first..next).filter(is_left_out).map(|key| (key - first) as u64).collect();
            first = next;
            if left_out.is_empty() && marker.is_none() {
                work.written.insert(file.path.clone());
                files::copy(&self.lake, &self.location, std::slice::from_ref(file)).await?;
                adds.push(self.copied(file, columns).await?);
                continue;
            }
            let staged = self.staged(&file.staged)?;
            let sifted = Sifted { staged: &staged, path: &file.path, left_out: &left_out, marker };
            if left_out.len() as u64 == file.staged.rows {
                continue;
            }
            work.written.insert(sifted.name());
            let written = sifted.write(&store, &form, &self.sizes).await?;
            adds.push(Action::Add(self.add(file, sifted.name(), written.bytes, &written.footer, columns)));
        }
        Ok(adds)
    }

    /// A staged file that is in the table as it is.
    async fn copied(&self, file: &Copied, columns: &Schema) -> Result<Action> {
        let Copied { staged, path } = file;
        let mut reader = ObjectReader::new(Arc::clone(&self.lake.store), files::staged_path(staged)?, staged.bytes);
        let footer = reader.get_metadata(None).await?;
        Ok(Action::Add(self.add(file, path.clone(), staged.bytes, &footer, columns)))
    }

    fn add(&self, file: &Copied, path: String, bytes: u64, footer: &ParquetMetaData, columns: &Schema) -> Add {
        Add {
            path,
            partition_values: file.staged.partition.iter().cloned().collect(),
            size: i64::try_from(bytes).unwrap_or(i64::MAX),
            modification_time: self.clock.now().timestamp_millis(),
            data_change: true,
            stats: Some(stats::of(footer, columns)),
            ..Add::default()
        }
    }

    async fn append_to_log(
        &self,
        snapshot: Option<&EagerSnapshot>,
        batch: &Batch,
        actions: Vec<Action>,
    ) -> Result<(), DeltaTableError> {
        // No retries inside: after a lost race this commit's own checks, and an upsert's reading, have to be done again.
        let properties = CommitProperties::default()
            .with_max_retries(0)
            .with_application_transaction(transaction(&batch.id))
            .with_metadata(HashMap::from([
                (audit::BATCH.to_owned(), serde_json::Value::String(batch.id.to_string())),
                (audit::ROWS.to_owned(), serde_json::Value::from(batch.receipt().rows)),
            ]));
        CommitBuilder::from(properties)
            .with_actions(actions)
            .build(snapshot.map(|snapshot| snapshot as &dyn TableReference), Arc::clone(&self.log), operation(batch))
            .await
            .map(|_| ())
    }

    fn check(&self, snapshot: &EagerSnapshot, mode: WriteMode, partition_by: &[String]) -> Result<()> {
        schema::check_writable(&self.table, snapshot, mode)?;
        schema::check_partitions(&self.table, snapshot, partition_by)
    }
}

#[async_trait]
impl Sink for DeltaSink {
    async fn plan(&self, query: &SchemaRef, mode: WriteMode) -> Result<SinkPlan> {
        if mode == WriteMode::Upsert && self.key.is_empty() {
            return Err(no_key(&self.table));
        }
        let snapshot = log::snapshot(&self.log).await?;
        self.upserts.check(&self.table, query, mode, &[self.key.as_slice(), &self.partition_by].concat())?;
        let kept = self.upserts.kept(query, mode);
        let met = |existing: Option<&Schema>, columns: &Schema| {
            meet(&self.table, existing, columns).map_err(|error| self.upserts.told(&self.table, mode, error))
        };
        let (schema, changes) = match (&snapshot, &self.declared) {
            (Some(snapshot), _) if self.is_replaced(mode) => {
                self.check(snapshot, mode, &self.partition_by)?;
                (met(None, &kept)?.0, Vec::new())
            }
            (Some(snapshot), _) => {
                self.check(snapshot, mode, &self.partition_by)?;
                let columns = schema::columns(snapshot)?;
                self.check_merge(&columns, &kept, mode)?;
                met(Some(columns.as_ref()), &kept)?
            }
            (None, Some(declared)) => {
                let (declared, created) = met(None, declared)?;
                (met(Some(declared.as_ref()), &kept)?.0, created)
            }
            (None, None) => met(None, &kept)?,
        };
        let key = if mode == WriteMode::Upsert { resolve(&self.table, "key", &schema, &self.key)? } else { Vec::new() };
        check_key(&self.table, &schema, &key)?;
        let partition_by = resolve(&self.table, "partition", &schema, &self.partition_by)?;
        let staged = canonical(&self.upserts.with_marker(schema, self.marker(query, mode)?))?;
        Ok(SinkPlan {
            partition_by,
            key,
            order_by: resolve(&self.table, "order_by", &staged, &self.order_by)?,
            in_order: false,
            schema: staged,
            changes,
        })
    }

    async fn committed(&self, batch: &BatchId) -> Result<bool> {
        self.holds(log::snapshot(&self.log).await?.as_ref(), batch).await
    }

    async fn exists(&self) -> Result<Option<bool>> {
        Ok(Some(log::snapshot(&self.log).await?.is_some()))
    }

    async fn audit(&self) -> Result<Option<Audit>> {
        let deletes = self.upserts.deleted.is_some();
        Ok(Some(Audit { deletes, ..audit::audit(&self.location).await? }))
    }

    async fn commit(&self, batch: &Batch) -> Result<Receipt> {
        self.commit_replacing(batch, Replaced::All).await
    }

    async fn commit_in_place_of(&self, batch: &Batch, files: &[String]) -> Result<Receipt> {
        self.commit_replacing(batch, Replaced::Some(files)).await
    }
}

impl DeltaSink {
    async fn commit_replacing(&self, batch: &Batch, replaced: Replaced<'_>) -> Result<Receipt> {
        let mut work = Work { copied: files::names(batch), adds: None, keys: None, written: BTreeSet::new() };
        for attempt in 0..COMMIT_ATTEMPTS {
            match Box::pin(self.attempt(batch, replaced, &mut work))
                .await
                .map_err(|error| error.context(format!("table '{}'", self.table)))?
            {
                // Files of tries that lost are in no version. Who was told nothing of its commit does not know which those are.
                Attempt::Committed(named) => {
                    let stray: Vec<String> = work.written.difference(&named).cloned().collect();
                    files::remove(&self.location, &stray).await?;
                    return Ok(batch.receipt());
                }
                Attempt::There => return Ok(batch.receipt()),
                Attempt::LostRace => {
                    let wait = rand::random_range(5..=20) * u64::from(attempt + 1);
                    self.clock.sleep(Duration::from_millis(wait)).await;
                }
            }
        }
        Err(Error::transient(format!(
            "table '{}': other writers were faster {COMMIT_ATTEMPTS} times; nothing was written",
            self.table
        )))
    }
}

fn transaction(id: &BatchId) -> Transaction {
    Transaction::new(id.writer(), i64::try_from(id.epoch).unwrap_or(i64::MAX))
}

fn no_key(table: &str) -> Error {
    Error::config_at(
        "key",
        format!(
            "REPLACE INTO {table} needs to know which columns tell its rows apart: add OPTIONS ('key' 'id'), or a PRIMARY KEY"
        ),
    )
}

fn operation(batch: &Batch) -> DeltaOperation {
    let partition_by = (!batch.partition_by.is_empty()).then(|| batch.partition_by.clone());
    match batch.mode {
        WriteMode::Append => DeltaOperation::Write { mode: SaveMode::Append, partition_by, predicate: None },
        WriteMode::Overwrite => DeltaOperation::Write { mode: SaveMode::Overwrite, partition_by, predicate: None },
        WriteMode::Upsert => DeltaOperation::Merge {
            predicate: None,
            merge_predicate: Some(
                batch.key.iter().map(|name| format!("target.{name} = source.{name}")).collect::<Vec<_>>().join(" AND "),
            ),
            matched_predicates: Vec::new(),
            not_matched_predicates: Vec::new(),
            not_matched_by_source_predicates: Vec::new(),
        },
    }
}
