//! What becomes of each type, and of values that have no counterpart.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use connectors::source::{SliceRequest, Source};

use super::Shop;
use crate::bench::{HUGE, Read, columns, error, read};

const EVERY_TYPE: &str = "
CREATE TYPE mood AS ENUM ('sad', 'it''s ok');
CREATE DOMAIN price AS numeric(8, 2) CHECK (VALUE >= 0);
CREATE TYPE pair AS (a int, b text);
CREATE TABLE every (
    id bigint PRIMARY KEY, b boolean, i2 smallint, i4 integer, o oid, f4 real, f8 double precision,
    n numeric(20, 5), n50 numeric(50, 3), bare numeric, t text, v varchar(20), c char(5), nm name, u uuid, by bytea,
    d date, ti time, ts timestamp, tz timestamptz, iv interval, js json, jb jsonb, m mood, p price, ip inet, mo money,
    r int4range, pa pair, x xml, bi bit(3), ttz timetz, ia integer[], ta text[], na numeric(6, 1)[], tza timestamptz[], iva interval[],
    ma mood[], pra price[]
);
INSERT INTO every VALUES (
    1, true, -32768, 2147483647, 4294967295, 1.5, 0.1, -123456789012345.67890, 12345678901234567890123456789012345678901234567.123,
    0.000000000000000000000000000000000000000001, 'grüße', 'v', 'c', 'nm', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '\\x00ff',
    '0044-03-15 BC', '23:59:59.999999', '2026-11-21 12:34:56.789012', '2026-11-21 12:34:56+02', '1 year 2 days 03:04:05', '{\"a\": 1}',
    '{\"b\":  [1, 2]}', 'it''s ok', 12.34, '10.0.0.1/24', 5, '[1,5)', '(1,x)', '<a/>', B'101', '01:02:03+04', '{1,NULL,3}',
    '{\"a,b\",NULL,\"\"}', '{1.5,-2.0}', '{\"2026-01-01 00:00:00+00\"}', '{\"1 day\",NULL}', '{sad}', '{1.10}'
);
INSERT INTO every (id) VALUES (2);
INSERT INTO every (id, bare, f8, ia, ta) VALUES (3, 'NaN', 'NaN', '{}', '{}');
";

