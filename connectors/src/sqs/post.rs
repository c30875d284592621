//! One table at an inbox.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::inbox::Inbox;
use super::message::{Name, Reader, Seen};
use crate::error::{Error, Result};

/// After the first message, the others of a burst are waited for: until none came for this long,
const PAUSE: Duration = Duration::from_millis(250);
/// but no longer than this.
const LONGEST_BURST: Duration = Duration::from_secs(5);

/// A table's place at an inbox: what it wants is kept for it until it says what became of it. Dropped, what is kept for it goes back
/// to the queue when its time to be hidden has passed.
#[derive(Debug)]
pub(crate) struct Post {
    inbox: Arc<Inbox>,
    number: u64,
}

impl Post {
    /// A place at `inbox` for what `reader` wants.
    pub(crate) fn new(inbox: Arc<Inbox>, reader: Arc<dyn Reader>) -> Self {
        let mut state = inbox.shared.state();
        state.last_reader += 1;
        let number = state.last_reader;
        state.readers.insert(number, reader);
        drop(state);
        Self { inbox, number }
    }

    /// Returns when there are objects that nobody has looked at, and some more of a burst have come. Dropped before, it loses
    /// nothing.
    ///
    /// # Errors
    /// When nothing is received any more, and why.
    pub(crate) async fn arrived(&self) -> Result<()> {
        let shared = &self.inbox.shared;
        let mut news = shared.news.subscribe();
        while !shared.state().has_new(self.number)? {
            if news.changed().await.is_err() {
                return Err(Error::internal("an inbox is gone while it is in use"));
            }
        }
        let deadline = Instant::now() + LONGEST_BURST;
        news.mark_unchanged();
        while Instant::now() < deadline && timeout(PAUSE, news.changed()).await.is_ok() {}
        Ok(())
    }

    /// What messages name to this table and is not settled.
    pub(crate) fn names(&self) -> BTreeSet<Name> {
        let state = self.inbox.shared.state();
        let names = state.held.values().flat_map(|held| &held.names);
        names.filter(|(reader, _)| *reader == self.number).map(|(_, name)| name.clone()).collect()
    }

    /// What a look at `names` showed, by path.
    pub(crate) fn looked(&self, names: &BTreeSet<Name>, seen: &BTreeMap<String, Seen>) {
        let mut state = self.inbox.shared.state();
        for name in state.names_of(self.number).filter(|name| names.contains(name)) {
            if let Some(seen) = seen.get(&name.path) {
                name.seen = *seen;
            }
        }
    }

    /// Names that `settled` says are in all sinks, or need not be, are done with: messages that name nothing else are deleted. The
    /// others are to be looked at again. Says how many messages were deleted.
    ///
    /// # Errors
    /// When the queue does not let messages be deleted. A fault that may pass is only logged: the messages are deleted later, or
    /// come again.
    pub(crate) async fn settle(&self, settled: &BTreeSet<Name>) -> Result<usize> {
        let done: Vec<(String, String)> = {
            let mut state = self.inbox.shared.state();
            for held in state.held.values_mut() {
                held.names.retain(|(reader, name)| *reader != self.number || !settled.contains(name));
            }
            for name in state.names_of(self.number).filter(|name| matches!(name.seen, Seen::Version(_))) {
                name.seen = Seen::NotYet;
            }
            let done = state.held.iter().filter(|(_, held)| held.names.is_empty());
            done.map(|(id, held)| (id.clone(), held.receipt.clone())).collect()
        };
        self.inbox.shared.delete(done).await
    }

    /// This table has taken what it can. When all tables of the inbox have said so, what is left goes back: others may receive it at
    /// once. One by one they would receive again what the one before gave back, and use up the times that a queue gives out a message.
    ///
    /// # Errors
    /// When the queue does not allow it.
    pub(crate) async fn release(&self) -> Result<()> {
        let shared = &self.inbox.shared;
        if !shared.state().all_released(self.number) {
            return Ok(());
        }
        let receipts: Vec<String> = shared.let_go(|_, _| true).into_iter().map(|held| held.receipt).collect();
        if receipts.is_empty() {
            return Ok(());
        }
        shared.queue.hide(&receipts, Duration::ZERO).await.map(drop)
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        self.inbox.shared.state().forget(self.number);
        // Nobody keeps them hidden any more, nor deletes them.
        self.inbox.shared.let_go(|_, held| held.names.iter().any(|(reader, _)| *reader == self.number));
    }
}
