//! What is new: the listing, held against the files that were read before.
//!
//! Both are in the order of their paths, so one pass over both finds the new and the changed files and holds neither.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use catalog::crawl::SkipReason;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use super::ledger::{Entry, Known, Walk};
use super::listing::Place;
use super::object::{Format, Object, skip};
use crate::error::{Error, Result};

/// What happens to a file that was read and has changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnChange {
    /// Nothing; the first version counts.
    Ignore,
    /// It is read again, from its beginning.
    Reprocess,
    /// The run fails.
    Fail,
}

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pending {
    /// The file.
    pub object: Object,
    /// What it was when it was read before.
    pub old: Option<Entry>,
}

impl Pending {
    /// As the ledger keeps it.
    pub(crate) fn entry(&self) -> Entry {
        Entry { path: self.object.path.as_ref().to_owned(), size: self.object.size, version: self.object.version }
    }
}

/// How many files were passed over, by reason, with the first of each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Skipped(Arc<Mutex<BTreeMap<SkipReason, (u64, String)>>>);

impl Skipped {
    fn note(&self, reason: SkipReason, file: &str) {
        let mut by_reason = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        by_reason.entry(reason).or_insert_with(|| (0, file.to_owned())).0 += 1;
    }

    /// The reason that tells most, and the first file that was passed over for it.
    pub(crate) fn first(&self) -> Option<(SkipReason, String)> {
        let by_reason = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = by_reason.iter().find(|(reason, _)| reason.is_notable()).or_else(|| by_reason.iter().next());
        found.map(|(reason, (_, file))| (reason.clone(), file.clone()))
    }

    /// Says in the log what was passed over: loudly what somebody may have expected to be read.
    pub(crate) fn report(&self, table: &str) {
        let by_reason = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (reason, (files, first)) in by_reason {
            if reason.is_notable() {
                tracing::warn!(table, files, first, "passed over: {reason}");
            } else {
                tracing::debug!(table, files, first, "passed over: {reason}");
            }
        }
    }
}

/// The files at `place` that are not among `known`, and those that changed, in the order of their paths.
///
/// # Errors
/// In the stream: what listing and the list of known files fail with; a changed file, with [`OnChange::Fail`].
pub(crate) async fn pending(
    place: &Place,
    known: Known,
    format: Format,
    on_change: OnChange,
    skipped: Skipped,
) -> Result<BoxStream<'static, Result<Pending>>> {
    Ok(unread(place, place.list().await?, known, format, on_change, skipped))
}

/// Those of `listed`, files at `place` in the order of their paths, that are not among `known` or changed.
pub(crate) fn unread(
    place: &Place,
    listed: BoxStream<'static, Result<Object>>,
    known: Known,
    format: Format,
    on_change: OnChange,
    skipped: Skipped,
) -> BoxStream<'static, Result<Pending>> {
    let state = (listed, Walk::along(known), place.clone(), skipped);
    let found = stream::try_unfold(state, move |(mut listed, mut known, place, skipped)| async move {
        while let Some(object) = listed.try_next().await? {
            if is_skipped(&place, &object, format, &skipped) {
                continue;
            }
            let old = known.at(object.path.as_ref()).await?;
            if is_read(&place, &object, old.as_ref(), on_change)? {
                continue;
            }
            return Ok(Some((Pending { object, old }, (listed, known, place, skipped))));
        }
        Ok(None)
    });
    found.boxed()
}

/// Whether a file is one that the table does not read, which is then noted.
pub(super) fn is_skipped(place: &Place, object: &Object, format: Format, skipped: &Skipped) -> bool {
    let Some(reason) = skip(place.relative(&object.path), object.size, format) else { return false };
    skipped.note(reason, &place.address(&object.path));
    true
}

/// Whether a file need not be read, being `old` already, or changed in a way that does not matter.
///
/// # Errors
/// [`Error::Data`] for a file that changed, with [`OnChange::Fail`].
pub(super) fn is_read(place: &Place, object: &Object, old: Option<&Entry>, on_change: OnChange) -> Result<bool> {
    match old {
        None => Ok(false),
        Some(entry) if entry.version == object.version => Ok(true),
        Some(_) => match on_change {
            OnChange::Ignore => Ok(true),
            OnChange::Reprocess => Ok(false),
            OnChange::Fail => Err(changed(&place.address(&object.path))),
        },
    }
}

