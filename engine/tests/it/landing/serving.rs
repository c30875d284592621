//! Landing zones under `engine serve`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::moto::Moto;

use super::world::World;
use crate::lab::block_on;

const PATIENCE: Duration = Duration::from_secs(90);

/// A server; killed when it is dropped.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn serve(world: &World, listen: &str) -> Serving {
    std::fs::create_dir_all(world.path("queries")).unwrap();
    let log = std::fs::OpenOptions::new().create(true).append(true).open(world.path("log")).unwrap();
    let mut command = world.command(&["serve"]);
    Serving(command.env("ENGINE_SERVE_LISTEN", listen).stdout(Stdio::null()).stderr(log).spawn().unwrap())
}

fn log(world: &World) -> String {
    std::fs::read_to_string(world.path("log")).unwrap_or_default()
}

fn wait(world: &World, what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "not so after {PATIENCE:?}: {what}\n{}", log(world));
        std::thread::sleep(Duration::from_millis(50));
    }
    begun.elapsed()
}

/// What the server answers.
fn ask(world: &World, path: &str) -> Value {
    let text = log(world);
    let address = text.split("http://").nth(1).and_then(|rest| rest.split([';', '\n', ' ']).next()).unwrap().to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let json = &body[body.find('{').unwrap_or_default()..=body.rfind('}').unwrap_or_default()];
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// Written whole: under a hidden name first.
fn put(world: &World, key: &str, text: &str) {
    let path = world.path("in").join(key);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let draft = path.with_file_name(".draft");
    std::fs::write(&draft, text).unwrap();
    std::fs::rename(draft, path).unwrap();
}

fn rows(world: &World, table: &str) -> usize {
    world.table(table).map_or(0, |rows| rows.len() - 1)
}

#[test]
fn files_are_loaded_as_they_come_and_the_load_log_says_so() {
    let world = World::new();
    std::fs::create_dir(world.path("in")).unwrap();
    let serving = serve(&world, "127.0.0.1:0");
    wait(&world, "the zone is here", || log(&world).contains("pipeline is here"));
    put(&world, "warehouse/append/t/1.csv", "id,name\n1,a\n");
    let took = wait(&world, "the first file is in", || rows(&world, "t") == 1);
    assert!(took < Duration::from_secs(20), "{took:?}");
    put(&world, "warehouse/append/t/wrong.csv", "id\n1\n");
    put(&world, "warehouse/append/t/2.csv", "id,name\n2,b\n");
    wait(&world, "the second is in and the other aside", || {
        rows(&world, "t") == 2 && world.path("in/rejected/warehouse/append/t/wrong.csv.reason.json").exists()
    });
    wait(&world, "the refusal is in the log", || {
        ask(&world, "/api/loads?table_name=public.t")["loads"].as_array().unwrap().len() == 3
    });
    let loads = ask(&world, "/api/loads?table_name=t");
    let of = |key: &str| loads["loads"].as_array().unwrap().iter().find(|load| load["s3_key"] == key).unwrap().clone();
    let first = of("warehouse/append/t/1.csv");
    assert_eq!(
        (&first["status"], &first["rows"], &first["load_mode"]),
        (&"SUCCESS".into(), &1.into(), &"append".into()),
        "{first:#}"
    );
    assert_eq!(
        (&first["schema_version"], &first["table_existed"], &first["file_size"]),
        (&"unknown".into(), &false.into(), &12.into())
    );
    let wrong = of("warehouse/append/t/wrong.csv");
    assert_eq!((&wrong["status"], &wrong["loaded_timestamp"]), (&"FAILED".into(), &Value::Null));
    assert!(wrong["error"].as_str().unwrap().contains("missing in the file: name"), "{wrong:#}");
    let shown = ask(&world, "/api/v1/pipelines/landing");
    assert_eq!(shown["name"], "landing", "{shown:#}");
    let runs = world.engine(&["runs", "landing"]);
    assert!(String::from_utf8_lossy(&runs.stdout).contains("landing/1"));
    drop(serving);
}

#[test]
fn two_servers_share_a_zone_and_a_killed_one_leaves_nothing_undone() {
    let world = World::new();
    std::fs::create_dir(world.path("in")).unwrap();
    let one = serve(&world, "off");
    let other = serve(&world, "off");
    wait(&world, "both are here", || log(&world).matches("pipeline is here").count() == 2);
    for number in 0..6 {
        put(&world, &format!("warehouse/append/t/{number}.csv"), &format!("id\n{number}\n"));
        std::thread::sleep(Duration::from_millis(150));
    }
    wait(&world, "all are in", || rows(&world, "t") == 6);
    drop(one);
    put(&world, "warehouse/append/t/last.csv", "id\n99\n");
    wait(&world, "the other goes on", || rows(&world, "t") == 7);
    drop(other);
    assert_eq!(world.query("SELECT count(*), count(DISTINCT id) FROM warehouse.public.t")[1], "7,7");
    assert_eq!(world.log().len(), 7);
}

#[test]
fn an_object_is_loaded_by_its_event() {
    let moto = match block_on(Moto::start()) {
        Ok(moto) => moto,
        Err(error) => return crate::checks::skipped("moto", &error),
    };
    let queue = block_on(async {
        moto.create_bucket("company").await.unwrap();
        let queue = moto.create_queue("landed", &[]).await.unwrap();
        moto.notify("company", &queue).await.unwrap();
        queue
    });
    let settings = format!("[[landing]]\nurl = 's3://company/'\ndatabase = 'dev'\nqueue = '{}'\n", queue.url());
    let world = World::with(&settings, crate::s3::settings(moto.environment()));
    let serving = serve(&world, "off");
    wait(&world, "the zone is here", || log(&world).contains("pipeline is here"));
    std::thread::sleep(Duration::from_secs(3));
    for number in 1..=3 {
        let (key, text) = (format!("dev/append/t/{number}.csv"), format!("id\n{number}\n"));
        block_on(moto.put_object("company", &key, &text)).unwrap();
        let took = wait(&world, "the object is in", || rows(&world, "t") == number);
        assert!(took < Duration::from_secs(20), "{took:?}");
    }
    wait(&world, "all messages are gone", || block_on(queue.counts()).unwrap() == (0, 0));
    drop(serving);
}
