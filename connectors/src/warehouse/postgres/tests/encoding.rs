//! What PostgreSQL reads is what was staged.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, Float32Array, Float64Array, Int8Array,
    Int64Array, ListArray, RecordBatch, StringArray, StructArray, Time64MicrosecondArray, TimestampMicrosecondArray, UInt32Array,
    UInt64Array,
};
use arrow::datatypes::{DataType, Field, Int64Type, i256};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::bench::{Bench, rows, spec};
use crate::sink::WriteMode;

/// A row as a value of Rust.
type Row = (Option<i64>, Option<f64>, Option<i128>, Option<String>, Option<Vec<u8>>, Option<i32>, Option<i64>, Option<bool>);

const PRECISION: u8 = 38;
const SCALE: i8 = 7;

fn row() -> impl Strategy<Value = Row> {
    let decimal = prop_oneof![Just(0), -20_000_000_i128..20_000_000, -(10_i128.pow(38) - 1)..10_i128.pow(38)];
    (
        proptest::option::of(any::<i64>()),
        proptest::option::of(prop_oneof![any::<f64>(), Just(f64::INFINITY), Just(f64::NAN), Just(-0.0)]),
        proptest::option::of(decimal),
        proptest::option::of("[a-z|\\\\\n\t\"'é😀 ]{0,40}"),
        proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
        proptest::option::of(-2_400_000_i32..2_000_000_000),
        // To where the microseconds of PostgreSQL's `extract` are exact.
        proptest::option::of(-200_000_000_000_000_000_i64..9_000_000_000_000_000_000),
        proptest::option::of(any::<bool>()),
    )
}

fn batch(values: &[Row]) -> RecordBatch {
    let decimals = Decimal128Array::from_iter(values.iter().map(|row| row.2)).with_precision_and_scale(PRECISION, SCALE).unwrap();
    let times: TimestampMicrosecondArray = values.iter().map(|row| row.6).collect();
    rows(vec![
        ("n", Arc::new((0..).take(values.len()).collect::<Int64Array>())),
        ("i", Arc::new(values.iter().map(|row| row.0).collect::<Int64Array>())),
        ("f", Arc::new(values.iter().map(|row| row.1).collect::<Float64Array>())),
        ("d", Arc::new(decimals)),
        ("t", Arc::new(values.iter().map(|row| row.3.clone()).collect::<StringArray>())),
        ("b", Arc::new(values.iter().map(|row| row.4.clone()).collect::<BinaryArray>())),
        ("on_day", Arc::new(values.iter().map(|row| row.5).collect::<Date32Array>())),
        ("at", Arc::new(times.clone().with_timezone("UTC"))),
        ("local_at", Arc::new(times)),
        ("flag", Arc::new(values.iter().map(|row| row.7).collect::<BooleanArray>())),
    ])
}

/// A decimal as PostgreSQL writes it.
fn decimal_text(value: i128) -> String {
    let (sign, digits) = (if value < 0 { "-" } else { "" }, format!("{:0>8}", value.unsigned_abs()));
    let (whole, behind) = digits.split_at(digits.len() - usize::try_from(SCALE).unwrap());
    format!("{sign}{whole}.{behind}")
}

fn expected((int, float, decimal, text, bytes, day, time, flag): &Row) -> String {
    fn shown<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
        value.map_or_else(|| "-".to_owned(), show)
    }
    let hex = |bytes: &[u8]| hex::encode(bytes);
    [
        shown(*int, |value| value.to_string()),
        shown(*float, |value| if value.is_nan() { "NaN".into() } else { hex(&value.to_be_bytes()) }),
        shown(*decimal, decimal_text),
        shown(text.as_ref(), |value| hex(value.as_bytes())),
        shown(bytes.as_ref(), |value| hex(value)),
        shown(*day, |value| value.to_string()),
        shown(*time, |value| value.to_string()),
        shown(*time, |value| value.to_string()),
        shown(*flag, |value| value.to_string()),
    ]
    .join(",")
}

