//! Append, overwrite and upsert beyond the contract: keys, columns of other writers, several loads at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::bench::{Bench, DATABASE, rows, spec};
use crate::postgres::{Client, ConnectionConfig};
use crate::sink::WriteMode;
use crate::warehouse::TableName;
use crate::warehouse::postgres::ledger::Ledger;

fn pairs(values: &[(i64, &str)]) -> RecordBatch {
    rows(vec![
        ("id", Arc::new(values.iter().map(|value| value.0).collect::<Int64Array>()) as ArrayRef),
        ("v", Arc::new(values.iter().map(|value| Some(value.1)).collect::<StringArray>())),
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upserts_are_what_a_map_would_do_with_and_without_an_index() {
    let Some(bench) = Bench::start() else { return };
    bench.sql("CREATE TABLE plain (id bigint, v text); CREATE UNIQUE INDEX partly ON plain (id) WHERE id > 5");
    let mut runner = TestRunner::default();
    let batches = prop::collection::vec(prop::collection::btree_map(0_i64..40, "[a-z]{1,3}", 1..40), 5);
    for name in ["keyed", "plain"] {
        let table = spec(name, "id");
        let mut model = BTreeMap::new();
        for (epoch, batch) in (1..).zip(batches.new_tree(&mut runner).unwrap().current()) {
            let values: Vec<(i64, &str)> = batch.iter().map(|(id, v)| (*id, v.as_str())).collect();
            bench.write(&table, epoch, WriteMode::Upsert, &pairs(&values)).await.unwrap();
            model.extend(batch);
            let expected: Vec<String> = model.iter().map(|(id, v)| format!("{id}|{v}")).collect();
            assert_eq!(bench.sql(&format!("SELECT id, v FROM {name} ORDER BY id")), expected.join("\n"), "{name}, epoch {epoch}");
        }
    }
    assert_eq!(bench.sql("SELECT count(*) FROM pg_constraint WHERE conrelid = 'keyed'::regclass AND contype = 'p'"), "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_another_row_has_in_a_unique_column_beside_the_key_names_that_constraint() {
    let Some(bench) = Bench::start() else { return };
    bench.sql("CREATE TABLE people (id bigint PRIMARY KEY, v text CONSTRAINT one_v UNIQUE); INSERT INTO people VALUES (1, 'a')");
    bench.sql("CREATE TABLE loose (id bigint, v text CONSTRAINT loose_v UNIQUE); INSERT INTO loose VALUES (1, 'a')");
    for (table, constraint) in [("people", "one_v"), ("loose", "loose_v")] {
        let table = spec(table, "id");
        let error = bench.write(&table, 1, WriteMode::Upsert, &pairs(&[(2, "a")])).await.unwrap_err();
        assert!(matches!(error, crate::Error::Data { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(&format!("the constraint '{constraint}' is not that of the key (id)")), "{text}");
        assert!(!text.contains("REPLACE INTO replaces"), "{text}");
        // Of the row itself it is no other's.
        bench.write(&table, 1, WriteMode::Upsert, &pairs(&[(1, "a"), (2, "b")])).await.unwrap();
    }
    let added = bench.write(&spec("people", ""), 2, WriteMode::Append, &pairs(&[(2, "c")])).await.unwrap_err().to_string();
    assert!(added.contains("people_pkey") && added.contains("REPLACE INTO replaces those whose key is there"), "{added}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_is_replaced_keeps_nothing_of_the_old_one_and_others_refer_to_it_still() {
    let Some(bench) = Bench::start() else { return };
    bench.sql(
        "CREATE TABLE items (id bigint PRIMARY KEY, v text, n int GENERATED ALWAYS AS IDENTITY, note text DEFAULT 'none', twice text GENERATED ALWAYS AS (v || v) STORED);
         CREATE TABLE orders (item bigint REFERENCES items ON DELETE CASCADE);
         INSERT INTO items (id, v, note) VALUES (1, 'a', 'mine'), (2, 'b', 'mine'); INSERT INTO orders VALUES (1), (2)",
    );
    bench.write(&spec("items", "id"), 1, WriteMode::Upsert, &pairs(&[(1, "A"), (3, "c")])).await.unwrap();
    assert_eq!(bench.sql("SELECT id, v, note, twice FROM items ORDER BY id"), "1|A|none|AA\n2|b|mine|bb\n3|c|none|cc");
    assert_eq!(bench.sql("SELECT count(*) FROM orders"), "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_stay_the_same_are_not_written_again() {
    let Some(bench) = Bench::start() else { return };
    let table = spec("calm", "id");
    bench.write(&table, 1, WriteMode::Upsert, &pairs(&[(1, "a"), (2, "b")])).await.unwrap();
    let before = bench.sql("SELECT xmin FROM calm WHERE id = 1");
    bench.write(&table, 2, WriteMode::Upsert, &pairs(&[(1, "a"), (2, "B")])).await.unwrap();
    assert_eq!(bench.sql("SELECT xmin FROM calm WHERE id = 1"), before);
    assert_eq!(bench.sql("SELECT v FROM calm ORDER BY id"), "a\nB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_null_is_refused_with_its_row_and_changes_nothing() {
    let Some(bench) = Bench::start() else { return };
    let table = spec("keys", "id");
    bench.write(&table, 1, WriteMode::Upsert, &pairs(&[(1, "a")])).await.unwrap();
    let bad = rows(vec![
        ("id", Arc::new(Int64Array::from(vec![Some(1), None])) as ArrayRef),
        ("v", Arc::new(StringArray::from(vec!["A", "lost"]))),
    ]);
    let error = bench.write(&table, 2, WriteMode::Upsert, &bad).await.unwrap_err().to_string();
    assert!(
        error.contains("row 2 of the epoch (id = NULL, v = lost): column 'id' is NULL, and it is part of the key"),
        "{error}"
    );
    assert_eq!(bench.sql("SELECT id, v FROM keys"), "1|a");
    let error = bench.plan(&spec("keys", ""), &bad, WriteMode::Upsert).await.unwrap_err();
    assert!(error.to_string().contains("OPTIONS ('key' 'id')"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_writers_at_once_all_get_in_once() {
    let Some(bench) = Bench::start() else { return };
    let bench = Arc::new(bench);
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..4_i64 {
        let bench = Arc::clone(&bench);
        writers.spawn(async move {
            let table = spec("shared.crowded", "");
            for epoch in 1..=5 {
                let rows = pairs(&[(writer, "a"), (writer, "b")]);
                let mut batch = bench.batch(&table, epoch, WriteMode::Append, &rows).await.unwrap();
                batch.id.flow = format!("writer-{writer}");
                // Two engines with one batch: one of them finds that it is in.
                let (one, other) = tokio::join!(bench.commit(&table, &batch), bench.commit(&table, &batch));
                assert_eq!(one.unwrap(), other.unwrap());
            }
        });
    }
    writers.join_all().await;
    assert_eq!(bench.sql("SELECT count(*), count(DISTINCT id) FROM shared.crowded"), "40|4");
    assert_eq!(bench.sql("SELECT count(*), sum(rows) FROM shared._engine_loads"), "20|40");
    assert_eq!(bench.sql("SELECT * FROM shared._engine_targets"), "crowded|20");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_the_fence_moved_is_rolled_back() {
    let Some(bench) = Bench::start() else { return };
    let table = spec("fenced", "");
    bench.write(&table, 1, WriteMode::Append, &pairs(&[(1, "a")])).await.unwrap();
    let batch = bench.batch(&table, 2, WriteMode::Append, &pairs(&[(2, "b")])).await.unwrap();
    let config = ConnectionConfig::parse(&bench.server.url(DATABASE), None).unwrap();
    let mut client = Client::connect(&config).await.unwrap();
    let ledger = Ledger::new(&TableName::parse("fenced").unwrap());
    let transaction = client.driver().transaction().await.unwrap();
    let loads = ledger.begin(&transaction).await.unwrap();
    let error = ledger.record(&transaction, &batch, &batch.receipt(), loads - 1).await.unwrap_err();
    assert!(error.retry() && error.to_string().contains("somebody else loaded 'fenced' meanwhile"), "{error}");
}
