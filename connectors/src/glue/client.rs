//! Glue, asked through AWS' own crate, with the credentials of `[s3]`.

use std::fmt;
use std::time::Duration;

use aws_sdk_glue::Client;
use aws_sdk_glue::config::http::HttpResponse;
use aws_sdk_glue::config::retry::RetryConfig;
use aws_sdk_glue::config::timeout::TimeoutConfig;
use aws_sdk_glue::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_glue::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use crate::context::Context;
use crate::error::{Error, Result};

/// Tries of one request.
const ATTEMPTS: u32 = 4;
/// An answer takes no longer.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// A Data Catalog: that of an account in a region.
#[derive(Clone)]
pub struct Glue {
    pub(super) client: Client,
}

impl fmt::Debug for Glue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Glue").finish_non_exhaustive()
    }
}

impl Glue {
    /// With the credentials and the region of `[s3]`; `endpoint` in place of AWS' own. Asks nothing yet.
    ///
    /// # Errors
    /// [`Error::Auth`] when there are no credentials.
    pub async fn connect(context: &Context, endpoint: Option<&str>) -> Result<Self> {
        let (found, region) = context.stores.aws_credentials().await?;
        let credentials = Credentials::new(&found.key_id, &found.secret_key, found.token.clone(), None, "[s3]");
        let mut config = aws_sdk_glue::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .credentials_provider(credentials)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ANSWER_LIMIT).build());
        if let Some(endpoint) = endpoint {
            config = config.endpoint_url(endpoint);
        }
        Ok(Self { client: Client::from_conf(config.build()) })
    }
}

/// A request that failed, in our terms. `right` is the one that it takes, as IAM calls it.
pub(super) fn failed<E>(what: &str, right: &str, error: &SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let service = error.as_service_error();
    let code = service.and_then(ProvideErrorMetadata::code).unwrap_or_default();
    let said = service.and_then(ProvideErrorMetadata::message).unwrap_or(code);
    match code {
        "AccessDeniedException" | "UnrecognizedClientException" | "InvalidSignatureException" | "ExpiredTokenException" => {
            Error::Auth { message: format!("Glue does not {what}: {said}; the credentials of [s3] need the right {right}") }
        }
        "InvalidInputException" | "ResourceNumberLimitExceededException" | "AlreadyExistsException" => {
            Error::config(format!("Glue does not {what}: {said}"))
        }
        _ if service.is_some() => Error::transient(format!("Glue does not {what}: {code} {said}")),
        _ => Error::transient(format!(
            "Glue was asked to {what} and did not answer: {}; check the network, [s3] region and [glue] endpoint",
            DisplayErrorContext(error)
        )),
    }
}
