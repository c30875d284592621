//! The warehouse that is in the lake.

use crate::context::TableSpec;
use crate::lake::testing::local_lake;
use crate::registry::Connector;
use crate::sink::WriteMode;
use crate::testing::{SinkCase, sink_contract};
use crate::warehouse::Warehouse;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_warehouse_in_the_lake_keeps_the_sink_contract() {
    let (folder, context) = local_lake();
    let modes = [WriteMode::Append, WriteMode::Overwrite, WriteMode::Upsert];
    let case = SinkCase {
        connector: &Warehouse,
        context: &context,
        location: "contract".into(),
        separator: ".",
        modes: &modes,
        partitions: false,
    };
    sink_contract(&case).await.unwrap();
    assert!(folder.path().join("warehouse/contract/upserted_plain/_delta_log").exists());
}

fn spec(location: &str, options: &[(&str, &str)]) -> TableSpec {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    TableSpec { options, ..TableSpec::new("t", "WAREHOUSE", location) }
}

#[tokio::test]
async fn mistakes_of_a_table_name_what_is_wrong() {
    let (_folder, context) = local_lake();
    for (table, part, subject) in [
        (spec("a.b", &[("kye", "id")]), "of WAREHOUSE table; did you mean 'key'?", "kye"),
        (spec("lake://a/b", &[]), "expected 'schema.table'", "lake://a/b"),
        (spec("a.\"b/c\"", &[]), "'b/c' is no folder", "a.\"b/c\""),
        (spec("a.b", &[("deletes", "soft")]), "needs the column that says which rows are deleted", "deletes"),
        (spec("a.b", &[("upsert", "update")]), "there are: delete+insert, merge, insert", "upsert"),
        (spec("a.b", &[("overwrite", "bogus")]), "there are: atomic, swap, fast", "overwrite"),
    ] {
        let error = Warehouse.sink(&table, &context).await.unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert_eq!(error.subject(), Some(subject));
    }
}

#[tokio::test]
async fn a_warehouse_that_cannot_be_written_says_which_can() {
    let (_folder, mut context) = local_lake();
    context.warehouse.url = Some("snowflake://account/db".into());
    let error = Warehouse.sink(&spec("a.b", &[]), &context).await.unwrap_err().to_string();
    assert!(error.contains("'snowflake' is no warehouse") && error.contains("redshift-data://"), "{error}");
    for url in ["redshift://u:hush@h/db", "redshift-data://workgroup/db"] {
        context.warehouse.url = Some(url.into());
        let error = Warehouse.sink(&spec("a.b", &[]), &context).await.unwrap_err().to_string();
        assert!(error.starts_with("[warehouse] staging is not set: COPY loads from S3") && !error.contains("hush"), "{error}");
    }
}
