//! Views of the catalog.

use tokio_postgres::NoTls;

use crate::warehouse::{Refusal, Warehouse};

#[tokio::test]
async fn svv_columns_tells_of_every_table() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    session.run("CREATE SCHEMA hidden; CREATE TABLE hidden.c (a DECIMAL(9,2) NOT NULL, b VARCHAR(7) DEFAULT 'x', d TIMESTAMPTZ, e SUPER, f VARBYTE)").await;
    session.run("CREATE VIEW hidden.v AS SELECT a FROM hidden.c").await;
    let columns = session
        .client
        .query(
            "SELECT column_name, ordinal_position, data_type, character_maximum_length, numeric_precision, numeric_scale, is_nullable \
             FROM svv_columns WHERE table_schema = $1 AND table_name = $2 ORDER BY ordinal_position",
            &[&"hidden", &"c"],
        )
        .await
        .unwrap();
    let described: Vec<(String, i32, String)> = columns.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let types: Vec<&str> = described.iter().map(|(_, _, name)| name.as_str()).collect();
    assert_eq!(types, ["numeric", "character varying", "timestamp with time zone", "super", "binary varying"]);
    assert_eq!((columns[0].get::<_, i32>(4), columns[0].get::<_, i32>(5), columns[0].get::<_, &str>(6)), (9, 2, "NO"));
    assert_eq!(columns[1].get::<_, i32>(3), 7);
    assert_eq!(
        session.rows("SELECT table_name, table_type FROM svv_tables WHERE table_schema = 'hidden' ORDER BY 1").await,
        ["c|BASE TABLE", "v|VIEW"]
    );
    assert_eq!(session.value("SELECT count(*) FROM stv_slices").await, "4");
}

#[tokio::test]
async fn table_def_follows_search_path() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    session.run("CREATE SCHEMA aside; CREATE TABLE aside.seen (a INT)").await;
    let count = "SELECT count(*) FROM pg_table_def WHERE tablename = 'seen'";
    assert_eq!(session.value(count).await, "0");
    session.run("SET search_path TO aside").await;
    assert_eq!(session.value(count).await, "1");
}

#[tokio::test]
async fn table_info_is_for_superusers() {
    let warehouse = Warehouse::start().await;
    let Some(sim) = &warehouse.sim else { return };
    let session = warehouse.connect().await;
    session.run("CREATE TABLE informed (a INT) DISTSTYLE ALL; CREATE USER reader PASSWORD 'Reader12'").await;
    assert_eq!(session.value("SELECT diststyle FROM svv_table_info WHERE \"table\" = 'informed'").await, "ALL");
    let url = format!("postgres://reader:Reader12@{}/{}", sim.address(), sim.database());
    let (reader, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    assert_eq!(Refusal::of(&reader.batch_execute("SELECT * FROM svv_table_info").await.unwrap_err()).code, "42501");
    assert!(reader.batch_execute("SELECT * FROM svv_columns; SELECT * FROM stl_load_errors").await.is_ok());
}

#[tokio::test]
async fn settings_of_redshift_are_known() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    assert_eq!(session.value("SHOW enable_case_sensitive_identifier").await, "off");
    session.run("SET query_group TO 'etl'; SET statement_timeout TO 60000; SET wlm_query_slot_count = 3").await;
    assert_eq!(session.value("SHOW query_group").await, "etl");
    session.run("RESET query_group; SET search_path TO \"$user\", public; SET enable_case_sensitive_identifier TO off").await;
    session.refused("SHOW nosuch").await;
    session.run("CREATE GROUP readers; CREATE ROLE etl; GRANT USAGE ON SCHEMA public TO GROUP readers; GRANT USAGE ON SCHEMA public TO ROLE etl").await;
}
