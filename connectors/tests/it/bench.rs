//! What the tests of files share: a folder of files and the lake beside it, slices read from it.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use connectors::Result;
use connectors::clock::SystemClock;
use connectors::context::{Context, TableComments, TableSpec};
use connectors::reddit::RedditConfig;
use connectors::registry::connector;
use connectors::source::{BadRecord, Offset, SliceLimits, SliceRequest, Source};
use connectors::staging::StagingSizes;
use connectors::stores::{S3Config, Stores};
use datafusion::execution::runtime_env::RuntimeEnv;
use tempfile::TempDir;
use testkit::s3::S3Server;

pub(crate) const HUGE: SliceLimits = SliceLimits { rows: u64::MAX, bytes: u64::MAX };

/// A folder of files and the lake beside it.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) context: Context,
}

pub(crate) fn context(lake: &str, s3: S3Config) -> Context {
    Context {
        stores: Arc::new(Stores::new(lake, s3).unwrap()),
        reddit: RedditConfig::default(),
        warehouse: connectors::warehouse::WarehouseConfig::default(),
        sizes: StagingSizes::default(),
        runtime: Arc::new(RuntimeEnv::default()),
        clock: Arc::new(SystemClock),
    }
}

/// With a lake on an S3 server.
pub(crate) fn context_on(server: &S3Server) -> Context {
    let s3 = S3Config {
        endpoint: Some(server.endpoint()),
        region: Some(server.region().to_owned()),
        access_key_id: Some(server.access_key().to_owned()),
        secret_access_key: Some(server.secret_key().to_owned()),
        ..S3Config::default()
    };
    context(&format!("s3://{}/lake", testkit::s3::BUCKET), s3)
}

pub(crate) fn spec(format: &str, location: &str, columns: Option<SchemaRef>, options: &[(&str, &str)]) -> TableSpec {
    TableSpec {
        name: "t".into(),
        connector: format.into(),
        location: location.into(),
        series: None,
        partition_by: vec![],
        columns,
        primary_key: vec![],
        options: options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        comments: TableComments::default(),
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let context = context(folder.path().join("lake").to_str().unwrap(), S3Config::default());
        Self { folder, context }
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.folder.path().join("in").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub(crate) async fn open(&self, table: &TableSpec) -> Result<Arc<dyn Source>> {
        let home = self.context.locate("lake://.engine/sources/p/t").unwrap();
        connector(&table.connector).unwrap().source(table, home, &self.context).await
    }

    pub(crate) async fn source(&self, format: &str, columns: Option<SchemaRef>, options: &[(&str, &str)]) -> Arc<dyn Source> {
        let location = format!("{}/", self.folder.path().join("in").display());
        self.open(&spec(format, &location, columns, options)).await.unwrap()
    }
}

pub(crate) fn columns(fields: &[(&str, DataType)]) -> Option<SchemaRef> {
    let fields: Vec<Field> = fields.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect();
    Some(Arc::new(Schema::new(fields)))
}

pub(crate) fn id_name() -> Option<SchemaRef> {
    columns(&[("id", DataType::Int64), ("name", DataType::Utf8)])
}

/// What one slice gave.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) bad: Vec<BadRecord>,
    pub(crate) offset: Offset,
    pub(crate) more: bool,
}

impl Read {
    pub(crate) fn ids(&self) -> Vec<i64> {
        let ids = self.batches.iter().flat_map(|batch| batch.column_by_name("id").unwrap().as_primitive::<Int64Type>().iter());
        ids.map(|id| id.unwrap_or(-1)).collect()
    }

    pub(crate) fn texts(&self, column: &str) -> Vec<String> {
        let text = |batch: &RecordBatch| {
            let array = batch.column_by_name(column).unwrap();
            (0..array.len()).map(|row| arrow::util::display::array_value_to_string(array, row).unwrap()).collect::<Vec<_>>()
        };
        self.batches.iter().flat_map(text).collect()
    }
}

pub(crate) async fn read(source: &Arc<dyn Source>, offset: Option<&Offset>, limits: SliceLimits) -> Result<Read> {
    let mut slice = source.read(offset, &SliceRequest::new(limits, None)).await?;
    let (mut batches, mut bad) = (Vec::new(), Vec::new());
    loop {
        let batch = slice.next_batch().await?;
        bad.extend(slice.take_bad());
        let Some(batch) = batch else { break };
        batches.push(batch);
    }
    let fault = slice.take_fault();
    assert!(fault.is_none(), "{fault:?}");
    let end = slice.end().await?;
    Ok(Read { batches, bad, offset: end.offset, more: end.more })
}

pub(crate) async fn error(source: &Arc<dyn Source>) -> String {
    read(source, None, HUGE).await.unwrap_err().to_string()
}

pub(crate) fn gzip(text: &str) -> Vec<u8> {
    let mut child = std::process::Command::new("gzip")
        .arg("-c")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap().stdout
}

pub(crate) fn parquet(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}
