//! DELTA keeps the contract; an upsert is what a map would do; what the log says of a file is so.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::prelude::SessionContext;
use proptest::prelude::*;

use crate::context::{Context, TableSpec};
use crate::error::Error;
use crate::lake::testing::local_lake;
use crate::lake::{Delta, Parts};
use crate::registry::Connector;
use crate::sink::{Batch, BatchId, WriteMode};
use crate::staging::StagingSizes;
use crate::testing::{SinkCase, read_rows, sink_contract, stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delta_keeps_the_sink_contract() {
    let (_folder, context) = local_lake();
    let modes = [WriteMode::Append, WriteMode::Overwrite, WriteMode::Upsert];
    let case = SinkCase {
        connector: &Delta,
        context: &context,
        location: "lake://t".into(),
        separator: "/",
        modes: &modes,
        partitions: true,
    };
    sink_contract(&case).await.unwrap();
}

fn spec(name: &str, partition_by: &[&str], key: &str) -> TableSpec {
    TableSpec {
        partition_by: partition_by.iter().map(|name| (*name).to_owned()).collect(),
        options: if key.is_empty() { Vec::new() } else { vec![("key".into(), key.into())] },
        ..TableSpec::new(name, "DELTA", format!("lake://{name}"))
    }
}

async fn batch_of(context: &Context, table: &TableSpec, epoch: u64, mode: WriteMode, rows: RecordBatch) -> Batch {
    let sink = Delta.sink(table, context).await.unwrap();
    let plan = sink.plan(&rows.schema(), mode).await.unwrap();
    let folder = format!("{}/{epoch}", table.name);
    let order: Vec<usize> = plan.schema.fields().iter().map(|field| rows.schema().index_of(field.name()).unwrap()).collect();
    let rows = rows.project(&order).unwrap();
    // Small batches, so that files have several pages and positions do not start at zero.
    let pieces = (0..rows.num_rows()).step_by(7).map(|start| rows.slice(start, 7.min(rows.num_rows() - start))).collect();
    let files = stage(context, &folder, &plan.schema, &plan.partition_by, pieces).await.unwrap();
    let id = BatchId { pipeline: "p".into(), incarnation: "i".into(), flow: "f".into(), epoch };
    Batch { id, mode, schema: plan.schema, partition_by: plan.partition_by, key: plan.key, files }
}

/// By key, the row: its day, its value and whether it is deleted.
type Model = BTreeMap<(i64, String), (String, i64, bool)>;

fn model_rows(rows: &Model, marked: bool) -> RecordBatch {
    let columns: [(&str, ArrayRef); 5] = [
        ("a", Arc::new(Int64Array::from_iter_values(rows.keys().map(|key| key.0)))),
        ("gone", Arc::new(rows.values().map(|value| value.2.then_some("d")).collect::<StringArray>())),
        ("b", Arc::new(StringArray::from_iter_values(rows.keys().map(|key| &key.1)))),
        ("day", Arc::new(StringArray::from_iter_values(rows.values().map(|value| &value.0)))),
        ("v", Arc::new(Int64Array::from_iter_values(rows.values().map(|value| value.1)))),
    ];
    let kept = columns.into_iter().filter(|(name, _)| marked || *name != "gone");
    RecordBatch::try_from_iter_with_nullable(kept.map(|(name, column)| (name, column, true))).unwrap()
}

/// What the table of each way to upsert is after rows.
fn after(model: &mut Model, rows: &Model, way: &[(&str, &str)]) {
    let is = |option: (&str, &str)| way.contains(&option);
    for (key, row) in rows {
        if is(("upsert", "insert")) {
            model.entry(key.clone()).or_insert_with(|| (row.0.clone(), row.1, false));
        } else if row.2 && is(("deletes", "soft")) {
            model.entry(key.clone()).and_modify(|old| old.2 = true);
        } else if row.2 && is(("deleted", "gone")) {
            model.remove(key);
        } else {
            model.insert(key.clone(), (row.0.clone(), row.1, false));
        }
    }
}

async fn upserts_match(batches: &[Model], partition_by: &[&str], way: &[(&str, &str)]) {
    let (_folder, mut context) = local_lake();
    context.sizes = StagingSizes { row_group_bytes: 600, file_bytes: 2_000, open_partitions: 3, ..StagingSizes::default() };
    let mut table = spec("model", partition_by, "a, b");
    table.options.extend(way.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let marked = way.contains(&("deleted", "gone"));
    let columns: &[&str] =
        if way.contains(&("deletes", "soft")) { &["a", "b", "day", "v", "gone"] } else { &["a", "b", "day", "v"] };
    let sink = Delta.sink(&table, &context).await.unwrap();
    let mut model = Model::new();
    for (epoch, rows) in (1..).zip(batches) {
        let batch = batch_of(&context, &table, epoch, WriteMode::Upsert, model_rows(rows, marked)).await;
        sink.commit(&batch).await.unwrap();
        after(&mut model, rows, way);
        let row = |((a, b), (day, v, gone)): (&(i64, String), &(String, i64, bool))| match columns.len() {
            5 => format!("{a}|{b}|{day}|{v}|{}", if *gone { "d" } else { "-" }),
            _ => format!("{a}|{b}|{day}|{v}"),
        };
        let mut expected: Vec<String> = model.iter().map(row).collect();
        expected.sort();
        let found = read_rows(&Delta, &table, &context, columns).await.unwrap().unwrap();
        assert_eq!(found, expected, "epoch {epoch}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn upserts_are_what_a_map_would_do(
        batches in prop::collection::vec(
            prop::collection::btree_map((0_i64..40, "[ab]"), ("[xyz]", 0_i64..1000, prop::bool::weighted(0.3)), 0..60), 1..5),
        partitioning in 0..3,
        way in 0..5,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let partition_by: &[&str] = match partitioning { 0 => &[], 1 => &["day"], _ => &["b"] };
        let way: &[(&str, &str)] = match way {
            0 => &[],
            1 => &[("deleted", "gone")],
            2 => &[("deleted", "gone"), ("deletes", "soft")],
            3 => &[("deleted", "gone"), ("upsert", "merge")],
            _ => &[("upsert", "insert")],
        };
        runtime.block_on(upserts_match(&batches, partition_by, way));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_without_a_column_of_the_table_is_refused() {
    let (_folder, context) = local_lake();
    let mut table = spec("merged", &[], "a, b");
    table.options.push(("upsert".into(), "merge".into()));
    let rows = Model::from([((1, "a".to_owned()), ("x".to_owned(), 1, false))]);
    let sink = Delta.sink(&table, &context).await.unwrap();
    sink.commit(&batch_of(&context, &table, 1, WriteMode::Upsert, model_rows(&rows, true)).await).await.unwrap();
    let error = sink.plan(&model_rows(&rows, false).schema(), WriteMode::Upsert).await.unwrap_err();
    assert_eq!(error.subject(), Some("upsert"));
    assert!(error.to_string().contains("keeps the values of columns that are not written, as 'gone'"), "{error}");
    assert!(sink.plan(&model_rows(&rows, false).schema(), WriteMode::Append).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn null_in_the_key_is_refused_and_changes_nothing() {
    let (_folder, context) = local_lake();
    let table = spec("nulls", &[], "id");
    let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]));
    let rows = RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(vec![Some(1), None]))]).unwrap();
    let sink = Delta.sink(&table, &context).await.unwrap();
    let first = batch_of(&context, &table, 1, WriteMode::Append, rows.clone()).await;
    sink.commit(&first).await.unwrap();
    let error = sink.commit(&batch_of(&context, &table, 2, WriteMode::Upsert, rows).await).await.unwrap_err();
    assert!(matches!(&error, Error::Data { message } if message.contains("column 'id'")), "{error}");
    assert_eq!(read_rows(&Delta, &table, &context, &["id"]).await.unwrap().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upsert_without_key_says_what_to_add() {
    let (_folder, context) = local_lake();
    let sink = Delta.sink(&spec("keyless", &[], ""), &context).await.unwrap();
    let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]));
    let error = sink.plan(&schema, WriteMode::Upsert).await.unwrap_err();
    assert!(error.to_string().contains("OPTIONS ('key' 'id')"), "{error}");
}

