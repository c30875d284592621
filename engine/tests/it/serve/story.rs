//! A pipeline of Airflow, EventBridge, Step Functions, Glue and Redshift, by one server: an object lands, and is in the warehouse.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use redshift_sim::{RedshiftSim, S3Options, SimOptions};
use serde_json::Value;
use testkit::moto::Moto;

use super::world::{Webhook, World};
use crate::checks::skipped;
use crate::lab::block_on;
use crate::redshift::{query, stand_in};
use crate::s3::settings;

/// From the put to the row in the warehouse.
const LIMIT: Duration = Duration::from_secs(5);

const PIPELINE: &str = "
SET pipeline.trigger     = 's3://reddit/raw/*/*.csv';
SET pipeline.retries     = 1;
SET pipeline.retry_delay = '200ms';
SET pipeline.on_failure  = '${HOOK}';

CREATE EXTERNAL TABLE raw STORED AS CSV LOCATION 's3://reddit/raw/' PARTITIONED BY (date);

CREATE EXTERNAL TABLE reddit_table STORED AS WAREHOUSE LOCATION 'reddit_schema.reddit_table';

INSERT INTO reddit_table
SELECT title, author_fullname, CAST(num_comments AS INT) AS num_comments, CAST(score AS INT) AS score,
       num_comments >= 50 AS meet_comment_criteria, to_timestamp(approved_at_utc) AS approved_at, date
FROM raw;
";

fn file(rows: &[(&str, u32)]) -> String {
    let head = "title,comment_limit,author_fullname,clicked,num_comments,view_count,approved_at_utc,score".to_owned();
    let row = |(title, comments): &(&str, u32)| format!("\"{title}\",2048,,False,{comments},,,{}", comments * 2);
    std::iter::once(head).chain(rows.iter().map(row)).map(|line| line + "\n").collect()
}

/// The body of what the API answers.
fn get(world: &World, path: &str) -> Value {
    let log = world.log();
    let address = log.split("pages and API at http://").nth(1).unwrap();
    let address: String = address.chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':')).collect();
    let mut stream = TcpStream::connect(&address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\naccept: application/json\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
    serde_json::from_str(&body[body.find(['{', '[']).unwrap()..=body.rfind(['}', ']']).unwrap()]).unwrap()
}

/// What the server needs to know of the others.
fn environment(moto: &Moto, queue: &str, sim: &RedshiftSim, webhook: &str) -> BTreeMap<String, String> {
    let mut environment = settings(moto.environment());
    for (name, value) in [
        ("ENGINE_SERVE_QUEUE", queue),
        ("ENGINE_WAREHOUSE_URL", &sim.url().replacen("postgres://", "redshift://", 1)),
        ("ENGINE_WAREHOUSE_STAGING", "s3://staging/loads"),
        ("ENGINE_WAREHOUSE_IAM_ROLE", "default"),
        ("HOOK", webhook),
    ] {
        environment.insert(name.to_owned(), value.to_owned());
    }
    environment
}

