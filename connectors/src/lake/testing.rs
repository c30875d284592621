//! What the tests of both lake tables share.

use std::sync::Arc;

use datafusion::execution::runtime_env::RuntimeEnv;

use crate::clock::SystemClock;
use crate::context::Context;
use crate::reddit::RedditConfig;
use crate::staging::StagingSizes;
use crate::stores::{S3Config, Stores};
use crate::warehouse::WarehouseConfig;

/// A lake of its own on local disk.
pub(crate) fn local_lake() -> (tempfile::TempDir, Context) {
    let folder = tempfile::tempdir().unwrap();
    let stores = Stores::new(folder.path().to_str().unwrap(), S3Config::default()).unwrap();
    let context = Context {
        stores: Arc::new(stores),
        reddit: RedditConfig::default(),
        warehouse: WarehouseConfig::default(),
        sizes: StagingSizes::default(),
        runtime: Arc::new(RuntimeEnv::default()),
        clock: Arc::new(SystemClock),
    };
    (folder, context)
}
