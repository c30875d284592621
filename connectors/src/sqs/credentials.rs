//! The credentials of `[s3]`, as the AWS crates ask for them.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, Result, future};
use object_store::aws::AwsCredentialProvider;

/// How long the crates may keep credentials before they ask again. `object_store` does not say when they expire, and keeps its own
/// fresh.
const KEPT: Duration = Duration::from_secs(300);

/// What `object_store` signs requests to S3 with: keys that are set, of the environment, of a role, of a web identity.
pub(super) struct StoreCredentials(pub(super) AwsCredentialProvider);

impl std::fmt::Debug for StoreCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreCredentials")
    }
}

impl StoreCredentials {
    async fn load(&self) -> Result {
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
