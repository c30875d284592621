//! Named things in the order in which they first appeared, found again without hashing when they keep coming in that order.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// A list of named things.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Vec<(Box<str>, T)>", into = "Vec<(Box<str>, T)>", bound(serialize = "T: Clone + Serialize"))]
pub struct Ordered<T> {
    entries: Vec<(Box<str>, T)>,
    /// Positions by name, once there are too many to look through.
    positions: HashMap<Box<str>, usize>,
    /// Where the next name is expected.
    next: usize,
}

/// So many names are looked through faster than one is hashed.
const LOOKED_THROUGH: usize = 16;

impl<T> Ordered<T> {
    /// The thing called `name`.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.position(name).map(|position| &self.entries[position].1)
    }

    /// The thing called `name`, made by `new` when it is not there. Cheapest when names come in the order of the list.
    pub fn get_or_insert_with(&mut self, name: &str, new: impl FnOnce() -> T) -> &mut T {
        let position = match self.entries.get(self.next) {
            Some((expected, _)) if **expected == *name => self.next,
            _ => match self.position(name) {
                Some(position) => position,
                None => self.push(name, new()),
            },
        };
        self.next = if position + 1 == self.entries.len() { 0 } else { position + 1 };
        &mut self.entries[position].1
    }

    /// The thing at `position`.
    pub fn at_mut(&mut self, position: usize) -> Option<&mut T> {
        self.entries.get_mut(position).map(|(_, thing)| thing)
    }

    /// Names and things, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &T)> {
        self.entries.iter().map(|(name, thing)| (&**name, thing))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn position(&self, name: &str) -> Option<usize> {
        if self.entries.len() <= LOOKED_THROUGH {
            self.entries.iter().position(|(entry, _)| **entry == *name)
        } else {
            self.positions.get(name).copied()
        }
    }

    fn push(&mut self, name: &str, thing: T) -> usize {
        let position = self.entries.len();
        self.entries.push((name.into(), thing));
        if position == LOOKED_THROUGH {
            self.positions = self.entries.iter().enumerate().map(|(index, (name, _))| (name.clone(), index)).collect();
        } else if position > LOOKED_THROUGH {
            self.positions.insert(name.into(), position);
        }
        position
    }
}

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), positions: HashMap::new(), next: 0 }
    }
}

impl<T> From<Vec<(Box<str>, T)>> for Ordered<T> {
    fn from(entries: Vec<(Box<str>, T)>) -> Self {
        let mut ordered = Self::default();
        for (name, thing) in entries {
            ordered.push(&name, thing);
        }
        ordered
    }
}

impl<T> From<Ordered<T>> for Vec<(Box<str>, T)> {
    fn from(ordered: Ordered<T>) -> Self {
        ordered.entries
    }
}

/// Equal when the same names come in the same order.
impl<T: PartialEq> PartialEq for Ordered<T> {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_appearance_is_the_order_and_names_are_found_again() {
        let mut ordered = Ordered::<usize>::default();
        for round in 0..2 {
            for index in (0..40).rev() {
                *ordered.get_or_insert_with(&format!("c{index}"), || index) += round;
            }
        }
        assert_eq!(ordered.len(), 40);
        assert_eq!(ordered.iter().next(), Some(("c39", &40)));
        assert_eq!(ordered.get("c7"), Some(&8));
        assert_eq!(ordered.get("d"), None);
    }
}
