//! What commits, who waits, and who conflicts.

use std::time::Duration;

use redshift_sim::{Isolation, rules};

use crate::warehouse::Warehouse;

#[tokio::test]
async fn truncate_commits() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    session.run("CREATE TABLE emptied (a INT); CREATE TABLE kept (a INT); INSERT INTO emptied VALUES (1)").await;
    session.run("BEGIN; INSERT INTO kept VALUES (1)").await;
    session.run("TRUNCATE TABLE emptied").await;
    session.run("ROLLBACK").await;
    assert_eq!(session.value("SELECT (SELECT count(*) FROM emptied), (SELECT count(*) FROM kept)").await, "0|1");
    session.client.execute("INSERT INTO emptied VALUES (2)", &[]).await.unwrap();
    session.client.execute("TRUNCATE emptied", &[]).await.unwrap();
    assert_eq!(session.value("SELECT count(*) FROM emptied").await, "0");
    assert_eq!(session.refused("TRUNCATE nosuch").await.code, "42P01");
}

#[tokio::test]
async fn vacuum_commits() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    session.run("CREATE TABLE vacuumed (a INT)").await;
    session.run("BEGIN; INSERT INTO vacuumed VALUES (1)").await;
    session.run("VACUUM DELETE ONLY vacuumed TO 100 PERCENT").await;
    session.run("ROLLBACK").await;
    assert_eq!(session.value("SELECT count(*) FROM vacuumed").await, "1");
    session.run("VACUUM; VACUUM FULL vacuumed; ANALYZE vacuumed PREDICATE COLUMNS; ANALYZE").await;
}

#[tokio::test]
async fn append_not_in_transaction() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    session.run("CREATE TABLE target (a INT, b INT DEFAULT 9); CREATE TABLE source (a INT); INSERT INTO source VALUES (1)").await;
    session.run("BEGIN").await;
    session.refused("ALTER TABLE target APPEND FROM source FILLTARGET").await.by(rules::APPEND_NOT_IN_TRANSACTION);
    session.run("ROLLBACK").await;
    session.refused("ALTER TABLE target APPEND FROM source").await;
    session.run("ALTER TABLE target APPEND FROM source FILLTARGET").await;
    assert_eq!(session.rows("SELECT a, b FROM target").await, ["1|9"]);
    assert_eq!(session.value("SELECT count(*) FROM source").await, "0");
}

#[tokio::test]
async fn writers_wait_for_each_other() {
    let warehouse = Warehouse::start().await;
    let (first, second, reader) = (warehouse.connect().await, warehouse.connect().await, warehouse.connect().await);
    first.run("CREATE TABLE queued (a INT)").await;
    first.run("BEGIN; INSERT INTO queued VALUES (1)").await;
    let mut waiting = tokio::spawn(async move {
        second.run("INSERT INTO queued VALUES (2)").await;
        second.client.execute("UPDATE queued SET a = a + $1", &[&10]).await.unwrap()
    });
    assert!(tokio::time::timeout(Duration::from_millis(500), &mut waiting).await.is_err(), "the second writer did not wait");
    assert_eq!(reader.value("SELECT count(*) FROM queued").await, "0");
    first.run("COMMIT").await;
    assert_eq!(waiting.await.unwrap(), 2);
    assert_eq!(reader.rows("SELECT a FROM queued ORDER BY a").await, ["11", "12"]);
}

/// Two transactions that read and write crosswise; the error of the second to commit, if there is one.
async fn write_skew(warehouse: &Warehouse) -> Option<crate::warehouse::Refusal> {
    let (first, second) = (warehouse.connect().await, warehouse.connect().await);
    first.run("CREATE TABLE left_side (a INT); CREATE TABLE right_side (a INT)").await;
    first.run("BEGIN; SELECT count(*) FROM left_side").await;
    second.run("BEGIN; SELECT count(*) FROM right_side").await;
    first.run("INSERT INTO right_side VALUES (1)").await;
    first.run("COMMIT").await;
    let result = second.client.batch_execute("INSERT INTO left_side VALUES (1); COMMIT").await;
    result.err().map(|error| crate::warehouse::Refusal::of(&error))
}

#[tokio::test]
async fn snapshot_allows_write_skew() {
    let warehouse = Warehouse::stand_in(Isolation::Snapshot).await;
    assert!(write_skew(&warehouse).await.is_none());
    let level = "SELECT rtrim(isolation_level) FROM stv_db_isolation_level WHERE db_name = current_database()";
    assert_eq!(warehouse.connect().await.value(level).await, "Snapshot Isolation");
}

#[tokio::test]
async fn conflict_is_1023() {
    let serializable = Warehouse::stand_in(Isolation::Serializable).await;
    let refusal = write_skew(&serializable).await.unwrap();
    assert_eq!((refusal.code.as_str(), refusal.message.as_str()), ("XX000", "1023"));
    assert!(refusal.detail.starts_with("Serializable isolation violation on table"), "{refusal:?}");
    refusal.by(rules::CONFLICT_IS_1023);

    let warehouse = Warehouse::stand_in(Isolation::Snapshot).await;
    let (first, second) = (warehouse.connect().await, warehouse.connect().await);
    first.run("CREATE TABLE state (epoch INT); INSERT INTO state VALUES (1)").await;
    second.run("BEGIN; SELECT epoch FROM state").await;
    first.run("UPDATE state SET epoch = 2 WHERE epoch = 1").await;
    let refusal = second.refused("UPDATE state SET epoch = 2 WHERE epoch = 1").await;
    assert_eq!(refusal.message, "1023");
    second.run("ROLLBACK").await;
    assert_eq!(second.client.execute("UPDATE state SET epoch = 2 WHERE epoch = 1", &[]).await.unwrap(), 0);
}

#[tokio::test]
async fn new_relation_is_1018() {
    let warehouse = Warehouse::start().await;
    let (first, second) = (warehouse.connect().await, warehouse.connect().await);
    first.run("CREATE TABLE older (a INT)").await;
    first.run("BEGIN; SELECT count(*) FROM older").await;
    second.run("CREATE TABLE younger (a INT)").await;
    let refusal = first.refused("INSERT INTO younger VALUES (1)").await;
    assert_eq!(refusal.message, "1018");
    refusal.by(rules::NEW_RELATION_IS_1018);
    first.run("ROLLBACK").await;
    first.run("BEGIN; SELECT count(*) FROM older").await;
    second.run("CREATE TABLE youngest (a INT)").await;
    let refusal = first.refused("SELECT o.a FROM older o, youngest AS y WHERE o.a = y.a").await;
    assert_eq!(refusal.message, "1018");
    first.run("ROLLBACK").await;
    first.run("BEGIN; CREATE TABLE own (a INT); INSERT INTO own VALUES (1); COMMIT").await;
}
