//! How a session begins and ends, and what it says of itself.

use std::time::Duration;

use redshift_sim::{SimOptions, rules};
use tokio_postgres::NoTls;

use crate::warehouse::{Refusal, Warehouse};

#[tokio::test]
async fn version_is_8_0_2() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    let version = session.value("SELECT version()").await;
    assert!(version.starts_with("PostgreSQL 8.0.2") && version.contains("Redshift"), "{version}");
    assert_eq!(session.value("SHOW server_version").await, "8.0.2");
    for setting in ["current_setting('server_version')", "pg_catalog.current_setting('SERVER_VERSION')"] {
        assert_eq!(session.value(&format!("SELECT {setting}")).await, "8.0.2", "{setting}");
    }
    assert_eq!(session.value("SELECT current_setting('query_group')").await, "default");
    assert_eq!(session.refused("SELECT current_setting('server_version_num')").await.code, "42704");
    assert_eq!(session.client.query_one("select pg_catalog.version()", &[]).await.unwrap().get::<_, String>(0), version);
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_a_new_user_may_come() {
    let warehouse = Warehouse::start().await;
    let Some(sim) = &warehouse.sim else { return };
    let session = warehouse.connect().await;
    session.run("CREATE USER analyst PASSWORD 'Secret12'").await;
    let url = |user: &str, password: &str| format!("postgres://{user}:{password}@{}/{}", sim.address(), sim.database());
    assert!(tokio_postgres::connect(&url("analyst", "Secret12"), NoTls).await.is_ok());
    for (user, password) in [("analyst", "secret12"), ("nobody", "x"), (sim.user(), "")] {
        let error = tokio_postgres::connect(&url(user, password), NoTls).await.err().unwrap();
        assert_eq!(error.as_db_error().map(|error| error.code().code()).unwrap_or("28P01"), "28P01", "{error}");
    }
}

#[tokio::test]
async fn strings_have_backslash_escapes() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    assert_eq!(session.value(r"SELECT 'it\'s \\ a\tb'").await, "it's \\ a\tb");
}

#[tokio::test]
async fn statement_is_at_most_16_mib() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    let text = |bytes: usize| format!("SELECT length('{}')", "x".repeat(bytes));
    assert_eq!(session.value(&text((16 << 20) - 100)).await, ((16 << 20) - 100).to_string());
    let refusal = session.refused(&text(16 << 20)).await;
    assert!(refusal.message.starts_with("Statement is too large."), "{refusal:?}");
    refusal.by(rules::STATEMENT_IS_AT_MOST_16_MIB);
}

#[tokio::test]
async fn statement_timeout_cancels() {
    let warehouse = Warehouse::start().await;
    let (holder, session) = (warehouse.connect().await, warehouse.connect().await);
    holder.run("CREATE TABLE limited (a INT)").await;
    holder.run("BEGIN; INSERT INTO limited VALUES (1)").await;
    session.run("SET statement_timeout TO 300").await;
    let refusal = session.refused("INSERT INTO limited VALUES (2)").await;
    assert!(refusal.code == "57014" && refusal.message.ends_with("on user's request"), "{refusal:?}");
    refusal.by(rules::STATEMENT_TIMEOUT_CANCELS);
    session.run("SET statement_timeout TO 0").await;
    holder.run("COMMIT").await;
    session.run("INSERT INTO limited VALUES (2)").await;
}

#[tokio::test]
async fn locks_are_shown_to_their_owners() {
    let warehouse = Warehouse::start().await;
    let (holder, session) = (warehouse.connect().await, warehouse.connect().await);
    holder.run("CREATE TABLE locked (a INT); CREATE USER onlooker PASSWORD 'Onlooker123'").await;
    holder.run("BEGIN; INSERT INTO locked VALUES (1)").await;
    let shown = "SELECT COUNT(*) > 0, COUNT(DISTINCT txn_start) FROM svv_transactions AS locks JOIN pg_class AS tables \
                 ON tables.oid = locks.relation WHERE tables.relname = 'locked' AND locks.granted";
    assert_eq!(session.value(shown).await, "t|1");
    if warehouse.sim.is_some() {
        assert_eq!(warehouse.connect_as("onlooker", "Onlooker123").await.value(shown).await, "f|0");
    }
}

#[tokio::test]
async fn unknown_is_refused() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    for sql in ["CREATE MATERIALIZED VIEW v AS SELECT 1", "ANALYZE COMPRESSION t", "CALL p()", "GRUMBLE"] {
        session.refused(sql).await.by(rules::UNKNOWN_IS_REFUSED);
    }
    session.refused("SET work_mem TO '1GB'").await;
}

#[tokio::test]
async fn a_string_of_statements_is_one_transaction_in_both_protocols() {
    let warehouse = Warehouse::start().await;
    let mut session = warehouse.connect().await;
    session.run("CREATE TABLE one (a INT); INSERT INTO one VALUES (1)").await;
    session.refused("INSERT INTO one VALUES (2); INSERT INTO one VALUES ('x')").await;
    assert_eq!(session.rows("SELECT a FROM one ORDER BY 1").await, ["1"]);
    session.run("BEGIN; INSERT INTO one VALUES (3); COMMIT; INSERT INTO one VALUES (4)").await;
    assert_eq!(session.rows("SELECT a FROM one ORDER BY 1").await, ["1", "3", "4"]);

    let transaction = session.client.transaction().await.unwrap();
    assert_eq!(transaction.execute("INSERT INTO one VALUES ($1)", &[&5]).await.unwrap(), 1);
    transaction.rollback().await.unwrap();
    assert_eq!(session.client.execute("INSERT INTO one SELECT a + $1 FROM one", &[&10]).await.unwrap(), 3);
    let error = session.client.execute("INSERT INTO one VALUES ($1) RETURNING a", &[&6]).await.unwrap_err();
    assert_eq!(Refusal::of(&error).code, "42601");
    session.run("BEGIN").await;
    session.refused("SELECT nosuch").await;
    session.client.execute("ROLLBACK", &[]).await.unwrap();
    let rows = session.client.query("SELECT a FROM one WHERE a > $1 ORDER BY 1", &[&4]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get::<_, i32>(0)).collect::<Vec<_>>(), [11, 13, 14]);
}

#[tokio::test]
async fn a_statement_can_be_cancelled() {
    let warehouse = Warehouse::start().await;
    let (first, second) = (warehouse.connect().await, warehouse.connect().await);
    first.run("CREATE TABLE held (a INT)").await;
    first.run("BEGIN; INSERT INTO held VALUES (1)").await;
    let cancel = second.client.cancel_token();
    let mut wait = tokio::spawn(async move { second.refused("INSERT INTO held VALUES (2)").await });
    // It may not have begun to wait when the first request comes.
    let refusal = loop {
        cancel.cancel_query(NoTls).await.unwrap();
        if let Ok(refusal) = tokio::time::timeout(Duration::from_millis(200), &mut wait).await {
            break refusal.unwrap();
        }
    };
    assert_eq!(refusal.code, "57014");
}

#[tokio::test]
async fn clock_may_go_ahead() {
    let warehouse = Warehouse::stand_in_with(SimOptions { clock_ahead: 600, ..SimOptions::default() }, &[]).await;
    let session = warehouse.connect().await;
    let theirs: f64 = session.value("SELECT EXTRACT(EPOCH FROM GETDATE())").await.parse().unwrap();
    let ours = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((theirs - ours - 600.0).abs() < 30.0, "{theirs} {ours}");
}
