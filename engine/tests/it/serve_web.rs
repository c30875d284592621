//! The web server over a real server of pipelines, by real HTTP.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::house::{House, READ_TOKEN, TOKEN};
use crate::lab::block_on;
use crate::serve::world::World;

/// The problem that an answer tells.
async fn problem(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let told: Value = response.json().await.unwrap();
    assert_eq!(told["status"], status);
    (status, told)
}

#[test]
fn a_run_is_asked_for_and_seen_in_the_api_the_load_log_the_catalog_and_sql() {
    block_on(async {
        let house = House::open().await;
        house.run().await;

        let pipelines = house.json("/api/v1/pipelines").await;
        let names: Vec<&str> =
            pipelines["pipelines"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["broken", "orders"]);
        assert_eq!(pipelines["pipelines"][0]["state"], "broken");
        assert_eq!(pipelines["pipelines"][0]["errors"][0]["line"], 1);
        let orders = house.json("/api/v1/pipelines/orders").await;
        assert!(orders["text"].as_str().unwrap().contains("REPLACE INTO kept"));
        assert_eq!(orders["nodes"].as_array().unwrap().len(), 3);

        let runs = house.json("/api/v1/runs?pipeline=orders").await;
        let run = runs["runs"][0]["run"].as_i64().unwrap();
        assert_eq!(runs["runs"][0]["totals"]["rows_written"], 2);
        let shown = house.json(&format!("/api/v1/pipelines/orders/runs/{run}")).await;
        assert_eq!(shown["epoch_list"][0]["totals"]["rows_in"], 2);
        assert_eq!(shown["loads"][0]["table_name"], "lake://shop/orders");
        // A run is done a moment before this process has put it away.
        let log = || house.json("/api/v1/pipelines/orders/runs/1/log");
        house.until(|| async { log().await["is_end"] == true }).await;
        assert_ne!(log().await["lines"], json!([]));

        for name in ["orders", "shop.orders", "SHOP.Orders", "lake.shop.orders", "lake://shop/orders"] {
            let loads = house.json(&format!("/api/loads?table_name={name}&landed_timestamp=0")).await;
            assert_eq!(loads["loads"][0]["rows"], 2, "{name}");
            assert_eq!(loads["loads"][0]["status"], "SUCCESS", "{name}");
            assert!(loads["loads"][0]["landed_timestamp"].is_string(), "{name}: {loads}");
        }
        let later = house.json("/api/loads?table_name=orders&landed_timestamp=2100-01-01T00:00:00Z").await;
        assert_eq!(later["loads"], json!([]));

        let tables = house.json("/api/v1/tables?database=shop").await;
        assert_eq!(tables["tables"][0]["table"], "lake.shop.orders");
        let table = house.json("/api/v1/tables/shop/orders").await;
        assert_eq!(table["columns"][0]["name"], "id");
        assert_eq!(house.json("/api/v1/tables/shop/orders/versions").await["versions"][0]["version"], 1);
        assert_eq!(house.json("/api/v1/tables/shop/orders/sample?rows=1").await.as_array().unwrap().len(), 1);

        let answer: Value = house.query("SELECT id, name FROM lake.shop.orders ORDER BY id").await.json().await.unwrap();
        assert_eq!(answer["rows"], json!([{"id": 1, "name": "one"}, {"id": 2, "name": "<b>two</b>"}]));
        assert_eq!(answer["truncated"], false);
        let metrics = house.get("/metrics").await.text().await.unwrap();
        assert!(metrics.contains("engine_http_requests_total{method=\"GET\",status=\"2xx\"}"), "{metrics}");
        house.close().await;
    });
}

