//! One queue, asked through AWS' own crate: receive, delete, hide.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Region};
use aws_sdk_sqs::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message,
    MessageSystemAttributeName, QueueAttributeName,
};
use futures::{StreamExt, TryStreamExt};
use object_store::aws::AwsCredentialProvider;
use serde_json::Value;

use super::url::QueueUrl;
use crate::aws::{Request, StoreCredentials};
use crate::error::{Error, Result};

/// Messages of one request: the most that SQS takes.
const BATCH: usize = 10;
/// Batches under way at the same time.
const AT_ONCE: usize = 8;
/// The longest that SQS waits for a message before it answers that there is none.
pub(super) const LONG_POLL: Duration = Duration::from_secs(20);
/// An answer takes no longer, even to a long poll.
const ANSWER_LIMIT: Duration = Duration::from_secs(35);
/// Tries of one request.
const ATTEMPTS: u32 = 4;

/// A queue.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    client: Client,
    url: Arc<str>,
    name: Arc<str>,
}

/// A message, as it was received.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) id: String,
    /// What it is deleted and hidden by; of a message that comes again, the last one counts.
    pub(super) receipt: String,
    pub(super) body: String,
    /// How often it was received, this time included.
    pub(super) times: u32,
}

/// Why one message of a batch was not deleted or hidden.
#[derive(Debug)]
pub(super) struct Refused {
    /// Which of the messages.
    pub(super) index: usize,
    pub(super) reason: String,
    /// It is no longer ours to delete or hide: it was deleted, or hidden for too long and others may have it.
    pub(super) is_gone: bool,
}

/// Where messages go that were received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redrive {
    /// The ARN of the dead-letter queue.
    pub(super) to: String,
    /// After how many times.
    pub(super) after: u64,
}

impl Queue {
    /// The queue at `url`; asks nothing yet. `endpoint` and `region` are used instead of what the URL says, or where it says nothing.
    pub(crate) fn new(url: &QueueUrl, endpoint: Option<&str>, region: &str, credentials: AwsCredentialProvider) -> Self {
        let region = url.region().unwrap_or(region).to_owned();
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .endpoint_url(endpoint.map_or_else(|| url.endpoint(), str::to_owned))
            .credentials_provider(StoreCredentials(credentials))
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(TimeoutConfig::builder().read_timeout(ANSWER_LIMIT).build())
            .build();
        Self { client: Client::from_conf(config), url: url.as_str().into(), name: url.name().into() }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Receives up to [`BATCH`] messages, waiting up to `wait` for the first, and hides them from others for `hidden`.
    pub(super) async fn receive(&self, wait: Duration, hidden: Duration) -> Result<Vec<Received>> {
        let request = self.client.receive_message().queue_url(&*self.url);
        let answer = request
            .max_number_of_messages(i32::try_from(BATCH).unwrap_or(i32::MAX))
            .wait_time_seconds(seconds(wait))
            .visibility_timeout(seconds(hidden))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .send()
            .await
            .map_err(|error| self.failed("receive messages of", "sqs:ReceiveMessage", &error))?;
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(received).collect())
    }

    /// Deletes messages, by their receipts. Says which were not.
    pub(super) async fn delete(&self, receipts: &[String]) -> Result<Vec<Refused>> {
        let batch = |first: usize, receipts: Vec<String>| async move {
            let entries = entries(receipts, |id, receipt| {
                DeleteMessageBatchRequestEntry::builder().id(id).receipt_handle(receipt).build()
            })?;
            let request = self.client.delete_message_batch().queue_url(&*self.url).set_entries(Some(entries));
            let answer = request.send().await.map_err(|error| self.failed("delete messages of", "sqs:DeleteMessage", &error))?;
            Ok::<_, Error>(refused(first, &answer.failed))
        };
        self.batches(receipts, batch).await
    }

