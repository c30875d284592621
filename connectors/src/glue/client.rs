//! Glue, asked through AWS' own crate, with the credentials of `[s3]`.

use std::fmt;
use std::time::Duration;

use aws_sdk_glue::Client;
use aws_sdk_glue::config::http::HttpResponse;
use aws_sdk_glue::config::retry::RetryConfig;
use aws_sdk_glue::config::timeout::TimeoutConfig;
use aws_sdk_glue::config::{BehaviorVersion, Region};
use aws_sdk_glue::error::{ProvideErrorMetadata, SdkError};

use crate::aws::{Request, StoreCredentials};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::replay::Purpose;

/// Tries of one request.
const ATTEMPTS: u32 = 4;
/// An answer takes no longer.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// A Data Catalog: that of an account in a region.
#[derive(Clone)]
pub struct Glue {
    pub(super) client: Client,
    pub(super) purpose: Purpose,
}

impl fmt::Debug for Glue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Glue").field("purpose", &self.purpose).finish_non_exhaustive()
    }
}

impl Glue {
    /// With the credentials and the region of `[s3]`; `endpoint` in place of AWS' own. Asks nothing yet.
    ///
    /// # Purpose
    /// To [`Purpose::Look`], nothing is written: what is returned is what would be.
    ///
    /// # Errors
    /// [`Error::Config`] for a setting of `[s3]` that is wrong.
    pub fn connect(context: &Context, endpoint: Option<&str>, purpose: Purpose) -> Result<Self> {
        let mut config = aws_sdk_glue::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(context.stores.region()))
            .credentials_provider(StoreCredentials(context.stores.credentials()?))
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ANSWER_LIMIT).build());
        if let Some(endpoint) = endpoint {
            config = config.endpoint_url(endpoint);
        }
        Ok(Self { client: Client::from_conf(config.build()), purpose })
    }

    pub(super) fn writes(&self) -> bool {
        self.purpose == Purpose::Commit
    }
}

/// A request that failed, in our terms. `right` is the one that it takes, as IAM calls it.
pub(super) fn failed<E>(what: &str, right: &str, error: &SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let (what, right) = (format!("{what} in Glue"), format!("the right {right}"));
    Request { what: &what, right: &right, endpoint: "[glue] endpoint" }.failed(error)
}
