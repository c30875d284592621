//! The messages of one queue that this process holds, for all of its tables that want them: received, kept hidden, deleted.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

use super::event::{self, Created};
use super::message::{Held, Name, Reader, names};
use super::queue::{LONG_POLL, Queue, Received, Refused};
use super::state::State;
use crate::error::{Error, Result};
use crate::faults::{AFTER_MESSAGES_DELETED, BEFORE_MESSAGES_DELETED, MESSAGES_RECEIVED, point};

/// Messages that are held; with more, none are received until some are deleted.
const MOST_HELD: usize = 10_000;
/// The first and the longest wait after a request that failed and may be tried again.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// The longest that a message is hidden which cannot be understood.
const LONGEST_HIDDEN: Duration = Duration::from_secs(15 * 60);

/// A queue's messages.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(super) shared: Arc<Shared>,
    /// What goes on beside: receiving, and keeping what was received hidden from others. It ends with the inbox.
    work: Mutex<Vec<AbortOnDropHandle<()>>>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) queue: Queue,
    /// How long a message stays hidden from others, from when it was received or last hidden again.
    visibility: Duration,
    state: Mutex<State>,
    /// Counts what happens: messages came, or receiving has ended.
    pub(super) news: watch::Sender<u64>,
    /// There is room for messages again.
    room: Notify,
}

impl Inbox {
    /// Of a queue from which nothing is received yet.
    pub(crate) fn new(queue: Queue, visibility: Duration) -> Self {
        let shared = Shared { queue, visibility, state: Mutex::default(), news: watch::Sender::new(0), room: Notify::new() };
        Self { shared: Arc::new(shared), work: Mutex::default() }
    }

    /// Receives from now on, until the inbox is dropped.
    ///
    /// # Errors
    /// When the queue is not there, or may not be read.
    pub(crate) async fn listen(&self) -> Result<()> {
        if self.shared.state().receives {
            return Ok(());
        }
        self.shared.look_at_queue().await?;
        self.keep_hidden();
        if !std::mem::replace(&mut self.shared.state().receives, true) {
            self.spawn(Arc::clone(&self.shared).receive_for_ever());
        }
        Ok(())
    }

