//! COPY .. FORMAT PARQUET.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int16Array, Int32Array,
    Int64Array, StringArray, StructArray, Time64MicrosecondArray, TimestampMicrosecondArray, TimestampNanosecondArray,
};
use arrow::datatypes::{DataType, Field, Fields};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::data_type::{FixedLenByteArray, FixedLenByteArrayType};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use redshift_sim::rules;

use crate::warehouse::{Refusal, Warehouse};

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

/// A table of one column, and the answer to a COPY of one array into it.
async fn into_column(column: &str, array: ArrayRef, options: &str) -> Result<String, Refusal> {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    session.run(&format!("CREATE TABLE one_column (a {column})")).await;
    let url = warehouse.put("one-column.parquet", parquet(vec![("a", array)])).await;
    match session.client.batch_execute(&warehouse.copy_parquet("one_column", &url, options)).await {
        Ok(()) => Ok(session.rows("SELECT a FROM one_column").await.join(",")),
        Err(error) => Err(Refusal::of(&error)),
    }
}

#[tokio::test]
async fn values_of_all_types_arrive() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    let moment = 1_700_000_000_123_456_i64;
    let columns: Vec<(&str, &str, ArrayRef, &str)> = vec![
        ("b", "BOOLEAN", Arc::new(BooleanArray::from(vec![true])), "t"),
        ("i2", "SMALLINT", Arc::new(Int16Array::from(vec![-32_768])), "-32768"),
        ("i8", "BIGINT", Arc::new(Int64Array::from(vec![i64::MIN])), "-9223372036854775808"),
        ("f4", "REAL", Arc::new(Float32Array::from(vec![1.5])), "1.5"),
        ("f8", "DOUBLE PRECISION", Arc::new(Float64Array::from(vec![f64::NEG_INFINITY])), "-Infinity"),
        (
            "n",
            "DECIMAL(38,3)",
            Arc::new(Decimal128Array::from(vec![-12_345]).with_precision_and_scale(38, 3).unwrap()),
            "-12.345",
        ),
        ("d", "DATE", Arc::new(Date32Array::from(vec![-1])), "1969-12-31"),
        ("t", "TIMESTAMP", Arc::new(TimestampMicrosecondArray::from(vec![moment])), "2023-11-14 22:13:20.123456"),
        (
            "z",
            "TIMESTAMPTZ",
            Arc::new(TimestampMicrosecondArray::from(vec![moment]).with_timezone("UTC")),
            "2023-11-14 22:13:20.123456+00",
        ),
        ("y", "VARBYTE", Arc::new(BinaryArray::from(vec![&b"\x00\xff"[..]])), "\\x00ff"),
        ("c", "CHAR(3)", Arc::new(StringArray::from(vec!["ab"])), "ab "),
    ];
    let definition: Vec<String> = columns.iter().map(|(name, column, ..)| format!("{name} {column}")).collect();
    session.run(&format!("CREATE TABLE every_type ({})", definition.join(", "))).await;
    let expected: Vec<&str> = columns.iter().map(|(.., expected)| *expected).collect();
    let file = parquet(columns.iter().map(|(name, _, array, _)| (*name, Arc::clone(array))).collect());
    let url = warehouse.put("every.parquet", file).await;
    session.run(&warehouse.copy_parquet("every_type", &url, "STATUPDATE OFF")).await;
    assert_eq!(session.value("SELECT * FROM every_type").await, expected.join("|"));
}

/// A DECIMAL(30,9) in 16 bytes, where 13 are enough.
fn decimal_of_16_bytes() -> Vec<u8> {
    let schema = parse_message_type("message m { optional fixed_len_byte_array(16) a (DECIMAL(30,9)); }").unwrap();
    let mut bytes = Vec::new();
    let mut file = SerializedFileWriter::new(&mut bytes, Arc::new(schema), Arc::default()).unwrap();
    let mut rows = file.next_row_group().unwrap();
    let mut column = rows.next_column().unwrap().unwrap();
    let value = FixedLenByteArray::from(vec![0; 16]);
    column.typed::<FixedLenByteArrayType>().write_batch(&[value], Some(&[1]), None).unwrap();
    column.close().unwrap();
    rows.close().unwrap();
    file.close().unwrap();
    bytes
}

