//! COPY .. FORMAT PARQUET.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, StringArray};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use redshift_sim::rules;

use crate::warehouse::Warehouse;

/// A file of Parquet with these columns.
pub(crate) fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn integers(values: impl IntoIterator<Item = i32>) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(values))
}

fn strings<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringArray>())
}

#[tokio::test]
async fn copy_joins_the_transaction() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    let file = parquet(vec![("a", integers(0..10_000)), ("b", strings((0..10_000).map(|n| (n % 3 > 0).then_some("é\t\\x\n"))))]);
    let url = warehouse.put("joins.parquet", file).await;
    session.run("CREATE TABLE joined (a INT, b VARCHAR(20))").await;
    let copy = warehouse.copy_parquet("joined", &url, "");
    session.run(&format!("BEGIN; {copy}")).await;
    assert_eq!(session.value("SELECT count(*), count(b), min(b) FROM joined").await, "10000|6666|é\t\\x\n");
    session.run("ROLLBACK").await;
    assert_eq!(session.value("SELECT count(*) FROM joined").await, "0");
    session.run(&copy).await;
    session.client.execute(&copy, &[]).await.unwrap();
    assert_eq!(session.value("SELECT count(*), pg_last_copy_count() FROM joined").await, "20000|10000");
}

#[tokio::test]
async fn parquet_columns_are_positional() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    let file = parquet(vec![("z", integers([1])), ("y", integers([2]))]);
    let url = warehouse.put("positional.parquet", file).await;
    session.run("CREATE TABLE positions (y INT, z INT, x INT)").await;
    let refusal = session.refused(&warehouse.copy_parquet("positions", &url, "")).await;
    assert!(
        refusal.detail.contains("Unmatched number of columns between table and file. Table columns: 3, Data columns: 2"),
        "{refusal:?}"
    );
    assert!(refusal.detail.contains("15007") && refusal.message == "Spectrum Scan Error", "{refusal:?}");
    refusal.by(rules::PARQUET_COLUMNS_ARE_POSITIONAL);
    session.run(&warehouse.copy_parquet("positions (y, z)", &url, "")).await;
    session.run(&warehouse.copy_parquet("positions (x, y)", &url, "")).await;
    assert_eq!(session.rows("SELECT x, y, z FROM positions ORDER BY z").await, ["-|1|2", "1|2|-"]);
}

#[tokio::test]
async fn parquet_types_are_exact() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    let narrow = warehouse.put("narrow.parquet", parquet(vec![("a", integers([1]))])).await;
    let wide = warehouse.put("wide.parquet", parquet(vec![("a", Arc::new(Int64Array::from(vec![1])) as ArrayRef)])).await;
    session.run("CREATE TABLE exact (a BIGINT)").await;
    let refusal = session.refused(&warehouse.copy_parquet("exact", &narrow, "")).await;
    assert!(refusal.detail.contains("has an incompatible Parquet schema for column"), "{refusal:?}");
    assert!(refusal.detail.contains("Column type: BIGINT, Parquet schema:\\noptional int32 a [i:0 d:1 r:0]"), "{refusal:?}");
    refusal.by(rules::PARQUET_TYPES_ARE_EXACT);
    session.run(&warehouse.copy_parquet("exact", &wide, "")).await;
    assert_eq!(session.value("SELECT a FROM exact").await, "1");
}