/// All types whose bounds the log says, and a partition value that needs escaping.
fn typed_rows() -> RecordBatch {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let schema: SchemaRef = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("at", utc, true),
        Field::new("on", DataType::Date32, true),
        Field::new("price", DataType::Decimal128(10, 2), true),
        Field::new("text", DataType::Utf8, true),
        Field::new("part", DataType::Utf8, true),
    ]));
    RecordBatch::try_new(
        schema,
        vec![
            Arc::new(Int64Array::from(vec![Some(5), None, Some(-3)])),
            Arc::new(TimestampMicrosecondArray::from(vec![1_500, 2_001_001, -1]).with_timezone("UTC")),
            Arc::new(Date32Array::from(vec![0, 20_778, 3])),
            Arc::new(Decimal128Array::from(vec![110, -5, 3]).with_precision_and_scale(10, 2).unwrap()),
            Arc::new(StringArray::from(vec!["ü".repeat(60), "b".into(), "a".into()])),
            Arc::new(StringArray::from(vec!["a/b c%:="; 3])),
        ],
    )
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_says_values_sizes_and_statistics_of_each_file() {
    let (folder, context) = local_lake();
    let table = spec("typed", &["part"], "");
    let sink = Delta.sink(&table, &context).await.unwrap();
    sink.commit(&batch_of(&context, &table, 1, WriteMode::Append, typed_rows()).await).await.unwrap();

    let log = std::fs::read_to_string(folder.path().join("typed/_delta_log/00000000000000000000.json")).unwrap();
    let actions: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let add = actions.iter().find_map(|action| action.get("add")).unwrap();
    assert_eq!(add["partitionValues"]["part"], "a/b c%:=");
    let stats: serde_json::Value = serde_json::from_str(add["stats"].as_str().unwrap()).unwrap();
    assert_eq!(stats["numRecords"], 3);
    assert_eq!(stats["nullCount"]["id"], 1);
    assert_eq!((&stats["minValues"]["id"], &stats["maxValues"]["id"]), (&(-3).into(), &5.into()));
    assert_eq!(stats["minValues"]["at"], "1969-12-31T23:59:59.999Z");
    assert_eq!(stats["maxValues"]["at"], "1970-01-01T00:00:02.002Z");
    assert_eq!(stats["maxValues"]["on"], "2026-11-21");
    assert_eq!((&stats["minValues"]["price"], &stats["maxValues"]["price"]), (&(-0.05).into(), &1.1.into()));
    assert!(stats["maxValues"]["text"].as_str().unwrap() >= "ü".repeat(60).as_str());
    assert!(actions.iter().any(|action| action["txn"]["appId"] == "engine:p:i:f" && action["txn"]["version"] == 1));

    let session = SessionContext::new();
    let provider = Delta.table(&table, &context).await.unwrap().unwrap().provider;
    session.register_table("t", provider).unwrap();
    for (filter, count) in
        [("id > 4", 1), ("\"on\" = DATE '2026-11-21'", 1), ("price < 0", 1), ("part = 'a/b c%:='", 3), ("id > 5", 0)]
    {
        let rows = session.sql(&format!("SELECT * FROM t WHERE {filter}")).await.unwrap().count().await.unwrap();
        assert_eq!(rows, count, "{filter}");
    }
}

