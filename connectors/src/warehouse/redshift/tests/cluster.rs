//! A stand-in for Redshift with an S3 server beside it, the context of an engine that loads it, and loads as the engine makes them.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Schema, SchemaRef};
use object_store::ObjectStoreExt;
use redshift_sim::{Fault, FaultKind, Isolation, RedshiftSim, S3Options, SimOptions};
use testkit::s3::{BUCKET, Operation, S3Server};
use tokio::sync::oneshot::Receiver;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::context::{Context, TableComments, TableSpec};
use crate::error::Result;
use crate::lake::testing::local_lake;
use crate::registry::Connector;
use crate::sink::{Batch, BatchId, Receipt, Sink, SinkPlan, WriteMode};
use crate::staging::StagingWriter;
use crate::stores::{S3Config, Stores};
use crate::testing::stage;
use crate::warehouse::redshift::config::RedshiftConfig;
use crate::warehouse::redshift::session::Session;
use crate::warehouse::{Warehouse, WarehouseConfig};

/// The folder of files that wait for COPY.
const STAGING: &str = "staging/";

pub(crate) const MODES: [WriteMode; 3] = [WriteMode::Append, WriteMode::Overwrite, WriteMode::Upsert];

/// How the engine reaches the stand-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Connection,
    DataApi,
}

/// One of the ways to a stand-in, at one isolation level.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) way: Way,
    pub(crate) isolation: Isolation,
}

pub(crate) struct Cluster {
    sim: RedshiftSim,
    pub(crate) way: Way,
    s3: S3Server,
    client: Client,
    pub(crate) context: Context,
    _lake: tempfile::TempDir,
}

/// A connection that only looks.
pub(crate) struct Reader(Client);

