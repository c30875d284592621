//! PARQUET keeps the contract, and its folder holds what its records say.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::context::{Context, TableSpec};
use crate::lake::Parquet;
use crate::lake::testing::local_lake;
use crate::registry::Connector;
use crate::sink::{Batch, BatchId, WriteMode};
use crate::testing::{SinkCase, read_rows, sink_contract, stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parquet_keeps_the_sink_contract() {
    let (_folder, context) = local_lake();
    let modes = [WriteMode::Append, WriteMode::Overwrite];
    let case = SinkCase {
        connector: &Parquet,
        context: &context,
        location: "lake://t".into(),
        separator: "/",
        modes: &modes,
        partitions: true,
    };
    sink_contract(&case).await.unwrap();
}

fn table() -> TableSpec {
    TableSpec::new("numbers", "PARQUET", "lake://numbers")
}

async fn batch(context: &Context, flow: &str, epoch: u64, mode: WriteMode) -> Batch {
    let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
    let rows = RecordBatch::try_new(schema.clone(), vec![Arc::new(Int64Array::from(vec![epoch.cast_signed()]))]).unwrap();
    let files = stage(context, &format!("{flow}/{epoch}"), &schema, &[], vec![rows]).await.unwrap();
    let id = BatchId { pipeline: "p".into(), incarnation: "i".into(), flow: flow.into(), epoch };
    Batch { id, mode, schema, partition_by: Vec::new(), key: Vec::new(), files }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_epochs_are_read_from_a_snapshot_on() {
    let (folder, context) = local_lake();
    let sink = Parquet.sink(&table(), &context).await.unwrap();
    for epoch in 1..=40 {
        sink.commit(&batch(&context, "f", epoch, WriteMode::Append).await).await.unwrap();
    }
    let last = std::fs::read_to_string(folder.path().join("numbers/_engine/_last_snapshot")).unwrap();
    assert_eq!(last, "31");
    for version in 0..31 {
        std::fs::remove_file(folder.path().join(format!("numbers/_engine/{version:020}.json"))).unwrap();
    }
    let rows = read_rows(&Parquet, &table(), &context, &["n"]).await.unwrap().unwrap();
    assert_eq!(rows.len(), 40);
    assert!(sink.committed(&batch(&context, "f", 3, WriteMode::Append).await.id).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_at_once_lose_no_appends() {
    let (_folder, context) = local_lake();
    let mut commits = tokio::task::JoinSet::new();
    for writer in 0..6 {
        let context = context.clone();
        commits.spawn(async move {
            let sink = Parquet.sink(&table(), &context).await.unwrap();
            for epoch in 1..=5 {
                sink.commit(&batch(&context, &format!("f{writer}"), epoch, WriteMode::Append).await).await.unwrap();
            }
        });
    }
    while let Some(done) = commits.join_next().await {
        done.unwrap();
    }
    let rows = read_rows(&Parquet, &table(), &context, &["n"]).await.unwrap().unwrap();
    assert_eq!(rows.len(), 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overwrite_that_was_cut_short_is_tidied_by_the_next_commit() {
    let (folder, context) = local_lake();
    let sink = Parquet.sink(&table(), &context).await.unwrap();
    let first = batch(&context, "f", 1, WriteMode::Append).await;
    sink.commit(&first).await.unwrap();
    let old = folder.path().join("numbers/p-i-f-00000001-00000.parquet");
    let bytes = std::fs::read(&old).unwrap();
    sink.commit(&batch(&context, "f", 2, WriteMode::Overwrite).await).await.unwrap();
    assert!(!old.exists());
    // As if killed between the record and the removal.
    std::fs::write(&old, &bytes).unwrap();
    assert_eq!(read_rows(&Parquet, &table(), &context, &["n"]).await.unwrap().unwrap(), ["2"]);
    sink.commit(&batch(&context, "f", 3, WriteMode::Append).await).await.unwrap();
    assert!(!old.exists());
    assert_eq!(read_rows(&Parquet, &table(), &context, &["n"]).await.unwrap().unwrap(), ["2", "3"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_no_table_with_records() {
    let (folder, context) = local_lake();
    let path = folder.path().join("one.parquet");
    std::fs::write(&path, b"x").unwrap();
    let location = context.locate(path.to_str().unwrap()).unwrap();
    assert_eq!(super::log::read(&location).await.unwrap(), None);
}
