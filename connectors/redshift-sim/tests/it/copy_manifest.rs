//! Which objects COPY loads.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array};
use redshift_sim::{SimOptions, rules};
use serde_json::{Value, json};
use testkit::s3::BUCKET;

use crate::copy_parquet::parquet;
use crate::warehouse::{Session, Warehouse};

/// A table, and the URLs and sizes of two files with the rows 1 and 2.
async fn with_files() -> (Warehouse, Session, Vec<(String, usize)>) {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    session.run("CREATE TABLE listed (a INT)").await;
    let mut files = Vec::new();
    for (name, value) in [("part-1", 1), ("part-10", 2)] {
        let bytes = parquet(vec![("a", Arc::new(Int32Array::from(vec![value])) as ArrayRef)]);
        let size = bytes.len();
        files.push((warehouse.put(name, bytes).await, size));
    }
    (warehouse, session, files)
}

async fn manifest(warehouse: &Warehouse, entries: Vec<Value>) -> String {
    let url = warehouse.put("manifest.json", json!({ "entries": entries }).to_string()).await;
    warehouse.copy_parquet("listed", &url, "MANIFEST")
}

fn entry((url, size): &(String, usize)) -> Value {
    json!({"url": url, "mandatory": true, "meta": {"content_length": size}})
}

#[tokio::test]
async fn prefix_loads_all_objects() {
    let (warehouse, session, files) = with_files().await;
    session.run(&warehouse.copy_parquet("listed", &files[0].0, "")).await;
    assert_eq!(session.rows("SELECT a FROM listed ORDER BY a").await, ["1", "2"]);
}

#[tokio::test]
async fn bucket_is_in_the_same_region() {
    let warehouse = Warehouse::stand_in_with(SimOptions::default(), &[(BUCKET, "eu-west-1")]).await;
    let session = warehouse.connect().await;
    session.run("CREATE TABLE far (a INT)").await;
    let url = warehouse.put("far", parquet(vec![("a", Arc::new(Int32Array::from(vec![1])) as ArrayRef)])).await;
    let refusal = session.refused(&warehouse.copy_parquet("far", &url, "")).await;
    assert!(refusal.message.contains("in a different region from this cluster"), "{refusal:?}");
    refusal.by(rules::BUCKET_IS_IN_THE_SAME_REGION);
    session.refused(&warehouse.copy_parquet("far", &url, "REGION 'eu-west-1'")).await.by(rules::PARQUET_OPTIONS_ARE_FEW);
    let text = warehouse.put("far.csv", "2\n").await;
    let csv = |region: &str| format!("COPY far FROM '{text}' {} CSV {region}", warehouse.authorization());
    session.refused(&csv("")).await.by(rules::BUCKET_IS_IN_THE_SAME_REGION);
    session.run(&csv("REGION 'eu-west-1'")).await;
    assert_eq!(session.rows("SELECT a FROM far").await, ["2"]);
}

#[tokio::test]
async fn copy_without_files_fails() {
    let (warehouse, session, files) = with_files().await;
    let refusal = session.refused(&warehouse.copy_parquet("listed", &warehouse.url("nothing"), "")).await;
    assert!(refusal.message.contains("does not exist"), "{refusal:?}");
    refusal.by(rules::COPY_WITHOUT_FILES_FAILS);
    let absent = (format!("{}-absent", files[0].0), 10);
    let optional = json!({"url": absent.0, "meta": {"content_length": 10}});
    session.refused(&manifest(&warehouse, vec![optional]).await).await.by(rules::COPY_WITHOUT_FILES_FAILS);
}

#[tokio::test]
async fn manifest_needs_content_length() {
    let (warehouse, session, files) = with_files().await;
    let without = json!({"url": files[0].0, "mandatory": true});
    let refusal = session.refused(&manifest(&warehouse, vec![without]).await).await;
    assert_eq!(refusal.message, "File entry does not have 'meta' key");
    assert!(refusal.detail.contains("15003"), "{refusal:?}");
    refusal.by(rules::MANIFEST_NEEDS_CONTENT_LENGTH);
    let wrong = (files[0].0.clone(), files[0].1 + 1);
    session.refused(&manifest(&warehouse, vec![entry(&wrong)]).await).await.by(rules::MANIFEST_NEEDS_CONTENT_LENGTH);
    session.run(&manifest(&warehouse, files.iter().map(entry).collect()).await).await;
    assert_eq!(session.value("SELECT count(*), pg_last_copy_count() FROM listed").await, "2|2");
}

#[tokio::test]
async fn manifest_entry_may_be_mandatory() {
    let (warehouse, session, files) = with_files().await;
    let absent = format!("{}-absent", files[0].0);
    let mandatory = json!({"url": absent, "mandatory": true, "meta": {"content_length": 1}});
    let refusal = session.refused(&manifest(&warehouse, vec![entry(&files[0]), mandatory]).await).await;
    assert!(refusal.message.contains("Status 404"), "{refusal:?}");
    refusal.by(rules::MANIFEST_ENTRY_MAY_BE_MANDATORY);
    let optional = json!({"url": absent, "meta": {"content_length": 1}});
    session.run(&manifest(&warehouse, vec![entry(&files[0]), optional]).await).await;
    assert_eq!(session.rows("SELECT a FROM listed").await, ["1"]);
}

#[tokio::test]
async fn manifest_must_be_valid() {
    let (warehouse, session, _) = with_files().await;
    for text in ["not json", "{}", r#"{"entries":[{"mandatory":true}]}"#] {
        let url = warehouse.put("broken.json", text.to_owned()).await;
        session.refused(&warehouse.copy_parquet("listed", &url, "MANIFEST")).await.by(rules::MANIFEST_MUST_BE_VALID);
    }
}

#[tokio::test]
async fn duplicate_entry_loads_twice() {
    let (warehouse, session, files) = with_files().await;
    session.run(&manifest(&warehouse, vec![entry(&files[0]), entry(&files[0])]).await).await;
    assert_eq!(session.rows("SELECT a FROM listed").await, ["1", "1"]);
}
