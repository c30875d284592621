//! INSERT, UPDATE, DELETE, MERGE, and what there is none of.

use redshift_sim::rules;

use crate::warehouse::{Session, Warehouse};

async fn with_table() -> (Warehouse, Session) {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    session.run("CREATE TABLE t (k INT, v VARCHAR(10)); INSERT INTO t VALUES (1, 'a'), (2, 'b')").await;
    session.run("CREATE TABLE s (k INT, v VARCHAR(10)); INSERT INTO s VALUES (2, 'B'), (3, 'C')").await;
    (warehouse, session)
}

#[tokio::test]
async fn no_on_conflict() {
    let (_warehouse, session) = with_table().await;
    for sql in [
        "INSERT INTO t VALUES (1, 'x') ON CONFLICT DO NOTHING",
        "INSERT INTO t SELECT * FROM s ON CONFLICT (k) DO UPDATE SET v = 'x'",
    ] {
        let refusal = session.refused(sql).await;
        assert_eq!((refusal.code.as_str(), refusal.message.as_str()), ("42601", "syntax error at or near \"ON\""));
        refusal.by(rules::NO_ON_CONFLICT);
    }
    session.run("INSERT INTO t SELECT s.k, s.v FROM s JOIN t ON s.k = t.k").await;
}

#[tokio::test]
async fn no_returning() {
    let (_warehouse, session) = with_table().await;
    for sql in
        ["INSERT INTO t VALUES (3, 'c') RETURNING k", "UPDATE t SET v = 'x' RETURNING *", "DELETE FROM t WHERE k = 1 RETURNING k"]
    {
        let refusal = session.refused(sql).await;
        assert!(refusal.message.starts_with("syntax error at or near \"RETURNING\""), "{refusal:?}");
        refusal.by(rules::NO_RETURNING);
    }
    assert_eq!(session.value("SELECT count(*) FROM t").await, "2");
}

#[tokio::test]
async fn no_writable_cte() {
    let (_warehouse, session) = with_table().await;
    for sql in [
        "WITH gone AS (DELETE FROM t RETURNING k) SELECT * FROM gone",
        "WITH new AS (INSERT INTO t VALUES (3, 'c') RETURNING k) SELECT * FROM new",
        "WITH x AS (SELECT 1 AS k) INSERT INTO t SELECT k, 'x' FROM x",
    ] {
        session.refused(sql).await.by(rules::NO_WRITABLE_CTE);
    }
    session.run("WITH x AS (SELECT 1 AS k) DELETE FROM t USING x WHERE t.k = x.k").await;
    session.run("INSERT INTO t WITH x AS (SELECT 5 AS k) SELECT k, 'x' FROM x").await;
    assert_eq!(session.rows("WITH y AS (SELECT k FROM t) SELECT k FROM y ORDER BY k").await, ["2", "5"]);
}

#[tokio::test]
async fn no_delete_alias() {
    let (_warehouse, session) = with_table().await;
    for sql in ["DELETE FROM t AS x USING s WHERE x.k = s.k", "DELETE FROM t x WHERE x.k = 1"] {
        session.refused(sql).await.by(rules::NO_DELETE_ALIAS);
    }
    session.run("DELETE FROM t USING s WHERE t.k = s.k; DELETE t WHERE k = 1").await;
    assert_eq!(session.value("SELECT count(*) FROM t").await, "0");
}

const BOTH: &str = "WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT (k, v) VALUES (s.k, s.v)";

#[tokio::test]
async fn merge_needs_both_branches() {
    let (_warehouse, session) = with_table().await;
    for branches in [
        "WHEN MATCHED THEN UPDATE SET v = s.v",
        "WHEN NOT MATCHED THEN INSERT (k, v) VALUES (s.k, s.v)",
        "WHEN MATCHED AND s.v <> t.v THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT (k, v) VALUES (s.k, s.v)",
        "WHEN MATCHED THEN DELETE WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT (k, v) VALUES (s.k, s.v)",
    ] {
        session.refused(&format!("MERGE INTO t USING s ON t.k = s.k {branches}")).await.by(rules::MERGE_NEEDS_BOTH_BRANCHES);
    }
    session.run(&format!("MERGE INTO t USING s ON t.k = s.k {BOTH}")).await;
    assert_eq!(session.rows("SELECT k, v FROM t ORDER BY k").await, ["1|a", "2|B", "3|C"]);
    let delete = "MERGE INTO t USING s AS x ON t.k = x.k WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (x.k, x.v)";
    session.run(delete).await;
    assert_eq!(session.rows("SELECT k FROM t").await, ["1"]);
}

#[tokio::test]
async fn merge_source_is_a_table() {
    let (_warehouse, session) = with_table().await;
    session
        .refused(&format!("MERGE INTO t USING (SELECT * FROM s) s ON t.k = s.k {BOTH}"))
        .await
        .by(rules::MERGE_SOURCE_IS_A_TABLE);
}

