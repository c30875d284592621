//! Values of every type, there and back.

use std::sync::Arc;

use arrow::array::{
    BooleanArray, Decimal128Array, Float64Array, Int16Array, Int32Array, ListArray, Time64MicrosecondArray,
    TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::Int64Type;

use crate::sink::WriteMode;
use crate::testing::read_rows;
use crate::warehouse::Warehouse;
use crate::warehouse::redshift::tests::cluster::{Cluster, holds, load, numbers, rows, texts};

over_each_way!(every_type_comes_back_as_it_was, column_that_is_no_json_and_json_that_is);

async fn every_type_comes_back_as_it_was(cluster: Cluster) {
    let table = cluster.table("types", &[]);
    let all = rows(vec![
        ("id", numbers(&[1, 2])),
        ("small", Arc::new(Int16Array::from(vec![Some(-7), None]))),
        ("whole", Arc::new(Int32Array::from(vec![Some(i32::MIN), None]))),
        ("huge", Arc::new(UInt64Array::from(vec![Some(u64::MAX), None]))),
        ("price", Arc::new(Decimal128Array::from(vec![Some(-12_345), None]).with_precision_and_scale(9, 2).unwrap())),
        ("wide", Arc::new(Decimal128Array::from(vec![Some(10_i128.pow(37)), None]).with_precision_and_scale(38, 0).unwrap())),
        ("ratio", Arc::new(Float64Array::from(vec![Some(0.1), None]))),
        ("flag", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("user", texts(&["González", ""])),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![Some(1_000_001), None]))),
        ("at_zone", Arc::new(TimestampMicrosecondArray::from(vec![Some(1_000_001), None]).with_timezone("UTC"))),
        ("clock", Arc::new(Time64MicrosecondArray::from(vec![Some(3_600_000_001), None]))),
        ("tags", Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(vec![Some(vec![Some(1), Some(2)]), None]))),
    ]);
    load(&cluster, &table, 1, WriteMode::Append, &all).await.unwrap();
    let columns = "id, small, whole, huge, price, wide, ratio, flag, \"user\", at, at_zone, clock, JSON_SERIALIZE(tags)";
    holds(
        &cluster,
        "types",
        columns,
        &[
            "1|-7|-2147483648|18446744073709551615|-123.45|10000000000000000000000000000000000000|0.1|t|González|1970-01-01 00:00:01.000001|\
             1970-01-01 00:00:01.000001+00|01:00:00.000001|[1,2]",
            "2|-|-|-|-|-|-|-||-|-|-|-",
        ],
    )
    .await;
    let types =
        cluster.sql("SELECT column_name, data_type, character_maximum_length FROM svv_columns WHERE table_name = 'types'").await;
    assert!(types.contains(&"user|character varying|16".to_owned()), "{types:?}");
    let read = read_rows(&Warehouse, &table, &cluster.context, &["id", "price", "flag", "clock"]).await.unwrap().unwrap();
    assert_eq!(read, ["1|-123.45|true|01:00:00.000001", "2|-|-|-"]);
}

async fn column_that_is_no_json_and_json_that_is(cluster: Cluster) {
    cluster.sql("CREATE TABLE documents (id BIGINT, doc SUPER)").await;
    let table = cluster.table("documents", &[]);
    let document = |text: &str| rows(vec![("id", numbers(&[1])), ("doc", texts(&[text]))]);
    load(&cluster, &table, 1, WriteMode::Append, &document("{\"a\":[1,\"x\"]}")).await.unwrap();
    let text = cluster.sql("SELECT JSON_SERIALIZE(doc) FROM documents").await.join("");
    assert_eq!(text.replace(' ', ""), "{\"a\":[1,\"x\"]}");
    let error = load(&cluster, &table, 2, WriteMode::Append, &document("{a")).await.unwrap_err();
    assert!(error.to_string().contains("column 'doc', row 1 of the epoch (id = 1): '{a' is no JSON"), "{error}");
}
