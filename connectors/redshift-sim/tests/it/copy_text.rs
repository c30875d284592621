//! COPY of CSV, delimited text and JSON, and what a failed load leaves.

use redshift_sim::rules;

use crate::warehouse::{Session, Warehouse};

async fn with_table() -> (Warehouse, Session) {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    session.run("CREATE TABLE texts (a INT, b VARCHAR(5), c DATE)").await;
    (warehouse, session)
}

/// A COPY of text.
fn copy(warehouse: &Warehouse, url: &str, options: &str) -> String {
    format!("COPY texts FROM '{url}' {} {options}", warehouse.authorization())
}

#[tokio::test]
async fn csv_null_is_backslash_n() {
    let (warehouse, session) = with_table().await;
    let url = warehouse.put("null.csv", "a,b,c\n1,\\N,2026-01-01\n2,,\n3,\"x,\"\"y\",\n").await;
    session.run(&copy(&warehouse, &url, "CSV IGNOREHEADER 1")).await;
    assert_eq!(session.rows("SELECT a, b, c FROM texts ORDER BY a").await, ["1|-|2026-01-01", "2||-", "3|x,\"y|-"]);
    session.run("DELETE FROM texts").await;
    let url = warehouse.put("null.txt", "1|none|\n2||\n").await;
    session.run(&copy(&warehouse, &url, "NULL AS 'none' EMPTYASNULL")).await;
    assert_eq!(session.value("SELECT count(*), count(b) FROM texts").await, "2|0");
}

#[tokio::test]
async fn text_strings_are_1204() {
    let (warehouse, session) = with_table().await;
    let url = warehouse.put("long.csv", "1,ab,\n2,éééé,\n").await;
    let refusal = session.refused(&copy(&warehouse, &url, "CSV")).await;
    assert_eq!(refusal.message, "Load into table 'texts' failed.  Check 'stl_load_errors' system table for details.");
    let found = "SELECT filename, line_number, rtrim(colname), rtrim(col_length), err_code, rtrim(raw_field_value) FROM stl_load_errors \
                 WHERE query = pg_last_copy_id()";
    assert_eq!(session.value(found).await, format!("{url}|2|b|5|1204|éééé"));
    session.run(&copy(&warehouse, &url, "CSV TRUNCATECOLUMNS")).await;
    assert_eq!(session.rows("SELECT b FROM texts ORDER BY a").await, ["ab", "éé"]);
}

#[tokio::test]
async fn maxerror_loads_the_rest() {
    let (warehouse, session) = with_table().await;
    let url = warehouse.put("some.csv", "1,ab,\nx,cd,\n2,too long,\n3\n4,ef,\n").await;
    session.run(&copy(&warehouse, &url, "CSV MAXERROR 4")).await;
    assert_eq!(session.rows("SELECT a, b FROM texts ORDER BY a").await, ["1|ab", "4|ef"]);
    let errors = "SELECT line_number, err_code FROM stl_load_errors WHERE query = pg_last_copy_id() ORDER BY 1";
    assert_eq!(session.rows(errors).await, ["2|1207", "3|1204", "4|1214"]);
    assert_eq!(session.value("SELECT pg_last_copy_count()").await, "2");
    session.refused(&copy(&warehouse, &url, "CSV MAXERROR AS 3")).await;
    assert_eq!(session.rows(errors).await.len(), 3);
    assert_eq!(session.value("SELECT count(*) FROM texts").await, "2");
    let url = warehouse.put("some.json", "{\"a\": 5, \"b\": \"too long\"}\n{\"a\": 6}\n").await;
    session.run(&copy(&warehouse, &url, "JSON 'auto' MAXERROR 2")).await;
    assert_eq!(session.value("SELECT max(a) FROM texts").await, "6");
    session.refused(&copy(&warehouse, &url, "CSV MAXERROR 100001")).await.by(rules::MAXERROR_LOADS_THE_REST);
}

#[tokio::test]
async fn load_errors_survive_rollback() {
    let (warehouse, session) = with_table().await;
    let url = warehouse.put("bad.csv", "1,ab,2026-01-01\nx,cd,2026-01-01\n").await;
    session.run("BEGIN; INSERT INTO texts VALUES (9, 'x', NULL)").await;
    let refusal = session.refused(&copy(&warehouse, &url, "CSV")).await;
    refusal.by(rules::LOAD_ERRORS_SURVIVE_ROLLBACK);
    assert_eq!(session.refused("SELECT 1").await.code, "25P02");
    session.run("ROLLBACK").await;
    assert_eq!(session.value("SELECT count(*) FROM texts").await, "0");
    let found = "SELECT line_number, rtrim(column_name), error_code, rtrim(error_message) FROM sys_load_error_detail";
    assert_eq!(session.value(found).await, "2|a|1207|Invalid digit, Value 'x', Pos 0, Type: INT");
    assert_eq!(session.value("SELECT rtrim(status), error_count FROM sys_load_history").await, "failed|1");
    let url = warehouse.put("short.csv", "1\n").await;
    session.refused(&copy(&warehouse, &url, "CSV")).await;
    assert_eq!(session.value("SELECT err_code FROM stl_load_errors WHERE query = pg_last_copy_id()").await, "1214");
}

#[tokio::test]
async fn json_objects_go_to_columns_by_name() {
    let (warehouse, session) = with_table().await;
    session.run("ALTER TABLE texts ADD COLUMN s SUPER").await;
    let lines = "{\"a\": 1, \"B\": \"x\", \"s\": {\"k\": [1, null]}}\n{\"c\": \"2026-02-03\", \"a\": null}\n";
    let url = warehouse.put("lines.json", lines).await;
    session.run(&copy(&warehouse, &url, "FORMAT JSON 'auto'")).await;
    session.run(&copy(&warehouse, &url, "JSON 'auto ignorecase'")).await;
    let rows = session.rows("SELECT a, b, c, json_serialize(s) FROM texts ORDER BY c NULLS FIRST, b NULLS FIRST").await;
    assert_eq!(rows, ["1|-|-|{\"k\":[1,null]}", "1|x|-|{\"k\":[1,null]}", "-|-|2026-02-03|-", "-|-|2026-02-03|-"]);
    session.refused(&copy(&warehouse, &url, "JSON 'auto' BZIP2")).await.by(rules::UNKNOWN_IS_REFUSED);
}