    /// Hides messages from others for `hidden` from now on; by nothing, they can be received again. Says which were not.
    pub(super) async fn hide(&self, receipts: &[String], hidden: Duration) -> Result<Vec<Refused>> {
        let batch = |first: usize, receipts: Vec<String>| async move {
            let entries = entries(receipts, |id, receipt| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(id).receipt_handle(receipt);
                entry.visibility_timeout(seconds(hidden)).build()
            })?;
            let request = self.client.change_message_visibility_batch().queue_url(&*self.url).set_entries(Some(entries));
            let answer = request
                .send()
                .await
                .map_err(|error| self.failed("keep messages hidden of", "sqs:ChangeMessageVisibility", &error))?;
            Ok::<_, Error>(refused(first, &answer.failed))
        };
        self.batches(receipts, batch).await
    }

    async fn batches<F: Future<Output = Result<Vec<Refused>>>>(
        &self,
        receipts: &[String],
        batch: impl Fn(usize, Vec<String>) -> F,
    ) -> Result<Vec<Refused>> {
        let batches = receipts.chunks(BATCH).enumerate().map(|(index, chunk)| batch(index * BATCH, chunk.to_vec()));
        // Made before they are polled: a closure that borrows within a stream is more than the compiler follows.
        let batches: Vec<F> = batches.collect();
        let refused: Vec<Vec<Refused>> = futures::stream::iter(batches).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(refused.into_iter().flatten().collect())
    }

    /// Where messages go that nobody deletes; `None` when they come again until the queue drops them.
    pub(super) async fn redrive(&self) -> Result<Option<Redrive>> {
        let request = self.client.get_queue_attributes().queue_url(&*self.url);
        let answer = request
            .attribute_names(QueueAttributeName::RedrivePolicy)
            .send()
            .await
            .map_err(|error| self.failed("look at", "sqs:GetQueueAttributes", &error))?;
        let policy = answer.attributes.as_ref().and_then(|attributes| attributes.get(&QueueAttributeName::RedrivePolicy));
        Ok(policy.and_then(|policy| redrive(policy)))
    }

    /// What a request that failed means to who has to repair it.
    fn failed<E>(&self, what: &str, right: &str, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let what = format!("{what} queue '{}' ({})", self.name, self.url);
        let right = format!("{right} on the queue, and kms:Decrypt on its key");
        match (Request { what: &what, right: &right, endpoint: "[sqs] endpoint" }).failed(error) {
            Error::NotFound { message } => Error::not_found(format!(
                "{message}; check the URL in option 'notifications', its region, and that the queue was not deleted"
            )),
            other => other,
        }
    }
}

fn received(message: Message) -> Option<Received> {
    let attributes = message.attributes.as_ref();
    let times = attributes.and_then(|attributes| attributes.get(&MessageSystemAttributeName::ApproximateReceiveCount));
    let times = times.and_then(|times| times.parse().ok()).unwrap_or(1);
    Some(Received { id: message.message_id?, receipt: message.receipt_handle?, body: message.body.unwrap_or_default(), times })
}

/// The entries of a batch, called by their index in it.
fn entries<T>(receipts: Vec<String>, entry: impl Fn(String, String) -> Result<T, BuildError>) -> Result<Vec<T>> {
    let entries = receipts.into_iter().enumerate().map(|(index, receipt)| entry(index.to_string(), receipt));
    entries.collect::<Result<_, _>>().map_err(|error| Error::internal(format!("a batch of messages: {error}")))
}

fn refused(first: usize, failed: &[BatchResultErrorEntry]) -> Vec<Refused> {
    let refused = |entry: &BatchResultErrorEntry| {
        let reason = entry.message.clone().unwrap_or_else(|| entry.code.clone());
        // A receipt that has run out, a message that is not in flight, one that was hidden for the twelve hours that SQS allows.
        Some(Refused { index: first + entry.id.parse::<usize>().ok()?, reason, is_gone: entry.sender_fault })
    };
    failed.iter().filter_map(refused).collect()
}

fn redrive(policy: &str) -> Option<Redrive> {
    let policy: Value = serde_json::from_str(policy).ok()?;
    // A number, or a number in quotes, as whoever set it wrote it.
    let after = &policy["maxReceiveCount"];
    let after = after.as_u64().or_else(|| after.as_str()?.parse().ok())?;
    Some(Redrive { to: policy["deadLetterTargetArn"].as_str()?.to_owned(), after })
}

/// Whole seconds, rounded up.
fn seconds(span: Duration) -> i32 {
    let up = u64::from(span.subsec_nanos() > 0);
    i32::try_from(span.as_secs() + up).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redrive_policy_is_read_however_its_number_is_written() {
        let expected = Some(Redrive { to: "arn:aws:sqs:eu-west-1:1:dead".into(), after: 3 });
        for count in ["3", "\"3\""] {
            let policy = format!(r#"{{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:1:dead","maxReceiveCount":{count}}}"#);
            assert_eq!(redrive(&policy), expected);
        }
        assert_eq!(redrive("{}"), None);
    }

    #[test]
    fn a_part_of_a_second_is_a_second() {
        assert_eq!([0, 1, 999, 1_000, 1_001].map(|ms| seconds(Duration::from_millis(ms))), [0, 1, 1, 1, 2]);
    }
}