#[test]
fn every_page_is_there_and_no_value_is_markup() {
    block_on(async {
        let house = House::open().await;
        house.run().await;
        let run = house.json("/api/v1/runs?pipeline=orders").await["runs"][0]["run"].as_i64().unwrap();
        for (path, expected) in [
            ("/".to_owned(), "Needs attention"),
            ("/pipelines/orders".to_owned(), "<span class=\"kw\">REPLACE</span>"),
            ("/pipelines/broken".to_owned(), "The file cannot be run"),
            (format!("/pipelines/orders/runs/{run}"), "lake://shop/orders"),
            ("/catalog".to_owned(), "/catalog/shop/orders"),
            ("/catalog/shop/orders".to_owned(), "Schema history"),
            ("/catalog/shop/orders/sample".to_owned(), "&lt;b&gt;two&lt;/b&gt;"),
            ("/catalog/shop/orders/profile".to_owned(), "approx_distinct"),
            ("/query".to_owned(), "<textarea"),
            ("/runs".to_owned(), "<option value=\"orders\""),
            ("/runs?pipeline=orders&status=done".to_owned(), "aria-label=\"run 1 of orders\""),
            ("/runs?pipeline=%3Cb%3E".to_owned(), "No run is like that"),
            ("/runs?before=1".to_owned(), "Newest"),
            ("/catalog/shop/orders/partitions".to_owned(), "The table has no partitions"),
            ("/pipelines/orders/objects".to_owned(), "in/a.json"),
        ] {
            let response = house.get(&path).await;
            assert_eq!(response.status(), 200, "{path}");
            let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
            assert!(policy.contains("script-src 'self'") && policy.contains("frame-ancestors 'none'"), "{policy}");
            let page = response.text().await.unwrap();
            assert!(page.contains(expected), "{path}: {page}");
            // Strict policy: what is inline would not be seen.
            assert!(!page.contains(" style=") && !page.contains("<script>") && !page.contains(" onclick="), "{path}");
        }
        let missing = house.get("/pipelines/<b>").await;
        assert_eq!(missing.status(), 404);
        assert_eq!(missing.headers()["content-type"], "text/html; charset=utf-8");
        assert!(!missing.text().await.unwrap().contains("<b>"));
        let names = house.json("/query/names").await;
        assert_eq!(names["tables"]["shop.orders"][0][0], "id");
        house.close().await;
    });
}

#[test]
fn what_is_wrong_with_a_request_is_told_with_what_to_try() {
    block_on(async {
        let house = House::open().await;
        for (path, status, detail, help) in [
            ("/api/v1/pipelines/order", 404, "there is no pipeline 'order'", "did you mean 'orders'?"),
            ("/api/v1/runs?pipeline=order", 404, "there is no pipeline 'order'", "did you mean 'orders'?"),
            ("/api/v1/runs?statu=done", 400, "there is no parameter 'statu'", "did you mean 'status'?"),
            ("/api/v1/runs?status=don", 400, "parameter 'status' is 'don', which no run is", "did you mean 'done'?"),
            ("/api/v1/runs?limit=0", 400, "parameter 'limit' is '0', expected a number from 1 to 1000", ""),
            (
                "/api/v1/pipelines/orders/runs/99",
                404,
                "pipeline 'orders' has no run '99'",
                "old runs are removed after [serve] keep_runs",
            ),
            (
                "/api/v1/pipelines/orders/runs/x",
                404,
                "pipeline 'orders' has no run 'x'",
                "old runs are removed after [serve] keep_runs",
            ),
            ("/api/v1/pipeline", 404, "there is nothing at /api/v1/pipeline", "did you mean /api/v1/pipelines?"),
            ("/api/v1/query", 405, "GET is nothing that /api/v1/query does", ""),
            ("/api/v1/pipelines/%ff", 400, "Bad Request", ""),
            ("/api/v1/tables/no/such", 404, "there is no table 'no.such'", ""),
        ] {
            let (found, told) = problem(house.get(path).await).await;
            let helped = told["help"].as_str().unwrap_or_default();
            assert_eq!((found, told["detail"].as_str().unwrap(), helped), (status, detail, help), "{path}");
        }
        for (path, expected) in [
            ("/api/loads", "table_name parameter is required"),
            ("/api/loads?table_name=%20", "table_name parameter is required"),
            ("/api/loads?table_name=t&landed_timestamp=soon", "timestamp must be an integer"),
        ] {
            let (status, told) = problem(house.get(path).await).await;
            assert!(status == 400 && told["error"].as_str().unwrap().contains(expected), "{path}: {told}");
        }
        let post = |body: &'static str, kind: &'static str| {
            house.ask(Method::POST, "/api/v1/pipelines/orders/backfill").header("content-type", kind).body(body).send()
        };
        assert_eq!(problem(post("{}", "text/plain").await.unwrap()).await.0, 415);
        assert_eq!(problem(post("{", "application/json").await.unwrap()).await.0, 400);
        assert_eq!(
            problem(post("{\"from\":\"2026-01-02\",\"to\":\"2026-01-01\"}", "application/json").await.unwrap()).await.0,
            400
        );
        assert_eq!(problem(post("{\"from\":\"x\",\"to\":\"y\"}", "application/json").await.unwrap()).await.0, 400);
        house.close().await;
    });
}

