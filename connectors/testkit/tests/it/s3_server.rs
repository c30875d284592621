//! The server's life, in this process and as one of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testkit::s3::S3Server;

use crate::client::{builder, client, get, put};

#[test]
fn a_blocked_test_does_not_block_the_server() {
    let s3 = S3Server::builder().start().unwrap();
    let store = client(&s3);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(put(&store, "a", "1")).unwrap();
    assert_eq!(runtime.block_on(get(&store, "a")).unwrap(), "1");
}

#[tokio::test]
async fn a_dropped_server_no_longer_listens() {
    let s3 = S3Server::start().await.unwrap();
    let port = s3.endpoint().rsplit(':').next().unwrap().parse().unwrap();
    let store = client(&s3);
    put(&store, "a", "1").await.unwrap();
    drop(s3);
    assert!(put(&store, "a", "2").await.is_err());
    assert!(S3Server::builder().port(port).start().unwrap().object_keys("lake").is_empty());
}

fn start_process() -> (Child, serde_json::Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_s3-server"));
    let mut child = command.args(["--bucket", "lake"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, serde_json::from_str(&line).unwrap())
}

fn ends_well(mut child: Child) {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return assert!(status.success(), "{status}");
        }
        if start.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            panic!("it still runs");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[tokio::test]
async fn as_a_process_it_serves_until_its_input_is_closed() {
    let (mut child, address) = start_process();
    let text = |name: &str| address[name].as_str().unwrap().to_owned();
    let store = builder(vec![("AWS_ALLOW_HTTP".into(), "true".into())])
        .with_endpoint(text("endpoint"))
        .with_access_key_id(text("access_key"))
        .with_secret_access_key(text("secret_key"))
        .with_region(text("region"))
        .build()
        .unwrap();
    put(&store, "a", "1").await.unwrap();
    assert_eq!(get(&store, "a").await.unwrap(), "1");
    drop(child.stdin.take());
    ends_well(child);
}

#[test]
fn as_a_process_it_ends_on_sigterm() {
    let (child, _) = start_process();
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    ends_well(child);
}
