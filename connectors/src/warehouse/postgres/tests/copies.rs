//! Tables of PostgreSQL written with what was read of PostgreSQL.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;

use super::bench::{Bench, DATABASE, rows, spec};
use crate::context::TableSpec;
use crate::registry::connector;
use crate::sink::WriteMode;
use crate::source::{SliceLimits, SliceRequest};

/// A column of each type that is read, and of types over types.
const EVERY_TYPE: &str = "
CREATE TYPE mood AS ENUM ('sad', 'it''s ok');
CREATE DOMAIN price AS numeric(8, 2) CHECK (VALUE >= 0);
CREATE DOMAIN dear AS price CHECK (VALUE > 1);
CREATE DOMAIN tags AS text[];
CREATE DOMAIN address AS inet;
CREATE TYPE pair AS (a int, b text);
CREATE TABLE every (
    id bigint PRIMARY KEY, b boolean, i2 smallint, i4 integer, o oid, f4 real, f8 double precision,
    n numeric(20, 5), n50 numeric(50, 3), bare numeric, t text, v varchar(20), c char(5), nm name, ch \"char\", u uuid, by bytea,
    d date, ti time, ts timestamp, tz timestamptz, iv interval, js json, jb jsonb, m mood, p price, de dear, ad address, ip inet, ci cidr,
    ma macaddr, mo money, r int4range, tr tstzrange, pa pair, x xml, bi bit(3), vb varbit, ttz timetz, pt point, tsv tsvector,
    ia integer[], ta text[], va varchar(5)[], na numeric(6, 1)[], ba numeric[], tza timestamptz[], iva interval[], ipa inet[], ua uuid[],
    jba jsonb[], moods mood[], pra price[], tg tags, oa oid[]
);
INSERT INTO every VALUES (
    1, true, -32768, 2147483647, 4294967295, 1.5, 0.1, -123456789012345.67890, -12345678901234567890123456789012345678901234567.123,
    0.000000000000000000000000000000000000000001, E'grüße\\n\\\\\"', 'v', 'c', 'nm', 'x', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '\\x00ff',
    '0044-03-15 BC', '23:59:59.999999', '2026-11-21 12:34:56.789012', '2026-11-21 12:34:56+02', '1 year 2 days 03:04:05', '{\"a\":   1}',
    '{\"b\":  [1, 2]}', 'it''s ok', 12.34, 1.5, '10.0.0.7', '10.0.0.1/24', '10.0.0.0/8', '08:00:2b:01:02:03', 5, '[1,5)',
    '[2026-01-01 00:00+00,2026-02-01 00:00+00)', '(1,\"x, y\")', '<a/>', B'101', B'10101', '01:02:03+04', '(1.5,2)', 'a fat cat',
    '{1,NULL,3}', '{\"a,b\",NULL,\"\"}', '{abc,de}', '{1.5,-2.0}', '{1.50,NaN,123456789012345678901234567890123456789012345}',
    '{\"2026-01-01 00:00:00+00\"}', '{\"1 day\",NULL}', '{10.0.0.1,::1}', '{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11,NULL}',
    ARRAY['{\"a\": 1}', NULL, '[]']::jsonb[], '{sad,\"it''s ok\"}', '{1.10}', '{x,y}', '{0,4294967295}'
);
INSERT INTO every (id) VALUES (2);
INSERT INTO every (id, bare, f8, f4, ia, ta, iva) VALUES (3, 'NaN', 'NaN', '-Infinity', '{}', '{}', '{}');
INSERT INTO every (id, bare) SELECT 10 + g, (CASE g % 2 WHEN 0 THEN 1 ELSE -1 END) * (g * 7919)::numeric / 10 ^ (g % 20) FROM generate_series(1, 60) g;
";