#[test]
fn a_query_reads_the_catalogs_and_nothing_else() {
    block_on(async {
        let house = House::open().await;
        let secret = house.folder.path().join("secret.csv");
        std::fs::write(&secret, "a\nhunter2\n").unwrap();
        let state = house.folder.path().join("state");
        for sql in [
            format!("SELECT * FROM '{}'", secret.display()),
            format!("SELECT * FROM \"{}\"", secret.display()),
            format!("SUMMARIZE '{}'", secret.display()),
            format!("DESCRIBE '{}'", secret.display()),
            format!("SELECT * FROM '{}/*'", state.display()),
            format!("SELECT * FROM lake.\"..\".\"{}\"", "secret.csv"),
            format!("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '{}'", secret.display()),
            format!("COPY (SELECT 1) TO '{}'", house.folder.path().join("out.csv").display()),
            format!("EXPLAIN ANALYZE COPY (SELECT 1) TO '{}'", house.folder.path().join("out.csv").display()),
            format!("SELECT * FROM '${{secret:file:{}}}'", secret.display()),
            "SELECT * FROM '/etc/passwd'".to_owned(),
            "INSERT INTO lake.shop.orders VALUES (1)".to_owned(),
            "DROP TABLE lake.shop.orders".to_owned(),
            "SET datafusion.execution.batch_size = 1".to_owned(),
            "SELECT 1; SELECT 2".to_owned(),
            "SELEC 1".to_owned(),
            "SELECT * FROM lake.shop.nothing".to_owned(),
            "SELECT '".to_owned(),
            "\\i /etc/passwd".to_owned(),
            "\0".to_owned(),
            String::new(),
        ] {
            let (status, told) = problem(house.query(&sql).await).await;
            assert_eq!(status, 400, "{sql}: {told}");
            let text = told.to_string();
            assert!(!text.contains("hunter2") && !text.contains("root:"), "{sql}: {text}");
        }
        assert!(!house.folder.path().join("out.csv").exists());
        let (_, told) = problem(house.query("SELECT 1,\n  nonsense FROM system.runs").await).await;
        assert_eq!((told["line"].as_u64(), told["column"].as_u64()), (Some(2), Some(3)), "{told}");
        house.close().await;
    });
}

#[test]
fn a_deep_statement_and_a_large_value_do_no_harm() {
    block_on(async {
        let house = House::with(&[("ENGINE_SERVE_QUERY_TIMEOUT", "2s")]).await;
        let sum = |terms: usize| format!("SELECT {}1", "1 + ".repeat(terms));
        let any =
            |terms: usize| format!("SELECT count(*) FROM generate_series(1, 3) WHERE {}value = 2", "value = 0 OR ".repeat(terms));
        let all = |terms: usize| format!("SELECT count(*) FROM ({}SELECT 1)", "SELECT 2 UNION ALL ".repeat(terms));
        for sql in [sum(11_000), any(11_000), all(11_000)] {
            let (status, told) = problem(house.query(&sql).await).await;
            assert!(status == 400 && told["detail"].as_str().unwrap().contains("10000 are the most"), "{status}: {told}");
        }
        let (status, told) = problem(house.query("SELECT length(repeat('x', 1000000000))").await).await;
        assert!(status == 400 && told["detail"].as_str().unwrap().contains("would make more than 16 MiB"), "{status}: {told}");
        // In a build without optimization, these may take longer than they may.
        for sql in [sum(2_000), any(1_000), all(300)] {
            let status = house.query(&sql).await.status().as_u16();
            assert!([200, 408, 503].contains(&status), "{status}: {}", &sql[..100]);
        }
        assert_eq!(house.get("/health").await.status(), 200);
        house.close().await;
    });
}

