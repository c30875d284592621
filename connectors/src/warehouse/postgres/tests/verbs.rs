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

fn keyed(values: &[(&str, &str)]) -> RecordBatch {
    rows(vec![
        ("id", Arc::new(values.iter().map(|value| Some(value.0)).collect::<StringArray>()) as ArrayRef),
        ("v", Arc::new(values.iter().map(|value| Some(value.1)).collect::<StringArray>())),
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_rows_whose_keys_are_one_to_the_database_the_last_is_taken() {
    let Some(bench) = Bench::start() else { return };
    let (upper, lower) = ("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
    let other = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12";
    let cases = [
        ("char(3)", ["b ", "b", "a"], "b|2\na|3".to_owned()),
        ("uuid", [upper, lower, other], format!("{lower}|2\n{other}|3")),
        ("inet", ["10.0.0.1", "10.0.0.1/32", "10.0.0.2"], "10.0.0.1/32|2\n10.0.0.2/32|3".to_owned()),
        ("numeric", ["1.0", "1.00", "2"], "1.00|2\n2|3".to_owned()),
    ];
    for (index, (key_type, [one, again, other], expected)) in cases.iter().enumerate() {
        for unique in ["PRIMARY KEY", ""] {
            let name = format!("loose_{index}_{}", unique.len());
            bench.sql(&format!("CREATE TABLE {name} (id {key_type} {unique}, v text)"));
            let table = spec(&name, "id");
            let batch = keyed(&[(one, "1"), (again, "2"), (other, "3")]);
            assert!(bench.plan(&table, &batch, WriteMode::Upsert).await.unwrap().in_order, "{key_type}");
            bench.write(&table, 1, WriteMode::Upsert, &batch).await.unwrap();
            assert_eq!(bench.sql(&format!("SELECT id::text, v FROM {name} ORDER BY v")), *expected, "{key_type} {unique}");
            bench.write(&table, 2, WriteMode::Upsert, &keyed(&[(again, "5"), (one, "4")])).await.unwrap();
            assert_eq!(bench.sql(&format!("SELECT v FROM {name} ORDER BY v")), "3\n4", "{key_type} {unique}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_rows_whose_keys_are_one_in_any_case_the_last_by_order_is_taken_with_its_key() {
    let Some(bench) = Bench::start() else { return };
    if bench.sql("SELECT count(*) FROM pg_available_extensions WHERE name = 'citext'") == "0" {
        eprintln!("skipped: the server has no citext");
        return;
    }
    bench.sql("CREATE EXTENSION citext; CREATE TABLE named (id citext PRIMARY KEY, v text)");
    let mut table = spec("named", "id");
    table.options.push(("order_by".into(), "V".into()));
    bench.write(&table, 1, WriteMode::Upsert, &keyed(&[("a", "9"), ("A", "1"), ("b", "2")])).await.unwrap();
    assert_eq!(bench.sql("SELECT id, v FROM named ORDER BY id"), "a|9\nb|2");
    bench.write(&table, 2, WriteMode::Upsert, &keyed(&[("B", "2")])).await.unwrap();
    assert_eq!(bench.sql("SELECT id, v FROM named ORDER BY id"), "a|9\nB|2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_a_float_is_refused_as_everywhere() {
    let Some(bench) = Bench::start() else { return };
    let floats = rows(vec![("id", Arc::new(arrow::array::Float64Array::from(vec![0.0, -0.0])) as ArrayRef)]);
    let error = bench.plan(&spec("floats", "id"), &floats, WriteMode::Upsert).await.unwrap_err();
    assert_eq!(error.subject(), Some("id"));
    assert!(error.to_string().contains("is Float64, which is not compared for equality safely; cast it"), "{error}");
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
