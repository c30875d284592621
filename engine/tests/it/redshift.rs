//! Pipelines whose warehouse is the stand-in for Redshift: each row once, whatever is killed when, and nothing left on S3.

use std::sync::atomic::{AtomicU32, Ordering};

use redshift_sim::{RedshiftSim, S3Options, SimOptions};
use testkit::s3::{BUCKET, S3Server};
use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::lab::{Lab, block_on};
use crate::pipelines::WAREHOUSE;
use crate::s3::settings;

/// A stand-in with a bucket, which several labs share.
pub(crate) struct Cluster {
    sim: RedshiftSim,
    s3: S3Server,
}

impl Cluster {
    /// `None`, having said so, where there is no PostgreSQL; in CI that is an error.
    pub(crate) fn start() -> Option<Self> {
        let s3 = S3Server::builder().start().unwrap();
        let sim = stand_in(SimOptions { s3: of(&s3), ..SimOptions::default() })?;
        Some(Self { sim, s3 })
    }

    /// A lab with a schema of its own.
    pub(crate) fn lab(&self) -> (Lab, String) {
        static LABS: AtomicU32 = AtomicU32::new(0);
        let schema = format!("lab_{}", LABS.fetch_add(1, Ordering::Relaxed));
        let mut environment = settings(self.s3.environment());
        environment.extend(
            [
                ("ENGINE_WAREHOUSE_URL", self.sim.url().replacen("postgres://", "redshift://", 1)),
                ("ENGINE_WAREHOUSE_STAGING", format!("s3://{BUCKET}/staging")),
                ("ENGINE_WAREHOUSE_IAM_ROLE", "default".to_owned()),
                ("SCHEMA", schema.clone()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        (Lab::local_with(WAREHOUSE, environment), schema)
    }

    /// The rows of a statement, a value behind the other.
    pub(crate) fn sql(&self, statement: &str) -> Vec<String> {
        query(&self.sim.url(), statement)
    }

    /// Each table of [`WAREHOUSE`], and what the ledgers say of it.
    fn contents(&self, schema: &str) -> Vec<String> {
        let mut all = Vec::new();
        for (table, columns) in
            [("appended", "id, title, score, band"), ("latest", "id, title, score, band"), ("totals", "band, posts, score")]
        {
            all.extend(self.sql(&format!("SELECT '{table}', {columns} FROM {schema}.{table} ORDER BY 2")));
            let counted = if table == "totals" { "COUNT(*) > 0" } else { "COUNT(*), SUM(rows), COUNT(DISTINCT epoch)" };
            all.extend(self.sql(&format!("SELECT {counted} FROM {schema}.\"_engine_loads__{table}\"")));
        }
        all
    }

    /// Objects of a lab that wait for COPY.
    fn staged(&self, schema: &str) -> Vec<String> {
        let below = format!("staging/{schema}.");
        self.s3.object_keys(BUCKET).into_iter().filter(|key| key.starts_with(&below)).collect()
    }
}

/// An S3 server as a stand-in reaches it.
pub(crate) fn of(s3: &S3Server) -> S3Options {
    S3Options {
        endpoint: Some(s3.endpoint()),
        region: Some(s3.region().to_owned()),
        access_key: Some(s3.access_key().to_owned()),
        secret_key: Some(s3.secret_key().to_owned()),
        ..S3Options::default()
    }
}

/// A stand-in; `None`, having said so, where there is no PostgreSQL; in CI that is an error.
pub(crate) fn stand_in(options: SimOptions) -> Option<RedshiftSim> {
    match RedshiftSim::start_blocking(options) {
        Ok(sim) => Some(sim),
        Err(error @ redshift_sim::Error::NoPostgres { .. }) if std::env::var_os("CI").is_none() => {
            eprintln!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// The rows of a statement in a database without TLS, a value behind the other.
pub(crate) fn query(url: &str, statement: &str) -> Vec<String> {
    block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        let messages = client.simple_query(statement).await.unwrap();
        connection.abort();
        let text = |message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|column| row.get(column).unwrap_or("-").to_owned()).collect::<Vec<_>>().join("|"))
            }
            _ => None,
        };
        messages.into_iter().filter_map(text).collect()
    })
}

#[test]
fn a_pipeline_fills_redshift_and_reads_nothing_twice() {
    let Some(cluster) = Cluster::start() else { return };
    let (lab, schema) = cluster.lab();
    lab.run_well("first");
    let posts = WAREHOUSE.replay_posts;
    let counted = format!("SELECT COUNT(*), COUNT(DISTINCT id) FROM {schema}.appended");
    assert_eq!(cluster.sql(&counted), [format!("{posts}|{posts}")]);
    assert_eq!(cluster.staged(&schema), [""; 0]);
    let again = lab.run_well("again");
    assert!(String::from_utf8_lossy(&again.stdout).contains("nothing new"));
    assert_eq!(cluster.sql(&counted), [format!("{posts}|{posts}")]);
}

#[test]
fn a_plan_says_what_readers_see_of_an_overwrite() {
    let Some(cluster) = Cluster::start() else { return };
    let (lab, _) = cluster.lab();
    let output = lab.engine(&["plan"]).arg(lab.pipeline()).output().unwrap();
    let plan = String::from_utf8(output.stdout).unwrap();
    assert!(plan.contains("'overwrite' 'atomic': DELETE and INSERT in one transaction"), "{plan}");
    assert!(plan.contains("'upsert' 'delete+insert'"), "{plan}");
}

#[cfg(feature = "failpoints")]
#[test]
fn a_warehouse_in_redshift_killed_anywhere_loses_and_doubles_nothing() {
    let Some(cluster) = Cluster::start() else { return };
    let (undisturbed, schema) = cluster.lab();
    let counts = undisturbed.run_counting();
    let expected = cluster.contents(&schema);
    crate::kill::at_each_pass(
        &counts,
        || (),
        |(), point, nth, context| {
            let (lab, schema) = cluster.lab();
            assert!(lab.run_killed_at(point, nth), "{context}: was not reached");
            lab.run_well(context);
            assert_eq!(cluster.contents(&schema), expected, "{context}");
            assert_eq!(crate::lab::files_below(&lab.lake().join(".engine")), [""; 0], "{context}: staged files are left");
            assert_eq!(cluster.staged(&schema), [""; 0], "{context}: files are left on S3");
            cluster.sql(&format!("DROP SCHEMA {schema} CASCADE"));
        },
    );
}