#[test]
fn answers_are_written_as_asked_for_and_end_at_the_limits() {
    block_on(async {
        let house = House::with(&[("ENGINE_SERVE_QUERY_ROWS", "100"), ("ENGINE_SERVE_QUERY_TIMEOUT", "2s")]).await;
        let answer: Value = house.query("SELECT * FROM generate_series(1, 100000)").await.json().await.unwrap();
        assert_eq!((answer["row_count"].as_u64(), answer["truncated"].as_bool()), (Some(100), Some(true)));
        let asked = |format: &'static str, sql: &'static str| {
            let request = house.ask(Method::POST, "/api/v1/query").header("accept", format).header("content-type", "text/plain");
            async move { request.body(sql).send().await.unwrap() }
        };
        let csv = asked("text/csv", "SELECT 1 AS a, 'x,\"y' AS b, NULL AS c").await;
        assert_eq!(csv.headers()["x-engine-truncated"], "false");
        assert_eq!(csv.text().await.unwrap(), "a,b,c\n1,\"x,\"\"y\",\n");
        let arrow = asked("application/vnd.apache.arrow.stream", "SELECT * FROM (VALUES (1)) x(a) CROSS JOIN (VALUES (2)) y(a)")
            .await
            .bytes()
            .await
            .unwrap();
        let mut reader = datafusion::arrow::ipc::reader::StreamReader::try_new(arrow.as_ref(), None).unwrap();
        assert_eq!(reader.next().unwrap().unwrap().num_rows(), 1);
        let parquet = house.ask(Method::POST, "/api/v1/query?format=parquet").json(&json!({"sql": "SELECT 1 AS a"}));
        assert!(parquet.send().await.unwrap().bytes().await.unwrap().starts_with(b"PAR1"));
        assert_eq!(problem(asked("image/png", "SELECT 1").await).await.0, 406);
        let begun = std::time::Instant::now();
        let endless = "SELECT sum(value % 7) FROM generate_series(1, 100000000000)";
        assert_eq!(problem(house.query(endless).await).await.0, 408);
        assert!(begun.elapsed() < Duration::from_secs(20));
        house.close().await;
    });
}

#[test]
fn tokens_let_in_and_a_read_token_changes_nothing() {
    block_on(async {
        let house = House::guarded().await;
        let asked = |method: Method, path: &'static str, token: &'static str| {
            let request = house.ask(method, path).bearer_auth(token).json(&json!({"sql": "SELECT 1"}));
            async move { request.send().await.unwrap() }
        };
        assert_eq!(problem(house.get("/api/v1/pipelines").await).await.0, 401);
        assert_eq!(house.get("/").await.status(), StatusCode::SEE_OTHER);
        assert_eq!(house.get("/health").await.status(), 200);
        assert_eq!(house.get("/ready").await.status(), 200);
        assert_eq!(asked(Method::GET, "/api/v1/pipelines", READ_TOKEN).await.status(), 200);
        assert_eq!(asked(Method::POST, "/api/v1/query", READ_TOKEN).await.status(), 200);
        assert_eq!(problem(asked(Method::POST, "/api/v1/pipelines/orders/pause", READ_TOKEN).await).await.0, 403);
        assert_eq!(asked(Method::POST, "/api/v1/pipelines/orders/pause", TOKEN).await.status(), 204);
        assert_eq!(asked(Method::POST, "/api/v1/pipelines/orders/resume", TOKEN).await.status(), 204);
        for _ in 0..10 {
            let response = asked(Method::GET, "/api/v1/pipelines", "guess").await;
            assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"engine\", error=\"invalid_token\"");
            assert_eq!(problem(response).await.0, 401);
        }
        let blocked = asked(Method::GET, "/api/v1/pipelines", TOKEN).await;
        assert!(blocked.headers().contains_key("retry-after"));
        assert_eq!(problem(blocked).await.0, 429);
        house.close().await;
    });
}

