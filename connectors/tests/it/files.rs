//! JSON, CSV and PARQUET files as sources, on local disk and on S3.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, AsArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use connectors::clock::SystemClock;
use connectors::context::{Context, TableSpec};
use connectors::reddit::RedditConfig;
use connectors::registry::connector;
use connectors::replay::{Purpose, ReplayRequest, Replayed};
use connectors::source::{BadRecord, Offset, SliceLimits, SliceRequest, Source};
use connectors::staging::StagingSizes;
use connectors::stores::{S3Config, Stores};
use connectors::testing::source_contract;
use connectors::{Error, Result};
use datafusion::execution::runtime_env::RuntimeEnv;
use object_store::ObjectStoreExt;
use tempfile::TempDir;
use testkit::s3::{Operation, S3Server};

pub(crate) const HUGE: SliceLimits = SliceLimits { rows: u64::MAX, bytes: u64::MAX };

/// A folder of files and the lake beside it.
pub(super) struct Bench {
    folder: TempDir,
    pub(super) context: Context,
}

pub(crate) fn context(lake: &str, s3: S3Config) -> Context {
    Context {
        stores: Arc::new(Stores::new(lake, s3).unwrap()),
        reddit: RedditConfig::default(),
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
        partition_by: vec![],
        columns,
        primary_key: vec![],
        options: options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    }
}

impl Bench {
    pub(super) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let context = context(folder.path().join("lake").to_str().unwrap(), S3Config::default());
        Self { folder, context }
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.folder.path().join("in").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub(super) async fn open(&self, table: &TableSpec) -> Result<Arc<dyn Source>> {
        let home = self.context.locate("lake://.engine/sources/p/t").unwrap();
        connector(&table.connector).unwrap().source(table, home, &self.context).await
    }

    async fn source(&self, format: &str, columns: Option<SchemaRef>, options: &[(&str, &str)]) -> Arc<dyn Source> {
        let location = format!("{}/", self.folder.path().join("in").display());
        self.open(&spec(format, &location, columns, options)).await.unwrap()
    }
}

fn columns(fields: &[(&str, DataType)]) -> Option<SchemaRef> {
    let fields: Vec<Field> = fields.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect();
    Some(Arc::new(Schema::new(fields)))
}

pub(crate) fn id_name() -> Option<SchemaRef> {
    columns(&[("id", DataType::Int64), ("name", DataType::Utf8)])
}

/// What one slice gave.
#[derive(Debug)]
pub(crate) struct Read {
    batches: Vec<RecordBatch>,
    bad: Vec<BadRecord>,
    pub(crate) offset: Offset,
    pub(crate) more: bool,
}

impl Read {
    pub(crate) fn ids(&self) -> Vec<i64> {
        let ids = self.batches.iter().flat_map(|batch| batch.column_by_name("id").unwrap().as_primitive::<Int64Type>().iter());
        ids.map(|id| id.unwrap_or(-1)).collect()
    }

    fn texts(&self, column: &str) -> Vec<String> {
        let text = |batch: &RecordBatch| {
            let array = batch.column_by_name(column).unwrap();
            (0..array.len()).map(|row| arrow::util::display::array_value_to_string(array, row).unwrap()).collect::<Vec<_>>()
        };
        self.batches.iter().flat_map(text).collect()
    }
}

