//! State in a folder.

use std::collections::BTreeMap;

use tempfile::TempDir;

use super::Backend;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_keeps_the_contract() {
    let folder = TempDir::new().unwrap();
    let url = folder.path().join("state").to_str().unwrap().to_owned();
    super::contract(&Backend::new(&url, &folder, BTreeMap::new())).await;
}
