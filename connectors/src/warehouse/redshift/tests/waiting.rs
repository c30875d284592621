//! Loads that find their table locked.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::clock::Clock;
use crate::error::Error;
use crate::sink::WriteMode;
use crate::warehouse::redshift::tests::cluster::{Cluster, batch, holds, load, pairs, sink};

over_each_way!(alter_that_waits_is_given_up_and_says_for_whom, load_waits_for_another_writer);

/// A clock whose pauses are a fiftieth as long.
#[derive(Debug)]
struct Hasty;

#[async_trait]
impl Clock for Hasty {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration / 50).await;
    }
}

async fn alter_that_waits_is_given_up_and_says_for_whom(mut cluster: Cluster) {
    cluster.context.clock = Arc::new(Hasty);
    cluster.context.warehouse.statement_timeout = Some(Duration::from_millis(400));
    let table = cluster.table("read", &[]);
    load(&cluster, &table, 1, WriteMode::Append, &pairs(&[(1, "short")])).await.unwrap();
    cluster.sql("BEGIN; SELECT COUNT(*) FROM read").await;
    let wider = batch(&cluster, &table, 2, WriteMode::Append, &pairs(&[(2, &"x".repeat(500))])).await.unwrap();
    let error = sink(&cluster, &table).await.commit(&wider).await.unwrap_err();
    assert!(matches!(error, Error::Transient { .. }), "{error}");
    let text = error.to_string();
    for part in
        ["altering 'public.read'", "on user's request", "table 'public.read' is locked by user 'awsuser' (AccessShareLock"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    cluster.sql("COMMIT").await;
    sink(&cluster, &table).await.commit(&wider).await.unwrap();
    holds(&cluster, "read", "id, LEN(v)", &["1|5", "2|500"]).await;
}

async fn load_waits_for_another_writer(cluster: Cluster) {
    let table = cluster.table("written", &[]);
    load(&cluster, &table, 1, WriteMode::Append, &pairs(&[(1, "a")])).await.unwrap();
    cluster.sql("BEGIN; INSERT INTO written VALUES (7, 'theirs')").await;
    let batch = batch(&cluster, &table, 2, WriteMode::Append, &pairs(&[(2, "b")])).await.unwrap();
    let sink = sink(&cluster, &table).await;
    let mut commit = std::pin::pin!(sink.commit(&batch));
    assert!(tokio::time::timeout(Duration::from_secs(1), &mut commit).await.is_err());
    cluster.sql("COMMIT").await;
    assert_eq!(commit.await.unwrap().rows, 1);
    holds(&cluster, "written", "id, v", &["1|a", "2|b", "7|theirs"]).await;
}
