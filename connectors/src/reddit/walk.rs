//! Which posts of a moving listing are new: the algebra of progress, without I/O.
//!
//! A walk goes down a listing page by page. Of a listing sorted by time, a post is new when it is neither among those
//! `seen` nor at or below the `floor`, both as they were *before* the walk: what the walk itself reads is kept apart until
//! it has reached the known part, so that stopping half-way never makes the unread rest look read. The walk ends at the
//! end of the listing, at a page of nothing but known posts older than the overlap, or at its limit. A ranked listing has
//! no known part: it is walked whole, up to [`Bounds::ranked`] posts.
//!
//! A walk that was cut short is finished first, from its cursor down; the listing is then read again from the top.

use std::collections::{HashSet, VecDeque};

use chrono::{DateTime, Utc};

use super::location::{Kind, Order};
use super::offset::{Entry, Mark, Progress, Span, Walk, raise};

/// Ids that one call of `/api/info` takes.
const INFO_BATCH: usize = 100;
/// How far back from a page's end the fallback cursors lie.
const BACK_STEPS: [usize; 7] = [1, 2, 4, 9, 24, 49, 99];
/// Fallback cursors kept, those of earlier pages included.
const BACK_CURSORS: usize = 10;
/// Pages in a row with nothing new after which a walk ends: only a server that never ends its listing gets there.
const BARREN_PAGES: u32 = 20_000;

/// How much an offset holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Posts seen, of a listing sorted by time.
    pub(super) seen: usize,
    /// Ids of the posts read last within a walk.
    pub(super) recent: usize,
    /// Posts of a ranked listing that one walk reads: what Reddit serves at most. Twice as many are remembered.
    pub(super) ranked: usize,
    /// Bad children remembered, so that none is handed over at every poll.
    pub(super) bad: usize,
}

impl Bounds {
    /// What is used outside tests.
    pub(super) const STANDARD: Self = Self { seen: 1_000, recent: 300, ranked: 1_000, bad: 1_000 };
}

/// What the table asks for.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// How the listing is sorted.
    pub(super) order: Order,
    /// What it holds.
    pub(super) kind: Kind,
    /// Seconds walked again below the newest post seen.
    pub(super) overlap: f64,
    /// Posts per walk.
    pub(super) limit: Option<u64>,
    /// Seconds for which a post is read again.
    pub(super) refresh: Option<f64>,
    /// Sizes.
    pub(super) bounds: Bounds,
}

/// A post on a page.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// `t3_...`
    pub(super) name: String,
    /// Id, time and fingerprint.
    pub(super) entry: Entry,
}

/// What to ask for next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// The page after a cursor; the first without.
    Page(Option<String>),
    /// These full names, as they are now.
    Refresh(Vec<String>),
    /// Nothing: the slice is complete.
    Done,
}

/// Walks a listing from stored progress.
#[derive(Debug)]
pub(super) struct Walker {
    rules: Rules,
    progress: Progress,
    known: HashSet<String>,
    boundary: Option<f64>,
    resumed: bool,
    barren: u32,
    refreshing: VecDeque<Vec<String>>,
    now: f64,
}

impl Walker {
    /// Takes up `progress`.
    pub(super) fn begin(rules: Rules, mut progress: Progress, now: DateTime<Utc>) -> Self {
        let resumed = progress.walk.is_some();
        progress.walk.get_or_insert_default();
        let known = progress.seen.iter().map(|entry| entry.mark.id.clone()).collect();
        let boundary = progress.seen.first().map(|newest| newest.mark.at - rules.overlap);
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
        let now = now.timestamp() as f64;
        Self { rules, progress, known, boundary, resumed, barren: 0, refreshing: VecDeque::new(), now }
    }

    /// What to ask for.
    pub(super) fn step(&self) -> Step {
        match (&self.progress.walk, self.refreshing.front()) {
            (Some(walk), _) => Step::Page(walk.after.clone()),
            (None, Some(names)) => Step::Refresh(names.clone()),
            (None, None) => Step::Done,
        }
    }

    /// Whether there is something to read right now: the walk or the refresh is not at its end, or posts may have arrived
    /// on top while an earlier walk was being finished.
    pub(super) fn more(&self) -> bool {
        self.resumed || self.step() != Step::Done
    }

