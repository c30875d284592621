//! Names and types.

use redshift_sim::rules;

use crate::warehouse::Warehouse;

#[tokio::test]
async fn identifiers_are_folded() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    session.run(r#"CREATE TABLE "Folded" ("Id" INT, "TAG" INT); INSERT INTO folded VALUES (1, 2)"#).await;
    assert_eq!(session.value(r#"SELECT "ID", "tag" FROM "FOLDED""#).await, "1|2");
    let row = session.client.query_one(r#"SELECT "Id" AS "The Id" FROM folded"#, &[]).await.unwrap();
    assert_eq!(row.columns()[0].name(), "the id");
}

#[tokio::test]
async fn case_sensitive_names_are_kept() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect_with("-c enable_case_sensitive_identifier=on").await;
    session.run(r#"CREATE TABLE "Kept" ("Id" INT, Label INT); INSERT INTO "Kept" VALUES (1, 2)"#).await;
    assert_eq!(session.value(r#"SELECT "Id", LABEL FROM "Kept""#).await, "1|2");
    session.refused("SELECT * FROM kept").await.by(rules::CASE_SENSITIVE_NAMES_ARE_KEPT);
    assert_eq!(session.value("SHOW enable_case_sensitive_identifier").await, "on");
    assert_eq!(warehouse.connect().await.value("SHOW enable_case_sensitive_identifier").await, "off");
    session.run("CREATE USER cased PASSWORD 'Cased1234'; ALTER USER cased SET enable_case_sensitive_identifier TO on").await;
    let cased = warehouse.connect_as("cased", "Cased1234").await;
    assert_eq!(cased.value("SHOW enable_case_sensitive_identifier").await, "on");
}

#[tokio::test]
async fn identifiers_are_127_bytes() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    let (longest, longer) = ("n".repeat(127), "n".repeat(128));
    let other = format!("{}m", "n".repeat(126));
    session.run(&format!("CREATE TABLE {longest} ({longest} INT, {other} INT); INSERT INTO {longest} VALUES (1, 2)")).await;
    let row = session.client.query_one(&format!("SELECT {other}, \"{longest}\" FROM {longest}"), &[]).await.unwrap();
    assert_eq!((row.get::<_, i32>(0), row.columns()[0].name(), row.columns()[1].name()), (2, other.as_str(), longest.as_str()));
    let columns = session
        .rows(&format!("SELECT column_name FROM svv_columns WHERE table_name = '{longest}' ORDER BY ordinal_position"))
        .await;
    assert_eq!(columns, [longest, other]);
    session.refused(&format!("CREATE TABLE short ({longer} INT)")).await.by(rules::IDENTIFIERS_ARE_127_BYTES);
}

#[tokio::test]
async fn varchar_counts_bytes() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    session.run("CREATE TABLE bytes (v VARCHAR(4), c CHAR(4)); INSERT INTO bytes VALUES ('éé', 'abc')").await;
    assert_eq!(session.value("SELECT len(v), octet_length(v), v FROM bytes").await, "2|4|éé");
    let refusal = session.refused("INSERT INTO bytes (v) VALUES ('ééé')").await;
    assert_eq!((refusal.code.as_str(), refusal.message.as_str()), ("22001", "value too long for type character varying(4)"));
}

#[tokio::test]
async fn bare_varchar_is_256() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    session.run("CREATE TABLE bare (a VARCHAR, b TEXT, c CHARACTER VARYING, d CHAR, e BPCHAR, f NVARCHAR(7))").await;
    let lengths = "SELECT character_maximum_length FROM svv_columns WHERE table_name = 'bare' ORDER BY ordinal_position";
    assert_eq!(session.rows(lengths).await, ["256", "256", "256", "1", "256", "7"]);
    session.refused("INSERT INTO bare (b) VALUES (repeat('x', 257))").await;
}

#[tokio::test]
async fn varchar_max_is_65535() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    session.run("CREATE TABLE wide (a VARCHAR(MAX), b CHARACTER VARYING(max))").await;
    let lengths = "SELECT character_maximum_length FROM svv_columns WHERE table_name = 'wide'";
    assert_eq!(session.rows(lengths).await, ["65535", "65535"]);
    session.refused("CREATE TABLE wider (a VARCHAR(65536))").await.by(rules::VARCHAR_MAX_IS_65535);
    session.refused("CREATE TABLE wider (a CHAR(4097))").await;
    assert_eq!(session.value("SELECT len('x'::VARCHAR(MAX)), len(CAST('xy' AS CHARACTER VARYING(MAX)))").await, "1|2");
}

#[tokio::test]
async fn trailing_blanks_do_not_count() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    session.run("CREATE TABLE blanks (k VARCHAR(10), n INT); INSERT INTO blanks VALUES ('a', 1), ('a  ', 2), (' a', 3)").await;
    assert_eq!(session.rows("SELECT n FROM blanks WHERE k = 'a ' ORDER BY n").await, ["1", "2"]);
    assert_eq!(session.value("SELECT count(DISTINCT k), count(*) FROM blanks").await, "2|3");
    assert_eq!(session.value("SELECT count(*) FROM blanks l JOIN blanks r ON l.k = r.k").await, "5");
    session.run("DELETE FROM blanks USING (SELECT 'a    '::VARCHAR(9) AS k) gone WHERE blanks.k = gone.k").await;
    assert_eq!(session.rows("SELECT n FROM blanks").await, ["3"]);
}

