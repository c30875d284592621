//! `engine serve`: pipelines that come, change and go; what makes them run; what becomes of runs that fail or are killed.

mod kills;
mod mail;
mod story;
pub(crate) mod world;

use std::time::Duration;

use serde_json::Value;
use testkit::moto::Moto;
use world::{Webhook, World};

use crate::lab::block_on;

/// A pipeline that appends the rows of `in/*.json` to a table that is called as it is.
fn appending(name: &str, settings: &str) -> String {
    format!(
        "{settings}
         CREATE EXTERNAL TABLE events (id BIGINT) STORED AS JSON LOCATION 'in/*.json';
         CREATE EXTERNAL TABLE kept STORED AS DELTA LOCATION 'lake://out/{name}';
         INSERT INTO kept SELECT id FROM events;"
    )
}

fn ids(world: &World, name: &str) -> Vec<String> {
    world.query(&format!("SELECT id FROM lake.out.{name} ORDER BY id"))
}

#[test]
fn files_trigger_runs_and_pipelines_come_change_and_go() {
    let world = World::new();
    world.put("queries/a.sql", &appending("a", "SET pipeline.trigger = 'in/*.json';"));
    std::fs::create_dir(world.path("in")).unwrap();
    let serving = world.serve();
    world.wait("the pipeline is here", || world.log().contains("pipeline is here"));
    world.put("in/1.json", "{\"id\":1}\n");
    let took = world.wait("the first file is in", || ids(&world, "a") == ["1"]);
    assert!(took < Duration::from_secs(20), "{took:?}");
    // Another pipeline comes, and the first becomes wrong: its last good version goes on.
    world.put("queries/b.sql", &appending("b", "SET pipeline.trigger = 'in/*.json';"));
    world.put("queries/a.sql", "SELECT * FROM nowhere;");
    world.wait("the wrong file is told", || world.log().contains("nowhere"));
    world.put("in/2.json", "{\"id\":2}\n");
    world.wait("both have both files", || ids(&world, "a") == ["1", "2"] && ids(&world, "b") == ["1", "2"]);
    // So it does after a restart.
    serving.signal("-TERM");
    assert_eq!(serving.end(), Some(0));
    let serving = world.serve();
    world.wait("the wrong file is told again", || world.log().matches("its last good version goes on").count() == 2);
    world.put("in/3.json", "{\"id\":3}\n");
    world.wait("both have the third", || ids(&world, "a") == ["1", "2", "3"] && ids(&world, "b") == ["1", "2", "3"]);
    // Repaired, it goes on where it was.
    world.put("queries/a.sql", &appending("a", "SET pipeline.trigger = 'in/*.json'; -- repaired\n"));
    world.wait("the repaired file is taken", || world.log().contains("pipeline has changed"));
    std::fs::remove_file(world.path("queries/b.sql")).unwrap();
    world.wait("the other is gone", || world.log().contains("pipeline is gone"));
    world.put("in/4.json", "{\"id\":4}\n");
    world.wait("one has the fourth", || ids(&world, "a") == ["1", "2", "3", "4"]);
    assert_eq!(ids(&world, "b"), ["1", "2", "3"]);
    serving.signal("-TERM");
    assert_eq!(serving.end(), Some(0));
    assert!(world.statuses("a").iter().all(|status| status == "done"), "{:?}", world.runs("a"));
}

#[test]
fn the_last_good_version_goes_on_when_its_source_has_new_columns() {
    let world = World::new();
    world.put("in/a.json", "{\"id\":1}\n");
    let good = "SET pipeline.trigger = 'in/*.json';
        CREATE EXTERNAL TABLE a STORED AS JSON LOCATION 'in/';
        CREATE EXTERNAL TABLE kept STORED AS DELTA LOCATION 'lake://t/a' OPTIONS ('key' 'id');
        REPLACE INTO kept SELECT * FROM a;";
    world.put("queries/a.sql", good);
    let serving = world.serve();
    world.wait("the first file is read", || world.statuses("a") == ["done"]);
    world.put("queries/a.sql", "INSERT INTO nowhere SELECT 1;");
    world.wait("the file is wrong", || world.log().contains("its last good version goes on"));
    world.put("in/b.json", "{\"id\":2,\"name\":\"two\"}\n");
    world.wait("the second file is read", || {
        world.statuses("a").len() == 2 && !world.statuses("a").contains(&"running".to_owned())
    });
    assert_eq!(world.statuses("a"), ["done", "done"], "{}", world.log());
    assert_eq!(world.query("SELECT count(name) FROM lake.t.a"), ["1"]);
    drop(serving);
}

