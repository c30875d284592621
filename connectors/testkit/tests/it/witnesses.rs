//! The Python witnesses. The first run installs them from pip's index, which takes minutes.

use std::process::Command;

use object_store::Error;
use testkit::moto::Moto;
use testkit::python::{DELTA_PACKAGES, delta_counts, venv_in, venv_with};
use testkit::s3::{BUCKET, S3Server};

use crate::client::{builder, create, get, race};

/// Writes a table of six rows with five different ids, in two commits.
const WRITE_TABLE: &str = "
import sys, pyarrow
from deltalake import write_deltalake
for ids in (['a', 'b', 'c'], ['c', 'd', 'e']):
    write_deltalake(sys.argv[1], pyarrow.table({'id': ids}), mode='append')
";

#[tokio::test(flavor = "multi_thread")]
async fn moto_starts_and_lets_one_of_sixteen_creates_win() {
    let moto = Moto::start().await.unwrap();
    moto.create_bucket(BUCKET).await.unwrap();
    let store = builder(moto.environment()).build().unwrap();
    create(&store, "a", "1").await.unwrap();
    assert!(matches!(create(&store, "a", "2").await, Err(Error::AlreadyExists { .. })));
    assert_eq!(get(&store, "a").await.unwrap(), "1");
    assert_eq!(race(&store, "b").await, [get(&store, "b").await.unwrap()]);
}

#[test]
fn delta_counts_are_those_of_a_table_written_by_deltalake_itself() {
    let python = venv_with(DELTA_PACKAGES).unwrap();
    let folder = testkit::target_directory().unwrap().join("tmp").join(format!("delta-counts-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let table = folder.to_str().unwrap().to_owned();
    assert!(Command::new(&python).args(["-c", WRITE_TABLE, &table]).status().unwrap().success());
    let counts = delta_counts(&python, &table, "id", []);
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(counts.unwrap(), (6, 5));
}

#[test]
fn deltalake_writes_and_reads_a_table_on_our_s3_server() {
    let python = venv_with(DELTA_PACKAGES).unwrap();
    let s3 = S3Server::builder().start().unwrap();
    let table = format!("s3://{BUCKET}/table");
    assert!(Command::new(&python).args(["-c", WRITE_TABLE, &table]).envs(s3.environment()).status().unwrap().success());
    assert_eq!(delta_counts(&python, &table, "id", s3.environment()).unwrap(), (6, 5));
    let error = delta_counts(&python, &format!("s3://{BUCKET}/nothing"), "id", s3.environment()).unwrap_err().to_string();
    assert!(error.contains("TableNotFoundError") && !error.contains(s3.secret_key()), "{error}");
}

#[test]
fn an_environment_that_cannot_be_made_says_why() {
    let folder = testkit::target_directory().unwrap().join("tmp").join(format!("no-such-package-{}", std::process::id()));
    let error = venv_in(&folder, &["./no-such-package-here"]).unwrap_err().to_string();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(error.contains("no-such-package-here") && error.contains("pip"), "{error}");
}