/// The value of a hidden field of a page.
fn proof_in(page: &str) -> String {
    page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[test]
fn a_person_signs_in_does_something_and_signs_out_and_no_other_site_can() {
    block_on(async {
        let house = House::guarded().await;
        let own = format!("http://{}", house.address);
        let page = house.get("/sign-in?to=/pipelines/orders").await.text().await.unwrap();
        let sign_in = |proof: String, token: &'static str, to: &'static str| {
            let fields = [("csrf", proof), ("token", token.to_owned()), ("to", to.to_owned())];
            house.ask(Method::POST, "/sign-in").header("origin", &own).form(&fields).send()
        };
        assert_eq!(sign_in("guess".to_owned(), TOKEN, "/").await.unwrap().status(), 403);
        let wrong = sign_in(proof_in(&page), "guess", "/").await.unwrap();
        assert_eq!(wrong.status(), 401);
        assert!(!wrong.headers().contains_key("set-cookie"));
        let elsewhere = sign_in(proof_in(&page), TOKEN, "//evil.example").await.unwrap();
        assert_eq!(elsewhere.headers()["location"], "/");
        let signed_in = sign_in(proof_in(&page), TOKEN, "/pipelines/orders").await.unwrap();
        assert_eq!(signed_in.headers()["location"], "/pipelines/orders");
        let cookie = signed_in.headers()["set-cookie"].to_str().unwrap().to_owned();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        let cookie = cookie.split(';').next().unwrap().to_owned();

        let page = house.ask(Method::GET, "/pipelines/orders").header("cookie", &cookie).send().await.unwrap();
        assert_eq!(page.status(), 200);
        let proof = proof_in(&page.text().await.unwrap());
        let pause = |origin: String, proof: String| {
            let request = house.ask(Method::POST, "/pipelines/orders/pause").header("cookie", &cookie).header("origin", origin);
            request.form(&[("csrf", proof)]).send()
        };
        assert_eq!(pause("http://evil.example".to_owned(), proof.clone()).await.unwrap().status(), 403);
        assert_eq!(pause(own.clone(), "guess".to_owned()).await.unwrap().status(), 403);
        assert!(house.control.pipeline("orders").await.unwrap().unwrap().paused.is_none());
        assert_eq!(pause(own.clone(), proof.clone()).await.unwrap().status(), StatusCode::SEE_OTHER);
        assert!(house.control.pipeline("orders").await.unwrap().unwrap().paused.is_some());

        let api = house.ask(Method::POST, "/api/v1/pipelines/orders/resume").header("cookie", &cookie);
        assert_eq!(problem(api.send().await.unwrap()).await.0, 403);
        let out = house.ask(Method::POST, "/sign-out").header("cookie", &cookie).header("origin", &own);
        assert_eq!(out.form(&[("csrf", &proof)]).send().await.unwrap().headers()["location"], "/sign-in");
        let after = house.ask(Method::GET, "/").header("cookie", &cookie).send().await.unwrap();
        assert_eq!(after.status(), StatusCode::SEE_OTHER);
        house.close().await;
    });
}

#[test]
fn the_overview_shows_what_has_been_run_since_it_was_looked_at() {
    block_on(async {
        let house = House::open().await;
        for run in 1..=3 {
            let asked = house.ask(Method::POST, "/api/v1/pipelines/orders/run").send().await.unwrap();
            assert_eq!(asked.status(), 202);
            // It runs, and then it does not.
            let bar = format!("/pipelines/orders/runs/{run}\" tabindex=\"-1\" aria-hidden=\"true\"><rect class=\"bar done\"");
            house.until(|| async { house.get("/").await.text().await.unwrap().contains(&bar) }).await;
        }
        house.close().await;
    });
}

#[test]
fn a_run_for_a_date_is_tried_again_for_that_date() {
    block_on(async {
        let house = House::open().await;
        let body = json!({"from": "2026-01-05", "to": "2026-01-05"});
        let asked = house.ask(Method::POST, "/api/v1/pipelines/orders/backfill").json(&body).send().await.unwrap();
        assert_eq!(asked.status(), 202);
        let dates = || async {
            let runs = house.json("/api/v1/runs?pipeline=orders&status=done").await;
            runs["runs"].as_array().unwrap().iter().map(|run| run["date"].clone()).collect::<Vec<Value>>()
        };
        house.until(|| async { dates().await.len() == 1 }).await;
        let page = house.get("/pipelines/orders/runs/1").await.text().await.unwrap();
        let retry =
            house.ask(Method::POST, "/pipelines/orders/runs/1/retry").header("origin", format!("http://{}", house.address));
        let answer = retry.form(&[("csrf", proof_in(&page))]).send().await.unwrap();
        assert_eq!(answer.headers()["location"], "/pipelines/orders");
        house.until(|| async { dates().await.len() == 2 }).await;
        assert_eq!(dates().await, [json!("2026-01-05T00:00:00Z"), json!("2026-01-05T00:00:00Z")]);
        house.close().await;
    });
}

#[test]
fn names_that_others_point_here_bodies_without_end_and_paths_out_of_it_are_refused() {
    block_on(async {
        let house = House::open().await;
        let rebound = house.ask(Method::GET, "/api/v1/pipelines").header("host", "evil.example").send().await.unwrap();
        assert_eq!(problem(rebound).await.0, 421);
        let large = "x".repeat(1 << 20);
        let response = house.ask(Method::POST, "/api/v1/query").header("content-type", "text/plain").body(large).send().await;
        // The server may close before all of it is sent.
        if let Ok(response) = response {
            assert_eq!(problem(response).await.0, 413);
        }
        for path in
            ["/assets/../../etc/passwd", "/assets/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/assets/app.css/../../x"]
        {
            let answer = house.raw(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")).await;
            assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
            assert!(!answer.contains("root:"), "{path}");
        }
        for path in [
            "/api/v1/pipelines/..%2f..%2fstate",
            "/api/v1/pipelines/orders/runs/..%2f..%2fx/log",
            "/pipelines/..%2f..%2fstate/runs/1",
            "/pipelines/..%2forders/objects",
            "/catalog/..%2f../etc%2fpasswd",
            "/catalog/shop/..%2f..%2fsecret.csv/sample",
        ] {
            assert_eq!(house.get(path).await.status(), 404, "{path}");
        }
        assert!(house.raw("GARBAGE\r\n\r\n").await.starts_with("HTTP/1.1 400"));
        assert!(house.raw("GET / HTTP/1.1\r\nconnection: close\r\n\r\n").await.starts_with("HTTP/1.1 400"));
        let head = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(100_000));
        assert!(house.raw(&head).await.starts_with("HTTP/1.1 431"));
        assert_eq!(house.get("/health").await.status(), 200);
        house.close().await;
    });
}

#[test]
fn who_does_not_speak_is_let_go_and_does_not_keep_others_out() {
    block_on(async {
        let house = House::with(&[("ENGINE_SERVE_CONNECTIONS", "3")]).await;
        // One stops within the head of a request, one within its body.
        let mut silent = TcpStream::connect(house.address).await.unwrap();
        silent.write_all(b"GET / HTTP/1.1\r\nhost: local").await.unwrap();
        let mut slow = TcpStream::connect(house.address).await.unwrap();
        let head =
            "POST /api/v1/query HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: 100\r\n\r\nSELECT";
        slow.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(house.get("/health").await.status(), 200);
        let said = |mut stream: TcpStream| async move {
            let mut answer = Vec::new();
            let ended = tokio::time::timeout(Duration::from_secs(40), stream.read_to_end(&mut answer)).await;
            assert!(ended.is_ok(), "the server waits for ever");
            String::from_utf8_lossy(&answer).into_owned()
        };
        let (silent, slow) = tokio::join!(said(silent), said(slow));
        assert!(!silent.contains("200 OK"), "{silent}");
        assert!(slow.starts_with("HTTP/1.1 408") && slow.contains("the rest of the body did not come"), "{slow}");
        house.close().await;
    });
}

#[test]
fn a_query_ends_when_nobody_waits_for_it_any_more() {
    block_on(async {
        let house = House::open().await;
        let running = || async { house.get("/metrics").await.text().await.unwrap().contains("engine_http_queries 1") };
        let endless = house.query("SELECT sum(value % 7) FROM generate_series(1, 100000000000)");
        let mut endless = Box::pin(endless);
        let is_seen = tokio::select! {
            _ = &mut endless => false,
            () = house.until(running) => true,
        };
        assert!(is_seen);
        drop(endless);
        house.until(|| async { !running().await }).await;
        house.close().await;
    });
}

#[test]
fn a_server_is_ready_when_it_has_read_its_pipelines() {
    block_on(async {
        let house = House::before_it_reads().await;
        assert_eq!(house.get("/health").await.status(), 200);
        let early = house.get("/ready").await;
        assert_eq!(early.headers()["retry-after"], "5");
        let (status, told) = problem(early).await;
        assert!(status == 503 && told["detail"] == "the files of the pipelines are being read", "{told}");
        house.close().await;
        let house = House::open().await;
        assert_eq!(house.get("/ready").await.text().await.unwrap(), "ready\n");
        house.close().await;
    });
}

#[test]
fn what_is_refused_is_in_the_log_and_no_secret_is() {
    let world = World::with(&[("ENGINE_SERVE_TOKEN", TOKEN)]);
    let serving = world.serve();
    world.wait("the server says where it is", || world.log().contains("Ctrl-C stops"));
    let log = world.log();
    let address = log.split("pages and API at ").nth(1).unwrap().split(';').next().unwrap().to_owned();
    block_on(async {
        let client = Client::new();
        let at = |path: &str| format!("{address}{path}");
        let guess = client.get(at("/api/v1/pipelines?token=hunter2")).bearer_auth("guess-hunter2-hunter2");
        let mistake =
            client.post(at("/api/v1/query")).bearer_auth(TOKEN).header("content-type", "text/plain").body("SELEC 'hunter2'");
        let large = client.post(at("/api/v1/query")).bearer_auth(TOKEN).header("content-type", "text/plain");
        let outside = client.get(at("/assets/..%2f..%2fetc/passwd")).bearer_auth(TOKEN);
        for (request, expected) in [(guess, 401), (mistake, 400), (outside, 404)] {
            assert_eq!(request.send().await.unwrap().status(), expected);
        }
        // The server may close before all of it is sent.
        large.body("hunter2 ".repeat(1 << 17)).send().await.ok();
    });
    for status in [401, 400, 404, 413] {
        world.wait("what was refused is logged", || world.log().contains(&format!("status={status}")));
    }
    serving.signal("-TERM");
    assert_eq!(serving.end(), Some(0));
    let log = world.log();
    assert!(log.contains("/assets/..%2f..%2fetc/passwd") && log.contains("127.0.0.1:"), "{log}");
    assert!(!log.contains("hunter2") && !log.contains(TOKEN), "{log}");
}

/// Reads what lies in a folder, of which some is no row.
const WITH_BAD_ROWS: &str = "\
CREATE EXTERNAL TABLE orders (id BIGINT) STORED AS JSON LOCATION 'in/' OPTIONS ('on_error' 'quarantine', 'max_bad_ratio' '1');
CREATE EXTERNAL TABLE kept STORED AS DELTA LOCATION 'lake://shop/orders';
INSERT INTO kept SELECT * FROM orders;
";

/// The names in a text that begin with `engine_`.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    let is_part = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    text.split(|letter| !is_part(letter)).filter(|word| word.starts_with("engine_")).collect()
}

