//! Columns that come, go and change.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

use super::bench::{Bench, rows, spec};
use crate::context::TableSpec;
use crate::sink::{Change, WriteMode};

fn ints(values: Vec<i32>) -> ArrayRef {
    Arc::new(Int32Array::from(values))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_is_widened_added_and_left_out() {
    let Some(bench) = Bench::start() else { return };
    let table = spec("drift", "");
    bench.write(&table, 1, WriteMode::Append, &rows(vec![("id", ints(vec![1])), ("old", ints(vec![5]))])).await.unwrap();
    let wider = rows(vec![("id", Arc::new(Int64Array::from(vec![1_i64 << 40])) as ArrayRef), ("new", ints(vec![7]))]);
    let plan = bench.plan(&table, &wider, WriteMode::Append).await.unwrap();
    let widened = Change::WidenColumn { name: "id".into(), from: "integer".into(), to: "bigint".into() };
    assert_eq!(plan.changes, [widened, Change::AddColumn { name: "new".into(), data_type: DataType::Int32 }]);
    bench.write(&table, 2, WriteMode::Append, &wider).await.unwrap();
    assert_eq!(bench.sql("SELECT id, old, new FROM drift ORDER BY id"), "1|5|\n1099511627776||7");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_integer_that_becomes_a_double_is_refused_with_the_statement_that_makes_it_one() {
    let Some(bench) = Bench::start() else { return };
    let table = spec("prices", "");
    bench.write(&table, 1, WriteMode::Append, &rows(vec![("price", ints(vec![1]))])).await.unwrap();
    let doubles = rows(vec![("price", Arc::new(Float64Array::from(vec![1.5])) as ArrayRef)]);
    let error = bench.plan(&table, &doubles, WriteMode::Append).await.unwrap_err();
    assert_eq!(error.subject(), Some("price"));
    let text = error.to_string();
    let statement = text.split("or run: ").nth(1).unwrap_or_default();
    bench.sql(statement);
    bench.write(&table, 2, WriteMode::Append, &doubles).await.unwrap();
    assert_eq!(bench.sql("SELECT price FROM prices ORDER BY price"), "1\n1.5");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_that_a_view_needs_is_not_widened_and_the_error_names_the_statement() {
    let Some(bench) = Bench::start() else { return };
    let table = spec("seen", "");
    bench.write(&table, 1, WriteMode::Append, &rows(vec![("id", ints(vec![1]))])).await.unwrap();
    bench.sql("CREATE VIEW seeing AS SELECT id FROM seen");
    bench.sql("CREATE VIEW \"Above\" AS SELECT id FROM seeing");
    let wider = rows(vec![("id", Arc::new(Int64Array::from(vec![2])) as ArrayRef)]);
    // Nothing is promised, so that nothing is staged either.
    let refused = bench.plan(&table, &wider, WriteMode::Append).await.unwrap_err();
    assert_eq!(refused.subject(), Some("id"));
    let error = refused.to_string();
    assert!(error.contains("while views show it: \"public\".\"seeing\", \"public\".\"Above\"; run, in this order: "), "{error}");
    assert_eq!(bench.sql("SELECT id FROM seeing"), "1");
    let statements = error.split("in this order: ").nth(1).and_then(|rest| rest.split(" and GRANT").next()).unwrap();
    bench.sql(statements);
    bench.write(&table, 2, WriteMode::Append, &wider).await.unwrap();
    assert_eq!(bench.sql("SELECT id FROM \"Above\" ORDER BY id"), "1\n2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_that_came_after_the_plan_is_named_by_the_load() {
    let Some(bench) = Bench::start() else { return };
    let table = spec("late", "");
    bench.write(&table, 1, WriteMode::Append, &rows(vec![("id", ints(vec![1]))])).await.unwrap();
    let wider = rows(vec![("id", Arc::new(Int64Array::from(vec![2])) as ArrayRef)]);
    let batch = bench.batch(&table, 2, WriteMode::Append, &wider).await.unwrap();
    bench.sql("CREATE VIEW later AS SELECT id FROM late");
    let error = bench.commit(&table, &batch).await.unwrap_err();
    assert!(!error.retry() && error.to_string().contains("DROP VIEW \"public\".\"later\"; ALTER TABLE"), "{error}");
    bench.sql("DROP VIEW later");
    bench.commit(&table, &batch).await.unwrap();
    assert_eq!(bench.sql("SELECT id FROM late ORDER BY id"), "1\n2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_that_is_not_null_must_be_there_and_have_values() {
    let Some(bench) = Bench::start() else { return };
    bench.sql("CREATE TABLE strict (id bigint, v text NOT NULL)");
    let table = spec("strict", "");
    let error = bench.plan(&table, &rows(vec![("id", ints(vec![1]))]), WriteMode::Append).await.unwrap_err();
    assert_eq!(error.subject(), Some("v"));
    assert!(error.to_string().contains("ALTER TABLE \"public\".\"strict\" ALTER COLUMN \"v\" DROP NOT NULL"), "{error}");
    let values = Arc::new(StringArray::from(vec![Some("a"), None])) as ArrayRef;
    let error =
        bench.write(&table, 1, WriteMode::Append, &rows(vec![("id", ints(vec![1, 2])), ("v", values)])).await.unwrap_err();
    assert!(
        error.to_string().contains("row 2 of the epoch (id = 2, v = NULL): column 'v' is NULL, and the table has it NOT NULL"),
        "{error}"
    );
    assert_eq!(bench.sql("SELECT count(*) FROM strict"), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_declared_table_is_made_as_it_is_declared() {
    let Some(bench) = Bench::start() else { return };
    let declared = Schema::new(vec![Field::new("ID", DataType::Int64, false), Field::new("order", DataType::Utf8, true)]);
    let table = TableSpec { columns: Some(Arc::new(declared)), ..spec("\"Raw Data\".\"Some \"\"Table\"", "id") };
    let batch = rows(vec![("id", ints(vec![1])), ("order", Arc::new(StringArray::from(vec!["a"])))]);
    bench.write(&table, 1, WriteMode::Append, &batch).await.unwrap();
    assert_eq!(bench.sql("SELECT \"ID\", \"order\" FROM \"Raw Data\".\"Some \"\"Table\""), "1|a");
    let required = "SELECT attname, attnotnull FROM pg_attribute WHERE attrelid = '\"Raw Data\".\"Some \"\"Table\"'::regclass AND attnum > 0 ORDER BY 1";
    assert_eq!(bench.sql(required), "ID|t\norder|f");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_table_is_not_written() {
    let Some(bench) = Bench::start() else { return };
    bench.sql("CREATE VIEW looking AS SELECT 1 AS id");
    let error = bench.plan(&spec("looking", ""), &rows(vec![("id", ints(vec![1]))]), WriteMode::Append).await.unwrap_err();
    assert!(error.to_string().contains("\"public\".\"looking\" is a view"), "{error}");
}
