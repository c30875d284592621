//! Faults to order: which request is answered badly, when and how. Deciding is here; misbehaving is the gate's.

use std::sync::Mutex;
use std::time::Duration;

use super::{Operation, Request};
use crate::lock;

/// How a request is answered badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// 503 SlowDown; nothing is done.
    SlowDown,
    /// 403 AccessDenied, as a policy does; nothing is done.
    Forbidden,
    /// The connection is closed without an answer; nothing is done.
    Reset,
    /// The request waits for so long, and is then done and answered.
    Delay(Duration),
    /// The request is done, and the connection is closed without an answer.
    AnswerLost,
    /// The request is done, and answered with 500 InternalError.
    ErrorAfterCommit,
    /// The answer's body ends with the connection after so many bytes, whatever its length was announced to be.
    BodyCut(usize),
}

/// A fault for the requests it matches: all of them, unless narrowed by operation or key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    kind: FaultKind,
    operation: Option<Operation>,
    key: String,
    after: usize,
    times: usize,
}

impl Fault {
    /// A fault for the next request.
    #[must_use]
    pub fn new(kind: FaultKind) -> Self {
        Self { kind, operation: None, key: String::new(), after: 0, times: 1 }
    }

    /// Only for requests for this operation.
    #[must_use]
    pub fn on(mut self, operation: Operation) -> Self {
        self.operation = Some(operation);
        self
    }

    /// Only for objects whose key contains this. Operations on a bucket have an empty key.
    #[must_use]
    pub fn key(mut self, part: impl Into<String>) -> Self {
        self.key = part.into();
        self
    }

    /// Lets so many matching requests pass first.
    #[must_use]
    pub fn after(mut self, requests: usize) -> Self {
        self.after = requests;
        self
    }

    /// Strikes so many matching requests instead of one.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    fn matches(&self, request: &Request) -> bool {
        self.operation.is_none_or(|operation| operation == request.operation) && request.key.contains(&self.key)
    }

    /// Counts a matching request, and says whether it is struck.
    fn strikes(&mut self) -> bool {
        if self.after > 0 {
            self.after -= 1;
            return false;
        }
        self.times = self.times.saturating_sub(1);
        true
    }
}

/// The faults a server still has to deliver.
#[derive(Debug, Default)]
pub struct Faults {
    waiting: Mutex<Vec<Fault>>,
}

impl Faults {
    /// Orders a fault. A request is struck by the first ordered fault that is due for it.
    pub fn push(&self, fault: Fault) {
        lock(&self.waiting).push(fault);
    }

    /// What was ordered and has not struck as often as it was to: empty when a test met all its faults.
    #[must_use]
    pub fn outstanding(&self) -> Vec<Fault> {
        lock(&self.waiting).clone()
    }

    /// Forgets all faults.
    pub fn clear(&self) {
        lock(&self.waiting).clear();
    }

    pub(super) fn strike(&self, request: &Request) -> Option<FaultKind> {
        let mut waiting = lock(&self.waiting);
        let struck =
            waiting.iter_mut().filter(|fault| fault.matches(request)).find_map(|fault| fault.strikes().then_some(fault.kind));
        waiting.retain(|fault| fault.times > 0);
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(operation: Operation, key: &str) -> Request {
        Request { operation, bucket: "lake".into(), key: key.into() }
    }

    #[test]
    fn a_fault_strikes_only_what_it_names_after_so_many_and_so_often() {
        let faults = Faults::default();
        faults.push(Fault::new(FaultKind::SlowDown).on(Operation::PutObject).key("log/").after(1).times(2));
        let log = request(Operation::PutObject, "table/log/1");
        assert_eq!(faults.strike(&request(Operation::GetObject, "table/log/1")), None);
        assert_eq!(faults.strike(&request(Operation::PutObject, "table/data")), None);
        let struck: Vec<_> = (0..4).map(|_| faults.strike(&log)).collect();
        assert_eq!(struck, [None, Some(FaultKind::SlowDown), Some(FaultKind::SlowDown), None]);
        assert!(faults.outstanding().is_empty());
    }

    #[test]
    fn faults_strike_in_the_order_they_were_given() {
        let faults = Faults::default();
        faults.push(Fault::new(FaultKind::SlowDown));
        faults.push(Fault::new(FaultKind::Reset));
        let any = request(Operation::GetObject, "a");
        assert_eq!([faults.strike(&any), faults.strike(&any)], [Some(FaultKind::SlowDown), Some(FaultKind::Reset)]);
    }
}
