//! Requests and cursors of a pipeline's object.

use chrono::{DateTime, Utc};

use super::document::{Changed, Document, Outgoing};
use crate::state::snapshot::KeptRequest;
use crate::state::{Ending, Lease, OpenRequest, Request};

impl Document {
    pub(super) fn request(&mut self, request: &Request, now: DateTime<Utc>) -> Changed<bool> {
        if self.content.requests.iter().any(|kept| kept.run.is_none() && kept.request.key == request.key) {
            return Ok((false, false));
        }
        let id = self.positions(now, 1);
        self.content.requests.push(KeptRequest { id, request: request.clone(), requested_at: now, run: None });
        Ok((true, true))
    }

    pub(super) fn open_requests(&self) -> impl Iterator<Item = OpenRequest> {
        self.content.requests.iter().map(|kept| OpenRequest {
            id: kept.id,
            request: kept.request.clone(),
            requested_at: kept.requested_at,
            run: kept.run,
        })
    }

    pub(super) fn take(&mut self, lease: &Lease, ids: &[i64]) -> Changed<Vec<i64>> {
        self.fence(lease)?;
        let waiting = self.content.requests.iter_mut().filter(|kept| kept.run.is_none() && ids.contains(&kept.id));
        let taken: Vec<i64> = waiting
            .map(|kept| {
                kept.run = Some(lease.generation);
                kept.id
            })
            .collect();
        let is_changed = !taken.is_empty();
        Ok((taken, is_changed))
    }

    pub(super) fn end(&mut self, lease: &Lease, ending: &Ending) -> Changed<()> {
        self.fence(lease)?;
        match ending {
            Ending::Done => self.content.requests.retain(|kept| kept.run.is_none()),
            Ending::Again { due, attempt } => {
                for kept in self.content.requests.iter_mut().filter(|kept| kept.run.is_some()) {
                    kept.request.due = *due;
                    kept.request.attempt = *attempt;
                }
                self.content.free();
            }
        }
        Ok(((), true))
    }

    /// Requests of other pipelines wait here until they are in theirs.
    pub(super) fn move_cursor(
        &mut self,
        (name, from, to): (&str, Option<&str>, &str),
        requests: &[Request],
        now: DateTime<Utc>,
    ) -> Changed<bool> {
        if self.content.cursors.get(name).map(String::as_str) != from {
            return Ok((false, false));
        }
        self.content.cursors.insert(name.to_owned(), to.to_owned());
        for request in requests {
            if request.pipeline == self.pipeline {
                self.request(request, now)?;
            } else {
                self.sent += 1;
                self.outgoing.insert(self.sent, Outgoing { request: request.clone(), at: now });
            }
        }
        Ok((true, true))
    }

    /// Takes what another pipeline's object holds for this one; once, however often it is brought.
    pub(super) fn receive(&mut self, from: &str, outgoing: &[(u64, Outgoing)]) -> Changed<()> {
        let mut is_changed = false;
        for (number, Outgoing { request, at }) in outgoing {
            if self.received.get(from).is_none_or(|last| last < number) {
                self.request(request, *at)?;
                self.received.insert(from.to_owned(), *number);
                is_changed = true;
            }
        }
        Ok(((), is_changed))
    }

    /// What was brought need not be kept.
    pub(super) fn delivered(&mut self, numbers: &[u64]) -> Changed<()> {
        let before = self.outgoing.len();
        self.outgoing.retain(|number, _| !numbers.contains(number));
        Ok(((), self.outgoing.len() < before))
    }
}
