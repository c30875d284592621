//! `[warehouse]`: which warehouse is meant, and what it may be.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::postgres::ConnectionConfig;
use crate::secrets::without_secrets;

/// Behind which schemes there is a warehouse that can be written.
const SUPPORTED: &str = "postgres://user@host:5432/database, redshift://user@host:5439/database, redshift-data://workgroup/database, or no url for Delta tables in the lake";

/// `[warehouse]` of `engine.toml`.
#[derive(Clone, Default)]
pub struct WarehouseConfig {
    /// `postgres://user@host:5432/database?sslmode=require`; without it, the warehouse is in the lake.
    pub url: Option<String>,
    /// The password, where it is not in the URL.
    pub password: Option<String>,
    /// Redshift: where files wait for COPY, as in `s3://bucket/prefix`.
    pub staging: Option<String>,
    /// Redshift: the role that COPY reads with.
    pub iam_role: Option<String>,
    /// Redshift: where the Data API and temporary credentials are asked for, instead of AWS's own address.
    pub endpoint: Option<String>,
    /// Redshift: how long a statement may take, the time included that it waits for locks and in queues.
    pub statement_timeout: Option<Duration>,
}

impl std::fmt::Debug for WarehouseConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let url = self.url.as_deref().map(without_secrets);
        f.debug_struct("WarehouseConfig").field("url", &url).finish_non_exhaustive()
    }
}

/// A warehouse that can be written.
#[derive(Debug)]
pub(super) enum Target {
    /// Delta tables below `lake://warehouse`.
    Lake,
    /// A PostgreSQL database.
    Postgres(ConnectionConfig),
    /// An Amazon Redshift cluster or workgroup: its URL.
    Redshift(String),
}

impl WarehouseConfig {
    /// Which warehouse it is.
    ///
    /// # Errors
    /// [`Error::Config`] for a URL of something else, with what there is.
    pub(super) fn target(&self) -> Result<Target> {
        let Some(url) = &self.url else { return Ok(Target::Lake) };
        let wrong = |what: &str| {
            let shown = without_secrets(url);
            Error::config_at("WAREHOUSE", format!("[warehouse] url is '{shown}', {what}; there are: {SUPPORTED}"))
        };
        match url.split_once("://").map(|(scheme, _)| scheme) {
            Some("postgres" | "postgresql") => match ConnectionConfig::parse(url, self.password.as_deref()) {
                Ok(config) => Ok(Target::Postgres(config)),
                Err(error) => Err(Error::config_at("WAREHOUSE", format!("[warehouse] {error}"))),
            },
            Some("redshift" | "redshift-data") => Ok(Target::Redshift(url.clone())),
            Some(scheme) => Err(wrong(&format!("and '{scheme}' is no warehouse"))),
            None => Err(wrong("which is no URL")),
        }
    }
}

/// Which database it is, without who asks and how: `postgres://host:5432/database`.
pub(super) fn place(config: &ConnectionConfig) -> String {
    format!("postgres://{}", config.place())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str, password: Option<&str>) -> WarehouseConfig {
        WarehouseConfig { url: Some(url.to_owned()), password: password.map(str::to_owned), ..WarehouseConfig::default() }
    }

    #[test]
    fn a_url_of_something_else_says_what_there_is_and_no_secret() {
        for (url, part) in [
            ("redshift-dat://workgroup/db", "'redshift-dat' is no warehouse"),
            ("mysql://u:hush@h/db", "'mysql' is no warehouse"),
            ("not a url", "is no URL"),
            ("postgres://u:hush@h/db?sslmod=x", "[warehouse] unknown parameter"),
        ] {
            let error = config(url, None).target().unwrap_err();
            let text = error.to_string();
            assert!(text.contains(part) && text.contains("postgres://") && !text.contains("hush"), "{text}");
            assert_eq!(error.subject(), Some("WAREHOUSE"));
        }
    }

    #[test]
    fn a_database_is_told_by_where_it_is_and_not_by_who_asks() {
        let place_of = |url: &str, password: Option<&str>| match config(url, password).target().unwrap() {
            Target::Postgres(config) => place(&config),
            Target::Lake | Target::Redshift(_) => panic!("{url}"),
        };
        assert_eq!(place_of("postgres://u:a@h/db", None), "postgres://h:5432/db");
        assert_eq!(place_of("postgresql://other@h:5432/db?application_name=x", Some("a/b@c")), "postgres://h:5432/db");
    }
}
