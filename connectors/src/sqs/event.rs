//! What messages say: the events of S3, as S3 itself, EventBridge and SNS write them.
//!
//! * S3: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
//! * EventBridge: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>
//! * SNS: <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::Value;

/// SNS may carry what EventBridge sent; nothing that is documented is wrapped deeper.
const DEEPEST: usize = 2;

/// An object that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Created {
    pub(super) bucket: String,
    /// Decoded.
    pub(super) key: String,
    /// What the event says of the object; what it is by now may differ.
    pub(super) told: Option<Told>,
}

/// An object as it was when the event happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) size: u64,
    /// Without quotes.
    pub(super) etag: String,
}

/// The objects that a message says were written; none of a message that tells of something else, as of removals, or of a test.
///
/// # Errors
/// Why it cannot be understood.
pub(super) fn created(body: &str) -> Result<Vec<Created>, String> {
    let message: Value = serde_json::from_str(body).map_err(|error| format!("it is not JSON: {error}"))?;
    unwrap(message, DEEPEST)
}

fn unwrap(message: Value, depth: usize) -> Result<Vec<Created>, String> {
    let text = |name: &str| message.get(name).and_then(Value::as_str);
    if message.get("Records").is_some() {
        let message: FromS3 = serde_json::from_value(message).map_err(|error| format!("it is no event of S3: {error}"))?;
        return Ok(message
            .records
            .into_iter()
            .map(Record::created)
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect());
    }
    if text("Event") == Some("s3:TestEvent") {
        return Ok(Vec::new());
    }
    if let Some(kind) = text("detail-type") {
        if text("source") != Some("aws.s3") {
            return Err(format!("it is an event of {}, not of aws.s3", text("source").unwrap_or("nobody")));
        }
        if kind != "Object Created" {
            return Ok(Vec::new());
        }
        let message: FromEventBridge =
            serde_json::from_value(message).map_err(|error| format!("it is no event of EventBridge: {error}"))?;
        let Detail { bucket, object } = message.detail;
        return Ok(vec![Created { bucket: bucket.name, told: object.told(), key: object.key }]);
    }
    match text("Type") {
        Some("Notification") if depth > 0 => {
            let inner = text("Message").ok_or("it is of SNS, but has no Message")?;
            let inner = serde_json::from_str(inner).map_err(|error| format!("what SNS carries in it is not JSON: {error}"))?;
            unwrap(inner, depth - 1)
        }
        Some("SubscriptionConfirmation") => Err("it asks to confirm a subscription of SNS, which a person has to do".to_owned()),
        _ => Err("it is neither an event of S3, nor of EventBridge, nor one of SNS".to_owned()),
    }
}

#[derive(Deserialize)]
struct FromS3 {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_name: String,
    s3: Option<Detail>,
}

#[derive(Deserialize)]
struct FromEventBridge {
    detail: Detail,
}

