//! What the server holds, behind one lock: conditions are checked and changes made in one step, so creating is atomic.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::Mutex;
use std::time::SystemTime;

use bytes::Bytes;
use s3s::dto::{ContentType, ETagCondition, Metadata};
use s3s::{S3Result, s3_error};

use super::{Event, EventName};
use crate::lock;

/// What is stored beside an object's bytes and given back with them.
#[derive(Debug, Clone, Default)]
pub(super) struct Attributes {
    pub(super) content_type: Option<ContentType>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) metadata: Option<Metadata>,
}

#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) body: Bytes,
    pub(super) etag: String,
    pub(super) modified: SystemTime,
    pub(super) attributes: Attributes,
}

#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) body: Bytes,
    pub(super) etag: String,
    pub(super) modified: SystemTime,
}

#[derive(Debug)]
pub(super) struct Upload {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) attributes: Attributes,
    pub(super) parts: BTreeMap<i32, Part>,
}

/// `If-Match` and `If-None-Match` of a write.
#[derive(Debug, Default)]
pub(super) struct Precondition {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
}

impl Precondition {
    /// Source: "Conditional writes", S3 User Guide: `If-Match` on a key that is not there is 404, everything else 412.
    pub(super) fn check(&self, existing: Option<&Object>) -> S3Result<()> {
        match (&self.if_match, existing) {
            (Some(_), None) => return Err(s3_error!(NoSuchKey)),
            (Some(condition), Some(object)) if !holds(condition, object) => return Err(s3_error!(PreconditionFailed)),
            _ => {}
        }
        match (&self.if_none_match, existing) {
            (Some(condition), Some(object)) if holds(condition, object) => {
                Err(s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold"))
            }
            _ => Ok(()),
        }
    }
}

/// Whether an object is the one a condition names.
pub(super) fn holds(condition: &ETagCondition, object: &Object) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(etag) => etag.value() == object.etag,
    }
}

/// Everything that changes.
#[derive(Default)]
pub(super) struct State {
    pub(super) buckets: BTreeMap<String, BTreeMap<String, Object>>,
    pub(super) uploads: HashMap<String, Upload>,
    unpublished: VecDeque<Event>,
    changes: u64,
    pub(super) upload_count: u64,
}

impl State {
    pub(super) fn bucket(&self, bucket: &str) -> S3Result<&BTreeMap<String, Object>> {
        self.buckets.get(bucket).ok_or_else(|| s3_error!(NoSuchBucket))
    }

    pub(super) fn object(&self, bucket: &str, key: &str) -> S3Result<&Object> {
        self.bucket(bucket)?.get(key).ok_or_else(|| s3_error!(NoSuchKey))
    }

    /// Writes an object if the precondition holds for what is there.
    pub(super) fn insert(
        &mut self,
        (bucket, key): (&str, &str),
        object: Object,
        precondition: &Precondition,
        name: EventName,
    ) -> S3Result<()> {
        let objects = self.buckets.get_mut(bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        precondition.check(objects.get(key))?;
        let (size, etag, time) = (object.body.len() as u64, object.etag.clone(), object.modified);
        objects.insert(key.to_owned(), object);
        self.changed(name, (bucket, key), (size, etag), time);
        Ok(())
    }

    /// Deletes an object; deleting what is not there succeeds and changes nothing.
    pub(super) fn remove(&mut self, (bucket, key): (&str, &str), precondition: &Precondition) -> S3Result<()> {
        let objects = self.buckets.get_mut(bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        precondition.check(objects.get(key))?;
        if objects.remove(key).is_some() {
            self.changed(EventName::Delete, (bucket, key), (0, String::new()), SystemTime::now());
        }
        Ok(())
    }

    fn changed(&mut self, name: EventName, (bucket, key): (&str, &str), (size, etag): (u64, String), time: SystemTime) {
        self.changes += 1;
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.unpublished.push_back(Event { name, bucket, key, size, etag, sequence: self.changes, time });
    }
}

type Listener = Box<dyn Fn(&Event) + Send + Sync>;

/// The state, and those who are told of its changes.
#[derive(Default)]
pub(super) struct Store {
    state: Mutex<State>,
    listeners: Mutex<Vec<Listener>>,
}

impl Store {
    pub(super) fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&lock(&self.state))
    }

    /// Changes the state in one step; listeners have been told when this returns.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> S3Result<T>) -> S3Result<T> {
        let result = change(&mut lock(&self.state));
        self.publish();
        result
    }

    /// Makes a bucket, empty if it is new.
    pub(super) fn add_bucket(&self, name: String) {
        lock(&self.state).buckets.entry(name).or_default();
    }

    pub(super) fn listen(&self, listener: Listener) {
        lock(&self.listeners).push(listener);
    }

    /// Tells the listeners in the order of the changes, whichever request comes first to tell; the state is not locked meanwhile.
    fn publish(&self) {
        let listeners = lock(&self.listeners);
        loop {
            let Some(event) = lock(&self.state).unpublished.pop_front() else { return };
            for listener in listeners.iter() {
                listener(&event);
            }
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Store").finish_non_exhaustive()
    }
}
