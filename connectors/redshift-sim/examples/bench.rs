//! A stand-in for Redshift and one for S3 to measure against: `cargo run --workspace --example bench`.
//!
//! Prints the settings of an engine that loads the one through the other, as `NAME=value`, and runs until its standard input ends.
//! `benches/redshift.sh` uses it.

use std::io::Read;

use redshift_sim::{RedshiftSim, S3Options, SimOptions};
use testkit::s3::{BUCKET, S3Server};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "its one output")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let s3 = S3Server::builder().start()?;
    let options = S3Options {
        endpoint: Some(s3.endpoint()),
        region: Some(s3.region().to_owned()),
        access_key: Some(s3.access_key().to_owned()),
        secret_key: Some(s3.secret_key().to_owned()),
        ..S3Options::default()
    };
    let sim = RedshiftSim::start(SimOptions { s3: options, ..SimOptions::default() }).await?;
    println!("ENGINE_WAREHOUSE_URL={}", sim.url().replacen("postgres://", "redshift://", 1));
    println!("ENGINE_WAREHOUSE_STAGING=s3://{BUCKET}/staging");
    println!("ENGINE_WAREHOUSE_IAM_ROLE=default");
    println!("ENGINE_S3_ENDPOINT={}", s3.endpoint());
    println!("ENGINE_S3_REGION={}", s3.region());
    println!("ENGINE_S3_ACCESS_KEY_ID={}", s3.access_key());
    println!("ENGINE_S3_SECRET_ACCESS_KEY={}", s3.secret_key());
    println!("READY=yes");
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}