pub(super) fn changed(file: &str) -> Error {
    Error::data(format!(
        "'{file}' has changed since it was read; its old rows are in the sinks; 'on_change' 'reprocess' reads such files again (into a sink with a key, by REPLACE INTO), 'ignore' leaves them"
    ))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::files::ledger::{Ledger, Progress};
    use crate::stores::{S3Config, Stores};

    struct Fixture {
        folder: TempDir,
        place: Place,
        ledger: Ledger,
    }

    impl Fixture {
        fn new(location: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let stores = Stores::new(folder.path().to_str().unwrap(), S3Config::default()).unwrap();
            let place = Place::parse(&stores, &format!("{}/{location}", folder.path().join("in").display())).unwrap();
            let ledger = Ledger::new(stores.lake().unwrap().join("ledger"));
            Self { folder, place, ledger }
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.folder.path().join("in").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        async fn found(&self, progress: &Progress, on_change: OnChange) -> Result<Vec<Pending>> {
            let known = self.ledger.known(progress).await?;
            pending(&self.place, known, Format::Json, on_change, Skipped::default()).await?.try_collect().await
        }

        async fn names(&self, progress: &Progress, on_change: OnChange) -> Vec<String> {
            let found = self.found(progress, on_change).await.unwrap();
            found.iter().map(|found| self.place.relative(&found.object.path).to_owned()).collect()
        }

        async fn read_all(&self, progress: &mut Progress) {
            for found in self.found(progress, OnChange::Reprocess).await.unwrap() {
                progress.add(found.entry(), found.old.as_ref());
            }
        }
    }

    #[tokio::test]
    async fn new_files_are_found_in_the_order_of_their_paths() {
        let fixture = Fixture::new("");
        for name in ["b/1.json", "b-1.json", "a.json", "b/0.json", "c.json"] {
            fixture.write(name, "{}");
        }
        fixture.write("_SUCCESS", "");
        fixture.write("empty.json", "");
        let mut progress = Progress::default();
        let names = fixture.names(&progress, OnChange::Fail).await;
        assert_eq!(names, ["a.json", "b-1.json", "b/0.json", "b/1.json", "c.json"]);
        fixture.read_all(&mut progress).await;
        assert!(fixture.names(&progress, OnChange::Fail).await.is_empty());
        fixture.write("b/01.json", "{}");
        assert_eq!(fixture.names(&progress, OnChange::Fail).await, ["b/01.json"]);
    }

    #[tokio::test]
    async fn a_pattern_chooses_files() {
        let fixture = Fixture::new("*/{x,y}*.json");
        for name in ["a/x1.json", "a/z.json", "b/y.json", "x.json", "a/b/x.json"] {
            fixture.write(name, "{}");
        }
        assert_eq!(fixture.names(&Progress::default(), OnChange::Fail).await, ["a/x1.json", "b/y.json"]);
    }

    #[tokio::test]
    async fn a_changed_file_follows_the_policy() {
        let fixture = Fixture::new("");
        fixture.write("a.json", "{}");
        fixture.write("b.json", "{}");
        let mut progress = Progress::default();
        fixture.read_all(&mut progress).await;
        let before = progress.mark();
        fixture.write("a.json", "{} ");
        assert!(fixture.names(&progress, OnChange::Ignore).await.is_empty());
        let error = fixture.found(&progress, OnChange::Fail).await.unwrap_err().to_string();
        assert!(error.contains("/in/a.json' has changed since it was read"), "{error}");
        let again = fixture.found(&progress, OnChange::Reprocess).await.unwrap();
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].old.as_ref().map(|entry| entry.size), Some(2));
        fixture.read_all(&mut progress).await;
        assert!(fixture.names(&progress, OnChange::Fail).await.is_empty());
        assert_eq!(progress.files, 2);
        assert_ne!(progress.mark(), before);
    }

    #[tokio::test]
    async fn the_ledger_forgets_nothing_when_it_is_compacted_and_knows_equal_sets() {
        let fixture = Fixture::new("");
        let file = |number: u64, version| Entry { path: format!("p/{number:05}"), size: 1, version };
        let (mut slow, mut fast) = (Progress::default(), Progress::default());
        for number in 0..3_000 {
            slow.add(file(number, 1), None);
            slow = fixture.ledger.compact(slow).await.unwrap();
            fast.add(file(2_999 - number, 1), None);
        }
        fast = fixture.ledger.compact(fast).await.unwrap();
        assert!(slow.runs.len() < 5 && slow.recent.len() <= 256, "{:?}", slow.runs);
        assert_eq!(fast.runs.len(), 1);
        assert_eq!(slow.mark(), fast.mark());
        slow.add(file(7, 2), Some(&file(7, 1)));
        assert_ne!(slow.mark(), fast.mark());
        let known: Vec<Entry> = fixture.ledger.known(&slow).await.unwrap().try_collect().await.unwrap();
        let expected: Vec<Entry> = (0..3_000).map(|number| file(number, if number == 7 { 2 } else { 1 })).collect();
        assert_eq!(known, expected);
        let paths = ["p/00007", "p/02999", "p/03000", "q"].map(str::to_owned).into();
        let found = fixture.ledger.lookup(&slow, &paths).await.unwrap();
        assert_eq!(found.into_values().collect::<Vec<_>>(), [file(7, 2), file(2_999, 1)]);
        assert_eq!(Progress::load(Some(&slow.store().unwrap())).unwrap(), slow);
    }

    #[tokio::test]
    async fn runs_that_nothing_names_go_and_a_missing_one_is_an_error_that_says_so() {
        let fixture = Fixture::new("");
        let mut progress = Progress::default();
        for number in 0..300 {
            progress.add(Entry { path: format!("{number}"), size: 1, version: 1 }, None);
        }
        let progress = fixture.ledger.compact(progress).await.unwrap();
        let live = progress.runs.iter().map(|(name, _)| name.clone()).collect();
        fixture.ledger.retain(&live).await.unwrap();
        assert_eq!(fixture.ledger.known(&progress).await.unwrap().try_collect::<Vec<_>>().await.unwrap().len(), 300);
        fixture.ledger.retain(&std::collections::BTreeSet::new()).await.unwrap();
        let error = fixture.ledger.known(&progress).await.err().unwrap().to_string();
        assert!(error.contains("--from-scratch"), "{error}");
    }
}