/// All rows of a table, as the source reads them.
async fn read(bench: &Bench, table: &str) -> RecordBatch {
    let source =
        TableSpec { connector: "POSTGRES".into(), options: vec![("url".into(), bench.server.url(DATABASE))], ..spec(table, "") };
    let home = bench.context.locate("lake://.engine/sources/p/t").unwrap();
    let source = connector("POSTGRES").unwrap().source(&source, home, &bench.context).await.unwrap();
    let limits = SliceLimits { rows: u64::MAX, bytes: u64::MAX };
    let mut slice = source.read_whole(&SliceRequest::new(limits, None)).await.unwrap();
    let mut batches = Vec::new();
    while let Some(batch) = slice.next_batch().await.unwrap() {
        batches.push(batch);
    }
    concat_batches(&source.schema(), &batches).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_table_has_every_value_of_every_type() {
    let Some(bench) = Bench::start() else { return };
    bench.sql(EVERY_TYPE);
    let every = read(&bench, "public.every").await;
    let differences = |copy: &str| {
        bench.sql(&format!(
            "SELECT count(*) FROM ((SELECT one::text FROM every one EXCEPT ALL SELECT one::text FROM {copy} one) UNION ALL
             (SELECT one::text FROM {copy} one EXCEPT ALL SELECT one::text FROM every one)) AS other"
        ))
    };
    for (copy, key, mode) in [
        ("appended", "", WriteMode::Append),
        ("replaced", "", WriteMode::Overwrite),
        ("upserted", "id", WriteMode::Upsert),
        ("unkeyed", "id", WriteMode::Upsert),
    ] {
        let including = if copy == "unkeyed" { "" } else { "INCLUDING ALL" };
        bench.sql(&format!("CREATE TABLE {copy} (LIKE every {including}); INSERT INTO {copy} (id, t) VALUES (1, 'old')"));
        if mode == WriteMode::Append {
            bench.sql(&format!("DELETE FROM {copy}"));
        }
        let table = spec(copy, key);
        bench.write(&table, 1, mode, &every).await.unwrap_or_else(|error| panic!("{copy}: {error}"));
        assert_eq!(differences(copy), "0", "{copy}");
        if mode == WriteMode::Upsert {
            bench.write(&table, 2, mode, &every).await.unwrap();
            assert_eq!(differences(copy), "0", "{copy}, again");
        }
    }
    assert_eq!(every.num_rows(), 63);
    let again = read(&bench, "public.upserted").await;
    let in_order = |batch: &RecordBatch| {
        let order = arrow::compute::sort_to_indices(batch.column(0), None, None).unwrap();
        arrow::compute::take_record_batch(batch, &order).unwrap()
    };
    assert_eq!(in_order(&again).columns(), in_order(&every).columns(), "what is read of the copy");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbered_rows_keep_their_numbers_on_the_way_by_texts() {
    let Some(bench) = Bench::start() else { return };
    bench.sql("CREATE TABLE numbered (id bigint GENERATED ALWAYS AS IDENTITY, ip inet NOT NULL)");
    let values: Vec<(&str, ArrayRef)> =
        vec![("id", Arc::new(Int64Array::from(vec![7, 9]))), ("ip", Arc::new(StringArray::from(vec!["10.0.0.1", "::1"])))];
    bench.write(&spec("numbered", ""), 1, WriteMode::Append, &rows(values)).await.unwrap();
    assert_eq!(bench.sql("SELECT id, host(ip) FROM numbered ORDER BY id"), "7|10.0.0.1\n9|::1");
    let wrong: Vec<(&str, ArrayRef)> = vec![("ip", Arc::new(StringArray::from(vec!["no address"])))];
    let error = bench.write(&spec("numbered", ""), 2, WriteMode::Append, &rows(wrong)).await.unwrap_err().to_string();
    assert!(error.contains("invalid input syntax for type inet: \"no address\""), "{error}");
    assert_eq!(bench.sql("SELECT count(*) FROM numbered"), "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn items_and_numbers_that_do_not_fit_are_named() {
    let Some(bench) = Bench::start() else { return };
    bench.sql("CREATE TABLE narrow (l varchar(3)[], n numeric); CREATE TABLE whole (l int[])");
    let list = |items: Vec<Option<&str>>| {
        let mut lists = arrow::array::ListBuilder::new(arrow::array::StringBuilder::new());
        lists.append_value(items);
        Arc::new(lists.finish()) as ArrayRef
    };
    for (column, values, said) in [
        ("l", list(vec![Some("abc"), None, Some("abcd")]), "column 'l' has an item, the 3., that has 4 characters"),
        ("n", Arc::new(StringArray::from(vec!["12,5"])) as ArrayRef, "column 'n' is no number: '12,5'"),
    ] {
        let error = bench.write(&spec("narrow", ""), 1, WriteMode::Append, &rows(vec![(column, values)])).await.unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
    let error = bench.plan(&spec("whole", ""), &rows(vec![("l", list(vec![Some("1")]))]), WriteMode::Append).await.unwrap_err();
    assert!(error.to_string().contains("column 'l' as integer[]"), "{error}");
}