pub(crate) async fn read(source: &Arc<dyn Source>, offset: Option<&Offset>, limits: SliceLimits) -> Result<Read> {
    let mut slice = source.read(offset, &SliceRequest { limits, columns: None }).await?;
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

pub(super) async fn error(source: &Arc<dyn Source>) -> String {
    read(source, None, HUGE).await.unwrap_err().to_string()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut child = std::process::Command::new("gzip")
        .arg("-c")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap().stdout
}

fn parquet(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_format_keeps_the_contract_of_a_source() {
    for (format, ending) in [("JSON", "json"), ("CSV", "csv"), ("PARQUET", "parquet")] {
        let bench = Bench::new();
        for file in 0..4_i64 {
            let ids: Vec<i64> = (file * 10..file * 10 + 3 + file).collect();
            let names: Vec<String> = ids.iter().map(|id| format!("name {id}")).collect();
            let batch = RecordBatch::try_new(
                id_name().unwrap(),
                vec![Arc::new(Int64Array::from(ids.clone())), Arc::new(StringArray::from(names.clone()))],
            )
            .unwrap();
            let json: String =
                ids.iter().zip(&names).map(|(id, name)| format!("{{\"id\":{id},\"name\":\"{name}\"}}\n")).collect();
            let csv: String = ids.iter().zip(&names).map(|(id, name)| format!("{id},{name}\n")).collect();
            let bytes = match format {
                "JSON" if file == 2 => gzip(&json),
                "JSON" => json.into_bytes(),
                "CSV" => format!("id,name\n{csv}").into_bytes(),
                _ => parquet(&batch),
            };
            bench.write(&format!("d/{file}.{ending}"), bytes);
        }
        for declared in [id_name(), None] {
            let source = bench.source(format, declared, &[("file_columns", "true")]).await;
            source_contract(source).await.unwrap_or_else(|broken| panic!("{format}: {broken}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_file_is_read_alone_and_a_known_one_never_again() {
    let bench = Bench::new();
    bench.write("b.json", "{\"id\":1,\"name\":\"x\"}\n{\"id\":2}\n");
    let source = bench.source("JSON", id_name(), &[("file_columns", "true")]).await;
    let first = read(&source, None, HUGE).await.unwrap();
    assert_eq!((first.ids(), first.more), (vec![1, 2], false));
    assert!(first.texts("_file")[0].ends_with("/in/b.json"), "{:?}", first.texts("_file"));
    assert_eq!(first.texts("_file_row"), ["1", "2"]);
    bench.write("a.json", "{\"id\":3}");
    let second = read(&source, Some(&first.offset), HUGE).await.unwrap();
    assert_eq!(second.ids(), [3]);
    let third = read(&source, Some(&second.offset), HUGE).await.unwrap();
    assert_eq!((third.ids().len(), &third.offset), (0, &second.offset));
    assert!(source.describe(&third.offset).starts_with("2 files, "), "{}", source.describe(&third.offset));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_in_the_middle_of_a_file_goes_on_behind_what_was_committed() {
    let bench = Bench::new();
    let lines: String = (0..10).map(|id| format!("{{\"id\":{id}}}\n")).collect();
    bench.write("m.json.gz", gzip(&lines));
    bench.write("z.json", "{\"id\":99}");
    let source = bench.source("JSON", id_name(), &[]).await;
    let first = read(&source, None, SliceLimits { rows: 4, bytes: u64::MAX }).await.unwrap();
    assert_eq!((first.ids(), first.more), (vec![0, 1, 2, 3], true));
    // Another process: nothing is remembered but the offset; meanwhile a file came that is before the one that is open.
    bench.write("a.json", "{\"id\":50}");
    let source = bench.source("JSON", id_name(), &[]).await;
    let rest = read(&source, Some(&first.offset), HUGE).await.unwrap();
    assert_eq!(rest.ids(), [4, 5, 6, 7, 8, 9, 50, 99]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_records_fail_are_put_aside_or_become_null() {
    let bench = Bench::new();
    bench.write("a.json", "{\"id\":1}\n{\"id\":\"x\"}\nnonsense\n{\"id\":4}\n");
    let failing = bench.source("JSON", id_name(), &[]).await;
    let text = error(&failing).await;
    for part in ["/in/a.json row 2 (line 2, byte 10), column 'id': 'x' is not a BIGINT", "'on_error' 'quarantine'"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let quarantine = bench.source("JSON", id_name(), &[("on_error", "quarantine"), ("max_bad_ratio", "1")]).await;
    let aside = read(&quarantine, None, HUGE).await.unwrap();
    assert_eq!(aside.ids(), [1, 4]);
    let bad = &aside.bad;
    assert_eq!(
        (bad[0].raw.as_slice(), bad[0].row, bad[0].line, bad[0].offset),
        (&b"{\"id\":\"x\"}"[..], Some(2), Some(2), Some(9))
    );
    assert_eq!((bad[0].column.as_deref(), bad[1].column.as_deref(), bad[1].line), (Some("id"), None, Some(3)));
    let null = bench.source("JSON", id_name(), &[("on_error", "null")]).await;
    let kept = read(&null, None, HUGE).await.unwrap();
    assert_eq!(kept.ids(), [1, -1, 4]);
    assert_eq!(kept.bad.iter().map(|bad| bad.kept).collect::<Vec<_>>(), [true, false]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncated_file_is_reported() {
    let bench = Bench::new();
    let lines: String = (0..2_000).map(|id| format!("{{\"id\":{id},\"name\":\"{}\"}}\n", id * 7919 % 1000)).collect();
    let whole = gzip(&lines);
    bench.write("a.json.gz", &whole[..whole.len() / 2]);
    let text = error(&bench.source("JSON", id_name(), &[]).await).await;
    assert!(text.contains("a.json.gz") && text.contains("truncated"), "{text}");
    bench.write("a.json.gz", [whole.clone(), gzip("{\"id\":-5}")].concat());
    let both = read(&bench.source("JSON", id_name(), &[]).await, None, HUGE).await.unwrap();
    assert_eq!((both.ids().len(), both.ids().last()), (2_001, Some(&-5)), "a file of several compressed ones");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn csv_files_of_several_vintages_are_one_table() {
    let bench = Bench::new();
    bench.write("1.csv", "id,name,Zip Code\n1,\"a, b\",00123\n2,,\n");
    bench.write("2.csv", "\u{feff}zip_code;NAME;ID;extra\r\n00456;\"x\ny\";3;e\r\n");
    let mut utf16: Vec<u8> = vec![0xff, 0xfe];
    utf16.extend("label\tid\nz\u{fc}\t4\n".encode_utf16().flat_map(u16::to_le_bytes));
    bench.write("3.tsv", utf16);
    bench.write("4.csv", b"id,name\n5,caf\xe9\n");
    let declared = columns(&[("id", DataType::Int64), ("name", DataType::Utf8), ("zip_code", DataType::Utf8)]);
    let all = read(&bench.source("CSV", declared, &[("rename", "label=name")]).await, None, HUGE).await.unwrap();
    assert_eq!(all.ids(), [1, 2, 3, 4, 5]);
    assert_eq!(all.texts("name"), ["a, b", "", "x\ny", "z\u{fc}", "caf\u{e9}"]);
    assert_eq!(all.texts("zip_code"), ["00123", "", "00456", "", ""]);

    let foreign = Bench::new();
    foreign.write("a.csv", "x,y\n1,2\n");
    let text = error(&foreign.source("CSV", id_name(), &[]).await).await;
    assert!(text.contains("none of the table's columns (id, name)") && text.contains("x, y"), "{text}");

    let ragged = Bench::new();
    ragged.write("a.csv", "id,name\n1,a\n2\n3,c,d\n4,e,\n");
    let text = error(&ragged.source("CSV", id_name(), &[]).await).await;
    assert!(text.contains("row 2 (line 3, byte 13): the record has 1 cells, 2 expected"), "{text}");
    let taken = read(&ragged.source("CSV", id_name(), &[("ragged", "true")]).await, None, HUGE).await.unwrap();
    assert_eq!(taken.ids(), [1, 2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parquet_files_of_several_schemas_are_one_table() {
    let bench = Bench::new();
    let file = |name: &str, field: Field, array: Arc<dyn Array>| {
        let schema = Arc::new(Schema::new(vec![field]));
        bench.write(name, parquet(&RecordBatch::try_new(schema, vec![array]).unwrap()));
    };
    file("1.parquet", Field::new("id", DataType::Int32, true), Arc::new(Int32Array::from(vec![1, 2])));
    file(
        "2.parquet",
        Field::new("ID", DataType::Float64, true),
        Arc::new(arrow::array::Float64Array::from(vec![Some(3.0), None])),
    );
    file(
        "3.parquet",
        Field::new("id", DataType::LargeUtf8, true),
        Arc::new(arrow::array::LargeStringArray::from(vec!["4", "x"])),
    );
    file("4.parquet", Field::new("id", DataType::Null, true), Arc::new(arrow::array::NullArray::new(1)));
    let source = bench.source("PARQUET", columns(&[("id", DataType::Int64)]), &[("on_error", "quarantine")]).await;
    let all = read(&source, None, HUGE).await.unwrap();
    assert_eq!(all.ids(), [1, 2, 3, -1, 4, -1]);
    assert_eq!(all.bad.len(), 1);
    assert_eq!((all.bad[0].row, all.bad[0].column.as_deref()), (Some(2), Some("id")));
    assert!(all.bad[0].reason.contains("x (LargeUtf8) is not a BIGINT"), "{}", all.bad[0].reason);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parquet_numbers_are_not_cut_and_members_are_found_by_name() {
    let bench = Bench::new();
    let doubles = Arc::new(arrow::array::Float64Array::from(vec![1.0, 1.5]));
    let address = arrow::array::StructArray::from(vec![
        (Arc::new(Field::new("street", DataType::Utf8, true)), Arc::new(StringArray::from(vec!["s", "t"])) as Arc<dyn Array>),
        (Arc::new(Field::new("city", DataType::Utf8, true)), Arc::new(StringArray::from(vec!["c", "d"])) as Arc<dyn Array>),
    ]);
    let schema =
        Schema::new(vec![Field::new("id", DataType::Float64, true), Field::new("address", address.data_type().clone(), true)]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![doubles, Arc::new(address)]).unwrap();
    bench.write("a.parquet", parquet(&batch));
    let member = |name: &str| Field::new(name, DataType::Utf8, true);
    let declared = columns(&[("id", DataType::Int64), ("address", DataType::Struct(vec![member("city"), member("zip")].into()))]);
    let source = bench.source("PARQUET", declared, &[("on_error", "quarantine"), ("max_bad_ratio", "1")]).await;
    let all = read(&source, None, HUGE).await.unwrap();
    assert_eq!((all.ids(), all.texts("address")), (vec![1], vec!["{city: c, zip: }".to_owned()]));
    assert!(all.bad[0].reason.contains("1.5 (Float64) is not a BIGINT"), "{:?}", all.bad);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_object_of_s3_is_read_in_parts_and_console_folders_are_passed_over() {
    let server = S3Server::start().await.unwrap();
    let (bucket, context) = (testkit::s3::BUCKET, context_on(&server));
    let put = async |key: &str, text: String| {
        let place = context.locate(&format!("s3://{bucket}/{key}")).unwrap();
        place.store.put(&place.path, text.into()).await.unwrap();
    };
    let lines: String = (0..100_000).map(|id| format!("{{\"id\":{id},\"name\":\"{id:0>60}\"}}\n")).collect();
    assert!(lines.len() > 6 << 20);
    put("in/big.json", lines).await;
    put("in", String::new()).await;
    let table = spec("JSON", &format!("s3://{bucket}/in"), id_name(), &[]);
    let home = context.locate("lake://.engine/sources/p/t").unwrap();
    let source = connector("JSON").unwrap().source(&table, home, &context).await.unwrap();
    let all = read(&source, None, HUGE).await.unwrap();
    assert_eq!((all.ids().len(), all.ids().last()), (100_000, Some(&99_999)));
    let asked = server.requests().all().into_iter();
    let parts = asked.filter(|request| request.operation == Operation::GetObject && request.key == "in/big.json").count();
    assert!(parts > 2, "{parts} requests: one of the whole would be cut off by its timeout");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folders_are_columns() {
    let bench = Bench::new();
    bench.write("day=2026-11-20/kind=a%2Fb/x.json", "{\"id\":1}");
    bench.write("day=2026-11-21/kind=__HIVE_DEFAULT_PARTITION__/x.json", "{\"id\":2}");
    let location = format!("{}/", bench.folder.path().join("in").display());
    let declared = columns(&[("id", DataType::Int64), ("day", DataType::Date32)]);
    let mut table = spec("JSON", &location, declared, &[]);
    table.partition_by = vec!["day".into(), "kind".into()];
    let all = read(&bench.open(&table).await.unwrap(), None, HUGE).await.unwrap();
    assert_eq!(all.texts("day"), ["2026-11-20", "2026-11-21"]);
    assert_eq!(all.texts("kind"), ["a/b", ""]);
    bench.write("loose.json", "{\"id\":3}");
    bench.write("day=2026-11-22/kind=b/report#1", "{\"id\":9}");
    let text = error(&bench.open(&table).await.unwrap()).await;
    assert!(text.contains("loose.json' is in no folder 'day=<value>'"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_are_found_and_a_new_one_is_learnt() {
    let bench = Bench::new();
    bench.write("1.json", "{\"Id\":1,\"at\":\"2026-11-21 10:00:00\",\"zip\":\"00123\",\"tags\":[{\"k\":1.5}]}\n");
    let source = bench.source("JSON", None, &[]).await;
    let shown: Vec<String> =
        source.schema().fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect();
    assert_eq!(shown, ["id Int64", "at Timestamp(\u{b5}s)", "zip Utf8", "tags List(Struct(\"k\": Float64))"].map(str::to_owned),);
    let first = read(&source, None, HUGE).await.unwrap();
    bench.write("2.json", "{\"id\":2}\n{\"id\":3,\"more\":true}\n");
    let changed = read(&source, Some(&first.offset), HUGE).await.unwrap_err();
    assert!(matches!(&changed, Error::SchemaChanged { message } if message.contains("more")), "{changed}");
    let source = bench.source("JSON", None, &[]).await;
    assert_eq!(source.schema().fields().last().unwrap().data_type(), &DataType::Boolean);
    let second = read(&source, Some(&first.offset), HUGE).await.unwrap();
    assert_eq!((second.ids(), second.texts("more")), (vec![2, 3], vec![String::new(), "true".to_owned()]));

    let empty = Bench::new();
    empty.write("readme.md", "x");
    let location = format!("{}/", empty.folder.path().join("in").display());
    let text = empty.open(&spec("JSON", &location, None, &[])).await.unwrap_err().to_string();
    assert!(text.contains("there is no record at"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_files_are_kept_in_runs_that_go_when_nothing_names_them() {
    let bench = Bench::new();
    for file in 0..700 {
        bench.write(&format!("{file:04}.json"), format!("{{\"id\":{file}}}"));
    }
    let source = bench.source("JSON", id_name(), &[]).await;
    let (mut offset, mut ids, mut offsets) = (None, Vec::new(), Vec::new());
    loop {
        let slice = read(&source, offset.as_ref(), SliceLimits { rows: 150, bytes: u64::MAX }).await.unwrap();
        ids.extend(slice.ids());
        assert!(slice.offset.0.len() < 30_000, "an offset of {} bytes", slice.offset.0.len());
        offsets.push(slice.offset.clone());
        offset = Some(slice.offset);
        if !slice.more {
            break;
        }
    }
    assert_eq!(ids, (0..700).collect::<Vec<_>>());
    let last = offset.unwrap();
    let runs = std::fs::read_dir(bench.folder.path().join("lake/.engine/sources/p/t/ledger")).unwrap().count();
    source.retain(&[&last]).await.unwrap();
    let kept = std::fs::read_dir(bench.folder.path().join("lake/.engine/sources/p/t/ledger")).unwrap().count();
    assert!(kept < runs && kept > 0, "{kept} of {runs} runs are kept");
    // In one go, the same files are known, whatever the runs.
    let other = Bench { folder: bench.folder, context: bench.context };
    let whole = read(&other.source("JSON", id_name(), &[]).await, None, HUGE).await.unwrap();
    assert_eq!(source.mark(&whole.offset), source.mark(&last));
    assert!(read(&source, Some(&last), HUGE).await.unwrap().ids().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_s3_are_read_and_one_written_anew_is_noticed() {
    let server = S3Server::start().await.unwrap();
    let (bucket, context) = (testkit::s3::BUCKET, context_on(&server));
    let put = async |key: &str, text: &str| {
        let place = context.locate(&format!("s3://{bucket}/{key}")).unwrap();
        place.store.put(&place.path, text.to_owned().into()).await.unwrap();
    };
    put("in/a b+c.json", "{\"id\":1}").await;
    put("in/sub/d.json", "{\"id\":2}").await;
    put("in/sub/e.csv", "x").await;
    let table = spec("JSON", &format!("s3://{bucket}/in/"), id_name(), &[("on_change", "reprocess")]);
    let home = context.locate("lake://.engine/sources/p/t").unwrap();
    let source = connector("JSON").unwrap().source(&table, home, &context).await.unwrap();
    let first = read(&source, None, HUGE).await.unwrap();
    assert_eq!(first.ids(), [1, 2]);
    put("in/sub/d.json", "{\"id\":3}").await;
    let second = read(&source, Some(&first.offset), HUGE).await.unwrap();
    assert_eq!(second.ids(), [3]);
    assert_eq!(read(&source, Some(&second.offset), HUGE).await.unwrap().ids(), [0_i64; 0]);
    source_contract(source).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folders_that_do_not_name_their_columns_are_typed_by_a_template() {
    let bench = Bench::new();
    bench.write("eu/2026/11/08/a.json", "{\"id\":1}");
    bench.write("us/2026/12/31/a.json", "{\"id\":2}");
    bench.write("us/b.json", "{\"id\":3}");
    let declared = columns(&[
        ("id", DataType::Int64),
        ("year", DataType::Int16),
        ("month", DataType::Int64),
        ("day", DataType::Utf8),
        ("region", DataType::Utf8),
    ]);
    let location = format!("{}/", bench.folder.path().join("in").display());
    let options = [("partitions", "{region}/{year}/{month}/{day}")];
    let mut table = spec("JSON", &location, declared, &options);
    table.partition_by = ["year", "month", "day", "region"].map(str::to_owned).to_vec();
    let rows = read(&bench.open(&table).await.unwrap(), None, HUGE).await.unwrap();
    assert_eq!(rows.ids(), [1, 2, 3]);
    let expected: [(&str, [&str; 3]); 4] =
        [("year", ["2026", "2026", ""]), ("month", ["11", "12", ""]), ("day", ["08", "31", ""]), ("region", ["eu", "us", "us"])];
    for (column, values) in expected {
        assert_eq!(rows.texts(column), values, "{column}");
    }
    assert_eq!(rows.batches[0].schema().field_with_name("year").unwrap().data_type(), &DataType::Int16);

    bench.write("us/2026/12/31/deeper/c.json", "{\"id\":4}");
    let deep = read(&bench.open(&table).await.unwrap(), None, HUGE).await.unwrap_err().to_string();
    assert!(deep.contains("c.json': folder 'us/2026/12/31/deeper' is deeper than the 4 levels"), "{deep}");
    table.location = format!("{location}us/*/*/*/*.json");
    table.options = vec![("partitions".into(), "{region}/{year}/{month}/{day}".into())];
    let pattern = read(&bench.open(&table).await.unwrap(), None, HUGE).await.unwrap();
    assert_eq!((pattern.ids(), pattern.texts("region")), (vec![2], vec!["us".to_owned()]));

    table.options = vec![("partitions".into(), "{region}/{yaer}/{month}/{day}".into())];
    let wrong = bench.open(&table).await.unwrap_err().to_string();
    assert!(wrong.contains("did you mean `year`?"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dates_of_folders_and_columns_are_read_in_the_form_that_is_said() {
    let bench = Bench::new();
    bench.write("20261121/a.json", "{\"id\":1,\"born\":\"03/04/2026\",\"user\":{\"since\":\"04/03/2026\"}}");
    let user = DataType::Struct(vec![Field::new("since", DataType::Date32, true)].into());
    let declared = columns(&[("id", DataType::Int64), ("born", DataType::Date32), ("user", user), ("date", DataType::Date32)]);
    let location = format!("{}/", bench.folder.path().join("in").display());
    let open = async |options: &[(&str, &str)]| {
        let mut table = spec("JSON", &location, declared.clone(), options);
        table.partition_by = vec!["date".into()];
        bench.open(&table).await
    };
    let options = [("partitions", "{date}"), ("form.date", "YMD"), ("form.born", "D/M/Y"), ("form.user.since", "M/D/Y")];
    let rows = read(&open(&options).await.unwrap(), None, HUGE).await.unwrap();
    for (column, expected) in [("date", "2026-11-21"), ("born", "2026-04-03"), ("user", "{since: 2026-04-03}")] {
        assert_eq!(rows.texts(column), [expected]);
    }
    let problem = async |options: &[(&str, &str)]| open(options).await.unwrap_err().to_string();
    assert_eq!(problem(&[("form.bron", "D/M/Y")]).await, "unknown column 'bron' of option 'form.bron'; did you mean 'born'?");
    assert!(problem(&[("form.born", "D/M")]).await.contains("unknown form 'D/M' of a date or timestamp"));
    assert_eq!(problem(&[("form.id", "D/M/Y")]).await, "option 'form.id': 'D/M/Y' is a form of dates, and column 'id' is BIGINT");
}

/// What a replay gave: the rows, and of each record how many it gave and what of it is still bad.
async fn replay(source: &Arc<dyn Source>, records: &[BadRecord]) -> Result<(Read, Vec<Replayed>)> {
    let mut replay = source.replay(&ReplayRequest { columns: None, purpose: Purpose::Commit })?;
    let mut became = Vec::new();
    for record in records {
        became.push(replay.record(record).await?);
    }
    let batches = replay.batch()?.into_iter().collect();
    assert!(replay.batch()?.is_none(), "rows are handed out once");
    Ok((Read { batches, bad: Vec::new(), offset: Offset(String::new()), more: false }, became))
}

/// The whole number of rows of a record none of which is bad.
fn good(rows: u64) -> Replayed {
    Replayed::Decoded { rows, bad: Vec::new() }
}

/// Why a record that gave no row is still bad.
fn reason(replayed: &Replayed) -> &str {
    match replayed {
        Replayed::Decoded { rows, bad } => {
            assert_eq!(*rows, 0, "{bad:?}");
            &bad[0].reason
        }
        Replayed::Impossible(why) => why,
    }
}

const ASIDE: [(&str, &str); 2] = [("on_error", "quarantine"), ("max_bad_ratio", "1")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_json_is_decoded_again_with_the_values_of_its_file() {
    let bench = Bench::new();
    bench.write(
        "day=2026-11-20/a.json",
        "{\"id\":1}\n{'id': 2, 'name': None}\n{\"id\":\"x\"}\n{'id': 4} {'id': 5}\n{'id': 6} {oops}\n{'list': [\n{\"id\":7}\n",
    );
    let location = format!("{}/", bench.folder.path().join("in").display());
    let table = |lenient: bool| {
        let mode = if lenient { "lenient" } else { "strict" };
        let options: Vec<_> = ASIDE.into_iter().chain([("file_columns", "true"), ("mode", mode)]).collect();
        let mut table = spec("JSON", &location, id_name(), &options);
        table.partition_by = vec!["day".into()];
        table
    };
    let strict = read(&bench.open(&table(false)).await.unwrap(), None, HUGE).await.unwrap();
    assert_eq!((strict.ids(), strict.bad.len()), (vec![1, 7], 5));
    let modified = strict.texts("_file_modified")[0].clone();
    // Nothing of the file is needed any more.
    std::fs::remove_dir_all(bench.folder.path().join("in")).unwrap();
    bench.write("day=2026-11-21/b.json", "{\"id\":9}");
    let source = bench.open(&table(true)).await.unwrap();
    let (rows, became) = replay(&source, &strict.bad).await.unwrap();
    assert_eq!(rows.ids(), [2, 4, 5, 6]);
    assert_eq!(rows.texts("_file_row"), ["2", "4", "4", "5"], "rows of one record have its number");
    assert_eq!(rows.texts("day"), ["2026-11-20"; 4]);
    assert!(rows.texts("_file_modified").iter().all(|time| *time == modified));
    assert!(rows.texts("_file")[0].ends_with("/in/day=2026-11-20/a.json"));
    assert_eq!((&became[0], &became[2]), (&good(1), &good(2)));
    assert_eq!(reason(&became[1]), "'x' is not a BIGINT");
    let Replayed::Decoded { rows: 1, bad } = &became[3] else { panic!("{:?}", became[3]) };
    assert_eq!((bad[0].raw.as_slice(), bad[0].line, bad[0].offset), (&b"{oops}"[..], Some(5), Some(74)));
    assert_eq!(bad[0].context, strict.bad[3].context);
    assert_eq!(reason(&became[4]), "the record ends before all that is open in it is closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_record_is_not_searched_for_rows_within_it() {
    let bench = Bench::new();
    bench.write("a.json", "[{\"id\":1},{'name': [\n{\"id\":2}\n]},{\"id\":3}]");
    let strict = bench.source("JSON", id_name(), &ASIDE).await;
    let first = read(&strict, None, HUGE).await.unwrap();
    assert_eq!((first.ids(), first.bad.len()), (vec![1, 3], 1));
    let (rows, became) = replay(&strict, &first.bad).await.unwrap();
    assert!(rows.batches.is_empty() && reason(&became[0]).starts_with("not JSON at byte 2"), "{became:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_csv_is_decoded_again_by_the_header_and_dialect_of_its_file() {
    let bench = Bench::new();
    bench.write("1.csv", "sep=;\nname;Id\n\"ab\";1\n\"ab\";10\n\"ab\";11\n\"ab\";12\n\"c;d\";2.5\ne;3;x\n\"f;4\ng;5\n");
    bench.write(
        "2.csv",
        b"id,name\n6,x\n7,caf\xe9\n8,\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\n",
    );
    let narrow = columns(&[("id", DataType::Int64), ("name", DataType::Utf8)]);
    let wide = columns(&[("name", DataType::Utf8), ("id", DataType::Float64)]);
    let first = read(&bench.source("CSV", narrow.clone(), &ASIDE).await, None, HUGE).await.unwrap();
    assert_eq!((first.ids(), first.bad.len()), (vec![1, 10, 11, 12, 5, 6, 8], 4));
    std::fs::remove_dir_all(bench.folder.path().join("in")).unwrap();

    let (same, became) = replay(&bench.source("CSV", narrow.clone(), &ASIDE).await, &first.bad).await.unwrap();
    assert!(same.batches.is_empty());
    for (record, replayed) in first.bad.iter().zip(&became) {
        let Replayed::Decoded { rows: 0, bad } = replayed else { panic!("{replayed:?}") };
        assert_eq!(bad.as_slice(), std::slice::from_ref(record), "as it was, places and all");
    }

    let fixed: Vec<_> = ASIDE.into_iter().chain([("ragged", "true"), ("encoding", "latin1"), ("quote", "none")]).collect();
    let (rows, became) = replay(&bench.source("CSV", wide, &fixed).await, &first.bad).await.unwrap();
    assert_eq!(rows.texts("id"), ["3.0", "4.0", "7.0"]);
    assert_eq!(rows.texts("name"), ["e", "\"f", "caf\u{e9}"]);
    assert_eq!(reason(&became[0]), "'d\"' is not a DOUBLE", "without quotes, it is cut at its semicolon");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_rows_of_parquet_are_kept_with_their_types() {
    let bench = Bench::new();
    let at = arrow::array::TimestampMicrosecondArray::from(vec![Some(1_795_000_000_123_456), None]);
    let batch = RecordBatch::try_from_iter([
        ("ID", Arc::new(arrow::array::Float64Array::from(vec![1.0, 1.5])) as Arc<dyn Array>),
        ("at", Arc::new(at)),
        ("extra", Arc::new(StringArray::from(vec!["x", "y"]))),
    ]);
    bench.write("a.parquet", parquet(&batch.unwrap()));
    let time = DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None);
    let source = bench.source("PARQUET", columns(&[("id", DataType::Int64), ("at", time.clone())]), &ASIDE).await;
    let first = read(&source, None, HUGE).await.unwrap();
    assert_eq!((first.ids(), first.bad.len()), (vec![1], 1));
    assert_eq!(String::from_utf8_lossy(&first.bad[0].raw), "{\"ID\":\"1.5\",\"at\":null}", "for a person");
    std::fs::remove_file(bench.folder.path().join("in/a.parquet")).unwrap();
    let (none, became) = replay(&source, &first.bad).await.unwrap();
    assert!(none.batches.is_empty() && reason(&became[0]).contains("1.5 (Float64) is not a BIGINT"), "{became:?}");

    let wide =
        bench.source("PARQUET", columns(&[("at", time), ("id", DataType::Float64), ("new", DataType::Utf8)]), &ASIDE).await;
    let (rows, became) = replay(&wide, &first.bad).await.unwrap();
    assert_eq!((rows.texts("id"), rows.texts("new"), &became[0]), (vec!["1.5".to_owned()], vec![String::new()], &good(1)));

    // A column of the file that nobody asked for was not kept, and is not made up.
    let more = bench.source("PARQUET", columns(&[("id", DataType::Float64), ("extra", DataType::Utf8)]), &ASIDE).await;
    let (_, became) = replay(&more, &first.bad).await.unwrap();
    assert!(reason(&became[0]).contains("column 'extra' of its file is used now and was not"), "{became:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_kept_is_not_guessed() {
    let bench = Bench::new();
    bench.write("a.csv", "id,name\n1\n");
    bench.write("a.json", "[{\"id\":1}");
    let csv = read(&bench.source("CSV", id_name(), &ASIDE).await, None, HUGE).await.unwrap().bad;
    let cut_off = read(&bench.source("JSON", id_name(), &ASIDE).await, None, HUGE).await.unwrap().bad;
    let source = bench.source("CSV", id_name(), &[("ragged", "true")]).await;
    let old = BadRecord { context: None, ..csv[0].clone() };
    let cut =
        BadRecord { context: csv[0].context.as_ref().map(|text| text.replacen('{', "{\"cut\":true,", 1)), ..csv[0].clone() };
    let (rows, became) = replay(&source, &[old, cut, csv[0].clone()]).await.unwrap();
    assert_eq!((rows.ids(), &became[2]), (vec![1], &good(1)));
    assert!(reason(&became[0]).contains("--from-scratch"), "{became:?}");
    assert!(
        reason(&became[1]).contains("only its first bytes were kept") && reason(&became[1]).contains("on_change"),
        "{became:?}"
    );
    let (_, became) = replay(&bench.source("JSON", id_name(), &[]).await, &[cut_off[0].clone(), csv[0].clone()]).await.unwrap();
    assert!(reason(&became[0]).contains("there are no bytes of it"), "{became:?}");
    assert!(reason(&became[1]).contains("another format"), "{became:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_still_does_not_fit_is_null_where_it_would_be_in_a_run() {
    let bench = Bench::new();
    bench.write("a.json", "{\"id\":\"x\",\"name\":\"n\"}");
    let aside = read(&bench.source("JSON", id_name(), &ASIDE).await, None, HUGE).await.unwrap().bad;
    let null = bench.source("JSON", id_name(), &[("on_error", "null")]).await;
    let (rows, became) = replay(&null, &aside).await.unwrap();
    assert_eq!((rows.ids(), rows.texts("name")), (vec![-1], vec!["n".to_owned()]));
    let Replayed::Decoded { rows: 1, bad } = &became[0] else { panic!("{became:?}") };
    assert!(bad[0].kept);
    // It is a row with that NULL now: only without one does it have another to give.
    let (rows, became) = replay(&null, bad).await.unwrap();
    assert!(rows.batches.is_empty(), "{became:?}");
    let text = columns(&[("id", DataType::Utf8), ("name", DataType::Utf8)]);
    let (rows, became) = replay(&bench.source("JSON", text, &[("on_error", "null")]).await, bad).await.unwrap();
    assert_eq!((rows.texts("id"), &became[0]), (vec!["x".to_owned()], &good(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_only_a_bad_record_has_becomes_a_column() {
    let bench = Bench::new();
    bench.write("a.json", "{\"id\":1}\n{'id': 2, 'more': 2.5}\n");
    let strict = bench.source("JSON", None, &ASIDE).await;
    let aside = read(&strict, None, HUGE).await.unwrap().bad;
    let lenient: Vec<_> = ASIDE.into_iter().chain([("mode", "lenient")]).collect();
    std::fs::write(bench.folder.path().join("in/a.json"), "{'id': 1}\n").unwrap();
    let source = bench.source("JSON", None, &lenient).await;
    assert_eq!(source.schema().fields().len(), 1);
    let changed = replay(&source, &aside).await.unwrap_err();
    assert!(matches!(&changed, Error::SchemaChanged { message } if message.contains("more")), "{changed}");
    let source = bench.source("JSON", None, &lenient).await;
    let (rows, became) = replay(&source, &aside).await.unwrap();
    assert_eq!((rows.ids(), rows.texts("more"), &became[0]), (vec![2], vec!["2.5".to_owned()], &good(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_a_file_that_is_read_anew_does_not_replace_what_is_read_then() {
    let bench = Bench::new();
    bench.write("a.json", "{'id': 1}");
    let aside = read(&bench.source("JSON", id_name(), &ASIDE).await, None, HUGE).await.unwrap().bad;
    let anew = bench.source("JSON", id_name(), &[("mode", "lenient"), ("on_change", "reprocess")]).await;
    assert_eq!(replay(&anew, &aside).await.unwrap().1, [good(1)], "it has not changed");
    bench.write("a.json", "{\"id\": 2}");
    let (rows, became) = replay(&anew, &aside).await.unwrap();
    assert!(rows.batches.is_empty() && reason(&became[0]).contains("its file has changed since"), "{became:?}");
    let once = bench.source("JSON", id_name(), &[("mode", "lenient"), ("on_change", "ignore")]).await;
    assert_eq!(replay(&once, &aside).await.unwrap().1, [good(1)]);
    std::fs::remove_file(bench.folder.path().join("in/a.json")).unwrap();
    bench.write("b.json", "{}");
    assert_eq!(replay(&anew, &aside).await.unwrap().1, [good(1)], "it is not read any more");
}
