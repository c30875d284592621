//! What the clients of AWS have in common: the credentials of `[s3]`, as AWS' crates ask for them, and what a request that failed
//! means to who has to repair it.

pub mod secrets;
pub(crate) mod service;

use std::error::Error as StdError;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, Result as Provided, future};
use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use object_store::aws::AwsCredentialProvider;

use crate::error::{Error, chain};

/// How long the crates may keep credentials before they ask again. `object_store` does not say when they expire, and keeps its own
/// fresh.
const KEPT: Duration = Duration::from_secs(300);

/// What `object_store` signs requests to S3 with: keys that are set, of the environment, of a role, of a web identity.
pub(crate) struct StoreCredentials(pub(crate) AwsCredentialProvider);

impl std::fmt::Debug for StoreCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreCredentials")
    }
}

impl StoreCredentials {
    async fn load(&self) -> Provided {
        let found = self.0.get_credential().await.map_err(CredentialsError::provider_error)?;
        let until = SystemTime::now() + KEPT;
        Ok(Credentials::new(&found.key_id, &found.secret_key, found.token.clone(), Some(until), "[s3]"))
    }
}

impl ProvideCredentials for StoreCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.load())
    }
}

/// A request, for the error when it fails.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    /// What it is to do, as in `show table a.b`.
    pub(crate) what: &'a str,
    /// What it takes, as IAM calls it.
    pub(crate) right: &'a str,
    /// The setting that says whom it is sent to.
    pub(crate) endpoint: &'a str,
}

impl Request<'_> {
    /// What it means that the request failed.
    pub(crate) fn failed<E>(&self, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let Self { what, right, endpoint } = self;
        let SdkError::ServiceError(service) = error else {
            return match credentials_cause(error) {
                Some(cause) => Error::auth(format!(
                    "cannot {what}: there are no credentials for AWS: {}; set [s3] access_key_id and secret_access_key, or \
                     AWS_ACCESS_KEY_ID",
                    chain(cause)
                )),
                None => Error::transient(format!(
                    "cannot {what}: AWS did not answer: {}; check the network, [s3] region and {endpoint}",
                    chain(error)
                )),
            };
        };
        let code = service.err().code().unwrap_or("no code");
        let said = service.err().message().unwrap_or("no message");
        let message = format!("cannot {what}: {said} ({code})");
        match code.rsplit('.').next().unwrap_or(code) {
            "QueueDoesNotExist" | "NonExistentQueue" | "EntityNotFoundException" => Error::not_found(message),
            "AccessDenied" | "AccessDeniedException" | "KmsAccessDenied" | "InvalidSecurity" => {
                Error::auth(format!("{message}; who runs the engine needs {right}"))
            }
            "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "SignatureDoesNotMatch"
            | "InvalidSignatureException"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "MissingAuthenticationToken"
            | "InvalidAccessKeyId"
            | "IncompleteSignature" => Error::auth(format!("{message}; the credentials are those of [s3]")),
            "OverLimit" | "RequestThrottled" | "Throttling" | "ThrottlingException" | "KmsThrottled" => {
                Error::RateLimited { message, retry_after: None }
            }
            // Two at the same table, or a slow moment of Glue's: told as if they were the client's fault.
            "ConcurrentModificationException" | "OperationTimeoutException" => Error::transient(message),
            _ if service.raw().status().is_client_error() => Error::config(message),
            _ => Error::transient(message),
        }
    }
}

/// That there were no credentials to sign a request with, anywhere in the chain of causes.
fn credentials_cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a CredentialsError> {
    std::iter::successors(Some(error), |error| <dyn StdError>::source(*error)).find_map(|cause| cause.downcast_ref())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use aws_sdk_glue::error::ErrorMetadata;
    use aws_sdk_glue::operation::get_table::GetTableError;
    use object_store::CredentialProvider;
    use object_store::aws::AwsCredential;

    use super::*;

    const REQUEST: Request<'_> =
        Request { what: "show table a.b in Glue", right: "the right glue:GetTable", endpoint: "[glue] endpoint" };

    fn refused(status: u16, code: &str) -> Error {
        let error = GetTableError::generic(ErrorMetadata::builder().code(code).message("it said so").build());
        let response = HttpResponse::new(status.try_into().unwrap(), "".into());
        REQUEST.failed(&SdkError::service_error(error, response))
    }

    #[test]
    fn what_aws_refuses_is_told_by_who_has_to_repair_it() {
        let shown = "cannot show table a.b in Glue: it said so (";
        for (status, code, kind, advice) in [
            (400, "EntityNotFoundException", "NotFound", ""),
            (400, "ValidationException", "Config", ""),
            (400, "GlueEncryptionException", "Config", ""),
            (400, "AccessDeniedException", "Auth", "; who runs the engine needs the right glue:GetTable"),
            (400, "ExpiredTokenException", "Auth", "; the credentials are those of [s3]"),
            (400, "ThrottlingException", "RateLimited", ""),
            (400, "OperationTimeoutException", "Transient", ""),
            (500, "InternalServiceException", "Transient", ""),
        ] {
            let error = refused(status, code);
            assert_eq!(error.to_string(), format!("{shown}{code}){advice}"));
            assert!(format!("{error:?}").starts_with(kind), "{error:?}");
        }
    }

    #[derive(Debug, Default)]
    struct Role(AtomicUsize);

    #[async_trait]
    impl CredentialProvider for Role {
        type Credential = AwsCredential;

        async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
            let count = self.0.fetch_add(1, Ordering::SeqCst);
            if count == 2 {
                return Err(object_store::Error::Generic { store: "S3", source: "the role is gone".into() });
            }
            Ok(Arc::new(AwsCredential { key_id: format!("key {count}"), secret_key: "s".into(), token: None }))
        }
    }

    #[tokio::test]
    async fn credentials_are_asked_for_again_before_a_role_s_could_expire() {
        let credentials = StoreCredentials(Arc::new(Role::default()));
        for key in ["key 0", "key 1"] {
            let found = credentials.provide_credentials().await.unwrap();
            assert_eq!(found.access_key_id(), key);
            assert!(found.expiry().unwrap() <= SystemTime::now() + KEPT);
        }
        let cause = credentials.provide_credentials().await.unwrap_err();
        let error = REQUEST.failed(&SdkError::<GetTableError, _>::construction_failure(cause));
        assert!(matches!(error, Error::Auth { .. }), "{error:?}");
        assert!(
            error.to_string().contains("there are no credentials for AWS") && error.to_string().contains("the role is gone"),
            "{error}"
        );
    }
}
