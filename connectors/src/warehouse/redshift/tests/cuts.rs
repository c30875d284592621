//! Connections cut at the worst moment, two engines at once, what a killed load leaves.

use redshift_sim::FaultKind;

use crate::sink::WriteMode;
use crate::warehouse::redshift::tests::cluster::{Cluster, MODES, batch, holds, load, pairs, sink};

over_each_way_and_isolation!(
    connection_cut_around_commit_loads_once,
    two_engines_that_load_the_same_epochs_load_each_once,
    files_of_a_load_that_was_killed_go_with_the_next
);

async fn connection_cut_around_commit_loads_once(cluster: Cluster) {
    for (name, fault) in [
        ("cut_before", FaultKind::CutBeforeCommit),
        ("cut_after", FaultKind::CutAfterCommit),
        ("conflicting", FaultKind::ConflictOnCommit),
        ("cut_in_copy", FaultKind::CutDuringCopy),
    ] {
        for mode in MODES {
            let name = format!("{name}_{mode}");
            let table = cluster.table(&name, &[("key", "id")]);
            load(&cluster, &table, 1, mode, &pairs(&[(1, "a")])).await.unwrap();
            cluster.fail_once(fault, &name);
            let receipt = load(&cluster, &table, 2, mode, &pairs(&[(2, "b"), (3, "c")])).await.unwrap();
            assert_eq!(receipt.rows, 2);
            let expected: &[&str] = if mode == WriteMode::Overwrite { &["2|b", "3|c"] } else { &["1|a", "2|b", "3|c"] };
            holds(&cluster, &name, "id, v", expected).await;
            let loads = cluster.sql(&format!("SELECT epoch, rows FROM \"_engine_loads__{name}\" ORDER BY 1")).await;
            assert_eq!(loads, ["1|1", "2|2"], "{name}");
        }
    }
    assert_eq!(cluster.faults_left(), 0);
    assert_eq!(cluster.staged(), Vec::<String>::new());
}

async fn two_engines_that_load_the_same_epochs_load_each_once(cluster: Cluster) {
    for mode in [WriteMode::Append, WriteMode::Upsert] {
        let name = format!("raced_{mode}");
        let table = cluster.table(&name, &[("key", "id")]);
        for epoch in 1..=5_u64 {
            let key = i64::try_from(epoch).unwrap();
            let batch = batch(&cluster, &table, epoch, mode, &pairs(&[(key, "v"), (key + 100, "w")])).await.unwrap();
            let (one, other) = (sink(&cluster, &table).await, sink(&cluster, &table).await);
            let (a, b) = tokio::join!(one.commit(&batch), other.commit(&batch));
            assert_eq!((a.unwrap().rows, b.unwrap().rows), (2, 2));
        }
        assert_eq!(cluster.sql(&format!("SELECT COUNT(*), COUNT(DISTINCT id) FROM {name}")).await, ["10|10"]);
    }
    assert_eq!(cluster.staged(), Vec::<String>::new());
}

async fn files_of_a_load_that_was_killed_go_with_the_next(cluster: Cluster) {
    let table = cluster.table("killed", &[]);
    load(&cluster, &table, 1, WriteMode::Append, &pairs(&[(1, "a")])).await.unwrap();
    cluster.put("staging/public.killed/shop-1-killed/00000001/part-00000.parquet").await;
    cluster.put("staging/public.killed/shop-1-killed/manifest.json").await;
    load(&cluster, &table, 2, WriteMode::Append, &pairs(&[(2, "b")])).await.unwrap();
    assert_eq!(cluster.staged(), ["staging/public.killed/shop-1-killed/manifest.json"]);
}