#[derive(Deserialize)]
struct Detail {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
struct Object {
    key: String,
    size: Option<u64>,
    #[serde(alias = "eTag")]
    etag: Option<String>,
}

impl Object {
    fn told(&self) -> Option<Told> {
        let etag = self.etag.as_deref()?.trim_matches('"').to_owned();
        Some(Told { size: self.size?, etag })
    }
}

impl Record {
    fn created(self) -> Result<Option<Created>, String> {
        // Of old, and in some stand-ins, with "s3:" in front.
        let kind = self.event_name.strip_prefix("s3:").unwrap_or(&self.event_name);
        if !kind.starts_with("ObjectCreated:") {
            return Ok(None);
        }
        let Detail { bucket, object } = self.s3.ok_or("it is an event of S3 that names no object")?;
        let key = decoded(&object.key)?;
        Ok(Some(Created { bucket: bucket.name, told: object.told(), key }))
    }
}

/// S3 writes keys as forms do: `+` for a space, `%2B` for a plus. EventBridge writes them as they are.
fn decoded(key: &str) -> Result<String, String> {
    let spaced: Cow<'_, str> = if key.contains('+') { key.replace('+', " ").into() } else { key.into() };
    let decoded = percent_decode_str(&spaced).decode_utf8().map_err(|_| format!("the key '{key}' is not UTF-8"))?;
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s3(event: &str, key: &str) -> String {
        format!(
            r#"{{"Records":[{{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-west-2","eventTime":"1970-01-01T00:00:00.000Z","eventName":"{event}","s3":{{"s3SchemaVersion":"1.0","configurationId":"c","bucket":{{"name":"b","arn":"arn:aws:s3:::b"}},"object":{{"key":"{key}","size":1024,"eTag":"d41d8","versionId":"v","sequencer":"0055AED6DCD90281E5"}}}}}}]}}"#
        )
    }

    fn event_bridge(kind: &str, key: &str) -> String {
        format!(
            r#"{{"version":"0","id":"17793124","detail-type":"{kind}","source":"aws.s3","account":"111122223333","time":"2021-11-12T00:00:00Z","region":"ca-central-1","resources":["arn:aws:s3:::b"],"detail":{{"version":"0","bucket":{{"name":"b"}},"object":{{"key":"{key}","size":1024,"etag":"d41d8","version-id":"I","sequencer":"617f08299329d189"}},"request-id":"N4N7GDK58NMKJ12R","requester":"123456789012","source-ip-address":"1.2.3.4","reason":"PutObject"}}}}"#
        )
    }

    fn sns(message: &str) -> String {
        serde_json::json!({"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:us-east-1:1:t", "Message": message})
            .to_string()
    }

    fn keys(body: &str) -> Vec<String> {
        created(body).unwrap().into_iter().map(|created| created.key).collect()
    }

    #[test]
    fn keys_are_decoded_where_they_are_encoded() {
        for (written, key) in [
            ("in/a.json", "in/a.json"),
            ("in/a+b%2B%C3%BC.json", "in/a b+ü.json"),
            ("in%2Fa%20b.json", "in/a b.json"),
            ("in/100%25.json", "in/100%.json"),
            ("in/%E6%97%A5.json", "in/日.json"),
        ] {
            assert_eq!(keys(&s3("ObjectCreated:Put", written)), [key], "{written}");
            assert_eq!(keys(&event_bridge("Object Created", written)), [written]);
        }
    }

    #[test]
    fn every_wrapping_says_the_same() {
        let expected = [Created { bucket: "b".into(), key: "k".into(), told: Some(Told { size: 1024, etag: "d41d8".into() }) }];
        let (plain, bridged) = (s3("ObjectCreated:CompleteMultipartUpload", "k"), event_bridge("Object Created", "k"));
        for body in [plain.clone(), bridged.clone(), sns(&plain), sns(&bridged), s3("s3:ObjectCreated:Copy", "k")] {
            assert_eq!(created(&body).unwrap(), expected, "{body}");
        }
    }

    #[test]
    fn what_tells_of_no_new_object_is_understood_and_names_none() {
        let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"t","Bucket":"b","RequestId":"r","HostId":"h"}"#;
        let removed = s3("ObjectRemoved:Delete", "k");
        for body in [test, &sns(test), &removed, &event_bridge("Object Deleted", "k"), r#"{"Records":[]}"#] {
            assert_eq!(created(body), Ok(Vec::new()), "{body}");
        }
    }

    #[test]
    fn what_cannot_be_understood_says_why() {
        for (body, reason) in [
            ("new file!", "it is not JSON: expected ident at line 1 column 2"),
            ("{}", "it is neither an event of S3"),
            (r#"{"Records":[{"eventName":"ObjectCreated:Put"}]}"#, "it is an event of S3 that names no object"),
            (r#"{"Records":[{"s3":{}}]}"#, "it is no event of S3: missing field"),
            (r#"{"detail-type":"EC2 Instance State-change Notification","source":"aws.ec2"}"#, "it is an event of aws.ec2"),
            (&sns("hello"), "what SNS carries in it is not JSON"),
            (&sns(&sns(&sns("{}"))), "it is neither an event of S3"),
            (r#"{"Type":"SubscriptionConfirmation","Token":"t"}"#, "it asks to confirm a subscription of SNS"),
            (&s3("ObjectCreated:Put", "a%FF"), "the key 'a%FF' is not UTF-8"),
        ] {
            let error = created(body).unwrap_err();
            assert!(error.starts_with(reason), "{body}: {error}");
        }
    }
}
