//! What the tests talk to: a stand-in with an S3 server beside it, or a real cluster with a real bucket.
//!
//! For a cluster: `ENGINE_TEST_REDSHIFT_URL` (`postgres://user:password@host:5439/database`, without TLS, for example through a
//! tunnel), `ENGINE_TEST_REDSHIFT_STAGING` (`s3://bucket/prefix`), `ENGINE_TEST_REDSHIFT_ROLE` (an ARN), and the variables of AWS
//! clients for writing to the bucket. Tests of faults and of several isolation levels need the stand-in and are passed over.

use std::sync::Arc;

use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use redshift_sim::{Isolation, RedshiftSim, S3Options, SimOptions};
use testkit::s3::{BUCKET, S3Server};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

/// A role as the stand-in has it.
const ROLE: &str = "arn:aws:iam::123456789012:role/loader";

/// A warehouse, and a place on S3 that it can read.
pub(crate) struct Warehouse {
    config: Config,
    role: String,
    bucket: String,
    prefix: String,
    store: Arc<dyn ObjectStore>,
    /// The stand-in, unless it is a cluster.
    pub(crate) sim: Option<RedshiftSim>,
    pub(crate) s3: Option<S3Server>,
}

/// An error as tests look at it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) detail: String,
    pub(crate) hint: String,
}

impl Refusal {
    pub(crate) fn of(error: &tokio_postgres::Error) -> Self {
        let error = error.as_db_error().unwrap_or_else(|| panic!("not an error of the server: {error}"));
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let code = error.code().code().to_owned();
        Self { code, message: error.message().to_owned(), detail: text(error.detail()), hint: text(error.hint()) }
    }

    /// That it came from a rule of the stand-in, or from a cluster, which names none.
    pub(crate) fn by(&self, rule: redshift_sim::Rule) {
        assert!(self.hint.is_empty() || self.hint.contains(rule.id), "{self:?}");
    }
}

impl Warehouse {
    /// A warehouse with snapshot isolation, which is the default.
    pub(crate) async fn start() -> Self {
        match std::env::var("ENGINE_TEST_REDSHIFT_URL") {
            Ok(url) => Self::cluster(&url),
            Err(_) => Self::stand_in(Isolation::Snapshot).await,
        }
    }

    /// A stand-in; tests that need one do not run against a cluster.
    pub(crate) async fn stand_in(isolation: Isolation) -> Self {
        Self::stand_in_with(SimOptions { isolation, ..SimOptions::default() }, &[]).await
    }

    /// The same, with more that is told to it, and buckets that are elsewhere.
    pub(crate) async fn stand_in_with(options: SimOptions, elsewhere: &[(&str, &str)]) -> Self {
        let s3 = S3Server::start().await.unwrap();
        let text = |text: &str| Some(text.to_owned());
        let s3_options = S3Options {
            endpoint: Some(s3.endpoint()),
            access_key: text(s3.access_key()),
            secret_key: text(s3.secret_key()),
            roles: vec![ROLE.to_owned()],
            elsewhere: elsewhere.iter().map(|(bucket, region)| ((*bucket).to_owned(), (*region).to_owned())).collect(),
            ..S3Options::default()
        };
        let prepared = Some(testkit::target_directory().unwrap().join("tmp/redshift-sim"));
        let options = SimOptions { prepared, s3: s3_options, data_api_port: Some(0), ..options };
        let sim = RedshiftSim::start(options).await.unwrap();
        let builder = AmazonS3Builder::new().with_bucket_name(BUCKET).with_region(s3.region()).with_allow_http(true);
        let store =
            builder.with_endpoint(s3.endpoint()).with_access_key_id(s3.access_key()).with_secret_access_key(s3.secret_key());
        Self {
            config: sim.url().parse().unwrap(),
            role: ROLE.to_owned(),
            bucket: BUCKET.to_owned(),
            prefix: "stage".to_owned(),
            store: Arc::new(store.build().unwrap()),
            sim: Some(sim),
            s3: Some(s3),
        }
    }

    fn cluster(url: &str) -> Self {
        let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
        let staging = variable("ENGINE_TEST_REDSHIFT_STAGING");
        let (bucket, prefix) = staging.strip_prefix("s3://").and_then(|rest| rest.split_once('/')).unwrap();
        let store = AmazonS3Builder::from_env().with_bucket_name(bucket).build().unwrap();
        Self {
            config: url.parse().unwrap(),
            role: variable("ENGINE_TEST_REDSHIFT_ROLE"),
            bucket: bucket.to_owned(),
            prefix: format!("{}/{}", prefix.trim_end_matches('/'), std::process::id()),
            store: Arc::new(store),
            sim: None,
            s3: None,
        }
    }

    /// A new session.
    pub(crate) async fn connect(&self) -> Session {
        self.connect_with("").await
    }

    /// A new session of another user.
    pub(crate) async fn connect_as(&self, user: &str, password: &str) -> Session {
        let (client, connection) = self.config.clone().user(user).password(password).connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        Session { client }
    }

    /// A new session with settings, as `-c name=value`.
    pub(crate) async fn connect_with(&self, options: &str) -> Session {
        let (client, connection) = self.config.clone().options(options).connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        Session { client }
    }

    /// Writes an object, and returns its URL.
    pub(crate) async fn put(&self, name: &str, bytes: impl Into<bytes::Bytes>) -> String {
        let key = format!("{}/{name}", self.prefix);
        self.store.put(&Path::from(key.as_str()), PutPayload::from_bytes(bytes.into())).await.unwrap();
        self.url(name)
    }

    /// The URL of a name under the prefix of the tests.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("s3://{}/{}/{name}", self.bucket, self.prefix)
    }

    /// The bytes of an object.
    pub(crate) async fn get(&self, name: &str) -> bytes::Bytes {
        let key = format!("{}/{name}", self.prefix);
        self.store.get(&Path::from(key.as_str())).await.unwrap().bytes().await.unwrap()
    }

    /// `IAM_ROLE '...'`.
    pub(crate) fn authorization(&self) -> String {
        format!("IAM_ROLE '{}'", self.role)
    }

    /// A COPY of Parquet from one object or prefix.
    pub(crate) fn copy_parquet(&self, table: &str, url: &str, options: &str) -> String {
        format!("COPY {table} FROM '{url}' {} FORMAT AS PARQUET {options}", self.authorization())
    }
}

/// A session, asked in the simple protocol.
pub(crate) struct Session {
    pub(crate) client: Client,
}

impl Session {
    /// Runs statements that must succeed.
    pub(crate) async fn run(&self, sql: &str) {
        if let Err(error) = self.client.batch_execute(sql).await {
            panic!("{sql}: {:?}", Refusal::of(&error));
        }
    }

    /// Runs statements that must fail.
    pub(crate) async fn refused(&self, sql: &str) -> Refusal {
        match self.client.batch_execute(sql).await {
            Err(error) => Refusal::of(&error),
            Ok(()) => panic!("{sql} was not refused"),
        }
    }

    /// The rows of a query, each as its values with `|` between, NULL as `-`.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<String> {
        let messages = match self.client.simple_query(sql).await {
            Ok(messages) => messages,
            Err(error) => panic!("{sql}: {:?}", Refusal::of(&error)),
        };
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        rows.map(|row| (0..row.len()).map(|column| row.get(column).unwrap_or("-")).collect::<Vec<_>>().join("|")).collect()
    }

    /// The only value of a query.
    pub(crate) async fn value(&self, sql: &str) -> String {
        let rows = self.rows(sql).await;
        assert_eq!(rows.len(), 1, "{sql}: {rows:?}");
        rows.into_iter().next().unwrap()
    }
}