/// The labels that an expression of PromQL names: in braces, and behind `by`.
fn labels_in(expression: &str) -> BTreeSet<&str> {
    let mut labels = BTreeSet::new();
    for part in expression.split('{').skip(1) {
        let conditions = part.split('}').next().unwrap().split(',');
        labels.extend(conditions.filter_map(|condition| condition.split(['=', '!']).next()).map(str::trim));
    }
    for part in expression.split("by (").skip(1) {
        labels.extend(part.split(')').next().unwrap().split(',').map(str::trim));
    }
    labels
}

#[test]
fn the_dashboard_shows_figures_that_there_are() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/grafana.json");
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let told = block_on(async {
        let furnish = |folder: &std::path::Path| {
            let input = folder.join("in");
            std::fs::create_dir_all(&input).unwrap();
            std::fs::write(input.join("a.json"), "{\"id\":1}\n{\"id\":\"none\"}\n").unwrap();
            let place = format!("'{}/'", input.display());
            std::fs::write(folder.join("queries/orders.sql"), WITH_BAD_ROWS.replace("'in/'", &place)).unwrap();
        };
        let house = House::furnished(&[], furnish).await;
        house.run().await;
        let told = house.get("/metrics").await.text().await.unwrap();
        house.close().await;
        told
    });
    let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in told.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        labels.entry(name).or_default().extend(labels_in(line));
    }
    let mut shown = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            for name in metrics_in(expression) {
                let known = labels.get(name).unwrap_or_else(|| panic!("{}: there is no {name} in\n{told}", panel["title"]));
                let asked = labels_in(expression);
                assert!(asked.is_subset(known), "{}: {name} has {known:?}, and {asked:?} are asked for", panel["title"]);
                shown.insert(name.trim_end_matches("_bucket").trim_end_matches("_sum").trim_end_matches("_count"));
            }
        }
    }
    let all: BTreeSet<&str> = told.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    // Rows staged are those committed, sooner.
    let left: Vec<&&str> = all.difference(&shown).collect();
    assert_eq!(left, [&"engine_flow_rows_total"], "on the dashboard, or left out on purpose");
}

