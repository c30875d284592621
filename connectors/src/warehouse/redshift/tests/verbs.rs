//! Every verb and what it leaves alone.

use crate::sink::WriteMode;
use crate::testing::{SinkCase, sink_contract};
use crate::warehouse::Warehouse;
use crate::warehouse::redshift::tests::cluster::{Cluster, MODES, holds, load, numbers, pairs, rows, texts};

over_each_way_and_isolation!(
    redshift_keeps_the_sink_contract,
    upserts_replace_merge_or_leave,
    tables_with_numbered_and_defaulted_columns_are_loaded_without_them,
    deleted_rows_go_or_are_marked,
    fast_overwrite_replaces_all_and_leaves_nothing_behind,
    view_and_grant_survive_an_overwrite_that_nobody_sees_half_done,
    swap_keeps_grants_and_comments_and_is_refused_where_a_view_is_bound
);

async fn redshift_keeps_the_sink_contract(cluster: Cluster) {
    let case = SinkCase {
        connector: &Warehouse,
        context: &cluster.context,
        location: "public".into(),
        separator: ".",
        modes: &MODES,
        partitions: false,
    };
    sink_contract(&case).await.unwrap();
    assert_eq!(cluster.staged(), Vec::<String>::new());
}

async fn upserts_replace_merge_or_leave(cluster: Cluster) {
    for (upsert, expected) in [
        ("delete+insert", ["1|new|-", "2|b|kept", "3|c|-"]),
        ("merge", ["1|new|kept", "2|b|kept", "3|c|-"]),
        ("insert", ["1|a|kept", "2|b|kept", "3|c|-"]),
    ] {
        let name = format!("upserted_{}", upsert.replace('+', "_"));
        let table = cluster.table(&name, &[("key", "id"), ("upsert", upsert)]);
        let mut wide = vec![("id", numbers(&[1, 2])), ("v", texts(&["a", "b"]))];
        wide.push(("other", texts(&["kept", "kept"])));
        load(&cluster, &table, 1, WriteMode::Upsert, &rows(wide)).await.unwrap();
        load(&cluster, &table, 2, WriteMode::Upsert, &pairs(&[(1, "new"), (3, "c")])).await.unwrap();
        holds(&cluster, &name, "id, v, other", &expected).await;
    }
}

async fn tables_with_numbered_and_defaulted_columns_are_loaded_without_them(cluster: Cluster) {
    for mode in MODES {
        let name = format!("numbered_{mode}");
        let columns = "idn BIGINT IDENTITY(1,1) NOT NULL, id BIGINT, v VARCHAR(10), d VARCHAR(4) DEFAULT 'x' NOT NULL";
        cluster.sql(&format!("CREATE TABLE {name} ({columns})")).await;
        let table = cluster.table(&name, &[("key", "id")]);
        load(&cluster, &table, 1, mode, &pairs(&[(1, "a"), (2, "b")])).await.unwrap();
        load(&cluster, &table, 2, mode, &pairs(&[(3, "c")])).await.unwrap();
        let expected: &[&str] = if mode == WriteMode::Overwrite { &["3|c|x"] } else { &["1|a|x", "2|b|x", "3|c|x"] };
        holds(&cluster, &name, "id, v, d", expected).await;
        assert_eq!(cluster.sql(&format!("SELECT COUNT(*) - COUNT(DISTINCT idn) FROM {name}")).await, ["0"]);
        let numbered = rows(vec![("idn", numbers(&[9])), ("id", numbers(&[9]))]);
        let error = load(&cluster, &table, 3, mode, &numbered).await.unwrap_err();
        assert_eq!(error.subject(), Some("idn"), "{error}");
    }
    let table = cluster.table("numbered_overwrite", &[("overwrite", "swap")]);
    let error = load(&cluster, &table, 3, WriteMode::Overwrite, &pairs(&[(1, "a")])).await.unwrap_err();
    assert!(error.to_string().contains("does not keep the IDENTITY of column 'idn'"), "{error}");
}

async fn deleted_rows_go_or_are_marked(cluster: Cluster) {
    let operations = rows(vec![("id", numbers(&[1, 3, 9])), ("v", texts(&["", "c", ""])), ("_op", texts(&["d", "I", "DELETE"]))]);
    let first = rows(vec![("id", numbers(&[1, 2])), ("v", texts(&["a", "b"])), ("_op", texts(&["I", "I"]))]);
    for (deletes, upsert, columns, expected) in [
        ("hard", "delete+insert", "id, v", &["2|b", "3|c"][..]),
        ("hard", "merge", "id, v", &["2|b", "3|c"]),
        ("soft", "delete+insert", "id, v, _op", &["1|a|d", "2|b|I", "3|c|I"]),
    ] {
        let name = format!("deletes_{deletes}_{}", upsert.replace('+', "_"));
        let options = [("key", "id"), ("deleted", "_op"), ("deletes", deletes), ("upsert", upsert)];
        let table = cluster.table(&name, &options);
        load(&cluster, &table, 1, WriteMode::Upsert, &first).await.unwrap();
        load(&cluster, &table, 2, WriteMode::Upsert, &operations).await.unwrap();
        holds(&cluster, &name, columns, expected).await;
        let has_mark = cluster.sql(&format!("SELECT column_name FROM svv_columns WHERE table_name = '{name}'")).await;
        assert_eq!(has_mark.contains(&"_op".to_owned()), deletes == "soft");
    }
}

