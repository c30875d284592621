//! Tables whose columns are not those of the query any more.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Float64Array};

use crate::error::Error;
use crate::sink::{Change, WriteMode};
use crate::warehouse::redshift::tests::cluster::{Cluster, holds, load, numbers, pairs, plan, rows, texts};

over_each_way!(
    columns_that_drift_are_added_widened_or_refused,
    numbers_of_more_digits_than_the_column_has_are_looked_at_one_by_one,
    column_that_cannot_be_widened_names_the_statements_to_run,
    column_that_a_view_is_bound_to_names_the_view_and_the_statements_in_order,
    value_that_fits_nowhere_fails_before_anything_is_made,
    schema_that_is_not_there_is_made_by_who_may,
    table_whose_grant_is_refused_is_not_made_and_gets_it_when_it_is_corrected
);

async fn columns_that_drift_are_added_widened_or_refused(cluster: Cluster) {
    let table = cluster.table("drifting", &[]);
    load(&cluster, &table, 1, WriteMode::Append, &pairs(&[(1, "short")])).await.unwrap();

    let long = "x".repeat(1_000);
    let more = rows(vec![("id", numbers(&[2])), ("v", texts(&[&long])), ("Added", texts(&["new"]))]);
    let planned = plan(&cluster, &table, &more.schema(), WriteMode::Append).await.unwrap();
    assert!(matches!(&planned.changes[..], [Change::AddColumn { name, .. }] if name == "added"), "{:?}", planned.changes);
    load(&cluster, &table, 2, WriteMode::Append, &more).await.unwrap();
    // One that vanishes is NULL.
    load(&cluster, &table, 3, WriteMode::Append, &rows(vec![("id", numbers(&[3]))])).await.unwrap();
    holds(&cluster, "drifting", "id, LEN(v), added", &["1|5|-", "2|1000|new", "3|-|-"]).await;

    let floats = rows(vec![("id", Arc::new(Float64Array::from(vec![1.5])) as ArrayRef)]);
    let error = plan(&cluster, &table, &floats.schema(), WriteMode::Append).await.unwrap_err();
    assert_eq!(error.subject(), Some("id"));
    assert!(
        error.to_string().contains("ALTER TABLE \"public\".\"drifting\" ADD COLUMN \"id__new\" DOUBLE PRECISION;"),
        "{error}"
    );
}

async fn numbers_of_more_digits_than_the_column_has_are_looked_at_one_by_one(cluster: Cluster) {
    cluster.sql("CREATE TABLE narrow (id BIGINT, price DECIMAL(6,2), few SMALLINT)").await;
    let table = cluster.table("narrow", &[]);
    let of = |price: i128, few: i64| {
        let prices = Decimal128Array::from(vec![0, price]).with_precision_and_scale(38, 4).unwrap();
        rows(vec![("id", numbers(&[1, 2])), ("price", Arc::new(prices) as ArrayRef), ("few", numbers(&[0, few]))])
    };
    load(&cluster, &table, 1, WriteMode::Append, &of(-99_999_900, -32_768)).await.unwrap();
    holds(&cluster, "narrow", "id, price, few", &["1|0.00|0", "2|-9999.99|-32768"]).await;
    for (price, few, part) in [
        (100_000_000, 1, "column 'price', row 2 of the epoch (id = 2): '10000.0000' has more than 4 digits before the point"),
        (12_345, 1, "column 'price', row 2 of the epoch (id = 2): '1.2345' has more than 2 digits behind the point"),
        (100, 40_000, "column 'few', row 2 of the epoch (id = 2): '40000' is not between -32768 and 32767"),
    ] {
        let error = load(&cluster, &table, 2, WriteMode::Append, &of(price, few)).await.unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
}

async fn column_that_cannot_be_widened_names_the_statements_to_run(cluster: Cluster) {
    cluster.sql("CREATE TABLE fixed (id BIGINT, v VARCHAR(5) DEFAULT 'x')").await;
    let table = cluster.table("fixed", &[]);
    let error = load(&cluster, &table, 1, WriteMode::Append, &pairs(&[(1, "too long")])).await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("column 'v' of table 'public.fixed' is too narrow for a value of 8 bytes"), "{text}");
    assert!(text.contains("ALTER TABLE \"public\".\"fixed\" ADD COLUMN \"v__new\" VARCHAR(16); UPDATE"), "{text}");
    holds(&cluster, "fixed", "id", &[]).await;
}