impl Cluster {
    /// `None`, having said so, where there is no PostgreSQL; in CI that is an error.
    pub(crate) async fn start(setup: Setup) -> Option<Self> {
        let s3 = S3Server::start().await.unwrap();
        let options = SimOptions {
            s3: S3Options {
                endpoint: Some(s3.endpoint()),
                region: Some(s3.region().to_owned()),
                access_key: Some(s3.access_key().to_owned()),
                secret_key: Some(s3.secret_key().to_owned()),
                ..S3Options::default()
            },
            isolation: setup.isolation,
            data_api_port: Some(0),
            prepared: Some(testkit::target_directory().unwrap().join("tmp/redshift-sim")),
            ..SimOptions::default()
        };
        let sim = match RedshiftSim::start(options).await {
            Ok(sim) => sim,
            Err(error @ redshift_sim::Error::NoPostgres { .. }) if std::env::var_os("CI").is_none() => {
                eprintln!("skipped: {error}");
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        let (lake, mut context) = local_lake();
        context.stores = Arc::new(Stores::new(lake.path().to_str().unwrap(), s3_config(&s3)).unwrap());
        context.warehouse = WarehouseConfig {
            staging: Some(format!("s3://{BUCKET}/{STAGING}")),
            iam_role: Some("arn:aws:iam::123456789012:role/loader".to_owned()),
            ..WarehouseConfig::default()
        };
        let client = connect(&sim).await;
        let mut cluster = Self { sim, way: setup.way, s3, client, context, _lake: lake };
        cluster.go_by(setup.way);
        Some(cluster)
    }

    /// The engine takes this way from now on.
    pub(crate) fn go_by(&mut self, way: Way) {
        let settings = &mut self.context.warehouse;
        settings.endpoint = self.sim.data_api_endpoint();
        settings.url = Some(match way {
            Way::Connection => self.sim.url().replacen("postgres://", "redshift://", 1),
            Way::DataApi => format!("redshift-data://redshift-sim/{}", self.sim.database()),
        });
        self.way = way;
    }

    /// A session as the engine has it.
    pub(crate) async fn session(&self) -> Session {
        let url = self.context.warehouse.url.clone().unwrap();
        RedshiftConfig::read(&url, &self.context).unwrap().session().await.unwrap()
    }

    /// A table in the schema `public`, with the key `id`.
    pub(crate) fn table(&self, name: &str, options: &[(&str, &str)]) -> TableSpec {
        TableSpec {
            name: name.to_owned(),
            connector: "WAREHOUSE".to_owned(),
            location: format!("public.{name}"),
            series: None,
            partition_by: Vec::new(),
            columns: None,
            primary_key: vec!["id".to_owned()],
            options: options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            comments: TableComments::default(),
        }
    }

    /// Rows of one statement: values joined by `|`, NULL as `-`.
    pub(crate) async fn sql(&self, statement: &str) -> Vec<String> {
        answer(&self.client, statement).await
    }

    /// The engine is this user from now on.
    pub(crate) fn log_in(&mut self, user: &str, password: &str) {
        let (address, database) = (self.sim.address(), self.sim.database());
        self.context.warehouse.url = Some(match self.way {
            Way::Connection => format!("redshift://{user}@{address}/{database}"),
            Way::DataApi => format!("redshift-data://redshift-sim/{database}?type=cluster&db_user={user}"),
        });
        self.context.warehouse.password = Some(password.to_owned());
    }

    pub(crate) async fn reader(&self) -> Reader {
        Reader(connect(&self.sim).await)
    }

    /// The next load of `table` meets `fault`.
    pub(crate) fn fail_once(&self, fault: FaultKind, table: &str) {
        // COPY may fill another table first, and a request has none.
        let is_of_any = matches!(fault, FaultKind::CutDuringCopy | FaultKind::LoseAnswer | FaultKind::Throttle);
        self.sim.faults().push(if is_of_any { Fault::new(fault) } else { Fault::new(fault).on(table) });
    }

    /// Faults that have not come.
    pub(crate) fn faults_left(&self) -> usize {
        self.sim.faults().pending()
    }

    /// Objects that wait for COPY.
    pub(crate) fn staged(&self) -> Vec<String> {
        self.s3.object_keys(BUCKET).into_iter().filter(|key| key.starts_with(STAGING)).collect()
    }

    /// Requests so far that put a file whose key has `part` in it where COPY finds it.
    pub(crate) fn uploads(&self, part: &str) -> usize {
        self.s3.requests().count(Operation::PutObject, part)
    }

    pub(crate) async fn put(&self, key: &str) {
        let place = self.context.locate(&format!("s3://{BUCKET}/{key}")).unwrap();
        place.store.put(&place.path, "left behind".into()).await.unwrap();
    }
}

impl Reader {
    /// Asks again and again until it is told to stop; every answer it got.
    pub(crate) async fn poll(&self, query: &str, mut stop: Receiver<()>) -> Vec<String> {
        let mut seen = Vec::new();
        while stop.try_recv().is_err() {
            seen.extend(answer(&self.0, query).await);
        }
        seen
    }
}

fn s3_config(s3: &S3Server) -> S3Config {
    S3Config {
        endpoint: Some(s3.endpoint()),
        region: Some(s3.region().to_owned()),
        access_key_id: Some(s3.access_key().to_owned()),
        secret_access_key: Some(s3.secret_key().to_owned()),
        ..S3Config::default()
    }
}

async fn connect(sim: &RedshiftSim) -> Client {
    let (client, connection) = tokio_postgres::connect(&sim.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn answer(client: &Client, statement: &str) -> Vec<String> {
    let messages = client.simple_query(statement).await.unwrap();
    let text = |message| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|column| row.get(column).unwrap_or("-").to_owned()).collect::<Vec<_>>().join("|"))
        }
        _ => None,
    };
    messages.into_iter().filter_map(text).collect()
}

/// Columns by name, as a batch.
pub(crate) fn rows(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, values)| (name, values, true))).unwrap()
}