async fn fast_overwrite_replaces_all_and_leaves_nothing_behind(cluster: Cluster) {
    let table = cluster.table("quick", &[("overwrite", "fast")]);
    load(&cluster, &table, 1, WriteMode::Overwrite, &pairs(&[(1, "a"), (2, "b")])).await.unwrap();
    load(&cluster, &table, 2, WriteMode::Overwrite, &pairs(&[(3, "c")])).await.unwrap();
    holds(&cluster, "quick", "id, v", &["3|c"]).await;
    load(&cluster, &table, 3, WriteMode::Overwrite, &pairs(&[])).await.unwrap();
    holds(&cluster, "quick", "id, v", &[]).await;
    let left = cluster.sql("SELECT DISTINCT table_name FROM svv_columns WHERE table_name LIKE 'quick%'").await;
    assert_eq!(left, ["quick"]);
}

async fn view_and_grant_survive_an_overwrite_that_nobody_sees_half_done(cluster: Cluster) {
    let table = cluster.table("shown", &[]);
    load(&cluster, &table, 1, WriteMode::Append, &pairs(&[(1, "old"), (2, "old")])).await.unwrap();
    cluster.sql("CREATE USER analyst PASSWORD 'Analyst123'").await;
    cluster.sql("GRANT SELECT ON shown TO analyst").await;
    cluster.sql("CREATE VIEW shown_ids AS SELECT id FROM shown").await;

    let reader = cluster.reader().await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let polled = tokio::spawn(async move { reader.poll("SELECT COUNT(*) FROM shown", stopped).await });
    for epoch in 2..6 {
        load(&cluster, &table, epoch, WriteMode::Overwrite, &pairs(&[(7, "new"), (8, "new")])).await.unwrap();
    }
    stop.send(()).unwrap();
    let seen = polled.await.unwrap();
    assert!(!seen.is_empty() && seen.iter().all(|count| count == "2"), "{seen:?}");

    holds(&cluster, "shown_ids", "id", &["7", "8"]).await;
    assert_eq!(cluster.sql("SELECT has_table_privilege('analyst', 'public.shown', 'SELECT')").await, ["t"]);
}

async fn swap_keeps_grants_and_comments_and_is_refused_where_a_view_is_bound(cluster: Cluster) {
    let table = cluster.table("swapped", &[("overwrite", "swap"), ("grants", "public")]);
    load(&cluster, &table, 1, WriteMode::Overwrite, &pairs(&[(1, "a"), (2, "b")])).await.unwrap();
    cluster.sql("CREATE USER auditor PASSWORD 'Auditor123'").await;
    cluster.sql("GRANT SELECT ON swapped TO auditor").await;
    cluster.sql("GRANT INSERT ON swapped TO auditor WITH GRANT OPTION").await;
    cluster.sql("COMMENT ON TABLE swapped IS 'it''s ours'").await;
    cluster.sql("COMMENT ON COLUMN swapped.v IS 'a value'").await;
    cluster.sql("COMMENT ON COLUMN swapped.id IS E'a\\\\b'").await;
    load(&cluster, &table, 2, WriteMode::Overwrite, &pairs(&[(3, "c")])).await.unwrap();
    holds(&cluster, "swapped", "id, v", &["3|c"]).await;
    let privileges = "SELECT identity_name, privilege_type, admin_option FROM svv_relation_privileges \
                      WHERE relation_name = 'swapped' AND identity_name <> current_user ORDER BY 1, 2";
    assert_eq!(cluster.sql(privileges).await, ["auditor|INSERT|t", "auditor|SELECT|f", "public|SELECT|f"]);
    let comments = "SELECT notes.objsubid, notes.description FROM pg_description AS notes \
                    JOIN pg_class AS tables ON tables.oid = notes.objoid WHERE tables.relname = 'swapped' ORDER BY 1";
    assert_eq!(cluster.sql(comments).await, ["0|it's ours", "2|a value"]);
    let left = cluster.sql("SELECT DISTINCT table_name FROM svv_columns WHERE table_name LIKE 'swapped%'").await;
    assert_eq!(left, ["swapped"]);

    cluster.sql("CREATE VIEW swapped_ids AS SELECT id FROM swapped").await;
    let error = load(&cluster, &table, 3, WriteMode::Overwrite, &pairs(&[(4, "d")])).await.unwrap_err();
    assert_eq!(error.subject(), Some("overwrite"));
    assert!(error.to_string().contains("would leave the views public.swapped_ids with the old rows"), "{error}");
    holds(&cluster, "swapped_ids", "id", &["3"]).await;
}