#[tokio::test]
async fn parquet_decimal_length_is_exact() {
    let decimal = |precision, scale| -> ArrayRef {
        Arc::new(Decimal128Array::from(vec![150]).with_precision_and_scale(precision, scale).unwrap())
    };
    assert_eq!(into_column("DECIMAL(18,9)", decimal(18, 9), "").await.unwrap(), "0.000000150");
    let refusal = into_column("DECIMAL(18,9)", decimal(12, 2), "").await.unwrap_err();
    assert!(refusal.detail.contains("incompatible Parquet schema"), "{refusal:?}");
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    session.run("CREATE TABLE longer (a DECIMAL(30,9))").await;
    let url = warehouse.put("longer.parquet", decimal_of_16_bytes()).await;
    let refusal = session.refused(&warehouse.copy_parquet("longer", &url, "")).await;
    assert!(refusal.detail.contains("has an invalid type length. Expecting: 13 len in file: 16"), "{refusal:?}");
    refusal.by(rules::PARQUET_DECIMAL_LENGTH_IS_EXACT);
}

#[tokio::test]
async fn parquet_strings_fit_the_column() {
    let refusal = into_column("VARCHAR(4)", strings([Some("abc"), Some("ééé")]), "").await.unwrap_err();
    assert_eq!(refusal.message, "Spectrum Scan Error");
    let text = "The length of the data column a is longer than the length defined in the table. Table: 4, Data: 6";
    assert!(refusal.detail.contains(text), "{refusal:?}");
    refusal.by(rules::PARQUET_STRINGS_FIT_THE_COLUMN);
    assert_eq!(into_column("VARCHAR(6)", strings([Some("ééé"), None, Some("")]), "").await.unwrap(), "ééé,-,");
}

#[tokio::test]
async fn parquet_time_is_refused() {
    let refusal = into_column("TIME", Arc::new(Time64MicrosecondArray::from(vec![1])), "").await.unwrap_err();
    refusal.by(rules::PARQUET_TIME_IS_REFUSED);
}

#[tokio::test]
async fn parquet_nanoseconds_are_garbage() {
    let nanoseconds: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![1_700_000_000_123_456_789]));
    let loaded = into_column("TIMESTAMP", nanoseconds, "").await.unwrap();
    assert!(loaded.starts_with("55840-"), "{loaded}");
}

#[tokio::test]
async fn parquet_options_are_few() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    session.run("CREATE TABLE optioned (a INT)").await;
    let url = warehouse.put("optioned.parquet", parquet(vec![("a", integers([1]))])).await;
    for (option, name) in [
        ("REGION 'us-east-1'", "REGION"),
        ("MAXERROR 1", "MAXERROR"),
        ("TRUNCATECOLUMNS", "TRUNCATECOLUMNS"),
        ("ACCEPTANYDATE", "ACCEPTANYDATE"),
        ("GZIP", "GZIP"),
    ] {
        let refusal = session.refused(&warehouse.copy_parquet("optioned", &url, option)).await;
        assert_eq!(refusal.message, format!("{name} argument is not supported for PARQUET based COPY"));
        refusal.by(rules::PARQUET_OPTIONS_ARE_FEW);
    }
    session.run(&warehouse.copy_parquet("optioned", &url, "STATUPDATE OFF MAXERROR 0 ACCEPTINVCHARS")).await;
}

