//! `[warehouse]` where its URL is `redshift://`.

use std::sync::Arc;

use url::Url;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::postgres::ConnectionConfig;
use crate::stores::Location;
use crate::warehouse::redshift::login::Issuer;
use crate::warehouse::redshift::session::Session;

/// The port of a cluster and of a workgroup.
const DEFAULT_PORT: u16 = 5_439;

/// A cluster or workgroup, and how it loads.
#[derive(Debug, Clone)]
pub(crate) struct RedshiftConfig {
    pub(crate) connection: ConnectionConfig,
    /// Where files wait for COPY.
    pub(crate) staging: Location,
    /// The role that COPY reads with.
    pub(crate) iam_role: String,
    /// Who gives the password, where there is none.
    issuer: Option<Arc<Issuer>>,
}

impl RedshiftConfig {
    /// From the settings of `[warehouse]`, of which `url` is one.
    ///
    /// # Errors
    /// [`Error::Config`] for one that is missing or wrong.
    pub(crate) fn read(url: &str, context: &Context) -> Result<Self> {
        let config = &context.warehouse;
        let missing = |name: &str, what: &str| Error::config_at("WAREHOUSE", format!("[warehouse] {name} is not set: {what}"));
        let staging = config.staging.as_deref().ok_or_else(|| {
            missing("staging", "COPY loads from S3; name a place there for files on their way, as in 's3://bucket/staging'")
        })?;
        let iam_role = config.iam_role.clone().ok_or_else(|| {
            missing("iam_role", "COPY reads S3 with a role of the cluster: its ARN, several with commas between, or 'default'")
        })?;
        check_role(&iam_role)?;
        let connection = connection(url, config.password.as_deref())?;
        let issuer = Issuer::of(&connection, config.endpoint.as_deref(), &context.stores, &context.clock).map(Arc::new);
        Ok(Self { connection, staging: staging_area(staging, context)?, iam_role, issuer })
    }

    /// A connection.
    ///
    /// # Errors
    /// As [`Session::connect`], and when no credentials are to be had.
    pub(crate) async fn session(&self) -> Result<Session> {
        match &self.issuer {
            Some(issuer) => Session::connect(&issuer.log_in(&self.connection).await?).await,
            None => Session::connect(&self.connection).await,
        }
    }
}

/// Where the cluster is, and as whom it is reached.
///
/// # Errors
/// [`Error::Config`] for a URL that is wrong; it is not shown.
pub(crate) fn connection(url: &str, password: Option<&str>) -> Result<ConnectionConfig> {
    let connection = as_postgres(url).and_then(|url| ConnectionConfig::parse(&url, password));
    connection.map_err(|error| Error::config_at("WAREHOUSE", format!("[warehouse] {error}")))
}

/// Redshift speaks PostgreSQL's protocol, at another port.
fn as_postgres(url: &str) -> Result<String> {
    let mut url = Url::parse(url).map_err(|error| Error::config(format!("url cannot be read: {error}")))?;
    let port = url.port().unwrap_or(DEFAULT_PORT);
    if url.set_scheme("postgres").is_err() || url.set_port(Some(port)).is_err() {
        return Err(Error::config("url names no host; expected 'redshift://user@host:5439/database'"));
    }
    Ok(url.to_string())
}

fn staging_area(staging: &str, context: &Context) -> Result<Location> {
    let location = context.locate(staging).map_err(|error| error.context("[warehouse] staging"))?;
    let is_plain = location.path.as_ref().chars().all(|c| c.is_ascii_alphanumeric() || "/_.-=".contains(c));
    if location.url.scheme() == "s3" && is_plain {
        return Ok(location);
    }
    let message = format!(
        "[warehouse] staging is '{staging}'; COPY reads s3://bucket/prefix, where the prefix has letters, digits and _ . - = / only"
    );
    Err(Error::config_at("WAREHOUSE", message))
}

/// It becomes a part of statements.
fn check_role(role: &str) -> Result<()> {
    let is_arn =
        |role: &str| role.starts_with("arn:") && role.chars().all(|c| c.is_ascii_alphanumeric() || ":/_+=.@-".contains(c));
    if role.eq_ignore_ascii_case("default") || role.split(',').all(is_arn) {
        return Ok(());
    }
    let message = format!(
        "[warehouse] iam_role is '{role}', expected the ARN of a role, as in 'arn:aws:iam::123456789012:role/loader', several of \
         them with commas between, or 'default'"
    );
    Err(Error::config_at("WAREHOUSE", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_is_that_of_redshift() {
        assert_eq!(as_postgres("redshift://me@h/db").unwrap(), "postgres://me@h:5439/db");
        let url = "redshift://me:p%40@h:1/db?sslmode=require";
        assert_eq!(as_postgres(url).unwrap(), "postgres://me:p%40@h:1/db?sslmode=require");
    }

    #[test]
    fn role_is_an_arn_and_nothing_else() {
        for role in ["default", "arn:aws:iam::1:role/a", "arn:aws:iam::1:role/a,arn:aws-cn:iam::2:role/b/c"] {
            assert!(check_role(role).is_ok(), "{role}");
        }
        for role in ["", "loader", "arn:aws:iam::1:role/a' x", "arn:aws:iam::1:role/a, arn:b"] {
            assert_eq!(check_role(role).unwrap_err().subject(), Some("WAREHOUSE"), "{role}");
        }
    }
}