#[test]
fn an_object_that_lands_is_crawled_transformed_loaded_and_shown() {
    let moto = match block_on(Moto::start()) {
        Ok(moto) => moto,
        Err(error) => return skipped("moto", &error),
    };
    let queue = block_on(async {
        for bucket in ["reddit", "staging"] {
            moto.create_bucket(bucket).await.unwrap();
        }
        let queue = moto.create_queue("news", &[]).await.unwrap();
        moto.notify_by_event_bridge("reddit", &queue).await.unwrap();
        queue
    });
    let put = |key: &str, rows: &[(&str, u32)]| block_on(moto.put_object("reddit", key, &file(rows))).unwrap();
    let s3 = S3Options {
        endpoint: Some(moto.endpoint()),
        region: Some("us-east-1".to_owned()),
        access_key: Some("testing".to_owned()),
        secret_key: Some("testing".to_owned()),
        ..S3Options::default()
    };
    let Some(sim) = stand_in(SimOptions { s3, ..SimOptions::default() }) else { return };
    let webhook = Webhook::start(0);
    let environment = environment(&moto, queue.url(), &sim, &webhook.url);
    let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let world = World::with(&environment);
    world.put("queries/reddit.sql", PIPELINE);
    let titles = || query(&sim.url(), "SELECT title FROM reddit_schema.reddit_table ORDER BY title");
    // The first object has the table made; from then on the clock runs.
    put("raw/date=202611220900/file_202611220900.csv", &[("a, \"\"quoted\"\"", 49)]);
    let serving = world.serve();
    world.wait("the first object is loaded", || world.log().contains("committed"));
    put("raw/date=202611221000/file_202611221000.csv", &[("b", 50)]);
    let took = world.wait("the second object is loaded", || titles().len() == 2);
    assert!(took < LIMIT, "{took:?}");
    assert_eq!(
        query(
            &sim.url(),
            "SELECT title, num_comments, score, meet_comment_criteria, date FROM reddit_schema.reddit_table ORDER BY 1"
        ),
        ["a, \"quoted\"|49|98|f|202611220900", "b|50|100|t|202611221000"]
    );
    // An event during a run is not lost.
    world.wait("the runs have ended", || world.statuses("reddit").iter().all(|status| status == "done"));
    let before = world.statuses("reddit").len();
    put("raw/date=202611221100/file_202611221100.csv", &[("c", 1)]);
    world.wait("a run has begun", || world.statuses("reddit").len() > before);
    put("raw/date=202611221100/file_202611221101.csv", &[("d", 2)]);
    world.wait("all four are loaded", || titles() == ["a, \"quoted\"", "b", "c", "d"]);
    // Rows are there before the run that brought them has written that down.
    world.wait("the runs have ended", || world.statuses("reddit").iter().all(|status| status == "done"));
    shown(&world);
    // A load that fails is tried once more, and then somebody is told.
    query(
        &sim.url(),
        "ALTER TABLE reddit_schema.reddit_table RENAME COLUMN title TO kept; ALTER TABLE reddit_schema.reddit_table ADD COLUMN title INT",
    );
    put("raw/date=202611221200/file_202611221200.csv", &[("e", 3)]);
    world.wait("the webhook is told", || !webhook.told().is_empty());
    let notice = &webhook.told()[0];
    assert_eq!((notice["status"].as_str(), notice["attempt"].as_u64()), (Some("failed"), Some(2)), "{notice}");
    assert!(notice["error"].as_str().unwrap().contains("title"), "{notice}");
    // Repaired, the next event brings both.
    query(
        &sim.url(),
        "ALTER TABLE reddit_schema.reddit_table DROP COLUMN title; ALTER TABLE reddit_schema.reddit_table RENAME COLUMN kept TO title",
    );
    put("raw/date=202611221300/file_202611221300.csv", &[("f", 4)]);
    world.wait("both are loaded", || titles() == ["a, \"quoted\"", "b", "c", "d", "e", "f"]);
    world.wait("all messages are gone", || block_on(queue.counts()).unwrap() == (0, 0));
    serving.signal("-TERM");
    assert_eq!(serving.end(), Some(0));
    assert_eq!(webhook.told().len(), 1, "{:?}", webhook.told());
}

/// The API and SQL show what has happened.
fn shown(world: &World) {
    let runs = get(world, "/api/v1/runs?pipeline=reddit");
    assert!(runs["runs"].as_array().is_some_and(|runs| runs.len() >= 3), "{runs}");
    let loads = get(world, "/api/loads?table_name=reddit_schema.reddit_table&landed_timestamp=0");
    let loads = loads["loads"].as_array().unwrap();
    assert!(loads.len() >= 3 && loads.iter().all(|load| load["status"] == "SUCCESS"), "{loads:#?}");
    let table = world.query("SELECT \"column\" FROM system.columns WHERE \"table\" = 'reddit_table' ORDER BY 1");
    assert_eq!(table, ["approved_at", "author_fullname", "date", "meet_comment_criteria", "num_comments", "score", "title"]);
    let counted = world.query("SELECT sum(rows_written) FROM system.runs WHERE pipeline = 'reddit'");
    assert_eq!(counted, ["4"]);
}
