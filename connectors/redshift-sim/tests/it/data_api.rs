//! The Redshift Data API, asked by hand: requests are what an AWS client sends, without a signature.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use redshift_sim::{Isolation, rules};
use serde_json::{Value, json};

use crate::warehouse::Warehouse;

/// One request; status and body of the answer.
fn ask(warehouse: &Warehouse, operation: &str, body: &Value) -> (u16, Value) {
    let answer = answer_to(warehouse, operation, body);
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap())
}

/// One request; whatever is answered.
fn answer_to(warehouse: &Warehouse, operation: &str, body: &Value) -> String {
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
    answer
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

/// Submits a statement of a session and waits until it has ended.
fn in_session(warehouse: &Warehouse, session: &Value, sql: &str) -> Value {
    let (status, submitted) = ask(warehouse, "ExecuteStatement", &json!({"SessionId": session, "Sql": sql}));
    assert_eq!(status, 200, "{submitted}");
    assert_eq!(&submitted["SessionId"], session);
    ended(warehouse, &submitted["Id"])
}

/// Begins a session that is kept for so long.
fn begin_session(warehouse: &Warehouse, seconds: u64, sql: &str) -> Value {
    let begun = finished(warehouse, "ExecuteStatement", json!({"Sql": sql, "SessionKeepAliveSeconds": seconds}));
    assert_eq!(begun["Status"], "FINISHED", "{begun}");
    begun["SessionId"].clone()
}

/// The only value of a query of a session.
fn value(warehouse: &Warehouse, session: &Value, sql: &str) -> Value {
    let ended = in_session(warehouse, session, sql);
    let (_, result) = ask(warehouse, "GetStatementResult", &json!({"Id": ended["Id"]}));
    result["Records"][0][0].as_object().unwrap().values().next().unwrap().clone()
}

fn refused(warehouse: &Warehouse, request: &Value) -> String {
    let (status, answer) = ask(warehouse, "ExecuteStatement", request);
    assert_eq!((status, answer["__type"].as_str()), (400, Some("ValidationException")), "{answer}");
    answer["message"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn data_api_sessions_are_kept() {
    let warehouse = Warehouse::stand_in(Isolation::Snapshot).await;
    let session = begin_session(&warehouse, 60, "CREATE TEMP TABLE own (a INT)");
    in_session(&warehouse, &session, "BEGIN");
    assert_eq!(in_session(&warehouse, &session, "INSERT INTO own VALUES (1), (2)")["ResultRows"], 2);
    assert_eq!(value(&warehouse, &session, "SELECT COUNT(*) FROM own"), 2);
    in_session(&warehouse, &session, "ROLLBACK");
    assert_eq!(value(&warehouse, &session, "SELECT COUNT(*) FROM own"), 0);
    let failed = in_session(&warehouse, &session, "SELECT nothing");
    assert_eq!(failed["Status"], "FAILED", "{failed}");
    assert_eq!(value(&warehouse, &session, "SELECT COUNT(*) FROM own"), 0);
    let elsewhere = finished(&warehouse, "ExecuteStatement", json!({"Sql": "SELECT * FROM own"}));
    assert!(elsewhere["Error"].as_str().unwrap().contains("does not exist"), "{elsewhere}");
}

#[tokio::test(flavor = "multi_thread")]
async fn data_api_sessions_expire() {
    let warehouse = Warehouse::stand_in(Isolation::Snapshot).await;
    let client = warehouse.connect().await;
    client.run("CREATE TABLE expiring (a INT)").await;
    let session = begin_session(&warehouse, 1, "BEGIN");
    in_session(&warehouse, &session, "INSERT INTO expiring VALUES (1)");
    // Waits for the lock, which goes with the session.
    client.run("INSERT INTO expiring VALUES (2)").await;
    assert_eq!(client.rows("SELECT a FROM expiring").await, ["2"]);
    assert_eq!(refused(&warehouse, &json!({"SessionId": session, "Sql": "COMMIT"})), "Session is not available");
    let unknown = "00000000-0000-4000-8000-000000000000";
    assert!(refused(&warehouse, &json!({"SessionId": unknown, "Sql": "SELECT 1"})).ends_with("is invalid"));
    let request = json!({"Sql": "SELECT 1", "Database": "dev", "WorkgroupName": "w", "SessionKeepAliveSeconds": 86_401});
    assert!(refused(&warehouse, &request).contains("0 to 86400"));
}

#[tokio::test(flavor = "multi_thread")]
async fn data_api_sessions_run_one_statement() {
    let warehouse = Warehouse::stand_in(Isolation::Snapshot).await;
    let client = warehouse.connect().await;
    client.run("CREATE TABLE held (a INT)").await;
    client.run("BEGIN; INSERT INTO held VALUES (1)").await;
    let session = begin_session(&warehouse, 60, "SELECT 1");
    let (status, waiting) = ask(&warehouse, "ExecuteStatement", &json!({"SessionId": session, "Sql": "DELETE FROM held"}));
    assert_eq!(status, 200);
    assert_eq!(refused(&warehouse, &json!({"SessionId": session, "Sql": "SELECT 1"})), "Session is not available");
    client.run("COMMIT").await;
    ended(&warehouse, &waiting["Id"]);
    assert_eq!(value(&warehouse, &session, "SELECT 7"), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn data_api_sessions_have_their_database() {
    let warehouse = Warehouse::stand_in(Isolation::Snapshot).await;
    let session = begin_session(&warehouse, 60, "SELECT 1");
    for other in ["Database", "WorkgroupName", "ClusterIdentifier", "DbUser", "SecretArn"] {
        let mut request = json!({"SessionId": session, "Sql": "SELECT 1"});
        request[other] = json!("dev");
        assert!(refused(&warehouse, &request).starts_with(other));
    }
    let both = json!({"Sql": "SELECT 1", "Database": "dev", "WorkgroupName": "w", "ClusterIdentifier": "c"});
    assert!(refused(&warehouse, &both).contains("one of ClusterIdentifier and WorkgroupName"));
    let user = json!({"Sql": "SELECT 1", "Database": "dev", "WorkgroupName": "w", "DbUser": "awsuser"});
    assert!(refused(&warehouse, &user).contains("DbUser is for clusters"));
    warehouse.connect().await.run("CREATE USER reader PASSWORD 'Reader123'").await;
    let request = json!({"Sql": "SELECT current_user", "Database": "dev", "ClusterIdentifier": "c", "DbUser": "reader"});
    let (_, submitted) = ask(&warehouse, "ExecuteStatement", &request);
    ended(&warehouse, &submitted["Id"]);
    let (_, result) = ask(&warehouse, "GetStatementResult", &json!({"Id": submitted["Id"]}));
    assert_eq!(result["Records"], json!([[{"stringValue": "reader"}]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn data_api_counts_no_copy() {
    let warehouse = Warehouse::stand_in(Isolation::Snapshot).await;
    let url = warehouse.put("counted.csv", "1\n2\n3\n").await;
    let session = begin_session(&warehouse, 60, "CREATE TABLE counted (a INT)");
    let copy = format!("COPY counted FROM '{url}' {} CSV", warehouse.authorization());
    let copied = in_session(&warehouse, &session, &copy);
    assert_eq!((copied["Status"].as_str(), copied["ResultRows"].as_i64()), (Some("FINISHED"), Some(0)), "{copied}");
    assert_eq!(value(&warehouse, &session, "SELECT pg_last_copy_count()"), 0);
    assert_eq!(value(&warehouse, &session, "SELECT COUNT(*) FROM counted"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_has_pages_and_an_answer_may_be_lost() {
    let warehouse = Warehouse::stand_in(Isolation::Snapshot).await;
    let session = warehouse.connect().await;
    session.run("CREATE TABLE digits (d INT); INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)").await;
    let many = "SELECT a.d * 100 + b.d * 10 + c.d FROM digits a, digits b, digits c ORDER BY 1";
    let selected = finished(&warehouse, "ExecuteStatement", json!({"Sql": many}));
    let (_, first) = ask(&warehouse, "GetStatementResult", &json!({"Id": selected["Id"]}));
    let next = json!({"Id": selected["Id"], "NextToken": first["NextToken"]});
    let (_, second) = ask(&warehouse, "GetStatementResult", &next);
    assert_eq!((first["Records"].as_array().unwrap().len(), second["Records"].as_array().unwrap().len()), (500, 500));
    assert_eq!((&second["Records"][499][0], &second["NextToken"]), (&json!({"longValue": 999}), &Value::Null));

    session.run("SET redshift_sim.fault TO 'throttle'").await;
    assert_eq!(ask(&warehouse, "DescribeStatement", &json!({"Id": selected["Id"]})).1["__type"], "ThrottlingException");
    session.run("SET redshift_sim.fault TO 'lose_answer'").await;
    let once = json!({"Sql": "INSERT INTO digits VALUES (10)", "ClientToken": "t-2", "WorkgroupName": "w", "Database": "dev"});
    assert_eq!(answer_to(&warehouse, "ExecuteStatement", &once), "");
    let (_, again) = ask(&warehouse, "ExecuteStatement", &once);
    ended(&warehouse, &again["Id"]);
    assert_eq!(session.value("SELECT COUNT(*) FROM digits WHERE d = 10").await, "1");
}