/// What the first row's values are, as Arrow shows them.
const FIRST: [(&str, &str); 39] = [
    ("id", "1"),
    ("b", "true"),
    ("i2", "-32768"),
    ("i4", "2147483647"),
    ("o", "4294967295"),
    ("f4", "1.5"),
    ("f8", "0.1"),
    ("n", "-123456789012345.67890"),
    ("n50", "12345678901234567890123456789012345678901234567.123"),
    ("bare", "0.000000000000000000000000000000000000000001"),
    ("t", "grüße"),
    ("v", "v"),
    ("c", "c    "),
    ("nm", "nm"),
    ("u", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("by", "00ff"),
    ("d", "-0043-03-15"),
    ("ti", "23:59:59.999999"),
    ("ts", "2026-11-21T12:34:56.789012"),
    ("tz", "2026-11-21T10:34:56Z"),
    ("iv", "1 year 2 days 03:04:05"),
    ("js", "{\"a\": 1}"),
    ("jb", "{\"b\": [1, 2]}"),
    ("m", "it's ok"),
    ("p", "12.34"),
    ("ip", "10.0.0.1/24"),
    ("mo", "$5.00"),
    ("r", "[1,5)"),
    ("pa", "(1,x)"),
    ("x", "<a/>"),
    ("bi", "101"),
    ("ttz", "01:02:03+04"),
    ("ia", "[1, , 3]"),
    ("ta", "[a,b, , ]"),
    ("na", "[1.5, -2.0]"),
    ("tza", "[2026-01-01T00:00:00Z]"),
    ("iva", "[1 day, ]"),
    ("ma", "[sad]"),
    ("pra", "[1.10]"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_comes_as_the_table_of_types_says_whole_or_by_cursor() {
    let Some(shop) = Shop::with(EVERY_TYPE) else { return };
    for options in [&[][..], &[("cursor", "id")]] {
        let source = shop.source("public.every", options).await;
        let rows = read(&source, None, HUGE).await.unwrap();
        for (column, expected) in FIRST {
            assert_eq!(rows.texts(column), [expected, second(column), third(column)], "{column}");
        }
    }
    let schema = shop.source("every", &[]).await.schema();
    let list = |item| DataType::List(Arc::new(Field::new("item", item, true)));
    for (column, expected) in [
        ("o", DataType::Int64),
        ("n", DataType::Decimal128(20, 5)),
        ("n50", DataType::Decimal256(50, 3)),
        ("bare", DataType::Utf8),
        ("p", DataType::Decimal128(8, 2)),
        ("ti", DataType::Time64(TimeUnit::Microsecond)),
        ("tz", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        ("na", list(DataType::Decimal128(6, 1))),
        ("ma", list(DataType::Utf8)),
    ] {
        assert_eq!(*schema.field_with_name(column).unwrap().data_type(), expected, "{column}");
    }
}

/// The second row is NULL but for its id.
fn second(column: &str) -> &'static str {
    if column == "id" { "2" } else { "" }
}

fn third(column: &str) -> &'static str {
    match column {
        "id" => "3",
        "bare" | "f8" => "NaN",
        "ia" | "ta" => "[]",
        _ => "",
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numerics_dates_and_times_are_those_that_the_server_writes() {
    let Some(shop) = Shop::with(
        "CREATE TABLE t AS SELECT g AS id, (random() * 10 ^ (random() * 40 - 10))::numeric * sign(random() - 0.5)::int AS bare,
             round((random() * 10 ^ (random() * 20))::numeric, 6)::numeric(30, 6) * sign(random() - 0.5)::int AS fixed,
             date '0001-01-01' + (random() * 3000000)::int AS day,
             timestamptz '0001-01-01 00:00:00+00' + random() * interval '9000 years' AS moment
         FROM generate_series(1, 2000) g;
         ALTER TABLE t ALTER fixed TYPE numeric(40, 6);
         CREATE TABLE narrow AS SELECT id, fixed::numeric(38, 6) AS fixed FROM t",
    ) else {
        return;
    };
    let ours = read(&shop.source("t", &[]).await, None, HUGE).await.unwrap();
    let theirs = shop
        .sql("SET timezone = 'UTC'; SELECT id, bare, fixed, day, to_char(moment, 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM t");
    let theirs: Vec<Vec<&str>> = theirs.lines().map(|line| line.split('|').collect()).collect();
    let column = |index: usize| theirs.iter().map(|row| row[index].to_owned()).collect::<Vec<_>>();
    for (index, name) in ["id", "bare", "fixed", "day"].into_iter().enumerate() {
        assert_eq!(ours.texts(name), column(index), "{name}");
    }
    let padded = |text: String| match text.split_once('.') {
        Some((whole, part)) => format!("{whole}.{:0<6}Z", part.trim_end_matches('Z')),
        None => format!("{}.000000Z", text.trim_end_matches('Z')),
    };
    assert_eq!(ours.texts("moment").into_iter().map(padded).collect::<Vec<_>>(), column(4));
    let narrow = read(&shop.source("narrow", &[]).await, None, HUGE).await.unwrap();
    assert_eq!(narrow.texts("fixed"), column(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_without_a_counterpart_fail_are_put_aside_or_become_null() {
    let Some(shop) = Shop::with(
        "CREATE TABLE t (id bigint PRIMARY KEY, d date, n numeric(5, 2), l int[]);
         INSERT INTO t VALUES (1, 'infinity', 1, NULL), (2, '2026-01-01', 'NaN', NULL), (3, '2026-01-01', 3, '{{1},{2}}'), (4, NULL, 4, '{1}')",
    ) else {
        return;
    };
    for cursor in [&[][..], &[("cursor", "id")]] {
        let with = |more: &[(&'static str, &'static str)]| [cursor, more].concat();
        let text = error(&shop.source("t", cursor).await).await;
        for part in ["public.t, column 'd': 'infinity' is no DATE", "'on_error' 'quarantine'"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let which =
            if cursor.is_empty() { "in row 1 of those that were read" } else { "in row 1 of those that were read (id = 1)" };
        assert!(text.contains(which), "{text}");
        let options = with(&[("on_error", "quarantine"), ("max_bad_ratio", "1")]);
        let aside = read(&shop.source("t", &options).await, None, HUGE).await.unwrap();
        assert_eq!(aside.ids(), [4]);
        let reasons: Vec<&str> = aside.bad.iter().map(|bad| bad.reason.as_str()).collect();
        assert_eq!(reasons, ["'infinity' is no DATE", "'NaN' is no DECIMAL(5, 2)", "an array of 2 dimensions is no list"]);
        assert!(String::from_utf8_lossy(&aside.bad[1].raw).contains("\"id\":\"2\""), "{:?}", aside.bad[1]);
        let nulls = read(&shop.source("t", &with(&[("on_error", "null")])).await, None, HUGE).await.unwrap();
        assert_eq!((nulls.ids(), nulls.bad.len()), (vec![1, 2, 3, 4], 3));
        assert!(nulls.bad.iter().all(|bad| bad.kept) && nulls.texts("d")[0].is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn declared_columns_are_cast_and_what_cannot_be_is_named() {
    let Some(shop) =
        Shop::with("CREATE TABLE t (id bigint, n numeric, s text); INSERT INTO t VALUES (1, 12.5, '7'), (2, 3, 'x')")
    else {
        return;
    };
    let declared = columns(&[("s", DataType::Int32), ("n", DataType::Decimal128(10, 2)), ("id", DataType::Utf8)]);
    let spec = |options: &[(&str, &str)]| shop.spec("t", declared.clone(), options);
    let source = shop.bench.open(&spec(&[("on_error", "null")])).await.unwrap();
    let rows = read(&source, None, HUGE).await.unwrap();
    assert_eq!((rows.texts("n"), rows.texts("s"), rows.texts("id")), pair(["12.50", "3.00"], ["7", ""], ["1", "2"]));
    assert_eq!((rows.bad.len(), rows.bad[0].reason.as_str()), (1, "'x' is no INT"));
    let text = error(&shop.bench.open(&spec(&[])).await.unwrap()).await;
    assert!(text.contains("column 's': 'x' is no INT, in row 2 of those that were read"), "{text}");
    let text = error(&shop.bench.open(&spec(&[("cursor", "id"), ("key", "id")])).await.unwrap()).await;
    assert!(text.contains("column 's': 'x' is no INT, in row 2 of those that were read (id = 2)"), "{text}");
    let unknown = shop.spec("t", columns(&[("idd", DataType::Int64)]), &[]);
    let text = shop.bench.open(&unknown).await.unwrap_err().to_string();
    assert!(text.contains("'idd' is declared, but public.t has none of that name; did you mean 'id'?"), "{text}");
    let wrong = shop.spec("t", columns(&[("id", DataType::Struct(vec![Field::new("a", DataType::Int32, true)].into()))]), &[]);
    let text = shop.bench.open(&wrong).await.unwrap_err().to_string();
    assert!(text.contains("column 'id' is declared as STRUCT<a INT>, but id is bigint in public.t"), "{text}");
}

fn pair<const N: usize>(n: [&str; N], s: [&str; N], id: [&str; N]) -> (Vec<String>, Vec<String>, Vec<String>) {
    (n.map(str::to_owned).to_vec(), s.map(str::to_owned).to_vec(), id.map(str::to_owned).to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_columns_that_are_asked_for_are_sent() {
    let Some(shop) = Shop::with("CREATE TABLE t AS SELECT g AS id, repeat('x', 1000) AS wide FROM generate_series(1, 1000) g")
    else {
        return;
    };
    let source: Arc<dyn Source> = shop.source("t", &[("where", "id > 500")]).await;
    for (columns, most, rows) in [(vec![0], 20_000, 500), (vec![], 20_000, 500), (vec![1], 600_000, 500)] {
        let mut slice = source.read(None, &SliceRequest::new(HUGE, Some(columns))).await.unwrap();
        let mut found = 0;
        while let Some(batch) = slice.next_batch().await.unwrap() {
            found += batch.num_rows();
        }
        assert_eq!(found, rows);
        assert!(slice.bytes() < most, "{} bytes", slice.bytes());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_version_of_a_whole_table_changes_with_its_rows_and_only_then() {
    let Some(shop) = Shop::with("CREATE TABLE t (id int, s text); INSERT INTO t VALUES (1, 'a'), (2, 'b')") else { return };
    let source = shop.source("t", &[]).await;
    assert!(source.is_whole() && source.is_bounded());
    let first = source.version().await.unwrap();
    shop.sql("CREATE TABLE other (id int); DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'a')");
    assert_eq!(source.version().await.unwrap(), first, "the same rows in another order");
    shop.sql("UPDATE t SET s = 'c' WHERE id = 1");
    assert_ne!(source.version().await.unwrap(), first);
    let rows: Read = read(&source, None, HUGE).await.unwrap();
    assert_eq!(rows.texts("s"), ["b", "c"]);
}
