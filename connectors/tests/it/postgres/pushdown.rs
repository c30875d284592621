//! Filters and limits that the server applies: the same rows as here, and the same place to go on from.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use connectors::source::{Offset, SliceLimits, SliceRequest, Source};
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::prelude::{SessionConfig, SessionContext};

use super::Shop;
use crate::bench::{HUGE, read};

const VALUES: &str = "
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE COLLATION folding (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE t (
    id bigint PRIMARY KEY, b boolean, i2 smallint, i4 integer, dom positive, n numeric(12, 3), wide numeric(50, 3), bare numeric,
    f double precision, t text, v varchar(20), c char(5), folded text COLLATE folding, m mood, u uuid, js jsonb, ip inet,
    d date, ts timestamp, tz timestamptz, ti time
);
INSERT INTO t SELECT g, g % 3 = 0, g, g - 10, g, g / 4.0, g, g, g / 4.0, 'n' || g % 7 || CASE g % 2 WHEN 0 THEN '''\\%' ELSE 'É_' END,
    chr(64 + g), chr(64 + g), chr(64 + g), CASE g % 2 WHEN 0 THEN 'sad'::mood ELSE 'ok' END,
    ('00000000-0000-0000-0000-0000000000' || lpad(g::text, 2, '0'))::uuid, '{}', ('10.0.0.' || g)::inet,
    date '2026-01-01' + g, timestamp '2026-01-01 12:00' + g * interval '1 hour',
    timestamptz '2026-01-01 12:00+00' + g * interval '1 hour', time '10:00' + g * interval '1 minute'
FROM generate_series(1, 26) g;
INSERT INTO t (id) VALUES (27), (28);
";

/// Numbers with a point are exact.
fn context() -> SessionContext {
    SessionContext::new_with_config(SessionConfig::new().set_bool("datafusion.sql_parser.parse_float_as_decimal", true))
}

/// What the optimizer makes of a condition over the source's columns.
async fn filter(source: &Arc<dyn Source>, condition: &str) -> Expr {
    let context = context();
    let empty = MemTable::try_new(source.schema(), vec![vec![]]).unwrap();
    context.register_table("t", Arc::new(empty)).unwrap();
    let plan = context.sql(&format!("SELECT * FROM t WHERE {condition}")).await.unwrap().into_optimized_plan().unwrap();
    let LogicalPlan::Filter(filter) = plan else { unreachable!("{condition}: {plan:?}") };
    filter.predicate
}

async fn ids_of(source: &Arc<dyn Source>, request: &SliceRequest) -> BTreeSet<i64> {
    let mut slice = source.read_whole(request).await.unwrap();
    let mut ids = BTreeSet::new();
    while let Some(batch) = slice.next_batch().await.unwrap() {
        ids.extend(batch.column_by_name("id").unwrap().as_primitive::<Int64Type>().values());
    }
    ids
}

/// The ids that DataFusion finds by `condition` among all rows.
async fn expected(source: &Arc<dyn Source>, condition: &str) -> BTreeSet<i64> {
    let all = read(source, None, HUGE).await.unwrap();
    let context = context();
    context.register_table("t", Arc::new(MemTable::try_new(source.schema(), vec![all.batches]).unwrap())).unwrap();
    let found = context.sql(&format!("SELECT id FROM t WHERE {condition}")).await.unwrap().collect().await.unwrap();
    found.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_is_asked_for_is_what_the_query_means() {
    let Some(shop) = Shop::with(VALUES) else { return };
    let source = shop.source("t", &[]).await;
    for condition in [
        "b",
        "NOT b",
        "b IS NOT TRUE",
        "i2 = 5",
        "i4 < -3 OR i4 >= 10",
        "5 > i4",
        "NOT (i4 BETWEEN 1 AND 7)",
        "dom > -1",
        "i4 IN (1, 2, 3, 4, 5)",
        "i4 NOT IN (1, 2, 3, 4, 5)",
        "i4 IS NULL",
        "i4 IS NOT NULL AND (b OR i2 > 20)",
        "i4 IS DISTINCT FROM 3",
        "n = 2.25",
        "n > 3.1 AND n <= 5",
        "t = 'n1É_'",
        "t <> 'n2''\\%'",
        "t LIKE 'n1%'",
        "t NOT LIKE '%É%'",
        "v IN ('A', 'b', 'C')",
        "m = 'sad'",
        "m <> 'happy'",
        "u = '00000000-0000-0000-0000-000000000007'",
        "ip = '10.0.0.3/32' OR ip = '10.0.0.4'",
        "d > '2026-01-10'",
        "d = DATE '2026-01-10'",
        "ts >= '2026-01-01 20:00:00'",
        "tz < '2026-01-01T20:00:00Z'",
        "js IS NULL",
        "f IS NOT NULL",
    ] {
        let filter = filter(&source, condition).await;
        assert!(source.uses_filter(&filter), "{condition}: {filter}");
        let request = SliceRequest { filters: vec![filter], ..SliceRequest::new(HUGE, None) };
        let (asked, wanted) = (ids_of(&source, &request).await, expected(&source, condition).await);
        assert_eq!(asked, wanted, "{condition}");
        assert!(!wanted.is_empty() && wanted.len() < 28, "{condition} says nothing");
    }
    for condition in [
        "t < 'n3'",
        "t LIKE 'n_É%'",
        "t ILIKE 'N1%'",
        "c = 'A'",
        "folded = 'a'",
        "f > 1",
        "bare = '5'",
        "u = '00000000-0000-0000-0000-00000000000A'",
        "i4 + 1 = 5",
        "upper(t) = 'X'",
        "i4 = i2",
        "js = '{}'",
    ] {
        let filter = filter(&source, condition).await;
        assert!(!source.uses_filter(&filter), "{condition}: {filter}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_are_put_aside_or_made_null_come_whatever_the_query_wants() {
    let Some(shop) = Shop::with(
        "CREATE TABLE t (id bigint, d date, s text);
         INSERT INTO t VALUES (1, 'infinity', 'a'), (2, '2026-01-01', NULL), (3, '2026-02-01', 'c')",
    ) else {
        return;
    };
    for (option, by_date, by_null) in [("fail", true, true), ("quarantine", false, false), ("null", false, false)] {
        let source = shop.source("t", &[("on_error", option)]).await;
        assert_eq!(source.uses_filter(&filter(&source, "d < '2026-01-15'").await), by_date, "{option}");
        assert_eq!(source.uses_filter(&filter(&source, "s IS NULL").await), by_null, "{option}");
        assert!(source.uses_filter(&filter(&source, "s = 'a'").await), "{option}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_is_the_servers_where_all_rows_count() {
    let Some(shop) = Shop::with("CREATE TABLE t AS SELECT g AS id, 'infinity'::date AS d FROM generate_series(1, 1000) g") else {
        return;
    };
    for (option, rows) in [("null", 10), ("quarantine", 0)] {
        let source = shop.source("t", &[("on_error", option), ("max_bad_ratio", "1")]).await;
        let request = SliceRequest { enough: Some(10), ..SliceRequest::new(HUGE, None) };
        let mut slice = source.read_whole(&request).await.unwrap();
        let (mut found, mut bad) = (0, 0);
        while let Some(batch) = slice.next_batch().await.unwrap() {
            found += batch.num_rows();
            bad += slice.take_bad().len();
        }
        bad += slice.take_bad().len();
        // Of rows that are put aside, all are read: which ones are enough is known afterwards.
        assert_eq!((found, bad), (rows, if rows == 0 { 1000 } else { 10 }), "{option}");
    }
}

const EVENTS: &str = "
CREATE TABLE t (id bigint PRIMARY KEY, at timestamptz, code text, kind int, wide text);
INSERT INTO t SELECT g, timestamptz '2026-01-01 00:00+00' + g * interval '1 minute', lpad((g / 10)::text, 5, '0'), g % 10, repeat('x', 500)
FROM generate_series(1, 1000) g;
";

/// What is new since `offset` and `kind` says, in slices of 30 rows: all ids that came, how many bytes they took, and the offset behind them.
async fn news(source: &Arc<dyn Source>, offset: Option<Offset>, kind: i32) -> (Vec<i64>, u64, Option<Offset>) {
    let wanted = filter(source, &format!("kind = {kind}")).await;
    assert!(source.uses_filter(&wanted));
    let limits = SliceLimits { rows: 30, bytes: u64::MAX };
    let request = SliceRequest { filters: vec![wanted], ..SliceRequest::new(limits, None) };
    let (mut ids, mut bytes, mut offset) = (Vec::new(), 0, offset);
    loop {
        let mut slice = source.read(offset.as_ref(), &request).await.unwrap();
        while let Some(batch) = slice.next_batch().await.unwrap() {
            ids.extend(batch.column_by_name("id").unwrap().as_primitive::<Int64Type>().values().to_vec());
        }
        bytes += slice.bytes();
        let end = slice.end().await.unwrap();
        offset = Some(end.offset);
        if !end.more {
            return (ids, bytes, offset);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cursor_goes_on_over_rows_that_nobody_wants() {
    let Some(shop) = Shop::with(EVENTS) else { return };
    for options in [
        &[("cursor", "at")][..],
        &[("cursor", "at"), ("overlap", "30 minutes")],
        &[("cursor", "id"), ("overlap", "25")],
        &[("cursor", "code"), ("key", "id")],
    ] {
        shop.sql("DELETE FROM t WHERE id > 1000");
        let source = shop.source("t", options).await;
        let (first, bytes, offset) = news(&source, None, 3).await;
        let threes: Vec<i64> = first.iter().copied().filter(|id| id % 10 == 3).collect();
        assert_eq!(threes, (1..=1000).filter(|id| id % 10 == 3).collect::<Vec<_>>(), "{options:?}");
        // Those that are remembered come all the same, and few others do.
        assert!(first.len() < 180 && bytes < 180 * 600, "{options:?}: {} rows, {bytes} bytes", first.len());
        // The place is that of a read of all rows, but for how many came.
        let (_, all) = {
            let all = read(&source, None, HUGE).await.unwrap();
            (all.batches, all.offset)
        };
        assert_eq!(source.mark(offset.as_ref().unwrap()), source.mark(&all), "{options:?}");
        // A query that is edited does not find what was passed over, near the end or far from it.
        let (edited, _, same) = news(&source, offset.clone(), 4).await;
        assert!(edited.is_empty(), "{options:?}: {edited:?}");
        assert_eq!(same, offset, "{options:?}");
        shop.sql(
            "INSERT INTO t SELECT g, timestamptz '2026-01-01 00:00+00' + g * interval '1 minute', lpad((g / 10)::text, 5, '0'), g % 10, ''
             FROM generate_series(1001, 1100) g",
        );
        let (more, _, offset) = news(&source, offset, 4).await;
        let fours: Vec<i64> = more.iter().copied().filter(|id| id % 10 == 4).collect();
        assert_eq!(fours, (1001..=1100).filter(|id| id % 10 == 4).collect::<Vec<_>>(), "{options:?}");
        assert_eq!(more.iter().collect::<BTreeSet<_>>().len(), more.len(), "{options:?}: a row came twice");
        let (nothing, ..) = news(&source, offset, 3).await;
        assert!(nothing.is_empty(), "{options:?}: {nothing:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_row_within_the_overlap_is_found_whatever_was_wanted_before() {
    let Some(shop) = Shop::with(EVENTS) else { return };
    let source = shop.source("t", &[("cursor", "at"), ("overlap", "30 minutes")]).await;
    let (_, _, offset) = news(&source, None, 3).await;
    shop.sql("INSERT INTO t VALUES (2004, timestamptz '2026-01-01 16:30+00', 'x', 4, ''), (2005, timestamptz '2026-01-01 16:30+00', 'x', 5, '')");
    let (late, _, _) = news(&source, offset, 4).await;
    assert!(late.contains(&2004), "{late:?}");
}
