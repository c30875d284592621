//! Files that were named: looked at one by one, without listing the others.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream;
use futures::{StreamExt, TryStreamExt};

use super::super::config::FileTable;
use super::super::ledger::{Entry, Ledger, Progress};
use super::super::object::{Object, skip};
use super::super::pending::OnChange;
use crate::error::{Error, Result};
use crate::sqs::{Name, Seen};

/// Objects that are looked at side by side.
const AHEAD: usize = 32;

/// What a look at files that were named showed.
#[derive(Debug)]
pub(crate) struct Looked {
    /// Those that are there and not known in the version that was told, in the order of their paths.
    pub(crate) objects: Vec<Object>,
    /// What is known of them, in the same order.
    pub(crate) known: Vec<Entry>,
    /// What became of each, by path.
    pub(crate) seen: BTreeMap<String, Seen>,
}

impl Looked {
    /// Looks at files; those that `progress` knows in the very version that was told are not asked for.
    ///
    /// # Errors
    /// When the store or the list of known files does not answer.
    pub(super) async fn at(table: &FileTable, ledger: &Ledger, progress: &Progress, names: &BTreeSet<Name>) -> Result<Self> {
        let paths: BTreeSet<String> = names.iter().map(|name| name.path.clone()).collect();
        let known = ledger.lookup(progress, &paths).await?;
        let mut looked = Self { objects: Vec::new(), known: Vec::new(), seen: BTreeMap::new() };
        let is_as_told = |name: &&Name| known.get(&name.path).is_some_and(|entry| Some(entry.version) == name.told);
        let open: BTreeSet<String> = names.iter().filter(|name| !is_as_told(name)).map(|name| name.path.clone()).collect();
        let old = known.values().filter(|entry| !open.contains(&entry.path));
        looked.seen.extend(old.map(|entry| (entry.path.clone(), Seen::Version(entry.version))));
        let place = table.place.clone();
        let found = stream::iter(open).map(move |path| {
            let place = place.clone();
            async move {
                let object = place.object(&path).await?;
                Ok::<_, Error>((path, object))
            }
        });
        let mut found = found.buffered(AHEAD);
        while let Some((path, object)) = found.try_next().await? {
            let is_data = |object: &Object| skip(table.place.relative(&object.path), object.size, table.format).is_none();
            let entry = known.get(&path);
            let is_ignored = |object: &Object| {
                table.on_change == OnChange::Ignore && entry.is_some_and(|entry| entry.version != object.version)
            };
            let seen = match &object {
                Some(object) if is_data(object) && !is_ignored(object) => Seen::Version(object.version),
                _ => Seen::Nothing,
            };
            looked.seen.insert(path, seen);
            looked.objects.extend(object);
            looked.known.extend(entry.cloned());
        }
        Ok(looked)
    }
}

/// Whether what a message told need not be told again to who has `entry` in its ledger.
pub(super) fn is_settled(name: &Name, entry: Option<&Entry>) -> bool {
    match name.seen {
        Seen::Nothing => true,
        Seen::Version(version) if entry.is_some_and(|entry| entry.version == version) => true,
        _ => entry.is_some_and(|entry| Some(entry.version) == name.told),
    }
}
