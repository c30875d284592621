//! The list of requests the server received, so that a test can say how often a client asked.

use std::sync::Mutex;

use super::Operation;
use crate::lock;

/// One request that was properly signed, in order of arrival, whatever became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// What was asked for.
    pub operation: Operation,
    /// The bucket; empty for an operation on the server as a whole.
    pub bucket: String,
    /// The object's key; empty for an operation on a bucket, and for `DeleteObjects`, which carries its keys in the body.
    pub key: String,
}

/// The log of requests.
#[derive(Debug, Default)]
pub struct Requests {
    log: Mutex<Vec<Request>>,
}

impl Requests {
    /// Every request since the start or the last [`reset`](Self::reset).
    #[must_use]
    pub fn all(&self) -> Vec<Request> {
        lock(&self.log).clone()
    }

    /// How many requests asked for `operation` on a key that contains `key`.
    #[must_use]
    pub fn count(&self, operation: Operation, key: &str) -> usize {
        lock(&self.log).iter().filter(|request| request.operation == operation && request.key.contains(key)).count()
    }

    /// Forgets what was logged, and returns it.
    pub fn reset(&self) -> Vec<Request> {
        std::mem::take(&mut lock(&self.log))
    }

    pub(super) fn record(&self, request: Request) {
        lock(&self.log).push(request);
    }
}
