//! The sink against the stand-in, `redshift-sim`, whose rules have their sources beside them. What holds here was not seen on a real
//! cluster.

/// The same tests by each way to the database, under snapshot isolation.
macro_rules! over_each_way {
    ($($test:ident),* $(,)?) => { each_in!(connection, Connection, Snapshot, $($test),*); each_in!(data_api, DataApi, Snapshot, $($test),*); };
}

/// The same, and at each isolation level.
macro_rules! over_each_way_and_isolation {
    ($($test:ident),* $(,)?) => {
        over_each_way!($($test),*);
        each_in!(connection_serializable, Connection, Serializable, $($test),*);
        each_in!(data_api_serializable, DataApi, Serializable, $($test),*);
    };
}

macro_rules! each_in {
    ($module:ident, $way:ident, $isolation:ident, $($test:ident),*) => {
        mod $module {
            use redshift_sim::Isolation;

            use crate::warehouse::redshift::tests::cluster::{Cluster, Setup, Way};

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let setup = Setup { way: Way::$way, isolation: Isolation::$isolation };
                    if let Some(cluster) = Cluster::start(setup).await {
                        super::$test(cluster).await;
                    }
                }
            )*
        }
    };
}

mod cluster;
mod copied;
mod cuts;
mod data_api;
mod drift;
mod reasons;
mod values;
mod verbs;
mod waiting;
