//! Every setting there is: the one declaration that the file, the environment and `engine config` share.

/// What a value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Anything.
    Text,
    /// `64MB`.
    Bytes,
    /// A positive whole number.
    Number,
    /// `true` or `false`.
    Flag,
    /// `15m`.
    Duration,
    /// A folder, or `s3://bucket/prefix`.
    Place,
    /// A folder.
    Folder,
    /// `postgres://user@host/db`; a password in it is masked where it is shown.
    Url,
    /// A folder, `postgres://user@host/db` or `s3://bucket/prefix`.
    State,
}

impl Kind {
    /// Whether a bare number or `true` is none: it has to stand in quotes.
    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Place | Self::Folder | Self::Url | Self::State)
    }

    pub(super) fn expected(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Bytes => "a size above zero, as in '256MB'",
            Self::Number => "a whole number above zero",
            Self::Flag => "true or false",
            Self::Duration => "a time span, as in '30s'",
            Self::Place => "a folder or s3://bucket/prefix",
            Self::Folder => "a folder, as in './.engine'",
            Self::State => "a folder, postgres://user@host/db or s3://bucket/prefix",
            Self::Url => "a URL, as in 'postgres://user@host:5432/db'",
        }
    }
}

/// One setting.
#[derive(Debug)]
pub struct Key {
    /// The `[section]` of `engine.toml`.
    pub section: &'static str,
    /// The key in it.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What holds when nobody sets it.
    pub default: Option<&'static str>,
    /// Never shown.
    pub secret: bool,
    /// What it is for.
    pub help: &'static str,
}

impl Key {
    /// `"lake.url"`.
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// The environment variables that set it, the first that is set wins: `ENGINE_LAKE_URL`, and for Reddit and SQS also the
    /// customary `REDDIT_CLIENT_ID` and `AWS_ENDPOINT_URL_SQS`.
    pub fn environment(&self) -> Vec<String> {
        let name = format!("{}_{}", self.section, self.name).to_uppercase();
        match self.section {
            "reddit" => vec![format!("ENGINE_{name}"), name],
            // As AWS' own tools have it.
            "sqs" => vec![format!("ENGINE_{name}"), "AWS_ENDPOINT_URL_SQS".to_owned()],
            "secrets" => vec![format!("ENGINE_{name}"), "AWS_ENDPOINT_URL_SECRETS_MANAGER".to_owned()],
            _ => vec![format!("ENGINE_{name}")],
        }
    }
}

const fn text(section: &'static str, name: &'static str, default: Option<&'static str>, help: &'static str) -> Key {
    Key { section, name, kind: Kind::Text, default, secret: false, help }
}

const fn url(section: &'static str, name: &'static str, help: &'static str) -> Key {
    Key { section, name, kind: Kind::Url, default: None, secret: false, help }
}

const fn secret(section: &'static str, name: &'static str, help: &'static str) -> Key {
    Key { section, name, kind: Kind::Text, default: None, secret: true, help }
}

const fn sized(section: &'static str, name: &'static str, kind: Kind, default: Option<&'static str>, help: &'static str) -> Key {
    Key { section, name, kind, default, secret: false, help }
}

