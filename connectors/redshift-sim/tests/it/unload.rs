//! UNLOAD.

use redshift_sim::rules;
use serde_json::Value;

use crate::warehouse::Warehouse;

#[tokio::test]
async fn what_is_unloaded_can_be_loaded_again() {
    let warehouse = Warehouse::start().await;
    let session = warehouse.connect().await;
    let columns = "(a BIGINT, b VARCHAR(20), c DECIMAL(10,2), d DATE, e TIMESTAMPTZ, f BOOLEAN, g DOUBLE PRECISION)";
    session.run(&format!("CREATE TABLE out_table {columns}; CREATE TABLE back {columns}")).await;
    session.run("INSERT INTO out_table VALUES (1, 'x|\"y', 1.50, '2026-01-02', '2026-01-02 03:04:05.6', true, 0.1), (2, NULL, NULL, NULL, NULL, NULL, NULL)").await;
    let unload = |name: &str, options: &str| {
        format!(
            "UNLOAD ('SELECT * FROM out_table ORDER BY a') TO '{}' {} {options}",
            warehouse.url(name),
            warehouse.authorization()
        )
    };
    session.run(&unload("unloaded/", "FORMAT AS PARQUET MANIFEST")).await;
    let manifest: Value = serde_json::from_slice(&warehouse.get("unloaded/manifest").await).unwrap();
    assert_eq!(manifest["entries"].as_array().unwrap().len(), 2);
    session.run(&warehouse.copy_parquet("back", &warehouse.url("unloaded/manifest"), "MANIFEST")).await;
    let both = "SELECT count(*) FROM (SELECT * FROM out_table EXCEPT SELECT * FROM back) x";
    assert_eq!(session.value(both).await, "0");
    assert_eq!(session.value("SELECT count(*), count(e) FROM back").await, "2|1");

    let refusal = session.refused(&unload("unloaded/", "FORMAT PARQUET")).await;
    assert!(refusal.message.starts_with("Specified unload destination on S3 is not empty."), "{refusal:?}");
    session.run(&unload("unloaded/", "FORMAT PARQUET CLEANPATH")).await;
    session.run(&unload("text_", "CSV HEADER PARALLEL OFF")).await;
    let text = String::from_utf8(warehouse.get("text_000").await.to_vec()).unwrap();
    assert_eq!(text, "a,b,c,d,e,f,g\n1,\"x|\"\"y\",1.50,2026-01-02,2026-01-02 03:04:05.6+00,t,0.1\n2,,,,,,\n");
    session.refused(&unload("x", "GZIP")).await.by(rules::UNKNOWN_IS_REFUSED);
    session.refused(&format!("UNLOAD ('DELETE FROM back') TO '{}' {}", warehouse.url("y"), warehouse.authorization())).await;
}
