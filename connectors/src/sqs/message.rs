//! What is held of a message: the objects that it names, for each table that wants them, and how far they got.

use std::collections::BTreeSet;
use std::fmt::Debug;

use tokio::time::Instant;

use super::event::Created;

/// A table that wants to hear of new objects.
pub(crate) trait Reader: Send + Sync + Debug {
    /// The path, in the table's store, of an object that the table may have to read; `None` if it is none of its own.
    fn path(&self, bucket: &str, key: &str) -> Option<String>;

    /// The version of an object of that size and etag, as the table's ledger has it.
    fn version(&self, size: u64, etag: &str) -> u64;
}

/// What a look at an object showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Seen {
    /// Nobody has looked.
    NotYet,
    /// It is there, in this version.
    Version(u64),
    /// There is nothing to read: it is gone, empty, hidden, or a change that is to be ignored.
    Nothing,
}

/// An object that a message names to one table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    /// Its path in the table's store.
    pub(crate) path: String,
    /// Its version when the event happened, if the event says.
    pub(crate) told: Option<u64>,
    /// What a look at it showed since.
    pub(crate) seen: Seen,
    /// The how-manieth message names it: what was looked at before a message came says nothing about what that names.
    pub(crate) arrival: u64,
}

/// A message that waits until what it names is in the sinks.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) receipt: String,
    /// Until when others do not see it.
    pub(super) hidden_until: Instant,
    /// By the number of the reader that wants it. Those that are settled are taken out; with the last one, the message goes.
    pub(super) names: Vec<(u64, Name)>,
}

/// What message number `arrival` names to one reader, each object once.
pub(super) fn names(created: &[Created], reader: &dyn Reader, arrival: u64) -> BTreeSet<Name> {
    let name = |created: &Created| {
        let path = reader.path(&created.bucket, &created.key)?;
        let told = created.told.as_ref().map(|told| reader.version(told.size, &told.etag));
        Some(Name { path, told, seen: Seen::NotYet, arrival })
    };
    created.iter().filter_map(name).collect()
}