/// Every setting.
pub const KEYS: &[Key] = &[
    sized("lake", "url", Kind::Place, Some("./lake"), "where tables live: a folder or s3://bucket/prefix"),
    url(
        "warehouse",
        "url",
        "where tables STORED AS WAREHOUSE are: postgres://user@host:5432/db, redshift://user@host:5439/db or redshift-data://workgroup/db; by \
         default Delta tables in the lake",
    ),
    secret("warehouse", "password", "of the user in warehouse.url"),
    text("warehouse", "staging", None, "Redshift: where files wait for COPY, as in s3://bucket/prefix"),
    text("warehouse", "iam_role", None, "Redshift: the ARN of the role that COPY reads S3 with, or 'default'"),
    text(
        "warehouse",
        "endpoint",
        None,
        "Redshift: where the Data API and temporary credentials are asked for; AWS's own when not set",
    ),
    sized(
        "warehouse",
        "statement_timeout",
        Kind::Duration,
        None,
        "Redshift: how long a statement may take, waiting included, as in '2h'",
    ),
    sized(
        "state",
        "url",
        Kind::State,
        Some("./.engine"),
        "where progress is kept: a folder (SQLite), postgres://user@host:5432/db?schema=engine, or s3://bucket/prefix",
    ),
    secret("state", "password", "of the user in state.url"),
    sized(
        "run",
        "temporary",
        Kind::Folder,
        None,
        "the folder of temporary files: slices, what is spilled; by default that of state.url, or ./.engine when state is in no folder",
    ),
    sized(
        "run",
        "memory",
        Kind::Bytes,
        Some("64MB"),
        "what queries and writers may hold in memory; what does not fit is spilled to disk",
    ),
    sized("run", "parallelism", Kind::Number, None, "threads; by default one per core"),
    sized("run", "epoch_rows", Kind::Number, Some("50000"), "rows after which an epoch is committed"),
    sized("run", "epoch_bytes", Kind::Bytes, Some("256MB"), "bytes received after which an epoch is committed"),
    sized("run", "file_bytes", Kind::Bytes, Some("128MB"), "size at which a data file is closed"),
    sized("run", "row_group_bytes", Kind::Bytes, Some("4MB"), "size at which a row group of a data file is closed"),
    sized("run", "open_partitions", Kind::Number, Some("16"), "partitions written at the same time; rows of others wait on disk"),
    text("reddit", "client_id", None, "of your app at reddit.com/prefs/apps; without it, sample posts are replayed"),
    secret("reddit", "client_secret", "of your app; not needed for an installed app"),
    text("reddit", "username", None, "for a script app, together with password"),
    secret("reddit", "password", "for a script app"),
    secret("reddit", "refresh_token", "for a web app that was authorised once"),
    text("reddit", "device_id", None, "for an installed app: 20 to 30 characters of your choice"),
    text("reddit", "user_agent", None, "sent with every request; by default '<platform>:engine:<version>'"),
    text("reddit", "api_url", Some("https://oauth.reddit.com"), "where listings are read"),
    text("reddit", "token_url", Some("https://www.reddit.com/api/v1/access_token"), "where tokens are granted"),
    sized("reddit", "replay_posts", Kind::Number, Some("1000"), "posts per subreddit in the replayed sample"),
    text("serve", "listen", Some("127.0.0.1:8080"), "address and port of the API and the web pages; 'off': none"),
    secret("serve", "token", "lets its bearer do everything; needed to listen on more than this machine"),
    secret("serve", "read_token", "lets its bearer see and query, and change nothing"),
    text("serve", "hosts", None, "names that browsers reach the server by, separated by commas; localhost always is one"),
    text("serve", "tls_certificate", None, "file with the certificate for HTTPS, in PEM form"),
    text("serve", "tls_key", None, "file with its private key, in PEM form"),
    sized("serve", "connections", Kind::Number, Some("512"), "connections at the same time"),
    sized("serve", "signed_in", Kind::Duration, Some("12h"), "how long a sign-in to the web pages lasts"),
    sized("serve", "queries", Kind::Number, Some("4"), "ad-hoc queries at the same time"),
    sized("serve", "query_rows", Kind::Number, Some("10000"), "rows of an ad-hoc query's answer"),
    sized("serve", "query_timeout", Kind::Duration, Some("30s"), "how long an ad-hoc query may take"),
    sized("serve", "query_memory", Kind::Bytes, Some("64MB"), "what ad-hoc queries may hold in memory together"),
    sized("serve", "concurrency", Kind::Number, Some("4"), "engine serve: pipelines that run at the same time"),
    sized(
        "serve",
        "poll",
        Kind::Duration,
        Some("1s"),
        "engine serve: how often the state store is asked what other processes did; by default 15s where that is a bucket",
    ),
    sized(
        "serve",
        "grace",
        Kind::Duration,
        Some("30s"),
        "engine serve: how long runs have to end their epochs when it is stopped",
    ),
    sized("serve", "keep_runs", Kind::Duration, Some("90d"), "engine serve: how long runs and their logs are remembered"),
    text("serve", "queue", None, "engine serve: URL of an SQS queue that tells of objects that pipeline.trigger waits for"),
    url("mail", "url", "the server that e-mails go by: smtp://user@host:587 (STARTTLS) or smtps://user@host:465"),
    secret("mail", "password", "of the user in mail.url"),
    text("mail", "from", None, "whom e-mails are from, as in 'Engine <engine@example.com>'; by default the user in mail.url"),
    text("s3", "endpoint", None, "URL of an S3-compatible server; AWS when not set"),
    text("s3", "region", None, "region; by default AWS_REGION"),
    sized(
        "s3",
        "path_style",
        Kind::Flag,
        None,
        "bucket in the path instead of in the host name; by default true with an endpoint",
    ),
    text("s3", "access_key_id", None, "by default AWS_ACCESS_KEY_ID or the role of the machine"),
    secret("s3", "secret_access_key", "by default AWS_SECRET_ACCESS_KEY"),
    secret("s3", "session_token", "by default AWS_SESSION_TOKEN"),
    text("sqs", "endpoint", None, "where queues of notifications are asked; by default where their URLs say"),
    text("secrets", "endpoint", None, "where ${secret:aws:name#key} is asked for; AWS Secrets Manager when not set"),
    text("glue", "endpoint", None, "URL that `engine catalog export glue` writes to; AWS's own when not set"),
];
