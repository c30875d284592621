//! The pipelines' files as they come, change and go.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};

use super::entry::{Entry, Kept};
use super::files::{Files, Place, Stamp};
use super::shared::Shared;
use crate::cause::one_line;
use crate::memory;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// The same, of those in a bucket.
const LOOK_BUCKET: Duration = Duration::from_secs(10);
/// When a file that is wrong is looked at again although it has not changed: what it needs may have come.
const AGAIN: Duration = Duration::from_secs(10);
/// Files that are looked at side by side.
const AT_ONCE: usize = 4;
/// The longest that one may take: a source that is asked for its columns may not answer.
const LIMIT: Duration = Duration::from_secs(120);

/// The files of a server.
#[derive(Debug)]
pub(super) struct Shelf {
    place: Place,
    kept: Kept,
    /// When each was looked at last.
    looked: BTreeMap<String, DateTime<Utc>>,
    /// Why the files could not be listed, which is said once.
    complaint: Option<String>,
    /// Names of pipelines that landing zones have, which is said once.
    taken: BTreeSet<String>,
}

impl Shelf {
    /// Of the files at `place`; their good versions are kept in the folder `kept`.
    pub(super) fn new(place: Place, kept: PathBuf) -> Self {
        Self { place, kept: Kept(kept), looked: BTreeMap::new(), complaint: None, taken: BTreeSet::new() }
    }

    /// Looks at the files again and again, until the server stops.
    pub(super) async fn keep(mut self, shared: &Arc<Shared>) {
        for settings in shared.session.settings.landings() {
            put(shared, Entry::of_zone(settings, &shared.session));
        }
        let clock = &shared.session.context.clock;
        let pause = if matches!(self.place, Place::Folder(_)) { LOOK } else { LOOK_BUCKET };
        loop {
            self.look(shared).await;
            if !shared.is_read() {
                shared.set_read();
            }
            tokio::select! {
                () = clock.sleep(pause) => {}
                () = shared.stop.cancelled() => return,
            }
        }
    }

    /// Looks at the files once.
    async fn look(&mut self, shared: &Arc<Shared>) {
        match self.changes(shared).await {
            Ok(()) => {
                if self.complaint.take().is_some() {
                    tracing::info!(place = %self.place, "pipelines can be listed again");
                }
            }
            Err(error) => {
                let error = one_line(&error);
                if self.complaint.as_ref() != Some(&error) {
                    tracing::warn!(place = %self.place, error, "pipelines cannot be listed; those that are known go on");
                    self.complaint = Some(error);
                }
            }
        }
    }

    async fn changes(&mut self, shared: &Arc<Shared>) -> Result<()> {
        let mut files = self.place.list().await?;
        let mut before = shared.entries();
        before.retain(|_, entry| !entry.is_zone(&shared.session));
        for zone in shared.session.settings.landings() {
            if let Some((path, _)) = files.remove(&zone.name)
                && self.taken.insert(zone.name.clone())
            {
                tracing::error!(pipeline = zone.name, file = %path.display(), "a landing zone has the pipeline's name; the file is not run: rename one of them");
            }
        }
        for name in before.keys().filter(|name| !files.contains_key(*name)) {
            tracing::info!(pipeline = name, "pipeline is gone");
            self.looked.remove(name);
            shared.forget_entry(name);
            self.kept.forget(name);
        }
        let changed = self.changed(&files, &before, shared.session.context.clock.now());
        let mut looked =
            stream::iter(changed).map(|(name, path, stamp)| self.read(shared, name, path, stamp)).buffer_unordered(AT_ONCE);
        let mut names = Vec::new();
        while let Some(entry) = looked.next().await {
            names.push(entry.name.clone());
            put(shared, entry);
        }
        drop(looked);
        if !names.is_empty() {
            memory::give_back();
        }
        let now = shared.session.context.clock.now();
        self.looked.extend(names.into_iter().map(|name| (name, now)));
        Ok(())
    }

    /// Those that are other than they were, and those that are wrong and were not looked at for a while.
    fn changed(&self, files: &Files, before: &BTreeMap<String, Arc<Entry>>, now: DateTime<Utc>) -> Vec<(String, PathBuf, Stamp)> {
        let is_changed = |name: &String, path: &PathBuf, stamp: &Stamp| {
            let Some(entry) = before.get(name) else { return true };
            let is_due = self.looked.get(name).is_none_or(|looked| *looked + AGAIN <= now);
            entry.stamp != *stamp || entry.path != *path || (!entry.errors.is_empty() && is_due)
        };
        let changed = files.iter().filter(|(name, (path, stamp))| is_changed(name, path, stamp));
        changed.map(|(name, (path, stamp))| (name.clone(), path.clone(), stamp.clone())).collect()
    }

    async fn read(&self, shared: &Shared, name: String, path: PathBuf, stamp: Stamp) -> Entry {
        let before = shared.entry(&name);
        let before = before.as_deref();
        let text = match self.place.read(&path).await {
            Ok(text) => text,
            Err(error) => return Entry::unreadable(&name, &path, stamp, one_line(&error), before),
        };
        let session = shared.session.dated(shared.session.context.clock.now(), chrono_tz::Tz::UTC);
        match tokio::time::timeout(LIMIT, Entry::of((&name, &path, stamp.clone()), text, &session, before, &self.kept)).await {
            Ok(entry) => entry,
            Err(_) => {
                let error = format!(
                    "checking {} took longer than {} s: does a source or the warehouse not answer?",
                    path.display(),
                    LIMIT.as_secs()
                );
                Entry::unreadable(&name, &path, stamp, error, before)
            }
        }
    }
}

/// Takes a file as it is now, and says what is new of it.
fn put(shared: &Shared, entry: Entry) {
    let before = shared.entry(&entry.name);
    let (pipeline, file) = (&entry.name, entry.path.display());
    let is_same = before.as_ref().is_some_and(|before| before.errors == entry.errors);
    match (&entry.errors[..], &before) {
        ([], None) => tracing::info!(pipeline, %file, "pipeline is here"),
        ([], Some(_)) => tracing::info!(pipeline, %file, "pipeline has changed"),
        (_, _) if is_same => {}
        ([first, ..], _) => {
            let what = if entry.good.is_some() { "its last good version goes on" } else { "it is not run" };
            tracing::error!(pipeline, %file, error = first.rendered, "pipeline is wrong; {what}");
        }
    }
    if let (Some(good), None) = (&entry.good, &before)
        && let Some(notice) = &good.notice
    {
        tracing::info!(pipeline, "{notice}");
    }
    shared.put_entry(entry);
}
