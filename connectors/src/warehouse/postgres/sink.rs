//! The sink: what a query would do to a table, whether a batch is in it, and the tries that bring it there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;

use super::audit::audit;
use super::ddl::{self, check_name, copied, has_loose_key, marker, meet, resolve, staged};
use super::examine::{TO_REDSHIFT, redshift_at};
use super::gate::GateColumns;
use super::ledger::Ledger;
use super::load::Load;
use super::preload::{Order, PostgresPreload};
use super::target::Target;
use super::views;
use crate::clock::Clock;
use crate::context::{Context, TableComments, TableSpec};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::postgres::{Client, ConnectionConfig};
use crate::registry::Connector;
use crate::sink::{Audit, Batch, BatchId, Change, Gate, Preload, Receipt, Sink, SinkPlan, WriteMode, check_key};
use crate::stores::Location;
use crate::upserts::Upserts;
use crate::warehouse::gate::{ColumnGate, Handling};
use crate::warehouse::{TableName, Warehouse};

/// Tries of one load. A try that fails for a reason that may pass leaves nothing behind.
const ATTEMPTS: u32 = 6;
/// The pause after the first of them; each further one is twice as long, and up to as much again by chance.
const PAUSE: Duration = Duration::from_millis(200);

/// A table of a PostgreSQL database that is written.
#[derive(Debug)]
pub(crate) struct PostgresSink {
    /// As the pipeline calls it.
    table: String,
    name: TableName,
    ledger: Ledger,
    config: ConnectionConfig,
    lake: Location,
    declared: Option<SchemaRef>,
    comments: TableComments,
    key: Vec<String>,
    order_by: Vec<String>,
    upserts: Upserts,
    /// What becomes of rows that do not fit.
    handling: Handling,
    /// An overwrite gives the table the columns of its rows.
    replaces_columns: bool,
    /// Loads are not begun while rows are staged: there was not the time for one.
    is_late: Arc<AtomicBool>,
    clock: Arc<dyn Clock>,
}

impl PostgresSink {
    pub(crate) fn open(table: &TableSpec, config: &ConnectionConfig, context: &Context) -> Result<Self> {
        let options = Options::parse(Warehouse.name(), Warehouse.options(), &table.options)?;
        let name = TableName::parse(&table.location)?;
        check_name("schema", &name.schema)?;
        check_name("table", &name.table)?;
        if Ledger::is_its_own(&name) {
            return Err(Error::config_at(
                &table.location,
                format!("location '{}' is the ledger of all loads; name another table", table.location),
            ));
        }
        let key = options.list("key");
        Ok(Self {
            table: table.name.clone(),
            ledger: Ledger::new(&name),
            name,
            config: config.clone(),
            lake: context.stores.lake()?,
            declared: table.columns.clone(),
            comments: table.comments.clone(),
            key: if key.is_empty() { table.primary_key.clone() } else { key },
            order_by: options.list("order_by"),
            upserts: Upserts::read(&options)?,
            handling: Handling::read(&options)?,
            replaces_columns: crate::lake::replaces_columns(&options)?,
            is_late: Arc::default(),
            clock: Arc::clone(&context.clock),
        })
    }

    async fn attempt(&self, batch: &Batch) -> Result<()> {
        let batch = &Batch { schema: self.comments.on(&batch.schema), ..batch.clone() };
        let mut client = Client::connect(&self.config).await?;
        let (name, ledger) = (&self.name, &self.ledger);
        let is_replaced = self.is_replaced(batch.mode);
        let (schema, key, order_by, mode) = (&batch.schema, &batch.key, &self.order_by, batch.mode);
        let load = Load { name, ledger, schema, key, order_by, mode, upserts: &self.upserts, is_replaced };
        let loaded = load.run(client.driver(), &self.lake, batch).await;
        loaded.map_err(|error| error.context(format!("table '{}' in {}", self.table, self.config.shown())))
    }

    fn is_replaced(&self, mode: WriteMode) -> bool {
        self.replaces_columns && mode == WriteMode::Overwrite
    }

    fn no_key(&self) -> Error {
        let table = &self.table;
        Error::config_at(
            "key",
            format!(
                "REPLACE INTO {table} needs to know which columns tell its rows apart: add OPTIONS ('key' 'id'), or a PRIMARY KEY"
            ),
        )
    }
}

