//! What an inbox knows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::message::{Held, Name, Reader, Seen};
use crate::error::{Error, Result};

/// Messages of which it is remembered that they were complained about.
const MOST_COMPLAINTS: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) held: BTreeMap<String, Held>,
    pub(super) readers: BTreeMap<u64, Arc<dyn Reader>>,
    pub(super) last_reader: u64,
    /// Those of the readers that want no more of what is held.
    released: BTreeSet<u64>,
    /// Messages that came.
    pub(super) arrivals: u64,
    pub(super) receives: bool,
    pub(super) keeps: bool,
    /// Why nothing is received any more.
    pub(super) ended: Option<Error>,
    complaints: BTreeSet<String>,
    pub(super) has_told_of_others: bool,
}

impl State {
    pub(super) fn has_new(&self, reader: u64) -> Result<bool> {
        if let Some(reason) = &self.ended {
            return Err(reason.same());
        }
        let mut names = self.held.values().flat_map(|held| &held.names);
        Ok(names.any(|(other, name)| *other == reader && name.seen == Seen::NotYet))
    }

    pub(super) fn names_of(&mut self, reader: u64) -> impl Iterator<Item = &mut Name> {
        let names = self.held.values_mut().flat_map(|held| &mut held.names);
        names.filter(move |(other, _)| *other == reader).map(|(_, name)| name)
    }

    /// `reader` wants no more of what is held. Says whether none does; then they begin anew.
    pub(super) fn all_released(&mut self, reader: u64) -> bool {
        self.released.insert(reader);
        let all = self.readers.keys().all(|reader| self.released.contains(reader));
        if all {
            self.released.clear();
        }
        all
    }

    pub(super) fn forget(&mut self, reader: u64) {
        self.readers.remove(&reader);
        self.released.remove(&reader);
    }

    /// Whether it is the first time that `message` is complained about, as far as is remembered.
    pub(super) fn complains(&mut self, message: &str) -> bool {
        if self.complaints.len() >= MOST_COMPLAINTS {
            self.complaints.clear();
        }
        self.complaints.insert(message.to_owned())
    }
}