    /// Whether it took up a walk that an earlier slice had left.
    pub(super) fn resumed(&self) -> bool {
        self.resumed
    }

    /// Progress, with all pages accepted so far.
    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Takes a page and says which of its items are new. `after` is the page's own cursor.
    pub(super) fn accept(&mut self, items: &[Item], after: Option<&str>) -> Vec<bool> {
        let Some(mut walk) = self.progress.walk.take() else { return vec![false; items.len()] };
        if items.is_empty() && walk.after.is_some() {
            if self.fall_back(&mut walk) {
                self.progress.walk = Some(walk);
            } else {
                self.complete(walk);
            }
            return Vec::new();
        }
        let limit = self.walk_limit();
        let mut repeated: HashSet<String> =
            walk.recent.iter().cloned().chain(walk.fresh.iter().map(|entry| entry.mark.id.clone())).collect();
        let mut new = Vec::with_capacity(items.len());
        let mut oldest_known: Option<f64> = None;
        for item in items {
            let mark = &item.entry.mark;
            let known = self.is_known(mark);
            let again = !repeated.insert(mark.id.clone());
            if self.rules.order == Order::Newest {
                walk.span.get_or_insert_with(|| Span::of(mark)).reach(mark);
            }
            if again || walk.walked >= limit {
                new.push(false);
                continue;
            }
            if walk.passed.iter().any(|span| span.holds(mark)) {
                new.push(false);
                continue;
            }
            walk.walked += 1;
            if known {
                oldest_known = Some(oldest_known.map_or(mark.at, |oldest| oldest.min(mark.at)));
            }
            new.push(!known);
            self.remember(&mut walk, &item.entry, known);
        }
        let found = new.iter().filter(|new| **new).count();
        self.progress.posts += found as u64;
        self.barren = if found == 0 { self.barren + 1 } else { 0 };
        let bottom = found == 0 && oldest_known.zip(self.boundary).is_some_and(|(oldest, boundary)| oldest < boundary);
        let ends = after.is_none() || walk.walked >= limit || self.barren >= BARREN_PAGES;
        if ends || (bottom && self.rules.order == Order::Newest) {
            self.complete(walk);
        } else {
            let before = walk.after.take();
            walk.after = after.map(str::to_owned);
            walk.back = cursors(items, after, before, walk.back);
            self.progress.walk = Some(walk);
        }
        new
    }

    /// Takes a page that holds nothing but bad children: no cursor was lost, and nothing on it is new.
    pub(super) fn pass(&mut self, after: Option<&str>) {
        let Some(mut walk) = self.progress.walk.take() else { return };
        self.barren += 1;
        match after.filter(|_| self.barren < BARREN_PAGES) {
            Some(cursor) => {
                walk.after = Some(cursor.to_owned());
                self.progress.walk = Some(walk);
            }
            None => self.complete(walk),
        }
    }

    /// Notes a bad child by its fingerprint, and says whether it is new.
    pub(super) fn accept_bad(&mut self, fingerprint: String) -> bool {
        let bad = &mut self.progress.bad;
        if bad.contains(&fingerprint) {
            return false;
        }
        bad.push(fingerprint);
        let surplus = bad.len().saturating_sub(self.rules.bounds.bad);
        bad.drain(..surplus);
        true
    }

    /// Takes what `/api/info` says of the names asked for, and says which have changed.
    pub(super) fn accept_refreshed(&mut self, items: &[Item]) -> Vec<bool> {
        self.refreshing.pop_front();
        let mut changed = Vec::with_capacity(items.len());
        for item in items {
            let entry = self.progress.seen.iter_mut().find(|entry| entry.mark.id == item.entry.mark.id);
            changed.push(entry.is_some_and(|entry| {
                let differs = entry.hash != item.entry.hash;
                entry.hash.clone_from(&item.entry.hash);
                differs
            }));
        }
        changed
    }

    fn walk_limit(&self) -> u64 {
        let ranked = if self.rules.order == Order::Ranked { self.rules.bounds.ranked as u64 } else { u64::MAX };
        self.rules.limit.unwrap_or(u64::MAX).min(ranked)
    }

    fn is_known(&self, mark: &Mark) -> bool {
        self.known.contains(&mark.id) || self.progress.floor.as_ref().is_some_and(|floor| mark.is_within(floor))
    }