#[tokio::test]
async fn decimal_is_at_most_38() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    session.run("CREATE TABLE decimals (a DECIMAL, b NUMERIC(38, 37), c DECIMAL(9))").await;
    let sizes =
        "SELECT numeric_precision, numeric_scale FROM svv_columns WHERE table_name = 'decimals' ORDER BY ordinal_position";
    assert_eq!(session.rows(sizes).await, ["18|0", "38|37", "9|0"]);
    session.refused("CREATE TABLE larger (a DECIMAL(39, 0))").await.by(rules::DECIMAL_IS_AT_MOST_38);
}

#[tokio::test]
async fn varbyte_counts_bytes() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    session.run("CREATE TABLE bytes (a VARBYTE(3), b VARBYTE)").await;
    session.run("INSERT INTO bytes VALUES ('abc'::VARBYTE, NULL)").await;
    session.refused("INSERT INTO bytes VALUES ('abcd'::VARBYTE, NULL)").await.by(rules::VARBYTE_COUNTS_BYTES);
    session.run("CREATE TABLE same (LIKE bytes)").await;
    session.refused("INSERT INTO same VALUES ('abcd'::VARBYTE, NULL)").await.by(rules::VARBYTE_COUNTS_BYTES);
    let long = "x".repeat(64_001);
    session.refused(&format!("INSERT INTO bytes VALUES (NULL, '{long}'::VARBYTE)")).await.by(rules::VARBYTE_COUNTS_BYTES);
    session.refused("CREATE TABLE larger (a VARBYTE(16777217))").await;
}

#[tokio::test]
async fn types_of_postgres_are_refused() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    for name in ["UUID", "BYTEA", "JSON", "JSONB", "SERIAL", "BIGSERIAL", "INT[]", "MONEY", "XML", "INET", "TSVECTOR"] {
        let refusal = session.refused(&format!("CREATE TABLE other (a {name})")).await;
        assert!(refusal.message.starts_with("Column \"a\" has unsupported type"), "{refusal:?}");
        refusal.by(rules::TYPES_OF_POSTGRES_ARE_REFUSED);
    }
    for value in ["'{}'::json", "'{1,2}'::int[]", "CAST('{1,2}' AS int[])", "'<a/>'::xml"] {
        let refusal = session.refused(&format!("SELECT {value}")).await;
        assert_eq!(refusal.code, "42704", "{value}: {refusal:?}");
        refusal.by(rules::TYPES_OF_POSTGRES_ARE_REFUSED);
    }
    assert_eq!(session.refused("CREATE TABLE other (a NOSUCHTYPE)").await.code, "42704");
}

#[tokio::test]
async fn super_is_type_4000() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    session
        .run("CREATE TABLE documents (s SUPER, b VARBYTE); INSERT INTO documents SELECT JSON_PARSE('{\"a\":[1,\"é\"]}'), NULL")
        .await;
    assert_eq!(session.value("SELECT JSON_SERIALIZE(s) FROM documents").await, r#"{"a":[1,"é"]}"#);
    assert_eq!(
        session.value("SELECT data_type FROM svv_columns WHERE table_name = 'documents' AND column_name = 's'").await,
        "super"
    );
    let statement = session.client.prepare("SELECT s FROM documents").await;
    assert_eq!(statement.unwrap().columns()[0].type_().oid(), 4000);
}

#[tokio::test]
async fn functions_of_redshift_are_there() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    for (expression, expected) in [
        ("DATEADD(day, 1, '2026-01-31'::date)", "2026-02-01 00:00:00"),
        ("DATEADD(month, -1, '2026-03-31'::timestamp)", "2026-02-28 00:00:00"),
        ("DATEDIFF(hour, '2026-01-01 00:59:00'::timestamp, '2026-01-01 02:00:00'::timestamp)", "2"),
        ("DATEDIFF(year, '2025-12-31'::date, '2026-01-01'::date)", "1"),
        ("NVL(NULL, 3)", "3"),
        ("DATE_PART(year, '2026-05-01'::date)", "2026"),
        ("CONVERT_TIMEZONE('Europe/Berlin', '2026-07-01 00:00:00'::timestamp)", "2026-07-01 02:00:00"),
        ("GETDATE() <= SYSDATE + INTERVAL '1 minute'", "t"),
        ("IS_VALID_JSON('{')", "f"),
        ("CHARINDEX('c', 'abc')", "3"),
    ] {
        assert_eq!(session.value(&format!("SELECT {expression}")).await, expected, "{expression}");
    }
    session.run("CREATE TABLE words (g INT, w VARCHAR); INSERT INTO words VALUES (1, 'b'), (1, 'a'), (2, 'c')").await;
    let lists = "SELECT g, LISTAGG(w, '+') WITHIN GROUP (ORDER BY w) FROM words GROUP BY g ORDER BY g";
    assert_eq!(session.rows(lists).await, ["1|a+b", "2|c"]);
}
