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

/// Messages that are held at most, but for those of the last request.
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
    /// With so many messages held, none are received until some are let go.
    most_held: usize,
    state: Mutex<State>,
    /// Counts what happens: messages came, or receiving has ended.
    pub(super) news: watch::Sender<u64>,
    /// There is room for messages again.
    room: Notify,
}

impl Inbox {
    /// Of a queue from which nothing is received yet.
    pub(crate) fn new(queue: Queue, visibility: Duration) -> Self {
        Self::holding(queue, visibility, MOST_HELD)
    }

    fn holding(queue: Queue, visibility: Duration, most_held: usize) -> Self {
        let (state, news, room) = (Mutex::default(), watch::Sender::new(0), Notify::new());
        Self { shared: Arc::new(Shared { queue, visibility, most_held, state, news, room }), work: Mutex::default() }
    }

    /// The queue's name.
    pub(crate) fn name(&self) -> &str {
        self.shared.queue.name()
    }

    /// How long a message stays hidden from others at once.
    pub(crate) fn visibility(&self) -> Duration {
        self.shared.visibility
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
            while self.state().held.len() >= self.most_held {
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

    /// Takes messages out of what is held: there is room for others.
    pub(super) fn let_go(&self, mut is_gone: impl FnMut(&str, &Held) -> bool) -> Vec<Held> {
        let gone = self.state().held.extract_if(.., |id, held| is_gone(id, held)).map(|(_, held)| held).collect();
        self.room.notify_one();
        gone
    }

    /// Deletes messages, by their ids and receipts. Says how many.
    pub(super) async fn delete(&self, messages: Vec<(String, String)>) -> Result<usize> {
        if messages.is_empty() {
            return Ok(0);
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
                return Ok(0);
            }
            Err(error) => return Err(error),
        };
        let count = ids.len() - refused.len();
        tracing::debug!(queue, messages = count, "deleted");
        let kept: BTreeSet<usize> = refused.iter().filter(|refused| !refused.is_gone).map(|refused| refused.index).collect();
        for Refused { index, reason, .. } in &refused {
            tracing::warn!(queue, message_id = ids.get(*index), reason, "a message was not deleted; it loads nothing twice");
        }
        let gone = ids.iter().enumerate().filter(|(index, _)| !kept.contains(index));
        let gone: BTreeSet<&str> = gone.map(|(_, id)| id.as_str()).collect();
        self.let_go(|id, _| gone.contains(id));
        Ok(count)
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
        drop(state);
        let mut gone = BTreeSet::new();
        for Refused { index, reason, is_gone } in refused {
            let Some(id) = ids.get(index) else { continue };
            tracing::warn!(queue, message_id = id, reason, "a message could not be kept hidden; others may receive it");
            if is_gone {
                gone.insert(id.as_str());
            }
        }
        self.let_go(|id, _| gone.contains(id));
    }
}

#[cfg(test)]
mod tests {
    use object_store::aws::AwsCredential;
    use object_store::client::StaticCredentialProvider;
    use serde_json::json;
    use testkit::moto::{self, Moto};
    use tokio::time::timeout;

    use super::*;
    use crate::sqs::{Post, QueueUrl};

    const PATIENCE: Duration = Duration::from_secs(30);

    #[derive(Debug)]
    struct Everything;

    impl Reader for Everything {
        fn path(&self, _: &str, key: &str) -> Option<String> {
            Some(key.to_owned())
        }

        fn version(&self, size: u64, _: &str) -> u64 {
            size
        }
    }

    fn inbox(url: &str, most_held: usize) -> Inbox {
        let keys = AwsCredential { key_id: "testing".into(), secret_key: "testing".into(), token: None };
        let credentials = Arc::new(StaticCredentialProvider::new(keys));
        let queue = Queue::new(&QueueUrl::parse(url).unwrap(), None, "us-east-1", credentials);
        Inbox::holding(queue, Duration::from_secs(1), most_held)
    }

    async fn send(queue: &moto::Queue, key: &str) {
        let object = json!({"key": key, "size": 1, "eTag": "e"});
        let record = json!({"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": object}});
        queue.send(&json!({"Records": [record]}).to_string()).await.unwrap();
    }

    async fn eventually(post: &Post, keys: &[&str]) {
        let names = || post.names().into_iter().map(|name| name.path).collect::<Vec<_>>();
        let named = timeout(PATIENCE, async {
            while names() != keys {
                sleep(Duration::from_millis(50)).await;
            }
        });
        assert!(named.await.is_ok(), "{:?} and not {keys:?}", names());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_full_inbox_receives_again_when_its_messages_were_lost() {
        let moto = Moto::start().await.unwrap();
        let queue = moto.create_queue("news", &[]).await.unwrap();
        let inbox = Arc::new(inbox(queue.url(), 3));
        let post = Post::new(Arc::clone(&inbox), Arc::new(Everything));
        for key in ["1", "2", "3"] {
            send(&queue, key).await;
        }
        inbox.listen().await.unwrap();
        eventually(&post, &["1", "2", "3"]).await;
        // As when the network was away for longer than they were hidden, and another run deleted them.
        queue.purge().await.unwrap();
        send(&queue, "4").await;
        eventually(&post, &["4"]).await;
    }

    #[tokio::test]
    async fn why_receiving_has_ended_is_told_as_what_it_is() {
        let inbox = Arc::new(inbox("http://127.0.0.1:9/1/news", 3));
        let post = Post::new(Arc::clone(&inbox), Arc::new(Everything));
        inbox.shared.state().ended = Some(Error::auth("no right to receive"));
        for _ in 0..2 {
            let error = post.arrived().await.unwrap_err();
            assert!(matches!(error, Error::Auth { .. }) && error.to_string() == "no right to receive", "{error:?}");
        }
    }
}