    /// Another cursor, nearest first; when all led nowhere, the listing from the top.
    fn fall_back(&mut self, walk: &mut Walk) -> bool {
        self.barren += 1;
        walk.after = if walk.back.is_empty() { None } else { Some(walk.back.remove(0)) };
        if walk.after.is_none()
            && let Some(mut span) = walk.span.take()
        {
            walk.passed.retain(|other| {
                let joined = span.holds(&other.newest);
                if joined {
                    span.reach(&other.oldest);
                }
                !joined
            });
            walk.passed.push(span);
        }
        self.barren < BARREN_PAGES
    }

    /// Notes a post that was walked past, within the bounds.
    fn remember(&self, walk: &mut Walk, entry: &Entry, known: bool) {
        let bounds = self.rules.bounds;
        if self.rules.order == Order::Ranked {
            walk.fresh.push(entry.clone());
            return;
        }
        if !known {
            walk.recent.push(entry.mark.id.clone());
            let surplus = walk.recent.len().saturating_sub(bounds.recent);
            walk.recent.drain(..surplus);
            if let Some(out) = insert(&mut walk.fresh, entry.clone(), bounds.seen) {
                raise(&mut walk.evicted, &out.mark);
            }
        }
    }

    /// The walk has reached the known part: what it read joins what was seen.
    fn complete(&mut self, walk: Walk) {
        let bounds = self.rules.bounds;
        match self.rules.order {
            Order::Newest => {
                if let Some(mark) = &walk.evicted {
                    raise(&mut self.progress.floor, mark);
                }
                for entry in walk.fresh {
                    if let Some(out) = insert(&mut self.progress.seen, entry, bounds.seen) {
                        raise(&mut self.progress.floor, &out.mark);
                    }
                }
            }
            // A poll that found nothing new leaves the memory as it is, whatever the ranks are now.
            Order::Ranked if walk.fresh.iter().all(|entry| self.known.contains(&entry.mark.id)) => {}
            Order::Ranked => self.remember_ranked(walk.fresh),
        }
        let newest_first = |a: &Entry, b: &Entry| b.mark.order(&a.mark);
        if let Some(age) = self.rules.refresh.filter(|_| !self.resumed) {
            let mut young: Vec<&Entry> = self.progress.seen.iter().filter(|entry| entry.mark.at > self.now - age).collect();
            young.sort_by(|a, b| newest_first(a, b));
            let prefix = self.rules.kind.prefix();
            self.refreshing = young
                .chunks(INFO_BATCH)
                .map(|chunk| chunk.iter().map(|entry| format!("{prefix}_{}", entry.mark.id)).collect())
                .collect();
        }
    }

    /// Most recently seen first; of a post seen before, the fingerprint stays: what changed since is for the refresh to find.
    fn remember_ranked(&mut self, mut fresh: Vec<Entry>) {
        let walked: HashSet<String> = fresh.iter().map(|entry| entry.mark.id.clone()).collect();
        for entry in &mut fresh {
            if let Some(old) = self.progress.seen.iter().find(|old| old.mark.id == entry.mark.id) {
                entry.hash.clone_from(&old.hash);
            }
        }
        fresh.extend(self.progress.seen.drain(..).filter(|entry| !walked.contains(&entry.mark.id)));
        fresh.truncate(self.rules.bounds.ranked * 2);
        self.progress.seen = fresh;
    }
}

/// Puts `entry` where it belongs, newest first; what no longer fits falls out at the end.
fn insert(entries: &mut Vec<Entry>, entry: Entry, bound: usize) -> Option<Entry> {
    let place = entries.partition_point(|other| entry.mark.is_within(&other.mark));
    if place >= bound {
        return Some(entry);
    }
    entries.insert(place, entry);
    if entries.len() > bound { entries.pop() } else { None }
}

/// Fallback cursors below a page: some of its own names, the cursor that led to it, and those before.
fn cursors(items: &[Item], after: Option<&str>, before: Option<String>, earlier: Vec<String>) -> Vec<String> {
    let own = BACK_STEPS.iter().filter_map(|step| items.len().checked_sub(1 + step)).map(|index| items[index].name.clone());
    let mut names: Vec<String> = Vec::with_capacity(BACK_CURSORS);
    for name in own.chain(before).chain(earlier) {
        if names.len() < BACK_CURSORS && Some(name.as_str()) != after && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