#[tokio::test]
async fn some_files_of_a_table_are_replaced_once_and_the_others_stay() {
    let (_folder, context) = local_lake();
    let table = spec("some of it", &[], "");
    let sink = Delta.sink(&table, &context).await.unwrap();
    let row = |key: i64| model_rows(&Model::from([((key, "b".to_owned()), ("d".to_owned(), key, false))]), false);
    for epoch in 1..4 {
        let batch = batch_of(&context, &table, epoch, WriteMode::Append, row(i64::try_from(epoch).unwrap())).await;
        sink.commit(&batch).await.unwrap();
    }
    let parts = Parts::open(&table, &context).await.unwrap().unwrap();
    let holding = |value: i64| parts.all().iter().find(|part| part.bounds("a") == Some((value, value))).unwrap().clone();
    assert_eq!((parts.all().len(), holding(2).rows), (3, Some(1)));
    assert!(parts.longest_rows(parts.all()).await.unwrap().is_some_and(|bytes| (16..100).contains(&bytes)));
    let some = SessionContext::new().read_table(parts.rows(&[holding(1), holding(3)]).await.unwrap()).unwrap();
    assert_eq!(some.count().await.unwrap(), 2);

    let batch = batch_of(&context, &table, 4, WriteMode::Overwrite, row(4)).await;
    let replaced = [holding(1).path, holding(3).path];
    for _ in 0..2 {
        sink.commit_in_place_of(&batch, &replaced).await.unwrap();
        let mut left: Vec<_> =
            Parts::open(&table, &context).await.unwrap().unwrap().all().iter().map(|part| part.bounds("a")).collect();
        left.sort();
        assert_eq!(left, [Some((2, 2)), Some((4, 4))]);
    }
    // What is not there any more is elsewhere in the table: to add its replacement would double it.
    let late = batch_of(&context, &table, 5, WriteMode::Overwrite, row(5)).await;
    let error = sink.commit_in_place_of(&late, &replaced).await.unwrap_err();
    assert!(matches!(&error, Error::Data { message } if message.contains("restore the version of the table before")), "{error}");
    let nothing = Batch { files: Vec::new(), ..batch_of(&context, &table, 6, WriteMode::Overwrite, row(6)).await };
    sink.commit_in_place_of(&nothing, &[holding(2).path]).await.unwrap();
    assert_eq!(Parts::open(&table, &context).await.unwrap().unwrap().all().len(), 1);
}