async fn column_that_a_view_is_bound_to_names_the_view_and_the_statements_in_order(cluster: Cluster) {
    let table = cluster.table("seen", &[]);
    load(&cluster, &table, 1, WriteMode::Append, &pairs(&[(1, "short")])).await.unwrap();
    cluster.sql("CREATE VIEW seeing AS SELECT id, v FROM seen").await;
    cluster.sql("CREATE VIEW above AS SELECT v FROM seeing").await;
    cluster.sql("CREATE VIEW aside AS SELECT id FROM seen").await;
    let long = "x".repeat(1_000);
    let error = load(&cluster, &table, 2, WriteMode::Append, &pairs(&[(2, &long)])).await.unwrap_err();
    assert!(matches!(error, Error::Config { .. }), "{error}");
    let text = error.to_string();
    let statements = "DROP VIEW \"public\".\"above\"; DROP VIEW \"public\".\"seeing\"; ALTER TABLE \"public\".\"seen\" ALTER COLUMN \"v\" TYPE";
    assert!(text.contains(statements) && !text.contains("aside"), "{text}");
    let statements = text.split("in this order: ").nth(1).and_then(|rest| rest.split(" and GRANT").next()).unwrap();
    for statement in statements.split_inclusive(';') {
        cluster.sql(statement).await;
    }
    load(&cluster, &table, 2, WriteMode::Append, &pairs(&[(2, &long)])).await.unwrap();
    holds(&cluster, "above", "LEN(v)", &["5", "1000"]).await;
}

async fn value_that_fits_nowhere_fails_before_anything_is_made(cluster: Cluster) {
    let table = cluster.table("strict", &[]);
    let long = "ä".repeat(40_000);
    let error = load(&cluster, &table, 1, WriteMode::Append, &pairs(&[(1, "ok"), (2, &long)])).await.unwrap_err();
    assert!(matches!(error, Error::Data { .. }), "{error}");
    assert!(error.to_string().starts_with("table 'public.strict', column 'v', row 2 of the epoch (id = 2): 'ää"), "{error}");
    assert_eq!(cluster.sql("SELECT table_name FROM svv_columns WHERE table_name = 'strict'").await, Vec::<String>::new());
}

async fn schema_that_is_not_there_is_made_by_who_may(mut cluster: Cluster) {
    let mut table = cluster.table("t", &[]);
    table.location = "\"New Schema\".t".into();
    load(&cluster, &table, 1, WriteMode::Append, &pairs(&[(1, "a")])).await.unwrap();
    holds(&cluster, "\"new schema\".t", "id, v", &["1|a"]).await;

    cluster.sql("CREATE USER limited PASSWORD 'Limited123'").await;
    cluster.log_in("limited", "Limited123");
    table.location = "nowhere.t".into();
    let error = load(&cluster, &table, 1, WriteMode::Append, &pairs(&[(1, "a")])).await.unwrap_err();
    assert!(matches!(error, Error::Auth { .. }), "{error}");
    assert!(error.to_string().contains("run CREATE SCHEMA \"nowhere\" AUTHORIZATION \"limited\""), "{error}");
}

async fn table_whose_grant_is_refused_is_not_made_and_gets_it_when_it_is_corrected(cluster: Cluster) {
    cluster.sql("CREATE USER eve PASSWORD 'Eve12345'").await;
    let of = |grants: &'static str| cluster.table("granted", &[("grants", grants)]);
    for _again in 0..2 {
        let error = load(&cluster, &of("user:nobody"), 1, WriteMode::Append, &pairs(&[(1, "a")])).await.unwrap_err();
        assert_eq!(error.subject(), Some("grants"));
        let text = error.to_string();
        assert!(
            text.contains("GRANT SELECT ON \"public\".\"granted\" TO \"nobody\" failed")
                && text.contains("\"nobody\" does not exist"),
            "{text}"
        );
        assert_eq!(cluster.sql("SELECT table_name FROM svv_columns WHERE table_name = 'granted'").await, Vec::<String>::new());
    }
    load(&cluster, &of("user:eve"), 1, WriteMode::Append, &pairs(&[(1, "a")])).await.unwrap();
    assert_eq!(cluster.sql("SELECT has_table_privilege('eve', 'public.granted', 'select')").await, ["t"]);
}