#[test]
fn a_schedule_runs_once_at_each_time_whoever_serves() {
    let world = World::new();
    // Each run adds one row: a complete query of no source, appended.
    world.put("queries/tick.sql", "SET pipeline.schedule = '*/2 * * * * *';\nSELECT 1;");
    let servers = [world.serve(), world.serve()];
    world.wait("five runs", || world.statuses("tick").len() >= 5);
    for server in servers {
        server.signal("-INT");
        assert_eq!(server.end(), Some(0));
    }
    let runs = world.runs("tick");
    let mut due: Vec<&str> = runs.iter().map(|run| run["due_at"].as_str().unwrap()).collect();
    let all = due.len();
    due.dedup();
    assert_eq!(due.len(), all, "no time is run twice: {runs:#?}");
    let times: Vec<chrono::DateTime<chrono::Utc>> = due.iter().map(|text| text.parse().unwrap()).collect();
    // A machine that is busy may let a time pass, for which the next run makes up.
    assert!(times.windows(2).all(|pair| (pair[1] - pair[0]).num_seconds() % 2 == 0), "only times of the schedule: {due:?}");
}

#[test]
fn a_run_that_fails_is_tried_again_and_then_somebody_is_told() {
    let webhook = Webhook::start(1);
    let world = World::with(&[("HOOK", &webhook.url)]);
    let settings = "SET pipeline.trigger = 'in/*.json'; SET pipeline.retries = 1; SET pipeline.retry_delay = '200ms';
                    SET pipeline.on_failure = '${HOOK}'; SET pipeline.on_success = '${HOOK}';";
    world.put("queries/a.sql", &appending("a", settings));
    world.put("in/1.json", "{\"id\":1}\nbroken\n");
    let serving = world.serve();
    world.wait("the webhook is told", || !webhook.told().is_empty());
    let notice = &webhook.told()[0];
    assert_eq!(notice["status"], "failed");
    assert_eq!(notice["attempt"], 2);
    assert!(notice["text"].as_str().unwrap().contains("pipeline a failed after 2 attempts"), "{notice}");
    assert!(notice["error"].as_str().unwrap().contains("1.json"), "{notice}");
    assert_eq!(world.statuses("a"), ["failed", "failed"]);
    assert!(!world.runs("a")[0]["again_at"].is_null());
    // Repaired, it is run by itself: the file is another.
    world.put("in/1.json", "{\"id\":1}\n");
    world.wait("success is told too", || webhook.told().len() == 2);
    assert_eq!(webhook.told()[1]["status"], "done");
    assert_eq!(ids(&world, "a"), ["1"]);
    drop(serving);
    assert!(!world.log().contains("secret-path"), "{}", world.log());
}

#[test]
fn commits_and_runs_of_others_trigger_runs() {
    let world = World::new();
    world.put("queries/first.sql", &appending("first", "SET pipeline.trigger = 'in/*.json';"));
    world.put("in/1.json", "{\"id\":1}\n");
    let serving = world.serve();
    world.wait("the first is in", || ids(&world, "first") == ["1"]);
    world.put(
        "queries/second.sql",
        "SET pipeline.trigger = 'table lake.out.first';
         CREATE EXTERNAL TABLE total STORED AS DELTA LOCATION 'lake://out/second';
         INSERT OVERWRITE total SELECT count(*) AS id FROM lake.out.first;",
    );
    world.put("queries/third.sql", "SET pipeline.after = 'second';\nSELECT 1;");
    world.wait("what was committed before has come to it", || ids(&world, "second") == ["1"]);
    world.put("in/2.json", "{\"id\":2}\n");
    world.wait("the second counts two", || ids(&world, "second") == ["2"]);
    world.wait("the third has run", || world.statuses("third").contains(&"done".to_owned()));
    assert_eq!(world.runs("third")[0]["reason"], "after second");
    drop(serving);
}

