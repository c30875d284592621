//! Rows are encoded once: what a gate let through is copied to where COPY finds it, unless the table is another than it was.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, RecordBatch, TimestampMicrosecondArray};

use crate::error::Error;
use crate::sink::WriteMode;
use crate::warehouse::redshift::tests::cluster::{Cluster, gated, holds, numbers, pairs, rows, sink, texts};

over_each_way!(
    rows_that_were_checked_are_copied_and_columns_fit_their_texts,
    rows_of_a_table_that_has_changed_are_written_anew,
    columns_that_copy_cannot_fill_are_written_anew
);

fn typed(ids: &[i64], text: &str) -> RecordBatch {
    let count = ids.len();
    let prices = Decimal128Array::from(vec![Some(1_250); count]).with_precision_and_scale(12, 2).unwrap();
    let moments = TimestampMicrosecondArray::from(vec![Some(1_700_000_000_000_000); count]).with_timezone("UTC");
    rows(vec![
        ("id", numbers(ids)),
        ("v", texts(&vec![text; count])),
        ("price", Arc::new(prices) as ArrayRef),
        ("ratio", Arc::new(Float64Array::from(vec![0.5; count]))),
        ("good", Arc::new(BooleanArray::from(vec![true; count]))),
        ("day", Arc::new(Date32Array::from(vec![20_000; count]))),
        ("at", Arc::new(moments)),
    ])
}

async fn commit(cluster: &Cluster, table: &crate::context::TableSpec, epoch: u64, mode: WriteMode, rows: &RecordBatch) {
    let batch = gated(cluster, table, epoch, mode, rows).await.unwrap();
    sink(cluster, table).await.commit(&batch).await.unwrap();
}

async fn rows_that_were_checked_are_copied_and_columns_fit_their_texts(cluster: Cluster) {
    let table = cluster.table("copied", &[]);
    commit(&cluster, &table, 1, WriteMode::Append, &typed(&[1, 2], "short")).await;
    commit(&cluster, &table, 2, WriteMode::Upsert, &typed(&[2, 3], &"ä".repeat(500))).await;
    commit(&cluster, &table, 3, WriteMode::Upsert, &typed(&[4], "x")).await;
    let columns = "id, OCTET_LENGTH(v), price, ratio, good, day, at";
    let expected = |id: i64, length: usize| format!("{id}|{length}|12.50|0.5|t|2024-10-04|2023-11-14 22:13:20+00");
    let expected = [expected(1, 5), expected(2, 1_000), expected(3, 1_000), expected(4, 1)];
    holds(&cluster, "copied", columns, &expected.each_ref().map(String::as_str)).await;
    assert_eq!((cluster.uploads("staged-"), cluster.uploads("part-")), (3, 0));
    assert_eq!(cluster.staged(), Vec::<String>::new());
}

async fn rows_of_a_table_that_has_changed_are_written_anew(cluster: Cluster) {
    cluster.sql("CREATE TABLE changed (id BIGINT, v VARCHAR(20))").await;
    let table = cluster.table("changed", &[]);
    let first = gated(&cluster, &table, 1, WriteMode::Append, &pairs(&[(1, "a"), (2, "b")])).await.unwrap();
    cluster.sql("ALTER TABLE changed ADD COLUMN more INT").await;
    sink(&cluster, &table).await.commit(&first).await.unwrap();
    assert_eq!((cluster.uploads("staged-"), cluster.uploads("part-")), (1, 0), "a column that the rows have nothing of");
    // Its values were not checked for this.
    let second = gated(&cluster, &table, 2, WriteMode::Append, &pairs(&[(3, "ä")])).await.unwrap();
    cluster.sql("ALTER TABLE changed DROP COLUMN v").await;
    cluster.sql("ALTER TABLE changed ADD COLUMN v CHAR(20)").await;
    let error = sink(&cluster, &table).await.commit(&second).await.unwrap_err();
    assert!(matches!(error, Error::Data { .. }), "{error}");
    assert!(error.to_string().contains("has letters beyond ASCII, which CHAR(20) does not store"), "{error}");
    cluster.sql("ALTER TABLE changed DROP COLUMN v").await;
    cluster.sql("ALTER TABLE changed ADD COLUMN v VARCHAR(30)").await;
    sink(&cluster, &table).await.commit(&second).await.unwrap();
    holds(&cluster, "changed", "id, v", &["1|-", "2|-", "3|ä"]).await;
    assert!(cluster.uploads("part-") > 0);
}

async fn columns_that_copy_cannot_fill_are_written_anew(cluster: Cluster) {
    cluster.sql("CREATE TABLE nested (id BIGINT, v SUPER)").await;
    let table = cluster.table("nested", &[]);
    commit(&cluster, &table, 1, WriteMode::Append, &pairs(&[(1, "{\"a\": 1}")])).await;
    holds(&cluster, "nested", "id, JSON_TYPEOF(v)", &["1|object"]).await;
}
