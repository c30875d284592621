//! The rows that were read and may be met again: those near the greatest value of the cursor.
//!
//! A transaction may commit a row with a smaller cursor than others that were read already, and rows may share a cursor. So the next
//! round begins again at a *floor*: the greatest cursor that was there when this round began, less the overlap. What this round read
//! from there on is remembered, by cursor and key, and not returned again. A row that commits within the overlap of its cursor's time
//! is therefore read once, whatever was read meanwhile.
//!
//! When more rows are in the window than can be remembered, those are given up: reading goes on behind the last row, and what is
//! committed late among the given-up ones is not looked for.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

/// A row, by a hash of its cursor and key.
pub(super) type Identity = u128;
/// Rows that are remembered, each with the rank of its cursor.
pub(super) type Seen = HashMap<Identity, i128>;

/// How many rows are remembered: some tens of megabytes.
const MOST_SEEN: usize = 500_000;
/// Growth after which it is worth looking for what can be forgotten.
const SLACK: usize = 4_096;

/// What is remembered while a round goes on.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) seen: Seen,
    /// Of a cursor that has distances: where the next round begins.
    pub(super) floor: Option<i128>,
    /// Of one that has none: the value that the remembered rows have.
    value: Option<Vec<u8>>,
    /// The rank up to which rows may come that were read before; nothing when none do.
    known_to: Option<i128>,
    /// Too many to be remembered.
    pub(super) is_lost: bool,
    /// What was remembered when it was last looked through.
    kept: usize,
    most: usize,
}

/// Where a row stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// Among cursors that have distances.
    pub(super) rank: Option<i128>,
    /// Its cursor, as it came.
    pub(super) cursor: &'a [u8],
}

impl Window {
    /// `value` is the last cursor, of those without distances; `is_lost` when its rows were too many already.
    pub(super) fn new(seen: Seen, floor: Option<i128>, value: Option<Vec<u8>>, is_lost: bool) -> Self {
        let known_to = seen.values().max().copied();
        Self { kept: seen.len(), seen, floor, value, known_to, is_lost, most: MOST_SEEN }
    }

    /// Whether a row has to be identified: it may be remembered, or is to be.
    pub(super) fn concerns(&self, place: Place<'_>) -> bool {
        match place.rank {
            Some(rank) => self.known_to.is_some_and(|known| rank <= known) || self.floor.is_none_or(|floor| rank >= floor),
            None => true,
        }
    }

    /// Whether a row was read before.
    pub(super) fn is_seen(&self, identity: Identity) -> bool {
        self.seen.contains_key(&identity)
    }

    /// A row stands here. Of a cursor without distances, the rows of another value than the last are no more met.
    pub(super) fn pass(&mut self, place: Place<'_>) {
        if place.rank.is_some() || self.value.as_deref() == Some(place.cursor) {
            return;
        }
        self.value = Some(place.cursor.to_vec());
        self.seen.clear();
        (self.known_to, self.is_lost) = (None, false);
    }

    /// Remembers a row that is returned now.
    pub(super) fn remember(&mut self, place: Place<'_>, identity: Identity) {
        if self.is_lost || place.rank.zip(self.floor).is_some_and(|(rank, floor)| rank < floor) {
            return;
        }
        self.seen.insert(identity, place.rank.unwrap_or_default());
        if self.seen.len() > (2 * self.kept + SLACK).min(self.most.max(self.kept + SLACK)) {
            self.forget(place.rank);
        }
    }

    /// Forgets what neither this round, which stands at `rank`, nor the next one meets again.
    pub(super) fn forget(&mut self, rank: Option<i128>) {
        let lowest = self.floor.min(rank).or(self.floor);
        if let Some(lowest) = lowest.filter(|_| rank.is_some()) {
            self.seen.retain(|_, rank| *rank >= lowest);
        }
        self.kept = self.seen.len();
        // As long as rows come that were read before, giving them up would be returning them again.
        let is_behind = match rank {
            Some(rank) => self.known_to.is_none_or(|known| rank > known),
            None => self.known_to.is_none(),
        };
        if self.kept > self.most && is_behind {
            self.seen = Seen::new();
            self.kept = 0;
            self.is_lost = true;
        }
    }
}

/// Hashes the cursor and the key of a row, each with its length.
pub(super) fn identity<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Identity {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let mut first = [0; 16];
    first.copy_from_slice(&digest[..16]);
    u128::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(rank: i128) -> Place<'static> {
        Place { rank: Some(rank), cursor: b"" }
    }

    #[test]
    fn only_rows_from_the_floor_on_are_remembered() {
        let mut window = Window::new(Seen::new(), Some(10), None, false);
        assert!(!window.concerns(at(9)) && window.concerns(at(10)));
        for rank in 5..15 {
            window.remember(at(rank), u128::try_from(rank).unwrap());
        }
        assert!(!window.is_seen(9) && window.is_seen(10) && window.is_seen(14));
    }

    #[test]
    fn what_lies_between_an_old_floor_and_a_new_one_is_forgotten_once_it_was_passed() {
        let seen: Seen = (10..20).map(|rank| (u128::try_from(rank).unwrap(), rank)).collect();
        let mut window = Window::new(seen, Some(100), None, false);
        assert!(window.concerns(at(19)) && !window.concerns(at(20)));
        window.forget(Some(15));
        assert!(!window.is_seen(14) && window.is_seen(15));
        window.forget(Some(200));
        assert!(window.seen.is_empty());
    }

    #[test]
    fn of_a_cursor_without_distances_the_rows_of_the_last_value_are_remembered() {
        let mut window = Window::new(Seen::from([(1, 0)]), None, Some(b"a".to_vec()), false);
        let place = |cursor| Place { rank: None, cursor };
        assert!(window.concerns(place(b"a")) && window.is_seen(1));
        window.pass(place(b"a"));
        window.remember(place(b"a"), 2);
        assert!(window.is_seen(1) && window.is_seen(2));
        window.pass(place(b"b"));
        window.remember(place(b"b"), 3);
        assert!(!window.is_seen(1) && window.is_seen(3));
    }

    #[test]
    fn rows_that_may_still_come_again_are_not_given_up() {
        let seen: Seen = (0..50).map(|row| (row, 5)).collect();
        let mut window = Window { most: 40, ..Window::new(seen, Some(0), None, false) };
        (100..20_000).for_each(|row| window.remember(at(5), row));
        assert!(!window.is_lost && window.is_seen(49));
        (20_000..40_000).for_each(|row| window.remember(at(6), row));
        assert!(window.is_lost);
    }

    #[test]
    fn more_rows_than_can_be_remembered_are_given_up() {
        let mut window = Window { most: 100, ..Window::new(Seen::new(), Some(0), None, false) };
        (0..10_000).for_each(|row| window.remember(at(0), row));
        assert!(window.is_lost && window.seen.is_empty());
        window.remember(at(1), 500);
        assert!(window.seen.is_empty());
    }
}
