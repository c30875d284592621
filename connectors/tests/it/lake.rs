//! The lake's tables on S3: the sink contract, and commits whose requests fail in every way a network has.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use connectors::context::{Context, TableComments, TableSpec};
use connectors::lake::{Delta, Parquet};
use connectors::registry::Connector;
use connectors::sink::{Batch, BatchId, WriteMode};
use connectors::testing::{SinkCase, read_rows, sink_contract, stage};
use testkit::s3::{Fault, FaultKind, Operation, S3Server};

use crate::bench::context_on;

const DELTA_MODES: [WriteMode; 3] = [WriteMode::Append, WriteMode::Overwrite, WriteMode::Upsert];
const PARQUET_MODES: [WriteMode; 2] = [WriteMode::Append, WriteMode::Overwrite];

/// How often a caller tries a commit again, as the engine's next runs would.
const TRIES: usize = 4;

async fn keeps_the_contract(connector: &dyn Connector, modes: &[WriteMode]) {
    let server = S3Server::start().await.unwrap();
    let context = context_on(&server);
    sink_contract(&SinkCase {
        connector,
        context: &context,
        location: "lake://t".into(),
        separator: "/",
        modes,
        partitions: true,
    })
    .await
    .unwrap();
    assert_eq!(server.unfinished_uploads(testkit::s3::BUCKET), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delta_keeps_the_sink_contract_on_s3() {
    keeps_the_contract(&Delta, &DELTA_MODES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parquet_keeps_the_sink_contract_on_s3() {
    keeps_the_contract(&Parquet, &PARQUET_MODES).await;
}

fn columns() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true), Field::new("v", DataType::Utf8, true)]))
}

fn table(connector: &dyn Connector) -> TableSpec {
    TableSpec {
        name: "t".into(),
        connector: connector.name().into(),
        location: "lake://t".into(),
        series: None,
        partition_by: vec![],
        columns: None,
        primary_key: vec!["id".into()],
        options: vec![],
        comments: TableComments::default(),
    }
}

async fn batch(context: &Context, epoch: u64, mode: WriteMode, ids: &[i64]) -> Batch {
    let value = format!("v{epoch}");
    let rows = RecordBatch::try_new(
        columns(),
        vec![Arc::new(Int64Array::from(ids.to_vec())), Arc::new(StringArray::from(vec![value.as_str(); ids.len()]))],
    );
    let files = stage(context, &format!("epoch-{epoch}"), &columns(), &[], vec![rows.unwrap()]).await.unwrap();
    let id = BatchId { pipeline: "p".into(), incarnation: "i".into(), flow: "t".into(), epoch };
    Batch { id, mode, schema: columns(), partition_by: vec![], key: vec!["id".into()], files }
}

/// Commits two epochs, the second under `fault`, and expects both to be there once.
async fn survives(connector: &dyn Connector, mode: WriteMode, fault: impl Fn() -> Fault) {
    let server = S3Server::start().await.unwrap();
    let context = context_on(&server);
    let spec = table(connector);
    let first = batch(&context, 1, mode, &[1, 2]).await;
    connector.sink(&spec, &context).await.unwrap().commit(&first).await.unwrap();
    let second = batch(&context, 2, mode, &[2, 3]).await;
    let what = format!("{} {mode} {:?}", connector.name(), fault());
    server.faults().push(fault());
    let mut errors = Vec::new();
    for _ in 0..TRIES {
        // A new handle each time: nothing may depend on what this process remembers.
        let sink = connector.sink(&spec, &context).await.unwrap();
        match sink.commit(&second).await {
            Ok(_) => break,
            Err(error) => errors.push(error.to_string()),
        }
    }
    assert!(errors.len() < TRIES, "{what}: {errors:?}");
    assert_eq!(server.faults().outstanding().len(), 0, "{what} never struck");
    let sink = connector.sink(&spec, &context).await.unwrap();
    assert!(sink.committed(&second.id).await.unwrap(), "{what}");
    let expected: &[&str] = match mode {
        WriteMode::Append => &["1|v1", "2|v1", "2|v2", "3|v2"],
        WriteMode::Overwrite => &["2|v2", "3|v2"],
        WriteMode::Upsert => &["1|v1", "2|v2", "3|v2"],
    };
    assert_eq!(read_rows(connector, &spec, &context, &["id", "v"]).await.unwrap().unwrap(), expected, "{what}: {errors:?}");
}

async fn survives_all(connector: &dyn Connector, modes: &[WriteMode], log: &'static str) {
    let kinds = || {
        [
            FaultKind::SlowDown,
            FaultKind::Reset,
            FaultKind::Delay(Duration::from_millis(50)),
            FaultKind::AnswerLost,
            FaultKind::ErrorAfterCommit,
        ]
    };
    for mode in modes {
        for kind in kinds() {
            survives(connector, *mode, || Fault::new(kind).on(Operation::PutObject).key(log)).await;
        }
        for kind in kinds() {
            survives(connector, *mode, || Fault::new(kind).on(Operation::CopyObject)).await;
        }
        survives(connector, *mode, || Fault::new(FaultKind::BodyCut(10)).on(Operation::GetObject)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delta_commits_once_whatever_happens_to_its_requests() {
    survives_all(&Delta, &DELTA_MODES, "_delta_log").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parquet_commits_once_whatever_happens_to_its_requests() {
    survives_all(&Parquet, &PARQUET_MODES, "_engine").await;
}
