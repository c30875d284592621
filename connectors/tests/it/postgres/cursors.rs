//! Tables read by a cursor: ties, late commits, limits, and what cannot be a cursor.

use std::io::Write as _;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;

use connectors::source::{Offset, SliceLimits, Source};
use connectors::testing::source_contract;

use super::Shop;
use crate::bench::{HUGE, error, read};

const TABLES: &str = "
CREATE TABLE moments (id bigint PRIMARY KEY, at timestamptz NOT NULL, name text);
INSERT INTO moments SELECT g, timestamptz '2026-01-01 00:00:00+00' + (g / 4) * interval '1 hour', 'n' || g FROM generate_series(0, 5) g;
CREATE TABLE days (region text, id uuid, day date, PRIMARY KEY (region, id));
INSERT INTO days SELECT 'r''' || g % 3, gen_random_uuid(), date '2026-01-01' + g / 3 FROM generate_series(0, 6) g;
CREATE TABLE numbers (id int, version numeric(12, 2), PRIMARY KEY (id));
INSERT INTO numbers SELECT g, round(g / 3, 2) / 4 FROM generate_series(0, 6) g;
CREATE TABLE texts (code text PRIMARY KEY, at timestamp);
INSERT INTO texts SELECT chr(97 + g) || E'\\\\\\'' , timestamp '1999-12-31' FROM generate_series(0, 4) g;
CREATE VIEW view_of_moments AS SELECT id, at::timestamp AS at, upper(name) AS name FROM moments;
CREATE TABLE parted (id bigint, at timestamptz, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (3);
CREATE TABLE parted_high PARTITION OF parted FOR VALUES FROM (3) TO (100);
INSERT INTO parted SELECT g, now() FROM generate_series(0, 5) g;
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_cursor_keeps_the_contract_of_a_source() {
    let Some(shop) = Shop::with(TABLES) else { return };
    for (table, options) in [
        ("moments", &[("cursor", "at")][..]),
        ("moments", &[("cursor", "at"), ("overlap", "2 hours")]),
        ("moments", &[("cursor", "id")]),
        ("days", &[("cursor", "day")]),
        ("days", &[("cursor", "day"), ("overlap", "1 day")]),
        ("days", &[("cursor", "id")]),
        ("numbers", &[("cursor", "version"), ("overlap", "1")]),
        ("texts", &[("cursor", "code")]),
        ("texts", &[("cursor", "at")]),
        ("view_of_moments", &[("cursor", "at"), ("key", "id")]),
        ("parted", &[("cursor", "at")]),
    ] {
        let source = shop.source(table, options).await;
        source_contract(source).await.unwrap_or_else(|broken| panic!("{table} {options:?}: {broken}"));
    }
}

/// What is new since `offset`, in slices of two rows, and the offset behind it.
async fn news(source: &Arc<dyn Source>, offset: Option<Offset>) -> (Vec<i64>, Option<Offset>) {
    let (mut ids, mut offset) = (Vec::new(), offset);
    loop {
        let slice = read(source, offset.as_ref(), SliceLimits { rows: 2, bytes: u64::MAX }).await.unwrap();
        ids.extend(slice.ids());
        offset = Some(slice.offset);
        if !slice.more {
            ids.sort_unstable();
            return (ids, offset);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_come_later_with_the_last_value_are_read_once() {
    let Some(shop) =
        Shop::with("CREATE TABLE t (id bigint PRIMARY KEY, day date); INSERT INTO t VALUES (5, '2026-01-01'), (7, '2026-01-02')")
    else {
        return;
    };
    let source = shop.source("t", &[("cursor", "day")]).await;
    let (first, offset) = news(&source, None).await;
    assert_eq!(first, [5, 7]);
    // Before and behind the last row by key, on the same day.
    shop.sql("INSERT INTO t VALUES (6, '2026-01-02'), (8, '2026-01-02'), (1, '2026-01-02')");
    let (second, offset) = news(&source, offset).await;
    assert_eq!(second, [1, 6, 8]);
    shop.sql("UPDATE t SET day = '2026-01-03' WHERE id = 5");
    let (third, offset) = news(&source, offset).await;
    assert_eq!(third, [5]);
    let (fourth, same) = news(&source, offset.clone()).await;
    assert_eq!((fourth.len(), same), (0, offset));
}

/// A transaction that stays open until it is told.
struct Transaction(Child);

impl Transaction {
    fn begin(shop: &Shop, statements: &str) -> Self {
        let mut child = shop.server.psql("shop").stdin(Stdio::piped()).spawn().unwrap();
        writeln!(child.stdin.as_mut().unwrap(), "BEGIN; {statements};").unwrap();
        // It is known to have run when its lock on the table is seen.
        let mut locks = (0..500).map(|_| {
            std::thread::sleep(Duration::from_millis(10));
            shop.sql("SELECT count(*) FROM pg_locks WHERE mode = 'RowExclusiveLock' AND relation = 't'::regclass")
        });
        assert!(locks.any(|count| count != "0"), "the transaction does not begin");
        Self(child)
    }

    fn commit(mut self) {
        self.0.stdin.take().unwrap().write_all(b"COMMIT;\n").unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_commit_within_the_overlap_is_read_once_and_without_overlap_not_at_all() {
    let Some(shop) =
        Shop::with("CREATE TABLE t (id bigint PRIMARY KEY, at timestamptz); INSERT INTO t VALUES (1, '2026-01-01 12:00+00')")
    else {
        return;
    };
    let careful = shop.source("t", &[("cursor", "at"), ("overlap", "10 minutes")]).await;
    let hasty = shop.source("t", &[("cursor", "at")]).await;
    let (_, careful_at) = news(&careful, None).await;
    let (_, hasty_at) = news(&hasty, None).await;
    let late = Transaction::begin(&shop, "INSERT INTO t VALUES (2, '2026-01-01 12:01+00')");
    shop.sql("INSERT INTO t SELECT g, timestamptz '2026-01-01 12:02+00' + g * interval '1 s' FROM generate_series(3, 9) g");
    let (meanwhile, careful_at) = news(&careful, careful_at).await;
    assert_eq!(meanwhile, [3, 4, 5, 6, 7, 8, 9]);
    let (_, hasty_at) = news(&hasty, hasty_at).await;
    late.commit();
    let (found, careful_at) = news(&careful, careful_at).await;
    assert_eq!(found, [2]);
    assert_eq!(news(&hasty, hasty_at).await.0, [0_i64; 0]);
    // Another process goes on from the offset alone.
    let careful = shop.source("t", &[("cursor", "at"), ("overlap", "10 minutes")]).await;
    assert_eq!(news(&careful, careful_at.clone()).await, (vec![], careful_at));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_remembered_rows_are_kept_in_a_file_that_goes_with_its_offset() {
    let Some(shop) = Shop::with(
        "CREATE TABLE t (id bigint PRIMARY KEY, at timestamptz); INSERT INTO t SELECT g, now() FROM generate_series(1, 20000) g",
    ) else {
        return;
    };
    let source = shop.source("t", &[("cursor", "at")]).await;
    let first = read(&source, None, HUGE).await.unwrap();
    assert_eq!((first.ids().len(), first.more), (20_000, false));
    assert!(first.offset.0.len() < 300, "{}", first.offset.0);
    shop.sql("INSERT INTO t SELECT -g, max(at) FROM t, generate_series(1, 3) g GROUP BY g");
    let second = read(&source, Some(&first.offset), HUGE).await.unwrap();
    assert_eq!(second.ids(), [-3, -2, -1]);
    source.retain(&[&second.offset]).await.unwrap();
    let third = read(&source, Some(&second.offset), HUGE).await.unwrap();
    assert_eq!(third.ids(), [0_i64; 0]);
    assert!(read(&source, Some(&first.offset), HUGE).await.is_err(), "its file is gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slice_sees_one_moment_and_ends_at_its_limits() {
    let Some(shop) = Shop::with(
        "CREATE TABLE t (id bigint PRIMARY KEY, s text); INSERT INTO t SELECT g, repeat('x', 200) FROM generate_series(1, 50000) g",
    ) else {
        return;
    };
    let source = shop.source("t", &[("cursor", "id")]).await;
    let rows = read(&source, None, SliceLimits { rows: 10_000, bytes: u64::MAX }).await.unwrap();
    assert_eq!((rows.ids().len(), rows.more), (10_000, true));
    let bytes = read(&source, None, SliceLimits { rows: u64::MAX, bytes: 1 << 20 }).await.unwrap();
    assert!(bytes.more && (4_000..20_000).contains(&bytes.ids().len()), "{}", bytes.ids().len());
    assert_eq!(source.describe(&rows.offset), "10000 rows, up to id 10000");
    let mut slice = source.read(None, &connectors::source::SliceRequest::new(HUGE, None)).await.unwrap();
    let first = slice.next_batch().await.unwrap().unwrap().num_rows();
    shop.sql("DELETE FROM t WHERE id > 40000; INSERT INTO t VALUES (60000, '')");
    let mut all = first;
    while let Some(batch) = slice.next_batch().await.unwrap() {
        all += batch.num_rows();
    }
    assert_eq!(all, 50_000, "the rows of the moment when it began");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_that_changes_under_an_open_source_is_told_and_never_misread() {
    let Some(shop) = Shop::with("CREATE TABLE t (id bigint PRIMARY KEY, n bigint); INSERT INTO t VALUES (1, 1)") else { return };
    let source = shop.source("t", &[("cursor", "id")]).await;
    shop.sql("ALTER TABLE t ALTER n TYPE double precision");
    let changed = read(&source, None, HUGE).await.unwrap_err();
    assert!(
        matches!(changed, connectors::Error::SchemaChanged { .. }) && changed.to_string().ends_with("since it was opened: n"),
        "{changed}"
    );
    let source = shop.source("t", &[("cursor", "id")]).await;
    shop.sql("ALTER TABLE t ADD m text");
    assert!(read(&source, None, HUGE).await.unwrap_err().to_string().ends_with(": m"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_ends_the_slice_and_keeps_what_came() {
    let Some(shop) = Shop::with(
        "CREATE TABLE t (id bigint PRIMARY KEY, s text); INSERT INTO t SELECT g, repeat('x', 1000) FROM generate_series(1, 60000) g",
    ) else {
        return;
    };
    let source = shop.source("t", &[("cursor", "id")]).await;
    let request = connectors::source::SliceRequest::new(HUGE, None);
    let mut slice = source.read(None, &request).await.unwrap();
    let mut rows = slice.next_batch().await.unwrap().unwrap().num_rows();
    shop.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'engine'");
    while let Some(batch) = slice.next_batch().await.unwrap() {
        rows += batch.num_rows();
    }
    let fault = slice.take_fault().unwrap();
    assert!(fault.retry(), "{fault}");
    let end = slice.end().await.unwrap();
    assert!(end.more && rows < 60_000);
    let rest = read(&source, Some(&end.offset), HUGE).await.unwrap();
    assert_eq!(rest.ids().len(), 60_000 - rows);
    assert_eq!(rest.ids().first().copied(), Some(i64::try_from(rows).unwrap() + 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_without_a_position_are_never_left_out_in_silence() {
    let Some(shop) = Shop::with(
        "CREATE TABLE t (id bigint PRIMARY KEY, at timestamptz); INSERT INTO t VALUES (1, now()), (2, NULL), (3, 'infinity')",
    ) else {
        return;
    };
    let text = error(&shop.source("t", &[("cursor", "at")]).await).await;
    for part in ["public.t: 2 rows have NULL or infinity in 'at' or 'id', and would never be read", "'on_null' 'skip'"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let skipping = read(&shop.source("t", &[("cursor", "at"), ("on_null", "skip")]).await, None, HUGE).await.unwrap();
    assert_eq!(skipping.ids(), [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_a_cursor_or_a_key_is_refused_with_what_can() {
    let Some(shop) = Shop::with(
        "CREATE TABLE t (id bigint PRIMARY KEY, d double precision, j jsonb, iv interval, code text); CREATE VIEW v AS SELECT * FROM t",
    ) else {
        return;
    };
    for (table, options, part) in [
        ("t", &[("cursor", "d")][..], "column 'd' is double precision, which cannot be a cursor"),
        ("t", &[("cursor", "iv")], "column 'iv' is interval, which cannot be a cursor"),
        ("t", &[("cursor", "idd")], "did you mean 'id'?"),
        ("t", &[("cursor", "id"), ("key", "j")], "column 'j' is jsonb, which cannot be in a key"),
        ("v", &[("cursor", "id")], "public.v is a view without a primary key: name the columns"),
        ("t", &[("cursor", "code"), ("overlap", "1 hour")], "such values have no distance"),
        ("t", &[("cursor", "id"), ("overlap", "1 hour")], "expected a whole number: 'id' is bigint"),
        ("t", &[("overlap", "1 hour")], "option 'overlap' is for a table with a 'cursor'"),
        ("t", &[("curser", "id")], "did you mean 'cursor'?"),
        ("t", &[("max_bad_ratio", "0.5")], "applies only with on_error"),
    ] {
        let text = shop.refused(table, options).await;
        assert!(text.contains(part), "{part}: {text}");
    }
}