const READ: &str = "SELECT concat_ws(',',
    coalesce(i::text, '-'),
    CASE WHEN f IS NULL THEN '-' WHEN f = 'NaN' THEN 'NaN' ELSE encode(float8send(f), 'hex') END,
    coalesce(d::text, '-'),
    coalesce(encode(convert_to(t, 'UTF8'), 'hex'), '-'),
    coalesce(encode(b, 'hex'), '-'),
    coalesce((on_day - date '1970-01-01')::text, '-'),
    coalesce(trunc(extract(epoch FROM at) * 1000000)::text, '-'),
    coalesce(trunc(extract(epoch FROM local_at) * 1000000)::text, '-'),
    coalesce(flag::text, '-'))
FROM random ORDER BY n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_reads_back_what_was_staged() {
    let Some(bench) = Bench::start() else { return };
    let mut runner = TestRunner::default();
    for epoch in 1..=8 {
        let values = proptest::collection::vec(row(), 1..300).new_tree(&mut runner).unwrap().current();
        bench.write(&spec("random", ""), epoch, WriteMode::Overwrite, &batch(&values)).await.unwrap();
        let read = bench.sql(READ);
        let lines: Vec<&str> = read.lines().collect();
        assert_eq!(lines.len(), values.len());
        for (line, value) in lines.into_iter().zip(&values) {
            assert_eq!(line, expected(value));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_type_gets_the_column_that_holds_all_of_its_values() {
    let Some(bench) = Bench::start() else { return };
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(1), None])]);
    let name = Arc::new(StringArray::from(vec!["\"q\" \\u0000"])) as ArrayRef;
    let nested = StructArray::from(vec![(Arc::new(Field::new("name", DataType::Utf8, true)), name)]);
    let all = rows(vec![
        ("tiny", Arc::new(Int8Array::from(vec![-5])) as ArrayRef),
        ("wide", Arc::new(UInt32Array::from(vec![u32::MAX]))),
        ("widest", Arc::new(UInt64Array::from(vec![u64::MAX]))),
        ("small", Arc::new(Float32Array::from(vec![1.5]))),
        ("clock", Arc::new(Time64MicrosecondArray::from(vec![86_399_000_001]))),
        ("list", Arc::new(list)),
        ("nested", Arc::new(nested)),
    ]);
    bench.write(&spec("types", ""), 1, WriteMode::Append, &all).await.unwrap();
    assert_eq!(
        bench.sql("SELECT * FROM types"),
        "-5|4294967295|18446744073709551615|1.5|23:59:59.000001|[1, null]|{\"name\": \"\\\"q\\\" \\\\u0000\"}"
    );
    assert_eq!(
        bench.sql("SELECT string_agg(format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'types'::regclass AND attnum > 0"),
        "smallint, bigint, numeric(20,0), real, time without time zone, jsonb, jsonb"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_that_a_person_made_take_what_fits_them() {
    let Some(bench) = Bench::start() else { return };
    bench.sql(
        "CREATE TYPE mood AS ENUM ('sad', 'happy');
         CREATE TABLE made (id uuid PRIMARY KEY, mood mood, short varchar(3), doc json, n numeric, price numeric(12,4), padded char(4))",
    );
    let text = |value: &str| Arc::new(StringArray::from(vec![value])) as ArrayRef;
    let made = |short: &str, doc: &str| {
        let price = Decimal128Array::from(vec![1250]).with_precision_and_scale(6, 2).unwrap();
        rows(vec![
            ("id", text("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
            ("mood", text("happy")),
            ("short", text(short)),
            ("doc", text(doc)),
            ("n", Arc::new(Int64Array::from(vec![7]))),
            ("price", Arc::new(price)),
            ("padded", text("ab")),
        ])
    };
    let table = spec("made", "id");
    bench.write(&table, 1, WriteMode::Upsert, &made("äöü", "{\"a\": 1}")).await.unwrap();
    bench.write(&table, 2, WriteMode::Upsert, &made("abc", "{\"a\": 1}")).await.unwrap();
    assert_eq!(bench.sql("SELECT * FROM made"), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11|happy|abc|{\"a\": 1}|7|12.5000|ab");
    for (short, doc, part) in
        [("abcd", "{}", "column 'short' has 4 characters, and the column takes 3: 'abcd'"), ("a", "{", "column 'doc' is no JSON")]
    {
        let error = bench.write(&table, 3, WriteMode::Upsert, &made(short, doc)).await.unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("row 1 of the epoch (id = a0eebc99"), "{error}");
    }
    assert_eq!(bench.sql("SELECT count(*), max(short) FROM made"), "1|abc");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decimal_of_more_than_38_digits_makes_its_column() {
    let Some(bench) = Bench::start() else { return };
    let value = i256::from_i128(10_i128.pow(37)).wrapping_mul(i256::from_i128(10_i128.pow(12)));
    let values = Decimal256Array::from(vec![Some(value), None]).with_precision_and_scale(50, 10).unwrap();
    let batch = || rows(vec![("n", Arc::new(values.clone()) as ArrayRef)]);
    for epoch in 1..=2 {
        bench.write(&spec("widest", ""), epoch, WriteMode::Append, &batch()).await.unwrap();
    }
    let number = format!("1{}.{}", "0".repeat(39), "0".repeat(10));
    assert_eq!(
        bench.sql("SELECT n, pg_typeof(n), count(*) FROM widest WHERE n IS NOT NULL GROUP BY 1"),
        format!("{number}|numeric|2")
    );
    assert_eq!(
        bench.sql("SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'widest'::regclass AND attnum > 0"),
        "numeric(50,10)"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_of_more_digits_than_a_domain_has_are_looked_at_one_by_one() {
    let Some(bench) = Bench::start() else { return };
    bench.sql(
        "CREATE DOMAIN price AS numeric(6,2); CREATE DOMAIN few AS smallint; CREATE TABLE priced (id bigint, price price, few few)",
    );
    let numbers = |price: i128, few: i64| {
        let prices = Decimal128Array::from(vec![0, price]).with_precision_and_scale(38, 4).unwrap();
        rows(vec![
            ("id", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef),
            ("price", Arc::new(prices)),
            ("few", Arc::new(Int64Array::from(vec![0, few]))),
        ])
    };
    let table = spec("priced", "");
    bench.write(&table, 1, WriteMode::Append, &numbers(-99_999_900, -32_768)).await.unwrap();
    assert_eq!(bench.sql("SELECT * FROM priced ORDER BY id"), "1|0.00|0\n2|-9999.99|-32768");
    for (price, few, part) in [
        (100_000_000, 1, "column 'price' is 10000.0000, which has more than 4 digits before the point"),
        (12_345, 1, "column 'price' is 1.2345, which has more than 2 digits behind the point"),
        (1, 40_000, "column 'price' is 0.0001"),
        (100, 40_000, "column 'few' is 40000, which is not between -32768 and 32767"),
    ] {
        let error = bench.write(&table, 2, WriteMode::Append, &numbers(price, few)).await.unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("row 2 of the epoch (id = 2, "), "{part}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_postgres_cannot_hold_is_named_with_its_row_and_nothing_is_written() {
    let Some(bench) = Bench::start() else { return };
    let values: Vec<String> = (0..250).map(|n| if n == 205 { "a\0b".to_owned() } else { format!("v{n}") }).collect();
    let bad = rows(vec![
        ("id", Arc::new((0..250).collect::<Int64Array>()) as ArrayRef),
        ("text", Arc::new(StringArray::from_iter_values(&values))),
    ]);
    let error = bench.write(&spec("nuls", ""), 1, WriteMode::Append, &bad).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, crate::Error::Data { .. }), "{text}");
    assert!(
        text.contains("row 206 of the epoch (id = 205, text = ") && text.contains("column 'text' has a NUL character"),
        "{text}"
    );
    assert!(text.contains("nothing was written to table \"public\".\"nuls\""), "{text}");
    assert_eq!(bench.sql("SELECT to_regclass('nuls') IS NULL, count(*) FROM _engine_loads"), "t|0");
}
