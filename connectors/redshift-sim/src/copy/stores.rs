//! S3, as this stand-in reaches it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;

use super::Credentials;
use super::failure::internal;
use crate::rules::{BUCKET_IS_IN_THE_SAME_REGION, COPY_NEEDS_AUTHORIZATION};
use crate::sql_error::{SqlError, SqlResult};

/// Where S3 is, and with what keys the roles of the stand-in read and write it.
#[derive(Clone, Default)]
pub struct S3Options {
    /// The endpoint, for example of a local server; S3 itself if not set.
    pub endpoint: Option<String>,
    /// The region, `us-east-1` if not set.
    pub region: Option<String>,
    /// The access key.
    pub access_key: Option<String>,
    /// Its secret.
    pub secret_key: Option<String>,
    /// The token of temporary keys.
    pub session_token: Option<String>,
    /// The roles that the stand-in has. If there are none, it has every role.
    pub roles: Vec<String>,
    /// Buckets that are in another region than the stand-in, each with its region.
    pub elsewhere: Vec<(String, String)>,
}

impl std::fmt::Debug for S3Options {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("S3Options")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

impl S3Options {
    /// As the variables of AWS clients say: `AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID` and so on.
    #[must_use]
    pub fn from_environment() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            endpoint: variable("AWS_ENDPOINT_URL_S3").or_else(|| variable("AWS_ENDPOINT_URL")),
            region: variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")),
            access_key: variable("AWS_ACCESS_KEY_ID"),
            secret_key: variable("AWS_SECRET_ACCESS_KEY"),
            session_token: variable("AWS_SESSION_TOKEN"),
            roles: Vec::new(),
            elsewhere: Vec::new(),
        }
    }
}

/// A bucket, and the access key it is reached with.
type Key = (String, Option<String>);

/// The buckets that were reached so far.
#[derive(Debug)]
pub(crate) struct Stores {
    options: S3Options,
    known: Mutex<HashMap<Key, Arc<dyn ObjectStore>>>,
}

impl Stores {
    pub(crate) fn new(options: S3Options) -> Self {
        Self { options, known: Mutex::default() }
    }

    /// A bucket, with the right that a statement names.
    pub(crate) fn bucket(&self, bucket: &str, credentials: Option<&Credentials>) -> SqlResult<Arc<dyn ObjectStore>> {
        let keys = self.keys(credentials)?;
        let key = (bucket.to_owned(), keys.as_ref().map(|(access, ..)| access.clone()));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = known.get(&key) {
            return Ok(Arc::clone(store));
        }
        let region = self.options.region.as_deref().unwrap_or("us-east-1");
        let mut builder = AmazonS3Builder::new().with_bucket_name(bucket).with_region(region).with_allow_http(true);
        if let Some(endpoint) = &self.options.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some((access, secret, token)) = keys {
            builder = builder.with_access_key_id(access).with_secret_access_key(secret);
            builder = token.into_iter().fold(builder, AmazonS3Builder::with_token);
        }
        let store = builder.build().map_err(|error| SqlError::new("XX000", format!("bucket {bucket}: {error}")))?;
        let store: Arc<dyn ObjectStore> = Arc::new(store);
        known.insert(key, Arc::clone(&store));
        Ok(store)
    }

    /// Fails for a bucket of another region.
    pub(crate) fn check_region(&self, bucket: &str) -> SqlResult<()> {
        match self.options.elsewhere.iter().find(|(known, _)| known == bucket) {
            None => Ok(()),
            Some((_, region)) => {
                let message = "S3ServiceException:The S3 bucket addressed by the query is in a different region from this cluster.,Status \
                               301,Error PermanentRedirect";
                Err(internal(&BUCKET_IS_IN_THE_SAME_REGION, message, 8001, format!("bucket {bucket} is in {region}")))
            }
        }
    }

    /// The keys behind what a statement names.
    fn keys(&self, credentials: Option<&Credentials>) -> SqlResult<Option<(String, String, Option<String>)>> {
        let Some(credentials) = credentials else {
            let message = "No credentials: COPY and UNLOAD need IAM_ROLE, CREDENTIALS or ACCESS_KEY_ID and SECRET_ACCESS_KEY";
            return Err(SqlError::refused(&COPY_NEEDS_AUTHORIZATION, message));
        };
        if let Credentials::Keys { access, secret, token } = credentials {
            return Ok(Some((access.clone(), secret.clone(), token.clone())));
        }
        if let Credentials::Roles(roles) = credentials {
            roles.iter().try_for_each(|role| self.check_role(role))?;
        }
        let of_the_cluster = self.options.access_key.clone().zip(self.options.secret_key.clone());
        Ok(of_the_cluster.map(|(access, secret)| (access, secret, self.options.session_token.clone())))
    }

    fn check_role(&self, role: &str) -> SqlResult<()> {
        let parts: Vec<&str> = role.splitn(6, ':').collect();
        let well_formed = matches!(parts[..], ["arn", partition, "iam", "", account, name]
            if partition.starts_with("aws") && account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()) && name.starts_with("role/"));
        if !well_formed {
            return Err(SqlError::refused(&COPY_NEEDS_AUTHORIZATION, format!("Invalid IAM_ROLE value: {role}")));
        }
        if self.options.roles.is_empty() || self.options.roles.iter().any(|known| known == role) {
            return Ok(());
        }
        let user = "arn:aws:redshift:us-east-1:123456789012:dbuser:redshift-sim/awsuser";
        let message = format!("User {user} is not authorized to assume IAM Role {role}");
        Err(SqlError::refused(&COPY_NEEDS_AUTHORIZATION, message))
    }
}

/// Bucket and key of `s3://bucket/key`.
pub(crate) fn object_url(url: &str) -> SqlResult<(&str, &str)> {
    let path = url.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
    path.filter(|(bucket, _)| !bucket.is_empty()).ok_or_else(|| SqlError::new("XX000", format!("Invalid S3 URI: {url}")))
}