#[tokio::test]
async fn merge_target_has_no_alias() {
    let (_warehouse, session) = with_table().await;
    for alias in ["AS x", "x"] {
        let sql = format!("MERGE INTO t {alias} USING s ON x.k = s.k {BOTH}");
        session.refused(&sql).await.by(rules::MERGE_TARGET_HAS_NO_ALIAS);
    }
}

#[tokio::test]
async fn merge_refuses_duplicates() {
    let (_warehouse, session) = with_table().await;
    session.run("INSERT INTO s VALUES (2, 'again')").await;
    let refusal = session.refused(&format!("MERGE INTO t USING s ON t.k = s.k {BOTH}")).await;
    assert_eq!(refusal.message, "Found multiple matches to update the same tuple.");
    refusal.by(rules::MERGE_REFUSES_DUPLICATES);
}

#[tokio::test]
async fn no_savepoints() {
    let (_warehouse, session) = with_table().await;
    for sql in ["SAVEPOINT a", "LISTEN a", "PREPARE TRANSACTION 'a'"] {
        session.refused(sql).await.by(rules::NO_SAVEPOINTS);
    }
}

#[tokio::test]
async fn no_json_operators() {
    let (_warehouse, session) = with_table().await;
    session.run("CREATE TABLE d (s SUPER)").await;
    for expression in [
        "s -> 'a'",
        "s ->> 'a'",
        "s @> s",
        "jsonb_typeof(s)",
        "string_agg('a', 'b')",
        "gen_random_uuid()",
        "pg_sleep(1)",
        "XMLPARSE(DOCUMENT '<a/>')",
        "xmlelement(name a)",
    ] {
        let refusal = session.refused(&format!("SELECT {expression} FROM d")).await;
        assert_eq!(refusal.code, "42883", "{expression}: {refusal:?}");
        refusal.by(rules::NO_JSON_OPERATORS);
    }
}

#[tokio::test]
async fn no_postgres_only_clauses() {
    let (_warehouse, session) = with_table().await;
    for sql in [
        "SELECT DISTINCT ON (k) * FROM t",
        "SELECT * FROM t, LATERAL (SELECT 1) x",
        "SELECT count(*) FILTER (WHERE k > 1) FROM t",
        "SELECT * FROM t FOR UPDATE",
        "SELECT ARRAY[1, 2]",
        "VALUES (1)",
    ] {
        session.refused(sql).await.by(rules::NO_POSTGRES_ONLY_CLAUSES);
    }
}

#[tokio::test]
async fn merge_removes_duplicates() {
    let (_warehouse, session) = with_table().await;
    session.run("INSERT INTO t VALUES (2, 'again')").await;
    session.run("MERGE INTO t USING s ON t.k = s.k REMOVE DUPLICATES").await;
    assert_eq!(session.rows("SELECT k, v FROM t ORDER BY k").await, ["1|a", "2|B", "3|C"]);
    session.run("MERGE INTO t USING s AS other ON t.k = other.k REMOVE DUPLICATES").await;
    assert_eq!(session.value("SELECT count(*) FROM t").await, "3");
    session.run("CREATE TABLE wider (k INT, v VARCHAR(10), w INT)").await;
    session.refused("MERGE INTO t USING wider ON t.k = wider.k REMOVE DUPLICATES").await.by(rules::MERGE_REMOVES_DUPLICATES);
}

#[tokio::test]
async fn reserved_words_are_quoted() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    for sql in [
        "CREATE TABLE tag (a INT)",
        "CREATE TABLE named (open INT)",
        "CREATE TABLE named (a INT, \"b\" INT, Timestamp TIMESTAMP)",
        "CREATE TABLE backup (LIKE other)",
    ] {
        let refusal = session.refused(sql).await;
        assert!(refusal.code == "42601" && refusal.message.starts_with("syntax error at or near"), "{refusal:?}");
        refusal.by(rules::RESERVED_WORDS_ARE_QUOTED);
    }
    session.run("CREATE TABLE named (\"open\" INT, \"tag\" VARCHAR(10) ENCODE lzo, start INT ENCODE raw)").await;
    session.run("INSERT INTO named (\"open\", \"tag\", start) VALUES (1, 'x', 2)").await;
    for sql in [
        "ALTER TABLE named ADD COLUMN system INT",
        "INSERT INTO named (open) VALUES (1)",
        "SELECT open FROM named",
        "SELECT start FROM named WHERE tag = 'x'",
    ] {
        session.refused(sql).await.by(rules::RESERVED_WORDS_ARE_QUOTED);
    }
    assert_eq!(
        session.value("SELECT named.open, n.\"tag\", start AS new FROM named AS n JOIN named USING (start)").await,
        "1|x|2"
    );
}
