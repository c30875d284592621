//! `[warehouse]` where its URL is `redshift://` or `redshift-data://`.

use std::time::Duration;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::stores::Location;
use crate::warehouse::redshift::session::Session;
use crate::warehouse::redshift::transport::Transport;

/// A cluster or workgroup, and how it loads.
#[derive(Debug, Clone)]
pub(crate) struct RedshiftConfig {
    pub(crate) transport: Transport,
    /// Where files wait for COPY.
    pub(crate) staging: Location,
    /// The role that COPY reads with.
    pub(crate) iam_role: String,
    /// How long a statement may take.
    pub(crate) statement_timeout: Option<Duration>,
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
        let staging = staging_area(staging, context)?;
        let statement_timeout = config.statement_timeout;
        let first = statement_timeout.iter().map(|limit| set_timeout(Some(*limit))).collect();
        Ok(Self { transport: Transport::open(url, first, context)?, staging, iam_role, statement_timeout })
    }

    /// A session.
    ///
    /// # Errors
    /// As [`Transport::session`].
    pub(crate) async fn session(&self) -> Result<Session> {
        self.transport.session().await
    }
}

/// The statement that bounds those that follow it in their session; without a limit there is none ("statement_timeout",
/// `r_statement_timeout`).
pub(crate) fn set_timeout(limit: Option<Duration>) -> String {
    format!("SET statement_timeout TO {}", limit.map_or(0, |limit| limit.as_millis().max(1)))
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
    fn role_is_an_arn_and_nothing_else() {
        for role in ["default", "arn:aws:iam::1:role/a", "arn:aws:iam::1:role/a,arn:aws-cn:iam::2:role/b/c"] {
            assert!(check_role(role).is_ok(), "{role}");
        }
        for role in ["", "loader", "arn:aws:iam::1:role/a' x", "arn:aws:iam::1:role/a, arn:b"] {
            assert_eq!(check_role(role).unwrap_err().subject(), Some("WAREHOUSE"), "{role}");
        }
    }
}