    /// Receives what is there now, up to `most` messages. Says how many came.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub(crate) async fn fetch(&self, most: usize) -> Result<usize> {
        self.keep_hidden();
        let mut all = 0;
        while all < most {
            // Asked to wait a little, SQS looks at all of its servers; asked not to wait, at some.
            match self.shared.receive(Duration::from_secs(1)).await? {
                0 => break,
                some => all += some,
            }
        }
        Ok(all)
    }

    fn keep_hidden(&self) {
        if !std::mem::replace(&mut self.shared.state().keeps, true) {
            self.spawn(Arc::clone(&self.shared).keep_hidden_for_ever());
        }
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let work = AbortOnDropHandle::new(tokio::spawn(work));
        self.work.lock().unwrap_or_else(PoisonError::into_inner).push(work);
    }
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        self.news.send_modify(|count| *count += 1);
    }

    /// Says what somebody who is called at night would want to have known.
    async fn look_at_queue(&self) -> Result<()> {
        let queue = self.queue.name();
        match self.queue.redrive().await {
            Ok(Some(redrive)) => {
                tracing::info!(queue, dead_letter_queue = redrive.to, after = redrive.after, "listening");
                if redrive.after < 2 {
                    tracing::warn!(
                        queue,
                        "the queue gives up a message when it was received once: what a run holds that is killed goes to the dead-letter \
                         queue; set maxReceiveCount to 5 or so"
                    );
                }
            }
            Ok(None) => tracing::warn!(
                queue,
                "the queue has no redrive policy: a message that cannot be understood comes again until the queue drops it; give it a \
                 dead-letter queue"
            ),
            Err(Error::Auth { message }) => {
                tracing::warn!(queue, message, "whether the queue has a dead-letter queue cannot be told");
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn receive_for_ever(self: Arc<Self>) {
        let mut wait = WAITS.0;
        loop {
            while self.state().held.len() >= MOST_HELD {
                self.room.notified().await;
            }
            match self.receive(LONG_POLL).await {
                Ok(_) => wait = WAITS.0,
                Err(error) if error.retry() => {
                    tracing::warn!(queue = self.queue.name(), %error, wait_seconds = wait.as_secs(), "receiving failed, trying again");
                    sleep(wait).await;
                    wait = (wait * 2).min(WAITS.1);
                }
                Err(error) => {
                    self.state().ended = Some(error);
                    self.ring();
                    return;
                }
            }
        }
    }

    /// Receives once and sorts what came. Says how many messages that were.
    async fn receive(&self, wait: Duration) -> Result<usize> {
        let asked = Instant::now();
        let messages = self.queue.receive(wait, self.visibility).await?;
        if messages.is_empty() {
            return Ok(0);
        }
        point(MESSAGES_RECEIVED);
        let count = messages.len();
        let (mut none, mut broken) = (Vec::new(), Vec::new());
        for message in messages {
            match event::created(&message.body) {
                Ok(created) => none.extend(self.hold(message, &created, asked)),
                Err(reason) => broken.push((message, reason)),
            }
        }
        self.ring();
        self.delete(none).await?;
        for (message, reason) in broken {
            self.leave(&message, &reason).await;
        }
        Ok(count)
    }

    /// Keeps a message for who wants it; when nobody does, says by which id and receipt it is deleted.
    fn hold(&self, message: Received, created: &[Created], asked: Instant) -> Option<(String, String)> {
        let mut state = self.state();
        let hidden_until = asked + self.visibility;
        if let Some(held) = state.held.get_mut(&message.id) {
            // It came again, although it was hidden: only by its last receipt can it be deleted.
            held.receipt = message.receipt;
            held.hidden_until = hidden_until;
            return None;
        }
        state.arrivals += 1;
        let arrival = state.arrivals;
        let wanted = |(number, reader): (&u64, &Arc<dyn Reader>)| {
            names(created, reader.as_ref(), arrival).into_iter().map(|name| (*number, name)).collect::<Vec<_>>()
        };
        let names: Vec<(u64, Name)> = state.readers.iter().flat_map(wanted).collect();
        if !names.is_empty() {
            state.held.insert(message.id, Held { receipt: message.receipt, hidden_until, names });
            return None;
        }
        if let Some(other) = created.first() {
            let (queue, bucket, key) = (self.queue.name(), &other.bucket, &other.key);
            if std::mem::replace(&mut state.has_told_of_others, true) {
                tracing::debug!(queue, bucket, key, "deleting a message of an object that no table of this run reads");
            } else {
                tracing::info!(
                    queue,
                    bucket,
                    key,
                    "messages of objects that no table of this run reads are deleted; this is the first"
                );
            }
        }
        Some((message.id, message.receipt))
    }

    /// A message that cannot be understood stays in the queue, and is received again later and later, until the queue moves it to its
    /// dead-letter queue.
    async fn leave(&self, message: &Received, reason: &str) {
        let doublings = message.times.saturating_sub(1).min(16);
        let hidden = (self.visibility * (1 << doublings)).min(LONGEST_HIDDEN);
        let queue = self.queue.name();
        if self.state().complains(&message.id) {
            tracing::warn!(
                queue,
                message_id = message.id,
                received = message.times,
                reason,
                "a message that cannot be understood is left to the queue's dead-letter queue"
            );
        }
        let changed = self.queue.hide(std::slice::from_ref(&message.receipt), hidden).await;
        if let Err(error) = changed {
            tracing::debug!(queue, message_id = message.id, %error, "its time to be hidden was not changed");
        }
    }

    /// Deletes messages, by their ids and receipts.
    pub(super) async fn delete(&self, messages: Vec<(String, String)>) -> Result<()> {
        if messages.is_empty() {
            return Ok(());
        }
        let (ids, receipts): (Vec<String>, Vec<String>) = messages.into_iter().unzip();
        point(BEFORE_MESSAGES_DELETED);
        let deleted = self.queue.delete(&receipts).await;
        point(AFTER_MESSAGES_DELETED);
        let queue = self.queue.name();
        let refused = match deleted {
            Ok(refused) => refused,
            Err(error) if error.retry() => {
                tracing::warn!(queue, %error, "messages were not deleted; they are tried again, or come again and load nothing twice");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        tracing::debug!(queue, messages = ids.len() - refused.len(), "deleted");
        let kept: BTreeSet<usize> = refused.iter().filter(|refused| !refused.is_gone).map(|refused| refused.index).collect();
        for Refused { index, reason, .. } in &refused {
            tracing::warn!(queue, message_id = ids.get(*index), reason, "a message was not deleted; it loads nothing twice");
        }
        let mut state = self.state();
        for (index, id) in ids.iter().enumerate() {
            if !kept.contains(&index) {
                state.held.remove(id);
            }
        }
        drop(state);
        self.room.notify_one();
        Ok(())
    }

    /// Hides what is held again and again, before its time is over.
    async fn keep_hidden_for_ever(self: Arc<Self>) {
        loop {
            sleep(self.visibility / 4).await;
            // Those whose time is over before they would be looked at for the second time.
            let near = Instant::now() + self.visibility / 2;
            let due: Vec<(String, String)> = {
                let state = self.state();
                let due = state.held.iter().filter(|(_, held)| held.hidden_until < near);
                due.map(|(id, held)| (id.clone(), held.receipt.clone())).collect()
            };
            if !due.is_empty() {
                self.hide_again(due).await;
            }
        }
    }

    async fn hide_again(&self, due: Vec<(String, String)>) {
        let asked = Instant::now();
        let queue = self.queue.name();
        let (ids, receipts): (Vec<String>, Vec<String>) = due.into_iter().unzip();
        let refused = match self.queue.hide(&receipts, self.visibility).await {
            Ok(refused) => refused,
            Err(error) => {
                tracing::warn!(queue, %error, messages = ids.len(), "messages could not be kept hidden; others may receive them");
                return;
            }
        };
        let mut state = self.state();
        for id in &ids {
            if let Some(held) = state.held.get_mut(id) {
                held.hidden_until = asked + self.visibility;
            }
        }
        for Refused { index, reason, is_gone } in refused {
            let Some(id) = ids.get(index) else { continue };
            tracing::warn!(queue, message_id = id, reason, "a message could not be kept hidden; others may receive it");
            if is_gone {
                state.held.remove(id);
            }
        }
    }
}
