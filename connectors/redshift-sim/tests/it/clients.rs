//! Clients that were written for Redshift by others, from virtual environments made once beside the build. They show that these
//! clients are content with the stand-in, and no more.
//!
//! Where an environment cannot be made, because there is no Python or no package index, a test says so and passes, unless `CI` is set.
//! Those of awswrangler, dlt, dbt and sling take minutes to make: they are run when `ENGINE_TEST_PEERS` is set.

use std::path::PathBuf;
use std::process::Command;

use redshift_sim::Isolation;
use testkit::python::venv_with;

use crate::warehouse::Warehouse;

/// The Python of an environment with these packages.
fn python(packages: &'static [&'static str]) -> Option<PathBuf> {
    match venv_with(packages) {
        Ok(python) => Some(python),
        Err(error) if std::env::var_os("CI").is_some() => panic!("{error}"),
        Err(error) => {
            eprintln!("SKIPPED: no Python environment with {packages:?}: {error}");
            None
        }
    }
}

/// Whether clients are asked for whose environments take minutes to make.
fn large_clients() -> bool {
    let asked = std::env::var_os("ENGINE_TEST_PEERS").is_some();
    if !asked {
        eprintln!("SKIPPED: ENGINE_TEST_PEERS is not set");
    }
    asked
}

/// Runs a script with a stand-in; it fails with the script.
async fn run(packages: &'static [&'static str], script: &str) -> Option<Warehouse> {
    let python = tokio::task::spawn_blocking(|| python(packages)).await.unwrap()?;
    let warehouse = Warehouse::stand_in(Isolation::Snapshot).await;
    let (sim, s3) = (warehouse.sim.as_ref().unwrap(), warehouse.s3.as_ref().unwrap());
    let folder = testkit::target_directory().unwrap().join("tmp").join(format!("redshift-sim-clients-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new(python);
    command.arg("-c").arg(script).current_dir(&folder).envs(s3.environment()).env("HOME", &folder);
    command.env("SIM_PORT", sim.address().port().to_string()).env("SIM_PASSWORD", sim.password()).env("SIM_URL", sim.url());
    command.env("SIM_STAGE", warehouse.url("clients")).env("SIM_ROLE", warehouse.authorization());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{complained}");
    Some(warehouse)
}

#[tokio::test(flavor = "multi_thread")]
async fn redshift_connector_is_content() {
    run(&["redshift_connector==2.2.0"], include_str!("clients/redshift_connector.py")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn psycopg_is_content() {
    run(&["psycopg[binary]==3.3.9"], include_str!("clients/psycopg.py")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn awswrangler_is_content() {
    if !large_clients() {
        return;
    }
    run(&["awswrangler[redshift]==3.17.1"], include_str!("clients/awswrangler.py")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dlt_is_content() {
    if !large_clients() {
        return;
    }
    let warehouse = run(&["dlt[redshift,s3,parquet]==1.31.0"], include_str!("clients/dlt.py")).await;
    let Some(warehouse) = warehouse else { return };
    let session = warehouse.connect().await;
    let loads = "SELECT count(*) FROM sys_load_history WHERE status = 'completed' AND file_format = 'parquet'";
    assert!(session.value(loads).await.parse::<u32>().unwrap() >= 2, "dlt did not load through Parquet on S3");
}

#[tokio::test(flavor = "multi_thread")]
async fn dbt_is_content() {
    if !large_clients() {
        return;
    }
    run(&["dbt-core==1.11.16", "dbt-redshift==1.11.1"], include_str!("clients/dbt.py")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sling_is_content() {
    if !large_clients() {
        return;
    }
    run(&["sling-linux-amd64==1.4.11", "redshift_connector==2.2.0"], include_str!("clients/sling.py")).await;
}