pub(crate) fn numbers(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

pub(crate) fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// `id` and `v`.
pub(crate) fn pairs(pairs: &[(i64, &str)]) -> RecordBatch {
    let (ids, values): (Vec<i64>, Vec<&str>) = pairs.iter().copied().unzip();
    rows(vec![("id", numbers(&ids)), ("v", texts(&values))])
}

pub(crate) fn id(table: &TableSpec, epoch: u64) -> BatchId {
    BatchId { pipeline: "shop".into(), incarnation: "1".into(), flow: table.name.clone(), epoch }
}

pub(crate) async fn sink(cluster: &Cluster, table: &TableSpec) -> Arc<dyn Sink> {
    Warehouse.sink(table, &cluster.context).await.unwrap()
}

pub(crate) async fn plan(cluster: &Cluster, table: &TableSpec, schema: &SchemaRef, mode: WriteMode) -> Result<SinkPlan> {
    sink(cluster, table).await.plan(schema, mode).await
}

/// Plans and stages.
pub(crate) async fn batch(
    cluster: &Cluster,
    table: &TableSpec,
    epoch: u64,
    mode: WriteMode,
    rows: &RecordBatch,
) -> Result<Batch> {
    let (plan, staged) = planned(cluster, table, mode, rows).await?;
    let (folder, schema) = (format!("{}-{epoch}", table.name), staged.schema());
    let batches = if staged.num_rows() == 0 { vec![] } else { vec![staged] };
    let files = stage(&cluster.context, &folder, &schema, &[], batches).await?;
    Ok(Batch { id: id(table, epoch), mode, schema, partition_by: vec![], key: plan.key, files })
}

/// Plans, has the gate look at the rows, and stages them as it wants them, as the engine does.
pub(crate) async fn gated(
    cluster: &Cluster,
    table: &TableSpec,
    epoch: u64,
    mode: WriteMode,
    rows: &RecordBatch,
) -> Result<Batch> {
    let (plan, staged) = planned(cluster, table, mode, rows).await?;
    let gate = sink(cluster, table).await.gate(&plan).await?.unwrap();
    let (context, schema) = (&cluster.context, staged.schema());
    let folder = context.stores.lake()?.join("_staging").join(&format!("{}-{epoch}", table.name));
    let mut writer = match gate.form() {
        Some(form) => StagingWriter::formed(form, folder, Arc::clone(&schema), &[], context.sizes, &context.runtime)?,
        None => StagingWriter::new(folder, Arc::clone(&schema), &[], context.sizes, &context.runtime)?,
    };
    writer.write(gate.pass(staged)?.rows).await?;
    let files = writer.finish().await?;
    Ok(Batch { id: id(table, epoch), mode, schema, partition_by: vec![], key: plan.key, files })
}

/// The plan, and the rows in its types.
async fn planned(cluster: &Cluster, table: &TableSpec, mode: WriteMode, rows: &RecordBatch) -> Result<(SinkPlan, RecordBatch)> {
    let plan = plan(cluster, table, &rows.schema(), mode).await?;
    let mut columns = Vec::new();
    for field in plan.schema.fields() {
        columns.push(arrow::compute::cast(rows.column_by_name(field.name()).unwrap(), field.data_type()).unwrap());
    }
    let fields: Vec<_> = plan.schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    Ok((plan, RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()))
}

pub(crate) async fn load(
    cluster: &Cluster,
    table: &TableSpec,
    epoch: u64,
    mode: WriteMode,
    rows: &RecordBatch,
) -> Result<Receipt> {
    let batch = batch(cluster, table, epoch, mode, rows).await?;
    sink(cluster, table).await.commit(&batch).await
}

pub(crate) async fn holds(cluster: &Cluster, table: &str, columns: &str, expected: &[&str]) {
    assert_eq!(cluster.sql(&format!("SELECT {columns} FROM {table} ORDER BY 1")).await, expected, "{table}");
}
