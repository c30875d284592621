//! `redshift-data://workgroup/database`: which database, and as whom.

use std::fmt;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::error::{Error, Result};
use crate::options::unknown;

/// What may stand behind the `?`.
const PARAMETERS: [&str; 5] = ["type", "db_user", "secret_arn", "region", "keep_alive"];
/// How long a session is kept after its last statement, in seconds, if the URL does not say. Long enough for the pauses between the
/// statements of a load, and short, because a killed engine's transaction holds its locks for so long.
const KEEP_ALIVE_SECONDS: u32 = 120;
/// "The maximum time a session can keep alive is 24 hours" (ExecuteStatement). Below ten seconds, a slow answer would end it.
const KEEP_ALIVE_LIMITS: std::ops::RangeInclusive<u32> = 10..=86_400;

/// Whose database it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Warehouse {
    /// Of a serverless workgroup.
    Workgroup(String),
    /// Of a provisioned cluster.
    Cluster {
        /// The cluster's identifier.
        identifier: String,
        /// The user; without one, that of the AWS identity.
        db_user: Option<String>,
    },
}

/// A URL, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DataUrl {
    pub(crate) warehouse: Warehouse,
    pub(crate) database: String,
    /// The secret that has user and password.
    pub(crate) secret_arn: Option<String>,
    pub(crate) region: String,
    /// How long a session is kept after its last statement, in seconds.
    pub(crate) keep_alive: u32,
}

impl DataUrl {
    /// Reads `redshift-data://NAME/DATABASE?type=cluster&db_user=..&secret_arn=..&region=..&keep_alive=..`. `region` is that of a URL
    /// that names none.
    ///
    /// # Errors
    /// [`Error::Config`] for a URL that is wrong; it is not shown.
    pub(crate) fn parse(url: &str, region: &str) -> Result<Self> {
        let parsed = Url::parse(url).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(wrong(
                "names a user: the Data API takes ?secret_arn=ARN, for a cluster ?db_user=NAME, or the engine's AWS identity",
            ));
        }
        let name = parsed.host_str().unwrap_or_default().to_lowercase();
        if name.is_empty() || parsed.port().is_some() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return Err(wrong("has to name a workgroup or a cluster, without host and port"));
        }
        let database = percent_decode_str(parsed.path().trim_start_matches('/')).decode_utf8_lossy().into_owned();
        if database.is_empty() || database.contains('/') {
            return Err(wrong("has to name one database behind the name"));
        }
        let mut read = Self {
            warehouse: Warehouse::Workgroup(name.clone()),
            database,
            secret_arn: None,
            region: region.to_owned(),
            keep_alive: KEEP_ALIVE_SECONDS,
        };
        let (mut is_cluster, mut db_user) = (false, None);
        for (parameter, value) in parsed.query_pairs() {
            match (parameter.as_ref(), value.as_ref()) {
                ("type", "cluster") => is_cluster = true,
                ("type", "workgroup") => is_cluster = false,
                ("type", other) => return Err(wrong(&format!("has type={other}; there are: workgroup, cluster"))),
                ("db_user", user) => db_user = Some(user.to_owned()),
                ("secret_arn", arn) => read.secret_arn = Some(arn.to_owned()),
                ("region", region) => region.clone_into(&mut read.region),
                ("keep_alive", seconds) => read.keep_alive = keep_alive(seconds)?,
                (other, _) => return Err(wrong(&unknown("parameter", other, "a redshift-data:// URL", PARAMETERS))),
            }
        }
        match (is_cluster, db_user) {
            (true, db_user) => read.warehouse = Warehouse::Cluster { identifier: name, db_user },
            (false, Some(_)) => return Err(wrong("has a db_user, which a cluster has: add &type=cluster, or leave it out")),
            (false, None) => {}
        }
        Ok(read)
    }

    /// What tells one database from another, and not as whom it is reached; a URL that means it.
    pub(crate) fn place(&self) -> String {
        let (name, kind) = match &self.warehouse {
            Warehouse::Workgroup(name) => (name, ""),
            Warehouse::Cluster { identifier, .. } => (identifier, "&type=cluster"),
        };
        format!("redshift-data://{name}/{}?region={}{kind}", self.database, self.region)
    }
}

impl fmt::Display for DataUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "database '{}' of ", self.database)?;
        match &self.warehouse {
            Warehouse::Workgroup(name) => write!(f, "workgroup '{name}'")?,
            Warehouse::Cluster { identifier, .. } => write!(f, "cluster '{identifier}'")?,
        }
        write!(f, " by the Data API in {}", self.region)
    }
}

fn keep_alive(seconds: &str) -> Result<u32> {
    let read = seconds.parse().ok().filter(|seconds| KEEP_ALIVE_LIMITS.contains(seconds));
    read.ok_or_else(|| wrong(&format!("has keep_alive={seconds}, expected 10 to 86400 seconds")))
}

fn wrong(what: &str) -> Error {
    Error::config(format!(
        "url {what}; expected 'redshift-data://workgroup/database', or 'redshift-data://cluster-name/database?type=cluster&db_user=loader'"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> DataUrl {
        DataUrl::parse(url, "eu-west-1").unwrap()
    }

    #[test]
    fn workgroup_and_cluster_are_told_apart_by_the_url() {
        let url = parse("redshift-data://Default/dev");
        assert_eq!((url.warehouse, url.region.as_str()), (Warehouse::Workgroup("default".into()), "eu-west-1"));
        let url = parse("redshift-data://c-1/my%20db?type=cluster&db_user=loader&region=us-east-2&keep_alive=600");
        assert_eq!(url.place(), "redshift-data://c-1/my db?region=us-east-2&type=cluster");
        assert_eq!(url.warehouse, Warehouse::Cluster { identifier: "c-1".into(), db_user: Some("loader".into()) });
        assert_eq!((url.database.as_str(), url.keep_alive), ("my db", 600));
        let secret = parse("redshift-data://wg/dev?secret_arn=arn:aws:secretsmanager:eu-west-1:1:secret:s");
        assert_eq!(secret.secret_arn.as_deref(), Some("arn:aws:secretsmanager:eu-west-1:1:secret:s"));
        assert_eq!(secret.place(), "redshift-data://wg/dev?region=eu-west-1");
    }

    #[test]
    fn what_is_wrong_is_named_and_no_password_is() {
        for (url, part) in [
            ("redshift-data://me:hush@wg/dev", "names a user"),
            ("redshift-data://wg:5439/dev", "without host and port"),
            ("redshift-data://wg.x.amazonaws.com/dev", "without host and port"),
            ("redshift-data://wg", "one database"),
            ("redshift-data://wg/a/b", "one database"),
            ("redshift-data://wg/dev?type=serverless", "there are: workgroup, cluster"),
            ("redshift-data://wg/dev?db_user=me", "add &type=cluster"),
            ("redshift-data://wg/dev?keepalive=5", "did you mean 'keep_alive'?"),
            ("redshift-data://wg/dev?keep_alive=5", "expected 10 to 86400 seconds"),
        ] {
            let text = DataUrl::parse(url, "eu-west-1").unwrap_err().to_string();
            assert!(text.contains(part) && !text.contains("hush"), "{url}: {text}");
        }
    }
}