#[test]
fn a_pipeline_that_waits_for_a_table_that_is_not_there_yet_is_run_when_it_is() {
    let world = World::new();
    world.put("queries/first.sql", &appending("first", "SET pipeline.trigger = 'in/*.json';"));
    world.put(
        "queries/second.sql",
        "SET pipeline.trigger = 'table lake.out.first';
         CREATE EXTERNAL TABLE total STORED AS DELTA LOCATION 'lake://out/second';
         INSERT OVERWRITE total SELECT count(*) AS id FROM lake.out.first;",
    );
    world.put("queries/third.sql", "SET pipeline.after = 'secnd, third';\nSELECT 1;");
    let serving = world.serve();
    world.wait("the second is wrong", || world.log().contains("pipeline is wrong"));
    world.put("in/1.json", "{\"id\":1}\n");
    world.wait("the second has run", || ids(&world, "second") == ["1"]);
    // Who waits for itself is told; so is who waits for nobody.
    assert!(world.log().contains("'third' is this pipeline"), "{}", world.log());
    world.put("queries/third.sql", "SET pipeline.after = 'secnd';\nSELECT 1;");
    world
        .wait("a name that is nobody's is told", || world.log().contains("there is no pipeline 'secnd'; did you mean 'second'?"));
    drop(serving);
}

#[test]
fn each_of_several_failures_is_told_once_however_slow_who_is_told() {
    let webhook = Webhook::slow(Duration::from_secs(3));
    let world = World::with(&[("HOOK", &webhook.url)]);
    world.put("queries/a.sql", &appending("a", "SET pipeline.schedule = '* * * * * *'; SET pipeline.on_failure = '${HOOK}';"));
    world.put("in/1.json", "broken\n");
    let serving = world.serve();
    world.wait("it has failed three times", || world.statuses("a").len() >= 3);
    world.put("queries/a.sql", &appending("a", "SET pipeline.paused = true; SET pipeline.on_failure = '${HOOK}';"));
    world.wait("it is paused", || world.log().contains("pipeline has changed"));
    let failed = || world.statuses("a").iter().filter(|status| *status == "failed").count();
    world.wait("all are told", || webhook.told().len() >= failed());
    std::thread::sleep(Duration::from_secs(4));
    let told: Vec<i64> = webhook.told().iter().map(|notice| notice["run"].as_i64().unwrap()).collect();
    let runs: Vec<i64> = world.runs("a").iter().map(|run| run["number"].as_i64().unwrap()).collect();
    assert_eq!(told, runs);
    drop(serving);
}

#[test]
fn a_server_that_is_stopped_in_the_middle_of_a_run_alarms_nobody() {
    // Who asks it waits for an answer.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let webhook = Webhook::start(0);
    let world = World::with(&[("HOOK", &webhook.url), ("ENGINE_SERVE_GRACE", "1s")]);
    let pipeline = |settings: &str| {
        let settings = format!("{settings} SET pipeline.retries = 0; SET pipeline.on_failure = '${{HOOK}}';");
        appending("a", &settings).replace("in/*.json", &format!("http://{}/x.json", silent.local_addr().unwrap()))
    };
    world.put("queries/a.sql", &pipeline("SET pipeline.schedule = '* * * * * *';"));
    let serving = world.serve();
    let asked = silent.accept().unwrap();
    serving.signal("-TERM");
    assert_eq!(serving.end(), Some(0));
    let run = world.runs("a").pop().unwrap();
    assert!(run["error"].as_str().unwrap().starts_with("the server was stopped") && !run["again_at"].is_null(), "{run}");
    // Nor does the next one, which would tell what is left to be told.
    world.put("queries/a.sql", &pipeline("SET pipeline.paused = true;"));
    let serving = world.serve();
    drop(asked);
    world.wait("the next one is there", || world.log().matches("pipeline is here").count() == 2);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(webhook.told(), [Value::Null; 0]);
    drop(serving);
}

#[test]
fn a_deep_statement_is_run_and_one_that_is_too_deep_is_told() {
    let world = World::new();
    let any =
        |terms: usize| format!("SELECT count(*) FROM generate_series(1, 3) WHERE {}value = 2;", "value = 0 OR ".repeat(terms));
    world.put("queries/deep.sql", &format!("SET pipeline.schedule = '* * * * * *';\n{}", any(1_500)));
    world.put("queries/deeper.sql", &any(20_000));
    let serving = world.serve();
    world.wait("it was run", || world.statuses("deep").contains(&"done".to_owned()));
    world.wait("the other was looked at", || world.log().contains("words and operators"));
    drop(serving);
}

