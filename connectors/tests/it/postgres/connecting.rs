//! Reaching a server: who is believed, what is said when it does not work, and a pool of connections between.

use connectors::postgres::{Client, ConnectionConfig};
use connectors::{Error, Result};
use tempfile::TempDir;
use testkit::postgres::{Certificates, PASSWORD, PgBouncer, Postgres, USER};

use super::Shop;
use crate::bench::{Bench, HUGE, read, spec};

async fn connect(url: &str) -> Result<Client> {
    Client::connect(&ConnectionConfig::parse(url, None)?).await
}

async fn failure(url: &str) -> Error {
    let error = connect(url).await.unwrap_err();
    assert!(!error.to_string().contains(PASSWORD), "{error}");
    error
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_name_the_place_and_what_to_try_and_never_the_password() {
    let Some(shop) = Shop::with("CREATE SCHEMA sales; CREATE TABLE sales.orders (id int); CREATE ROLE reader LOGIN PASSWORD 'r'")
    else {
        return;
    };
    let port = shop.server.port();
    let wrong = failure(&shop.server.url("shop").replace(PASSWORD, "wrong")).await;
    assert!(
        matches!(wrong, Error::Auth { .. })
            && wrong.to_string().contains(&format!("'shop' on 127.0.0.1:{port} as user '{USER}'")),
        "{wrong}"
    );
    let none = failure(&format!("postgres://{USER}@127.0.0.1:{port}/shop")).await;
    assert!(matches!(none, Error::Auth { .. }) && none.to_string().contains("set the option 'password'"), "{none}");
    let database = failure(&shop.server.url("shopp")).await;
    assert!(matches!(database, Error::NotFound { .. }) && database.to_string().contains("did you mean 'shop'?"), "{database}");
    let closed = failure(&format!("postgres://{USER}@127.0.0.1:1/shop")).await;
    assert!(closed.retry() && closed.to_string().contains("check host and port"), "{closed}");
    let table = shop.refused("sales.order", &[]).await;
    assert!(table.contains("there is no table 'sales.order'") && table.contains("did you mean 'sales.orders'?"), "{table}");
    let reader = format!("postgres://reader:r@127.0.0.1:{port}/shop");
    let forbidden = shop.bench.open(&spec("POSTGRES", "sales.orders", None, &[("url", &reader)])).await.unwrap();
    let forbidden = read(&forbidden, None, HUGE).await.unwrap_err();
    assert!(matches!(forbidden, Error::Auth { .. }) && forbidden.to_string().contains("GRANT SELECT"), "{forbidden}");
    let condition = shop.source("sales.orders", &[("where", "nonsense = 1")]).await;
    let condition = read(&condition, None, HUGE).await.unwrap_err();
    assert!(
        matches!(condition, Error::Config { .. }) && condition.to_string().contains("\"nonsense\" does not exist"),
        "{condition}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_apart_and_a_socket_need_no_url_to_hold_it() {
    let Some(shop) = Shop::with("CREATE TABLE t AS SELECT 1::bigint AS id") else { return };
    let bare = format!("postgres://{USER}@127.0.0.1:{}/shop", shop.server.port());
    let source = shop.bench.open(&spec("POSTGRES", "t", None, &[("url", &bare), ("password", PASSWORD)])).await.unwrap();
    assert_eq!(read(&source, None, HUGE).await.unwrap().ids(), [1]);
    assert!(!format!("{source:?}").contains(PASSWORD) && !source.identity().contains(PASSWORD));
    let socket = format!("postgres://{USER}@/shop?host={}", shop.server.socket_folder().display());
    connect(&socket.replace("@/", &format!("@localhost:{}/", shop.server.port()))).await.unwrap();
    // Without a port it is the usual one, where this server is not.
    assert!(failure(&socket).await.to_string().contains(":5432"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_believed_as_far_as_sslmode_says() {
    let folder = TempDir::new().unwrap();
    let certificates = match Certificates::make(folder.path()) {
        Ok(certificates) => certificates,
        Err(error @ testkit::Error::Missing { .. }) => return eprintln!("skipped: {error}"),
        Err(error) => panic!("{error}"),
    };
    let Some(plain) = Postgres::start_or_skip() else { return };
    let server = Postgres::builder().tls(&certificates).start().unwrap();
    let (authority, stranger) = (certificates.authority.display(), certificates.stranger.display());
    let url = |server: &Postgres, host: &str, query: &str| server.url("postgres").replace("127.0.0.1", host) + "?" + query;
    // Whether TLS is spoken is what the server says.
    let encrypted = async |url: &str| -> String {
        let client = connect(url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
        let rows = client.rows("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", "asking").await.unwrap();
        rows[0][0].clone().unwrap()
    };
    for (host, query, expected) in [
        ("localhost", "sslmode=disable".to_owned(), "f"),
        ("localhost", String::new(), "t"),
        ("127.0.0.1", "sslmode=prefer".to_owned(), "t"),
        ("127.0.0.1", "sslmode=require".to_owned(), "t"),
        ("127.0.0.1", format!("sslmode=require&sslrootcert={authority}"), "t"),
        ("127.0.0.1", format!("sslmode=verify-ca&sslrootcert={authority}"), "t"),
        ("localhost", format!("sslmode=verify-full&sslrootcert={authority}"), "t"),
    ] {
        assert_eq!(encrypted(&url(&server, host, &query)).await, expected, "{host} {query}");
    }
    for (host, query, part) in [
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={authority}"), "not for this host"),
        ("localhost", format!("sslmode=verify-full&sslrootcert={stranger}"), "not of the authorities in sslrootcert"),
        ("localhost", format!("sslmode=verify-ca&sslrootcert={stranger}"), "not of the authorities in sslrootcert"),
        ("localhost", format!("sslmode=require&sslrootcert={stranger}"), "not of the authorities in sslrootcert"),
        ("localhost", "sslmode=verify-full&sslrootcert=/nowhere.pem".to_owned(), "sslrootcert '/nowhere.pem' cannot be read"),
        ("localhost", "sslmode=verify-full".to_owned(), "name its file with sslrootcert"),
    ] {
        let error = failure(&url(&server, host, &query)).await;
        assert!(error.to_string().contains(part) && !error.retry(), "{host} {query}: {error}");
    }
    let error = failure(&url(&plain, "localhost", "sslmode=require")).await;
    assert!(error.to_string().contains("server does not support TLS") && !error.retry(), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_in_transaction_mode_may_stand_between() {
    let Some(shop) = Shop::with("CREATE TABLE t AS SELECT g::bigint AS id, now() AS at FROM generate_series(1, 30000) g") else {
        return;
    };
    // One connection for all: whoever left something behind on it would be noticed by the next.
    let pool = match PgBouncer::start(&shop.server, 1) {
        Ok(pool) => pool,
        Err(error @ testkit::Error::Missing { .. }) => return eprintln!("skipped: {error}"),
        Err(error) => panic!("{error}"),
    };
    let url = pool.url("shop");
    let bench = Bench::new();
    for round in 0..3 {
        let options = [("url", url.as_str()), ("cursor", "id"), ("key", "id")];
        let source = bench.open(&spec("POSTGRES", "t", None, &options)).await.unwrap();
        let first = read(&source, None, connectors::source::SliceLimits { rows: 10_000, bytes: u64::MAX }).await.unwrap();
        let rest = read(&source, Some(&first.offset), HUGE).await.unwrap();
        assert_eq!((first.ids().len(), rest.ids().len(), rest.more), (10_000, 20_000, false), "round {round}");
    }
    let left = shop.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = 'shop' AND state LIKE 'idle in transaction%'");
    assert_eq!(left, "0");
}
