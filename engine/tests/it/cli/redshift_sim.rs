//! `engine redshift-sim`: started, pasted from, loaded into, and stopped.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use testkit::s3::{BUCKET, S3Server};

use super::bench::{Bench, POSTS};
use crate::redshift::query;
use crate::signals::{exit_code, send};

const PIPELINE: &str = "\
CREATE EXTERNAL TABLE posts STORED AS REDDIT LOCATION 'r/rust/new';
CREATE EXTERNAL TABLE w STORED AS WAREHOUSE LOCATION 'shop.posts' OPTIONS ('key' 'id');
REPLACE INTO w SELECT id, title, score FROM posts;
";

/// A stand-in that runs as the command does; `None`, having said so, where there is no PostgreSQL, which in CI is an error.
fn start(bench: &Bench, arguments: &[&str]) -> Option<(Child, String)> {
    let mut command = bench.command(&[&["redshift-sim", "--port", "0"], arguments].concat());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(child.stdout.take().unwrap());
    let lines: Vec<String> = said.lines().map(Result::unwrap).take_while(|line| !line.starts_with("endpoint")).collect();
    if !lines.is_empty() {
        return Some((child, lines.join("\n")));
    }
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("no PostgreSQL 15 or later was found") && std::env::var_os("CI").is_none(), "{error}");
    eprintln!("skipped: {error}");
    None
}

/// An S3 server, and a folder whose environment has its keys.
fn with_s3() -> (S3Server, Bench) {
    let s3 = S3Server::builder().start().unwrap();
    let mut bench = Bench::new();
    bench.set("PATH", std::env::var("PATH").unwrap());
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"] {
        let value = s3.environment().into_iter().find(|(known, _)| known == name).unwrap().1;
        bench.set(name, value);
    }
    (s3, bench)
}

#[test]
fn what_the_stand_in_prints_is_enough_to_load_a_pipeline_into_it() {
    let (s3, bench) = with_s3();
    let Some((mut child, lines)) = start(&bench, &["--s3-endpoint", &s3.endpoint()]) else { return };
    let url = lines.lines().next().unwrap().split('\'').nth(1).unwrap().to_owned();
    let toml = lines.replace("s3://staging/", &format!("s3://{BUCKET}/"));
    bench.write("engine.toml", format!("{toml}\nendpoint = \"{}\"\n", s3.endpoint())).write("p.sql", PIPELINE);
    bench.good(&["run", "p.sql"]);
    assert_eq!(query(&url, "SELECT COUNT(*), COUNT(DISTINCT id) FROM shop.posts"), [format!("{POSTS}|{POSTS}")]);
    let address = url.split(['@', '/']).nth(3).unwrap();
    send(&child, "-INT");
    assert_eq!(exit_code(&mut child), Some(0));
    assert!(std::net::TcpStream::connect(address).is_err(), "{address} still answers");
}

#[test]
fn what_it_prints_of_the_data_api_is_enough_as_well() {
    let (s3, bench) = with_s3();
    let Some((mut child, lines)) = start(&bench, &["--data-api-port", "0", "--s3-endpoint", &s3.endpoint()]) else { return };
    let psql = lines.lines().next().unwrap().split('\'').nth(1).unwrap().to_owned();
    let kept = lines.lines().filter(|line| !line.starts_with("url ") && !line.starts_with("password "));
    let toml: Vec<String> = kept
        .map(|line| match line.strip_prefix("# ") {
            Some(setting) if setting.contains(" = ") => setting.to_owned(),
            _ => line.replace("s3://staging/", &format!("s3://{BUCKET}/")),
        })
        .collect();
    bench.write("engine.toml", format!("{}\nendpoint = \"{}\"\n", toml.join("\n"), s3.endpoint())).write("p.sql", PIPELINE);
    bench.good(&["run", "p.sql"]);
    assert_eq!(query(&psql, "SELECT COUNT(*), COUNT(DISTINCT id) FROM shop.posts"), [format!("{POSTS}|{POSTS}")]);
    send(&child, "-TERM");
    assert_eq!(exit_code(&mut child), Some(0));
}

#[test]
fn a_machine_without_postgres_is_told_what_to_install() {
    let mut bench = Bench::new();
    bench.set("PG_BIN", "/nowhere");
    let ended = bench.engine(&["redshift-sim", "--port", "0"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    assert!(ended.stderr.contains("PG_BIN=/nowhere has no initdb and postgres of version 15 or later"), "{}", ended.stderr);
}

#[test]
fn a_password_of_ones_own_is_not_shown() {
    let mut bench = Bench::new();
    bench.secret("hush").set("REDSHIFT_SIM_PASSWORD", "hush").set("PATH", std::env::var("PATH").unwrap());
    let Some((mut child, lines)) = start(&bench, &["--s3-endpoint", "http://127.0.0.1:1"]) else { return };
    assert!(lines.contains("password = \"${REDSHIFT_SIM_PASSWORD}\"") && !lines.contains("hush"), "{lines}");
    send(&child, "-TERM");
    assert_eq!(exit_code(&mut child), Some(0));
}