#[test]
fn dates_are_made_up_for_once() {
    let world = World::new();
    for day in ["2026-01-01", "2026-01-02", "2026-01-03"] {
        world.put(&format!("in/{day}.json"), &format!("{{\"id\":{}}}\n", day.replace('-', "")));
    }
    world.put(
        "queries/days.sql",
        "SET pipeline.schedule = '@daily';
         CREATE EXTERNAL TABLE events (id BIGINT) STORED AS JSON LOCATION 'in/${run.date}.json';
         CREATE EXTERNAL TABLE kept STORED AS DELTA LOCATION 'lake://out/days';
         INSERT INTO kept SELECT id FROM events;",
    );
    let backfill = |from, to| {
        let output = world.engine(&["run", "queries/days.sql", "--from", from, "--to", to]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    backfill("2026-01-01", "2026-01-02");
    let said = backfill("2026-01-01", "2026-01-03");
    assert_eq!(said.matches("done before").count(), 2, "{said}");
    assert_eq!(ids(&world, "days"), ["20260101", "20260102", "20260103"]);
    let dates: Vec<_> = world.runs("days").iter().map(|run| run["date"].as_str().unwrap().to_owned()).collect();
    assert_eq!(dates, ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"]);
    // What is of today is read once, whatever is made up for in between.
    let run = || assert!(world.engine(&["run", "queries/days.sql"]).status.success());
    for day in [chrono::Utc::now(), chrono::Utc::now() + chrono::TimeDelta::days(1)] {
        world.put(&format!("in/{}.json", day.format("%Y-%m-%d")), "{\"id\":30000000}\n");
    }
    run();
    world.put("in/2026-01-04.json", "{\"id\":20260104}\n");
    backfill("2026-01-04", "2026-01-04");
    run();
    assert_eq!(ids(&world, "days"), ["20260101", "20260102", "20260103", "20260104", "30000000"]);
}

#[test]
fn an_object_starts_a_run_by_its_event_and_the_message_goes() {
    let moto = match block_on(Moto::start()) {
        Ok(moto) => moto,
        Err(error) => return crate::checks::skipped("moto", &error),
    };
    let queue = block_on(async {
        moto.create_bucket("landing").await.unwrap();
        let queue = moto.create_queue("news", &[]).await.unwrap();
        moto.notify("landing", &queue).await.unwrap();
        queue
    });
    let mut settings = crate::s3::settings(moto.environment());
    settings.extend([("ENGINE_SERVE_QUEUE".to_owned(), queue.url().to_owned())]);
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let world = World::with(&settings);
    world.put(
        "queries/a.sql",
        "SET pipeline.trigger = 's3://landing/in/*.json';
         CREATE EXTERNAL TABLE events (id BIGINT) STORED AS JSON LOCATION 's3://landing/in/*.json';
         CREATE EXTERNAL TABLE kept STORED AS DELTA LOCATION 'lake://out/a';
         INSERT INTO kept SELECT id FROM events;",
    );
    let serving = world.serve();
    world.wait("the pipeline is here", || world.log().contains("pipeline is here"));
    // The place is listed when the server begins, and then once an hour: what comes now is told by the queue alone.
    std::thread::sleep(Duration::from_secs(3));
    for number in 1..=3 {
        block_on(moto.put_object("landing", &format!("in/{number}.json"), &format!("{{\"id\":{number}}}\n"))).unwrap();
        let expected: Vec<String> = (1..=number).map(|id: i32| id.to_string()).collect();
        let took = world.wait("the object is in", || ids(&world, "a") == expected);
        assert!(took < Duration::from_secs(20), "{took:?}");
    }
    world.wait("all messages are gone", || block_on(queue.counts()).unwrap() == (0, 0));
    serving.signal("-TERM");
    assert_eq!(serving.end(), Some(0));
}

#[test]
fn pipelines_in_a_bucket_are_served_as_those_in_a_folder() {
    let moto = match block_on(Moto::start()) {
        Ok(moto) => moto,
        Err(error) => return crate::checks::skipped("moto", &error),
    };
    let put = |key: &str, text: &str| block_on(moto.put_object("code", key, text)).unwrap();
    block_on(moto.create_bucket("code")).unwrap();
    put("queries/a.sql", "SET pipeline.schedule = '*/2 * * * * *';\nSELECT 1;");
    put("queries/below/b.sql", "SELECT nothing FROM nowhere;");
    put("queries/c.sql", "SELECT nothing FROM nowhere;");
    let settings = crate::s3::settings(moto.environment());
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let world = World::with(&settings);
    let serving = world.serve_at("s3://code/queries/");
    world.wait("the pipeline was run", || world.statuses("a").contains(&"done".to_owned()));
    assert!(world.log().contains("s3://code/queries/c.sql"), "{}", world.log());
    assert!(!world.log().contains("below"), "{}", world.log());
    put("queries/a.sql", "SET pipeline.paused = true;\nSELECT 1;");
    world.wait("the new version is taken", || world.log().contains("pipeline has changed"));
    serving.signal("-TERM");
    assert_eq!(serving.end(), Some(0));
}
