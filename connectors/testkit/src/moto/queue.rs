//! Queues of moto, and what puts events of its S3 into them.

use serde_json::{Value, json};

use super::{Moto, ask};
use crate::{Error, Result};

/// A queue of a [`Moto`].
#[derive(Debug, Clone)]
pub struct Queue {
    port: u16,
    url: String,
    arn: String,
}

/// A header by which moto's server knows for which service a request is.
pub(super) fn authorization(service: &str) -> String {
    format!("AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=none")
}

/// A request of one of the services that speak JSON.
async fn json_request(port: u16, service: &str, target: &str, body: &Value) -> Result<Value> {
    let authorization = authorization(service);
    let headers =
        [("X-Amz-Target", target), ("Content-Type", "application/x-amz-json-1.0"), ("Authorization", authorization.as_str())];
    let answer = ask(port, "POST", "/", &headers, &body.to_string()).await?;
    if answer.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&answer).map_err(|_| Error::Answer { what: target.to_owned(), answer })
}

/// A request of SNS; what stands in the answer between the tags `wanted`.
async fn sns(port: u16, parameters: &[(&str, &str)], wanted: &str) -> Result<String> {
    let authorization = authorization("sns");
    let headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Authorization", authorization.as_str())];
    let body: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    let answer = ask(port, "POST", "/", &headers, &body.join("&")).await?;
    let inner = answer.split(&format!("<{wanted}>")).nth(1).and_then(|rest| rest.split(&format!("</{wanted}>")).next());
    inner.map(str::to_owned).ok_or_else(|| Error::Answer { what: format!("SNS, for {wanted}"), answer: answer.clone() })
}

