//! What the server tells about a change after it was made. The AWS-shaped JSON of notifications is made elsewhere.

use std::time::SystemTime;

/// What happened to an object, as the event types of S3's notifications name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventName {
    /// An object was written by PutObject.
    Put,
    /// An object was written by CompleteMultipartUpload.
    CompleteMultipartUpload,
    /// An object was written by CopyObject.
    Copy,
    /// An object was deleted; deleting what is not there is no event.
    Delete,
}

impl EventName {
    /// The `eventName` of a notification, for example `ObjectCreated:Put`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Put => "ObjectCreated:Put",
            Self::CompleteMultipartUpload => "ObjectCreated:CompleteMultipartUpload",
            Self::Copy => "ObjectCreated:Copy",
            Self::Delete => "ObjectRemoved:Delete",
        }
    }
}

/// One committed change of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// What happened.
    pub name: EventName,
    /// The bucket.
    pub bucket: String,
    /// The object's key, unencoded.
    pub key: String,
    /// The object's size in bytes; 0 for a deletion.
    pub size: u64,
    /// The object's entity tag without quotes; empty for a deletion.
    pub etag: String,
    /// Grows by one with every change of the server, over all keys.
    pub sequence: u64,
    /// When the change was made.
    pub time: SystemTime,
}
