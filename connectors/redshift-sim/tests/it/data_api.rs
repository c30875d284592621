//! The Redshift Data API, asked by hand: requests are what an AWS client sends, without a signature.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use redshift_sim::{Isolation, rules};
use serde_json::{Value, json};

use crate::warehouse::Warehouse;

/// One request; status and body of the answer.
fn ask(warehouse: &Warehouse, operation: &str, body: &Value) -> (u16, Value) {
    let endpoint = warehouse.sim.as_ref().unwrap().data_api_endpoint().unwrap();
    let mut stream = TcpStream::connect(endpoint.trim_start_matches("http://")).unwrap();
    let body = body.to_string();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/x-amz-json-1.1\r\n\
         X-Amz-Target: RedshiftData.{operation}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap())
}

/// Submits a request and waits until it has ended.
fn finished(warehouse: &Warehouse, operation: &str, body: Value) -> Value {
    let mut body = body;
    body["WorkgroupName"] = json!("w");
    body["Database"] = json!("dev");
    let (status, submitted) = ask(warehouse, operation, &body);
    assert_eq!(status, 200, "{submitted}");
    ended(warehouse, &submitted["Id"])
}

fn ended(warehouse: &Warehouse, id: &Value) -> Value {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(30) {
        let (_, described) = ask(warehouse, "DescribeStatement", &json!({ "Id": id }));
        if described["Status"] != "STARTED" {
            return described;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the statement does not end");
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_submitted_described_and_read() {
    let warehouse = Warehouse::stand_in(Isolation::Snapshot).await;
    let made = finished(
        &warehouse,
        "ExecuteStatement",
        json!({"Sql": "CREATE TABLE api (a INT, b VARCHAR(10), c DECIMAL(5,2), d BOOLEAN)"}),
    );
    assert_eq!((made["Status"].as_str(), made["HasResultSet"].as_bool()), (Some("FINISHED"), Some(false)), "{made}");
    let insert = json!({"Sql": "INSERT INTO api VALUES (:n, :t, 1.5, true), (2, NULL, NULL, NULL)",
                        "Parameters": [{"name": "n", "value": "1"}, {"name": "t", "value": "it's"}]});
    assert_eq!(finished(&warehouse, "ExecuteStatement", insert)["ResultRows"], 2);
    let select = finished(&warehouse, "ExecuteStatement", json!({"Sql": "SELECT * FROM api ORDER BY a"}));
    let (_, result) = ask(&warehouse, "GetStatementResult", &json!({"Id": select["Id"]}));
    let none = json!({"isNull": true});
    let first = json!([{"longValue": 1}, {"stringValue": "it's"}, {"stringValue": "1.50"}, {"booleanValue": true}]);
    assert_eq!(result["Records"], json!([first, [{"longValue": 2}, none, none, none]]));
    assert_eq!((result["TotalNumRows"].as_i64(), result["ColumnMetadata"][2]["precision"].as_i64()), (Some(2), Some(5)));

    let failed = finished(&warehouse, "ExecuteStatement", json!({"Sql": "INSERT INTO api VALUES (1) ON CONFLICT DO NOTHING"}));
    assert_eq!(failed["Status"], "FAILED");
    assert!(failed["Error"].as_str().unwrap().contains("syntax error"), "{failed} {}", rules::NO_ON_CONFLICT.id);
    assert_eq!(ask(&warehouse, "GetStatementResult", &json!({"Id": failed["Id"]})).0, 400);
    assert_eq!(ask(&warehouse, "DescribeStatement", &json!({"Id": "nosuch"})).1["__type"], "ResourceNotFoundException");
    assert_eq!(ask(&warehouse, "ListTables", &json!({})).1["__type"], "UnknownOperationException");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_one_transaction_and_a_token_is_honoured_once() {
    let warehouse = Warehouse::stand_in(Isolation::Snapshot).await;
    let session = warehouse.connect().await;
    session.run("CREATE TABLE batched (a INT)").await;
    let batch = |last: &str| json!({"Sqls": ["INSERT INTO batched VALUES (1)", last]});
    let failed = finished(&warehouse, "BatchExecuteStatement", batch("INSERT INTO batched VALUES ('x')"));
    assert_eq!(failed["Status"], "FAILED", "{failed}");
    assert_eq!(session.value("SELECT count(*) FROM batched").await, "0");
    let good = finished(&warehouse, "BatchExecuteStatement", batch("SELECT count(*) FROM batched"));
    assert_eq!((good["Status"].as_str(), good["SubStatements"].as_array().unwrap().len()), (Some("FINISHED"), 2));
    let (_, result) = ask(&warehouse, "GetStatementResult", &json!({"Id": good["SubStatements"][1]["Id"]}));
    assert_eq!(result["Records"], json!([[{"longValue": 1}]]));

    let once = json!({"Sql": "INSERT INTO batched VALUES (2)", "ClientToken": "t-1"});
    let (first, second) =
        (finished(&warehouse, "ExecuteStatement", once.clone()), finished(&warehouse, "ExecuteStatement", once));
    assert_eq!(first["Id"], second["Id"]);
    assert_eq!(session.value("SELECT count(*) FROM batched").await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_waits_is_cancelled() {
    let warehouse = Warehouse::stand_in(Isolation::Snapshot).await;
    let session = warehouse.connect().await;
    session.run("CREATE TABLE busy (a INT)").await;
    session.run("BEGIN; INSERT INTO busy VALUES (1)").await;
    let request = json!({"Sql": "INSERT INTO busy VALUES (2)", "WorkgroupName": "w", "Database": "dev"});
    let (_, submitted) = ask(&warehouse, "ExecuteStatement", &request);
    let cancel = || ask(&warehouse, "CancelStatement", &json!({"Id": submitted["Id"]}));
    assert_eq!(cancel().1, json!({"Status": true}));
    // Its session may not have begun when the first request came.
    while cancel().0 == 200 {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(ended(&warehouse, &submitted["Id"])["Status"], "ABORTED");
}