#[test]
fn pages_are_told_of_changes_and_streams_end_with_the_server() {
    block_on(async {
        let house = House::open().await;
        let mut events = house.get("/events").await;
        assert_eq!(events.headers()["content-type"], "text/event-stream");
        let (control, stop) = (house.control.clone(), house.stop.clone());
        control.pause("orders", "test").await.unwrap();
        let mut seen = String::new();
        while !seen.contains("data: ") {
            let chunk = tokio::time::timeout(Duration::from_secs(10), events.chunk()).await.expect("a change is told");
            seen.push_str(&String::from_utf8_lossy(&chunk.unwrap().unwrap()));
        }
        stop.cancel();
        let begun = std::time::Instant::now();
        house.close().await;
        assert!(begun.elapsed() < Duration::from_secs(5));
    });
}

#[test]
fn https_is_spoken_with_the_files_of_a_certificate() {
    block_on(async {
        let folder = TempDir::new().unwrap();
        let made = testkit::postgres::Certificates::make(folder.path()).unwrap();
        let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let settings = [
            ("ENGINE_SERVE_TLS_CERTIFICATE", file("server.crt")),
            ("ENGINE_SERVE_TLS_KEY", file("server.key")),
            ("ENGINE_SERVE_TOKEN", TOKEN.to_owned()),
        ];
        let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let house = House::with(&settings).await;
        let authority = reqwest::Certificate::from_pem(&std::fs::read(&made.authority).unwrap()).unwrap();
        let client = Client::builder().add_root_certificate(authority).resolve("localhost", house.address).build().unwrap();
        let at = |path: &str| format!("https://localhost:{}{path}", house.address.port());
        let answer = client.get(at("/api/v1/pipelines")).bearer_auth(TOKEN).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.headers().contains_key("strict-transport-security"));
        let page = client.get(at("/sign-in")).send().await.unwrap().text().await.unwrap();
        let fields = [("csrf", proof_in(&page)), ("token", TOKEN.to_owned())];
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).danger_accept_invalid_certs(true);
        let client = client.resolve("localhost", house.address).build().unwrap();
        let signed_in = client.post(at("/sign-in")).form(&fields).send().await.unwrap();
        let cookie = signed_in.headers()["set-cookie"].to_str().unwrap();
        assert!(cookie.starts_with("__Host-engine_") && cookie.ends_with("; Secure"), "{cookie}");
        assert!(house.ask(Method::GET, "/health").send().await.is_err(), "plain HTTP is no HTTPS");
        house.close().await;
    });
}