fn encoded(value: &str) -> String {
    let letter = |byte: u8| {
        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    value.bytes().map(letter).collect()
}

impl Moto {
    /// Makes a queue; `attributes` are those of SQS' `CreateQueue`.
    ///
    /// # Errors
    /// If moto refuses.
    pub async fn create_queue(&self, name: &str, attributes: &[(&str, &str)]) -> Result<Queue> {
        let attributes: serde_json::Map<String, Value> =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let answer =
            json_request(self.port, "sqs", "AmazonSQS.CreateQueue", &json!({"QueueName": name, "Attributes": attributes}))
                .await?;
        let url = answer["QueueUrl"].as_str().unwrap_or_default().to_owned();
        let mut queue = Queue { port: self.port, url, arn: String::new() };
        queue.arn = queue.attribute("QueueArn").await?;
        Ok(queue)
    }

    /// Has S3 put the events of a bucket into a queue.
    ///
    /// # Errors
    /// If moto refuses.
    pub async fn notify(&self, bucket: &str, queue: &Queue) -> Result<()> {
        let arn = &queue.arn;
        self.configure(
            bucket,
            &format!(
                "<QueueConfiguration><Queue>{arn}</Queue><Event>s3:ObjectCreated:*</Event><Event>s3:ObjectRemoved:*</Event></QueueConfiguration>"
            ),
        )
        .await
    }

    /// Has S3 send the events of a bucket to EventBridge, and a rule pass those of new objects on to a queue.
    ///
    /// # Errors
    /// If moto refuses.
    pub async fn notify_by_event_bridge(&self, bucket: &str, queue: &Queue) -> Result<()> {
        let pattern = json!({"source": ["aws.s3"], "detail-type": ["Object Created", "Object Deleted"]}).to_string();
        let rule = json!({"Name": bucket, "EventPattern": pattern, "State": "ENABLED"});
        json_request(self.port, "events", "AWSEvents.PutRule", &rule).await?;
        let targets = json!({"Rule": bucket, "Targets": [{"Id": "1", "Arn": queue.arn}]});
        json_request(self.port, "events", "AWSEvents.PutTargets", &targets).await?;
        self.configure(bucket, "<EventBridgeConfiguration></EventBridgeConfiguration>").await
    }

    /// Makes a topic of SNS whose messages reach a queue, wrapped, or as they are with `raw`; its ARN.
    ///
    /// # Errors
    /// If moto refuses.
    pub async fn create_topic(&self, name: &str, queue: &Queue, raw: bool) -> Result<String> {
        let topic = sns(self.port, &[("Action", "CreateTopic"), ("Name", name)], "TopicArn").await?;
        let raw = raw.to_string();
        let subscription = [
            ("Action", "Subscribe"),
            ("TopicArn", topic.as_str()),
            ("Protocol", "sqs"),
            ("Endpoint", queue.arn.as_str()),
            ("Attributes.entry.1.key", "RawMessageDelivery"),
            ("Attributes.entry.1.value", raw.as_str()),
        ];
        sns(self.port, &subscription, "SubscriptionArn").await?;
        Ok(topic)
    }

    /// Publishes a message to a topic.
    ///
    /// # Errors
    /// If moto refuses.
    pub async fn publish(&self, topic: &str, message: &str) -> Result<()> {
        let parameters = [("Action", "Publish"), ("TopicArn", topic), ("Message", message)];
        sns(self.port, &parameters, "MessageId").await.map(drop)
    }

    async fn configure(&self, bucket: &str, configuration: &str) -> Result<()> {
        let body = format!(
            "<NotificationConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{configuration}</NotificationConfiguration>"
        );
        ask(self.port, "PUT", &format!("/{bucket}?notification"), &[], &body).await.map(drop)
    }
}

impl Queue {
    /// Its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// The attributes by which another queue gives this one what it received `times` times.
    #[must_use]
    pub fn redrive_policy(&self, times: u32) -> String {
        json!({"deadLetterTargetArn": self.arn, "maxReceiveCount": times}).to_string()
    }

    /// Sends a message.
    ///
    /// # Errors
    /// If moto refuses.
    pub async fn send(&self, body: &str) -> Result<()> {
        self.ask("SendMessage", json!({"MessageBody": body})).await.map(drop)
    }

    /// Sends a message to a queue that keeps the order of those of a `group`.
    ///
    /// # Errors
    /// If moto refuses.
    pub async fn send_in_order(&self, body: &str, group: &str, id: &str) -> Result<()> {
        let message = json!({"MessageBody": body, "MessageGroupId": group, "MessageDeduplicationId": id});
        self.ask("SendMessage", message).await.map(drop)
    }

    /// How many messages can be received, and how many are hidden.
    ///
    /// # Errors
    /// If moto refuses.
    pub async fn counts(&self) -> Result<(u64, u64)> {
        // In one request: between two, a message could change from one kind to the other and be counted in neither.
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let answer = self.ask("GetQueueAttributes", json!({"AttributeNames": names})).await?;
        let count = |name: &str| answer["Attributes"][name].as_str().and_then(|count| count.parse().ok()).unwrap_or(u64::MAX);
        Ok((count(names[0]), count(names[1])))
    }

    /// The bodies of up to ten messages that can be received now; they are hidden for a second.
    ///
    /// # Errors
    /// If moto refuses.
    pub async fn bodies(&self) -> Result<Vec<String>> {
        let answer = self.ask("ReceiveMessage", json!({"MaxNumberOfMessages": 10, "VisibilityTimeout": 1})).await?;
        let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
        Ok(messages.iter().filter_map(|message| message["Body"].as_str().map(str::to_owned)).collect())
    }

    /// Deletes all messages, hidden or not.
    ///
    /// # Errors
    /// If moto refuses.
    pub async fn purge(&self) -> Result<()> {
        self.ask("PurgeQueue", json!({})).await.map(drop)
    }

    async fn attribute(&self, name: &str) -> Result<String> {
        let answer = self.ask("GetQueueAttributes", json!({"AttributeNames": [name]})).await?;
        let found = answer["Attributes"][name].as_str().map(str::to_owned);
        found.ok_or_else(|| Error::Answer { what: format!("attribute {name}"), answer: answer.to_string() })
    }

    async fn ask(&self, action: &str, mut body: Value) -> Result<Value> {
        body["QueueUrl"] = json!(self.url);
        json_request(self.port, "sqs", &format!("AmazonSQS.{action}"), &body).await
    }
}
