//! A pool of connections between: PgBouncer in transaction mode, if it is installed.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array};
use testkit::postgres::{PASSWORD, USER};

use super::bench::{Bench, DATABASE, rows, spec};
use crate::sink::WriteMode;
use crate::warehouse::WarehouseConfig;

/// How long the pool may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// A pool of two connections.
struct Pool {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Pool {
    /// `None`, having said so, where there is no PgBouncer.
    fn start(server: u16) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        // It does not run as root, and reads its configuration as whom it runs.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let text = format!(
            "[databases]\n{DATABASE} = host=127.0.0.1 port={server} dbname={DATABASE} user={USER} password={PASSWORD}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = transaction\ndefault_pool_size = 2\n"
        );
        let configuration = folder.path().join("pool.ini");
        std::fs::write(&configuration, text).unwrap();
        let mut command = Command::new("pgbouncer");
        if std::fs::metadata("/proc/self").is_ok_and(|process| std::os::unix::fs::MetadataExt::uid(&process) == 0) {
            command.args(["-u", "nobody"]);
        }
        command.arg(&configuration).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match command.spawn() {
            Ok(child) => Some(Self { child, port, _folder: folder }.ready()),
            Err(error) => {
                eprintln!("skipped: PgBouncer is not to be had: {error}");
                None
            }
        }
    }

    fn ready(mut self) -> Self {
        let started = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            assert!(started.elapsed() < PATIENCE, "PgBouncer does not answer: {:?}", self.child.try_wait());
            std::thread::sleep(Duration::from_millis(20));
        }
        self
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).map(drop).unwrap_or_default();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_verb_works_behind_a_pool_that_gives_connections_for_a_transaction() {
    let Some(mut bench) = Bench::start() else { return };
    let Some(pool) = Pool::start(bench.server.port()) else { return };
    let url = format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{DATABASE}?sslmode=disable", pool.port);
    bench.context.warehouse = WarehouseConfig { url: Some(url), ..WarehouseConfig::default() };
    let bench = Arc::new(bench);
    let mut writers = tokio::task::JoinSet::new();
    // More of them than the pool has connections.
    for (name, mode) in
        [("a", WriteMode::Append), ("b", WriteMode::Overwrite), ("c", WriteMode::Upsert), ("d", WriteMode::Append)]
    {
        let bench = Arc::clone(&bench);
        writers.spawn(async move {
            let table = spec(&format!("pooled.{name}"), "id");
            for epoch in 1..=4_i64 {
                let values = (epoch * 5..epoch * 5 + 10).collect::<Int64Array>();
                let batch = rows(vec![("id", Arc::new(values) as ArrayRef)]);
                bench.write(&table, epoch.unsigned_abs(), mode, &batch).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    let counts = ["a", "b", "c", "d"].map(|name| bench.sql(&format!("SELECT count(*) FROM pooled.{name}")));
    assert_eq!(counts, ["40", "10", "25", "40"]);
    assert_eq!(bench.sql("SELECT count(*) FROM pooled._engine_loads"), "16");
}
