//! Requests to services of AWS, for which there is no client here: signed with the identity of `[s3]` and posted.

use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use object_store::aws::AwsCredentialProvider;

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::stores::Stores;

/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// Letters of an answer that an error shows.
const SHOWN: usize = 300;

/// A service of one region.
#[derive(Debug)]
pub(crate) struct Service {
    name: &'static str,
    region: String,
    endpoint: String,
    identity: AwsCredentialProvider,
    clock: Arc<dyn Clock>,
    client: reqwest::Client,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the same request may be answered well later.
    pub(crate) fn passes(&self) -> bool {
        self.status >= 500 || self.status == 429
    }

    /// The beginning of it, in one line.
    pub(crate) fn shown(&self) -> String {
        self.text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SHOWN).collect()
    }
}

impl Service {
    /// The service that signatures call `name`; `endpoint` is asked instead of AWS's own.
    ///
    /// # Errors
    /// [`Error::Config`] for a setting of `[s3]` that is wrong.
    pub(crate) fn new(
        name: &'static str,
        region: String,
        endpoint: Option<&str>,
        stores: &Stores,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self> {
        let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
        let endpoint = endpoint.map_or_else(|| format!("https://{name}.{region}.amazonaws.com{suffix}"), str::to_owned);
        let client = reqwest::Client::builder().timeout(ANSWER_LIMIT).build();
        Ok(Self {
            name,
            region,
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            identity: stores.credentials()?,
            clock: Arc::clone(clock),
            client: client.map_err(|error| Error::internal(format!("an HTTP client: {error}")))?,
        })
    }

    /// Where it is asked.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Posts `body`; `doing` says what for.
    ///
    /// # Errors
    /// [`Error::Transient`] when nobody answers: the request may have arrived. Whatever keeps it from being signed.
    pub(crate) async fn post(&self, headers: &[(&'static str, &str)], body: String, doing: &str) -> Result<Answer> {
        let url = format!("{}/", self.endpoint);
        let signed = self.signature(&url, headers, body.as_bytes()).await?;
        let mut request = self.client.post(&url).body(body);
        for (name, value) in headers.iter().map(|(name, value)| (*name, (*value).to_owned())).chain(signed) {
            request = request.header(name, value);
        }
        let unreachable = |error: reqwest::Error| Error::Transient {
            message: format!("{}: asking {} {doing}", crate::error::chain(&error), self.endpoint),
            source: None,
        };
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status().as_u16();
        Ok(Answer { status, text: answer.text().await.map_err(unreachable)? })
    }

    async fn signature(&self, url: &str, headers: &[(&'static str, &str)], body: &[u8]) -> Result<Vec<(&'static str, String)>> {
        let wrong = |error: String| Error::internal(format!("signing a request: {error}"));
        let keys = self.identity.get_credential().await?;
        let identity = Credentials::new(&keys.key_id, &keys.secret_key, keys.token.clone(), None, "[s3]").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.name)
            .time(self.clock.now().into())
            .settings(SigningSettings::default())
            .build();
        let params = params.map_err(|error| wrong(error.to_string()))?.into();
        let request =
            SignableRequest::new("POST", url, headers.iter().map(|(name, value)| (*name, *value)), SignableBody::Bytes(body));
        let signed =
            sign(request.map_err(|error| wrong(error.to_string()))?, &params).map_err(|error| wrong(error.to_string()))?;
        let (instructions, _) = signed.into_parts();
        let (signed, _) = instructions.into_parts();
        Ok(signed.into_iter().map(|header| (header.name(), header.value().to_owned())).collect())
    }
}