#[tokio::test]
async fn nested_needs_serializetojson() {
    let fields = Fields::from(vec![Field::new("x", DataType::Int32, true), Field::new("y", DataType::Utf8, true)]);
    let nested: ArrayRef = Arc::new(StructArray::new(fields, vec![integers([1]), strings([Some("é\"")])], None));
    let refusal = into_column("SUPER", Arc::clone(&nested), "").await.unwrap_err();
    refusal.by(rules::NESTED_NEEDS_SERIALIZETOJSON);
    assert_eq!(into_column("SUPER", nested, "SERIALIZETOJSON").await.unwrap(), r#"{"x": 1, "y": "é\""}"#);
}

#[tokio::test]
async fn super_needs_serializetojson() {
    let text = || strings([Some("{\"a\":1}")]);
    let refusal = into_column("SUPER", text(), "").await.unwrap_err();
    assert!(refusal.detail.contains("1224"), "{refusal:?}");
    refusal.by(rules::SUPER_NEEDS_SERIALIZETOJSON);
    // The text becomes a SUPER string, not the object it spells.
    assert_eq!(into_column("SUPER", text(), "SERIALIZETOJSON").await.unwrap(), r#""{\"a\":1}""#);
}

#[tokio::test]
async fn fillrecord_fills_trailing_columns() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    session.run("CREATE TABLE filled (a INT, b INT DEFAULT 7)").await;
    let url = warehouse.put("filled.parquet", parquet(vec![("a", integers([1]))])).await;
    session.refused(&warehouse.copy_parquet("filled", &url, "")).await.by(rules::PARQUET_COLUMNS_ARE_POSITIONAL);
    session.run(&warehouse.copy_parquet("filled", &url, "FILLRECORD")).await;
    assert_eq!(session.rows("SELECT a, b FROM filled").await, ["1|-"]);
}

#[tokio::test]
async fn copy_list_needs_not_null_columns() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    session.run("CREATE TABLE demanding (id INT IDENTITY(1,1), a INT NOT NULL, b INT, c INT NOT NULL DEFAULT 3)").await;
    let url = warehouse.put("demanding.parquet", parquet(vec![("x", integers([5]))])).await;
    session.refused(&warehouse.copy_parquet("demanding (b)", &url, "")).await.by(rules::COPY_LIST_NEEDS_NOT_NULL_COLUMNS);
    session.run(&warehouse.copy_parquet("demanding (a)", &url, "")).await;
    assert_eq!(session.rows("SELECT * FROM demanding").await, ["1|5|-|3"]);
    assert_eq!(session.refused(&warehouse.copy_parquet("demanding (nosuch)", &url, "")).await.code, "42703");
    assert_eq!(
        session.refused(&warehouse.copy_parquet("nosuch", &url, "")).await.message,
        "Cannot COPY into nonexistent table nosuch"
    );
}

#[tokio::test]
async fn last_copy_count_is_kept() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    assert_eq!(session.value("SELECT pg_last_copy_count(), pg_last_copy_id()").await, "0|-1");
    session.run("CREATE TABLE counted (a INT)").await;
    let good = warehouse.put("counted.parquet", parquet(vec![("a", integers([1, 2, 3]))])).await;
    let bad = warehouse.put("uncounted.parquet", parquet(vec![("a", strings([Some("x")]))])).await;
    session.run(&format!("BEGIN; {}", warehouse.copy_parquet("counted", &good, ""))).await;
    assert_eq!(session.value("SELECT pg_last_copy_count()").await, "3");
    session.run("ROLLBACK").await;
    assert_eq!(session.value("SELECT pg_last_copy_count()").await, "3");
    session.refused("COPY counted FROM 'x'").await;
    assert_eq!(session.value("SELECT pg_last_copy_count()").await, "3");
    session.refused(&warehouse.copy_parquet("counted", &bad, "")).await;
    assert_eq!(session.value("SELECT pg_last_copy_count()").await, "0");
}

#[tokio::test]
async fn copy_needs_authorization() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    session.run("CREATE TABLE guarded (a INT)").await;
    let url = warehouse.put("guarded.parquet", parquet(vec![("a", integers([1]))])).await;
    for authorization in ["", "IAM_ROLE 'loader'", "IAM_ROLE 'arn:aws:iam::123456789012:role/stranger'"] {
        session
            .refused(&format!("COPY guarded FROM '{url}' {authorization} FORMAT PARQUET"))
            .await
            .by(rules::COPY_NEEDS_AUTHORIZATION);
    }
    let keys = "ACCESS_KEY_ID 'nobody' SECRET_ACCESS_KEY 'nothing'";
    let refusal = session.refused(&format!("COPY guarded FROM '{url}' {keys} FORMAT PARQUET")).await;
    assert!(refusal.message.contains("Access Denied,Status 403,Error AccessDenied"), "{refusal:?}");
    if let Some(s3) = &warehouse.s3 {
        let keys = format!("aws_access_key_id={};aws_secret_access_key={}", s3.access_key(), s3.secret_key());
        session.run(&format!("COPY guarded FROM '{url}' CREDENTIALS '{keys}' PARQUET")).await;
    }
}

#[tokio::test]
async fn no_copy_from_stdin() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    session.run("CREATE TABLE local (a INT)").await;
    for from in ["STDIN", "'/etc/passwd'"] {
        let refusal = session.refused(&format!("COPY local FROM {from}")).await;
        assert!(refusal.message.starts_with("LOAD source is not supported."), "{refusal:?}");
        refusal.by(rules::NO_COPY_FROM_STDIN);
    }
}
