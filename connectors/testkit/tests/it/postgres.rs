//! The private PostgreSQL: it starts, answers, keeps to itself and leaves nothing behind.

use std::time::{Duration, Instant};

use testkit::postgres::{PASSWORD, Postgres};

#[test]
fn a_server_starts_answers_and_leaves_nothing_behind() {
    let Some(server) = Postgres::start_or_skip() else { return };
    let url = server.create_database("shop").unwrap();
    assert!(url.contains(PASSWORD) && url.ends_with("/shop"), "{url}");
    server.sql("shop", "CREATE TABLE a (id int);\nINSERT INTO a VALUES (1), (NULL);").unwrap();
    assert_eq!(server.sql("shop", "SELECT id, 'x' FROM a ORDER BY id").unwrap(), "1|x\n|x");
    let error = server.sql("shop", "SELECT nothing").unwrap_err().to_string();
    assert!(error.contains("nothing") && error.contains("does not exist"), "{error}");
    let (folder, port) = (server.socket_folder().to_owned(), server.port());
    drop(server);
    assert!(!folder.exists(), "{} is still there", folder.display());
    std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
}

#[test]
fn two_servers_share_nothing_and_the_second_starts_at_once() {
    let Some(first) = Postgres::start_or_skip() else { return };
    let started = Instant::now();
    let second = Postgres::builder().setting("wal_level", "logical").start().unwrap();
    // A tenth of a second on an idle machine; what is excluded is that the template is made again.
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    first.create_database("only_here").unwrap();
    assert!(second.sql("only_here", "SELECT 1").is_err());
    assert_eq!(second.sql("postgres", "SHOW wal_level").unwrap(), "logical");
}

#[test]
fn a_server_that_cannot_start_shows_its_log() {
    if Postgres::start_or_skip().is_none() {
        return;
    }
    let error = Postgres::builder().setting("max_connections", "none").start().unwrap_err().to_string();
    assert!(error.contains("max_connections"), "{error}");
}