#[async_trait]
impl Sink for PostgresSink {
    async fn plan(&self, query: &SchemaRef, mode: WriteMode) -> Result<SinkPlan> {
        if mode == WriteMode::Upsert && self.key.is_empty() {
            return Err(self.no_key());
        }
        let mut client = Client::connect(&self.config).await?;
        if client.is_redshift() {
            return Err(Error::config_at("WAREHOUSE", format!("{}; {TO_REDSHIFT}", redshift_at(&self.config))));
        }
        let target = Target::find(client.driver(), &self.name).await?;
        let is_new = target.is_none();
        let is_replaced = self.is_replaced(mode);
        let target = target.filter(|_| !is_replaced);
        let target = match (target, &self.declared) {
            (None, Some(declared)) => Some(ddl::declared(&self.name, declared)?),
            (target, _) => target,
        };
        let wanted = if mode == WriteMode::Upsert { self.key.as_slice() } else { &[] };
        self.upserts.check(&self.table, query, mode, &self.key)?;
        let marker = marker(query, &self.upserts, mode)?;
        let kept = self.upserts.kept(query, mode);
        let met = meet(&self.name, target.as_ref(), &kept, &[]);
        let columns = met.map_err(|error| self.upserts.told(&self.table, mode, error))?.columns;
        let key = resolve(&self.name, "key", &columns, wanted)?;
        let meeting = meet(&self.name, target.as_ref(), &kept, &key)?;
        let copied = copied(&meeting.columns, marker.as_ref(), false);
        let schema = staged(&copied);
        check_key(&self.table, &schema, &key)?;
        if let Some(target) = &target {
            views::check(client.driver(), &self.name, target, &meeting.changes).await?;
        }
        Ok(SinkPlan {
            in_order: has_loose_key(&meeting.columns, &key),
            schema,
            partition_by: Vec::new(),
            order_by: resolve(&self.name, "order_by", &copied, &self.order_by)?,
            key,
            changes: match (is_new, is_replaced) {
                (true, _) => vec![Change::Create],
                (false, true) => Vec::new(),
                (false, false) => meeting.changes,
            },
        })
    }

    async fn gate(&self, plan: &SinkPlan) -> Result<Option<Arc<dyn Gate>>> {
        let mut client = Client::connect(&self.config).await?;
        let there = Target::find(client.driver(), &self.name).await?.filter(|_| !self.replaces_columns);
        let target = match (there, &self.declared) {
            (None, Some(declared)) => Some(ddl::declared(&self.name, declared)?),
            (target, _) => target,
        };
        // Only upserts have a key, and rows that say that they are deleted.
        let mode = if plan.key.is_empty() { WriteMode::Append } else { WriteMode::Upsert };
        let marker = marker(&plan.schema, &self.upserts, mode)?;
        let kept = self.upserts.kept(&plan.schema, mode);
        let columns = copied(&meet(&self.name, target.as_ref(), &kept, &plan.key)?.columns, marker.as_ref(), false);
        Ok(Some(Arc::new(ColumnGate {
            columns: GateColumns { columns, deletes: self.upserts.deleted_index(&plan.schema, mode) },
            handling: self.handling,
        })))
    }

    fn preload(&self, plan: &SinkPlan, mode: WriteMode) -> Option<Box<dyn Preload>> {
        if self.is_late.load(Ordering::Relaxed) || self.is_replaced(mode) {
            return None;
        }
        let (table, name, ledger) = (self.table.clone(), self.name.clone(), self.ledger.clone());
        let plan = SinkPlan { schema: self.comments.on(&plan.schema), ..plan.clone() };
        let (config, upserts, is_late) = (self.config.clone(), self.upserts.clone(), Arc::clone(&self.is_late));
        let order = Order { table, name, ledger, config, plan, mode, upserts, is_late };
        Some(Box::new(PostgresPreload::begin(order)))
    }

    async fn committed(&self, batch: &BatchId) -> Result<bool> {
        let mut client = Client::connect(&self.config).await?;
        self.ledger.holds(client.driver(), batch).await
    }

    async fn exists(&self) -> Result<Option<bool>> {
        let mut client = Client::connect(&self.config).await?;
        Ok(Some(Target::find(client.driver(), &self.name).await?.is_some()))
    }

    async fn audit(&self) -> Result<Option<Audit>> {
        let mut client = Client::connect(&self.config).await?;
        let deletes = self.upserts.deleted.is_some();
        Ok(Some(Audit { deletes, ..audit(client.driver(), &self.name, &self.ledger, &self.key).await? }))
    }

    /// An outcome that is not known, because the connection was lost at COMMIT, is known to the next try: it waits for the end of that
    /// transaction, and looks into the ledger before it does anything.
    async fn commit(&self, batch: &Batch) -> Result<Receipt> {
        let mut pause = PAUSE;
        for attempt in 1..=ATTEMPTS {
            match self.attempt(batch).await {
                Ok(()) => return Ok(batch.receipt()),
                Err(error) if error.retry() && attempt < ATTEMPTS => {
                    tracing::warn!(table = self.table, attempt, %error, "a load is tried again");
                    self.clock.sleep(pause + pause.mul_f64(rand::random())).await;
                    pause *= 2;
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::internal("a load was neither done nor refused"))
    }
}
