//! The URL of a queue, as `OPTIONS ('notifications' 'sqs:...')` has it.

use url::Url;

use crate::error::{Error, Result};
use crate::secrets::without_secrets;

/// What a queue's URL looks like.
const EXAMPLE: &str = "https://sqs.eu-west-1.amazonaws.com/123456789012/new-objects";
/// The longest name that SQS takes.
const LONGEST_NAME: usize = 80;

/// A queue, by its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueueUrl {
    url: Url,
    name: String,
}

impl QueueUrl {
    /// Checks that `text` is the URL of a queue: the address of a server, an account, a name.
    ///
    /// # Errors
    /// [`Error::Config`] that says what it should look like.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        if let Some(arn) = text.strip_prefix("arn:") {
            let parts: Vec<&str> = arn.split(':').collect();
            let help = match parts.as_slice() {
                ["aws", "sqs", region, account, name] => format!("https://sqs.{region}.amazonaws.com/{account}/{name}"),
                _ => format!("as in '{EXAMPLE}'"),
            };
            return Err(Error::config(format!("'{text}' is an ARN, expected the URL of the queue: {help}")));
        }
        let shown = without_secrets(text);
        let wrong = |why: &str| Error::config(format!("'{shown}' is no URL of a queue: {why}; expected one as in '{EXAMPLE}'"));
        let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
            return Err(wrong("it does not begin with https://"));
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
            return Err(wrong("it has a user, a password or a query; requests are signed with the credentials of [s3]"));
        }
        let parts: Vec<&str> = url.path_segments().map(Iterator::collect).unwrap_or_default();
        let name = match parts.as_slice() {
            [_account, .., name] if is_name(name) => (*name).to_owned(),
            [_account, .., name] if !name.is_empty() => return Err(wrong(&format!("a queue is not called '{name}'"))),
            _ => return Err(wrong("it has no account and name")),
        };
        Ok(Self { url, name })
    }

    /// As it was given.
    pub(crate) fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// The queue's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where the queue is asked: the server that its URL names. Holds for queues of AWS, behind VPC endpoints and of stand-ins.
    pub(crate) fn endpoint(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The region that the host's name says.
    /// <https://docs.aws.amazon.com/general/latest/gr/sqs-service.html>
    pub(crate) fn region(&self) -> Option<&str> {
        let host = self.url.host_str()?;
        let parts: Vec<&str> = host.split('.').collect();
        match parts.as_slice() {
            ["sqs" | "sqs-fips", region, "amazonaws" | "api", ..] | [region, "queue", "amazonaws", ..] => Some(region),
            // A VPC endpoint: vpce-0a-1b.sqs.eu-west-1.vpce.amazonaws.com
            [_, "sqs", region, "vpce", "amazonaws", ..] => Some(region),
            ["queue", "amazonaws", "com"] => Some("us-east-1"),
            _ => None,
        }
    }
}

fn is_name(name: &str) -> bool {
    let stem = name.strip_suffix(".fifo").unwrap_or(name);
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !stem.is_empty() && name.len() <= LONGEST_NAME && stem.bytes().all(is_good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_name_endpoint_and_region() {
        for (text, name, endpoint, region) in [
            (EXAMPLE, "new-objects", "https://sqs.eu-west-1.amazonaws.com", Some("eu-west-1")),
            ("https://queue.amazonaws.com/1/a.fifo", "a.fifo", "https://queue.amazonaws.com", Some("us-east-1")),
            ("https://eu-north-1.queue.amazonaws.com/1/a", "a", "https://eu-north-1.queue.amazonaws.com", Some("eu-north-1")),
            ("https://sqs.cn-north-1.amazonaws.com.cn/1/a", "a", "https://sqs.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            (
                "https://vpce-0a-1b.sqs.us-west-2.vpce.amazonaws.com/1/a",
                "a",
                "https://vpce-0a-1b.sqs.us-west-2.vpce.amazonaws.com",
                Some("us-west-2"),
            ),
            ("http://127.0.0.1:5000/123456789012/a_b", "a_b", "http://127.0.0.1:5000", None),
        ] {
            let url = QueueUrl::parse(text).unwrap();
            assert_eq!((url.name(), url.endpoint().as_str(), url.region()), (name, endpoint, region), "{text}");
        }
    }

    #[test]
    fn what_is_no_url_of_a_queue_is_told_how_one_looks() {
        for (text, expected) in [
            ("new-objects", "is no URL of a queue: relative URL without a base; expected one as in"),
            ("https://sqs.eu-west-1.amazonaws.com/new-objects", "it has no account and name"),
            ("https://sqs.eu-west-1.amazonaws.com/1/", "it has no account and name"),
            ("https://sqs.eu-west-1.amazonaws.com/1/new objects", "a queue is not called 'new%20objects'"),
            ("s3://bucket/a/b", "it does not begin with https://"),
            (
                "https://me:pw@sqs.eu-west-1.amazonaws.com/1/a",
                "'https://sqs.eu-west-1.amazonaws.com/1/a' is no URL of a queue: it has a user",
            ),
            ("arn:aws:sqs:eu-west-1:1:a", "is an ARN, expected the URL of the queue: https://sqs.eu-west-1.amazonaws.com/1/a"),
        ] {
            let error = QueueUrl::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
