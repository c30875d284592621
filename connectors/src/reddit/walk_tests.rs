//! The algebra of progress against a model of a listing that moves: posts arrive, disappear and are repeated between any
//! two pages, and slices end anywhere. Every post that stays must be read exactly once.

use proptest::prelude::*;

use super::*;
use crate::source::Offset;

const NOW: i64 = 1_000;

fn rules(order: Order) -> Rules {
    Rules {
        order,
        kind: Kind::Post,
        overlap: 3.0,
        limit: None,
        refresh: None,
        bounds: Bounds { seen: 6, recent: 40, ranked: 1_000, bad: 3 },
    }
}

fn begin(rules: Rules, offset: Option<&Offset>) -> Walker {
    Walker::begin(rules, Progress::load(offset).unwrap(), DateTime::from_timestamp(NOW, 0).unwrap())
}

fn item(number: u64) -> Item {
    let id = format!("{number:04}");
    // Two posts share a second.
    Item { name: format!("t3_{id}"), entry: Entry { mark: Mark { at: (number / 2) as f64, id }, hash: None } }
}

fn number(name: &str) -> u64 {
    name.trim_start_matches("t3_").parse().unwrap()
}

/// A listing: numbers, newest first.
#[derive(Debug, Default)]
struct Model {
    posts: Vec<u64>,
    next: u64,
}

impl Model {
    fn arrive(&mut self, count: u64) {
        for _ in 0..count {
            self.posts.insert(0, self.next);
            self.next += 1;
        }
    }

    /// A page as Reddit answers it: empty when the cursor's post is gone.
    fn page(&self, after: Option<&str>, size: usize, repeat: bool) -> (Vec<Item>, Option<String>) {
        let start = match after {
            None => 0,
            Some(name) => match self.posts.iter().position(|post| *post == number(name)) {
                Some(place) => place + usize::from(!repeat),
                None => return (Vec::new(), None),
            },
        };
        let end = (start + size + usize::from(repeat)).min(self.posts.len());
        let items: Vec<Item> = self.posts[start..end].iter().map(|post| item(*post)).collect();
        let after = (end < self.posts.len()).then(|| items.last().unwrap().name.clone());
        (items, after)
    }
}

/// Reads one slice of at most `pages` pages; its rows and where it ended.
fn slice(model: &Model, rules: &Rules, offset: Option<&Offset>, pages: usize, size: usize) -> (Vec<u64>, Option<Offset>, bool) {
    let mut walker = begin(rules.clone(), offset);
    let mut rows = Vec::new();
    for _ in 0..pages {
        let Step::Page(after) = walker.step() else { break };
        let (items, next) = model.page(after.as_deref(), size, false);
        let new = walker.accept(&items, next.as_deref());
        rows.extend(items.iter().zip(new).filter(|(_, new)| *new).map(|(item, _)| number(&item.name)));
    }
    let end = if rows.is_empty() && !walker.resumed() { offset.cloned() } else { Some(walker.progress().store().unwrap()) };
    (rows, end, walker.more())
}

#[test]
fn unfinished_walk_goes_on_below_and_then_from_the_top() {
    let mut model = Model::default();
    model.arrive(30);
    let rules = rules(Order::Newest);
    let (first, offset, more) = slice(&model, &rules, None, 2, 5);
    assert_eq!((first, more), ((20..30).rev().collect(), true));
    model.arrive(4);
    let (second, offset, more) = slice(&model, &rules, offset.as_ref(), usize::MAX, 5);
    assert_eq!((second, more), ((0..20).rev().collect(), true));
    let (third, offset, more) = slice(&model, &rules, offset.as_ref(), usize::MAX, 5);
    assert_eq!((third, more), ((30..34).rev().collect(), false));
    let (none, same, more) = slice(&model, &rules, offset.as_ref(), usize::MAX, 5);
    assert_eq!((none, same, more), (vec![], offset, false));
}

#[test]
fn listing_far_longer_than_the_offset_remembers_comes_once_in_a_bounded_offset() {
    let mut model = Model::default();
    model.arrive(2_000);
    let rules = rules(Order::Newest);
    let (mut rows, mut offset, mut more) = (Vec::new(), None, true);
    while more {
        let read = slice(&model, &rules, offset.as_ref(), 7, 5);
        rows.extend(read.0);
        (offset, more) = (read.1, read.2);
        assert!(offset.as_ref().unwrap().0.len() < 2_500, "{offset:?}");
    }
    assert_eq!(rows, (0..2_000).rev().collect::<Vec<_>>());
}

#[test]
fn deleted_cursor_falls_back_and_loses_nothing() {
    let mut model = Model::default();
    model.arrive(40);
    let rules = rules(Order::Newest);
    let (mut rows, offset, _) = slice(&model, &rules, None, 3, 5);
    model.posts.retain(|post| ![25, 26].contains(post));
    let (rest, _, _) = slice(&model, &rules, offset.as_ref(), usize::MAX, 5);
    rows.extend(rest);
    assert_eq!(rows, (0..40).rev().collect::<Vec<_>>());
}

#[test]
fn all_cursors_deleted_starts_over_without_reading_twice() {
    let mut model = Model::default();
    model.arrive(60);
    let rules = rules(Order::Newest);
    let (mut rows, mut offset, _) = slice(&model, &rules, None, 4, 5);
    model.posts.retain(|post| !(40..58).contains(post));
    model.arrive(3);
    for _ in 0..3 {
        let (more, next, _) = slice(&model, &rules, offset.as_ref(), usize::MAX, 5);
        rows.extend(more);
        offset = next;
    }
    rows.sort_unstable();
    assert_eq!(rows, (0..63).collect::<Vec<_>>());
}

/// Reads a page of `model` and says which posts are new.
fn turn(walker: &mut Walker, model: &Model) -> Vec<u64> {
    let Step::Page(after) = walker.step() else { return Vec::new() };
    let (items, next) = model.page(after.as_deref(), 4, false);
    let new = walker.accept(&items, next.as_deref());
    items.iter().zip(new).filter(|(_, new)| *new).map(|(item, _)| number(&item.name)).collect()
}

#[test]
fn a_walk_that_loses_all_its_cursors_twice_goes_on_below_what_it_read() {
    let mut model = Model::default();
    model.arrive(5);
    let mut walker = begin(rules(Order::Newest), None);
    assert_eq!(turn(&mut walker, &model), [4, 3, 2, 1]);
    model.posts = vec![4, 0];
    while walker.step() != Step::Page(None) {
        assert!(turn(&mut walker, &model).is_empty());
    }
    model.arrive(3);
    assert_eq!(turn(&mut walker, &model), [7, 6, 5]);
    model.posts = vec![0];
    while walker.step() != Step::Page(None) {
        assert!(turn(&mut walker, &model).is_empty());
    }
    assert_eq!(turn(&mut walker, &model), [0]);
    assert_eq!(walker.step(), Step::Done);
}

#[test]
fn limit_bounds_how_deep_every_poll_looks() {
    let mut model = Model::default();
    model.arrive(30);
    let rules = Rules { limit: Some(7), ..rules(Order::Newest) };
    let (rows, offset, more) = slice(&model, &rules, None, usize::MAX, 5);
    assert_eq!((rows, more), ((23..30).rev().collect(), false));
    let (rows, again, more) = slice(&model, &rules, offset.as_ref(), usize::MAX, 5);
    assert_eq!((rows, again, more), (vec![], offset, false));
}

#[test]
fn ranked_listing_gives_each_post_once_however_it_is_sorted() {
    let mut model = Model::default();
    model.arrive(20);
    let rules = rules(Order::Ranked);
    let (rows, offset, more) = slice(&model, &rules, None, usize::MAX, 5);
    assert_eq!((rows.len(), more), (20, false));
    model.posts.reverse();
    let (rows, same, more) = slice(&model, &rules, offset.as_ref(), usize::MAX, 5);
    assert_eq!((rows, &same, more), (vec![], &offset, false));
    model.arrive(1);
    assert_eq!(slice(&model, &rules, same.as_ref(), usize::MAX, 5).0, [20]);
}

#[test]
fn refresh_emits_what_changed_and_nothing_else() {
    let rules = Rules { refresh: Some(985.0), ..rules(Order::Newest) };
    let with_hash = |number, hash: &str| {
        let mut item = item(number);
        item.entry.hash = Some(hash.to_owned());
        item
    };
    let mut walker = begin(rules.clone(), None);
    assert_eq!(walker.accept(&[with_hash(40, "a"), with_hash(39, "a"), with_hash(2, "a")], None), [true; 3]);
    assert_eq!(walker.step(), Step::Refresh(vec!["t3_0040".into(), "t3_0039".into()]));
    assert!(walker.more());
    assert_eq!(walker.accept_refreshed(&[with_hash(40, "a"), with_hash(39, "b")]), [false, true]);
    assert_eq!((walker.step(), walker.more()), (Step::Done, false));
    let mut again = begin(rules, Some(&walker.progress().store().unwrap()));
    assert_eq!(again.accept(&[with_hash(40, "a"), with_hash(39, "b")], None), [false; 2]);
    assert_eq!(again.accept_refreshed(&[with_hash(40, "a"), with_hash(39, "b")]), [false; 2]);
}

/// What happens between two pages.
#[derive(Debug, Clone)]
enum Event {
    Arrive(u64),
    /// The post at this place of what was read disappears.
    Delete(prop::sample::Index),
    DeleteCursor,
    /// The next page begins with the last item of this one.
    Repeat,
    /// The slice ends; what it read is committed.
    EndSlice,
    /// The process dies: what the slice read is not committed.
    Crash,
    Page,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (1_u64..9).prop_map(Event::Arrive),
        any::<prop::sample::Index>().prop_map(Event::Delete),
        Just(Event::DeleteCursor),
        Just(Event::Repeat),
        Just(Event::EndSlice),
        Just(Event::Crash),
        Just(Event::Page),
        Just(Event::Page),
    ]
}

/// Plays events; returns what was committed.
fn play(order: Order, start: u64, size: usize, events: Vec<Event>) -> Result<(Vec<u64>, Model), TestCaseError> {
    let rules = rules(order);
    let (mut model, mut offset, mut committed): (Model, Option<Offset>, Vec<u64>) = Default::default();
    model.arrive(start);
    let mut walker = begin(rules.clone(), None);
    let (mut rows, mut repeat, mut quiet) = (Vec::new(), false, 0);
    let mut script = events.into_iter();
    for _ in 0..10_000 {
        let event = script.next();
        let over = event.is_none();
        match event.unwrap_or(Event::Page) {
            Event::Arrive(count) => model.arrive(count),
            // Only posts already committed: one that disappears before it was read is lost to everyone.
            Event::Delete(which) if !committed.is_empty() => {
                let gone = *which.get(&committed);
                model.posts.retain(|post| *post != gone);
            }
            Event::DeleteCursor => {
                if let Step::Page(Some(cursor)) = walker.step() {
                    model.posts.retain(|post| *post != number(&cursor));
                }
            }
            Event::Repeat => repeat = true,
            Event::Crash => {
                rows.clear();
                walker = begin(rules.clone(), offset.as_ref());
            }
            Event::EndSlice | Event::Page | Event::Delete(_) if walker.step() == Step::Done => {
                let more = walker.more();
                quiet = if rows.is_empty() && !more && over { quiet + 1 } else { 0 };
                offset = Some(walker.progress().store().unwrap());
                committed.append(&mut rows);
                if quiet == 2 {
                    return Ok((committed, model));
                }
                walker = begin(rules.clone(), offset.as_ref());
            }
            Event::EndSlice => {
                if !rows.is_empty() {
                    offset = Some(walker.progress().store().unwrap());
                    committed.append(&mut rows);
                    walker = begin(rules.clone(), offset.as_ref());
                }
            }
            Event::Page | Event::Delete(_) => {
                let Step::Page(after) = walker.step() else { continue };
                let (items, next) = model.page(after.as_deref(), size, std::mem::take(&mut repeat) && after.is_some());
                let new = walker.accept(&items, next.as_deref());
                rows.extend(items.iter().zip(new).filter(|(_, new)| *new).map(|(item, _)| number(&item.name)));
            }
        }
    }
    Err(TestCaseError::fail("the walks never come to rest"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_post_that_stays_is_read_exactly_once(
        ranked in any::<bool>(),
        start in 0_u64..60,
        size in 3_usize..8,
        events in prop::collection::vec(event(), 0..80),
    ) {
        let order = if ranked { Order::Ranked } else { Order::Newest };
        let (mut committed, model) = play(order, start, size, events)?;
        committed.sort_unstable();
        let count = committed.len();
        committed.dedup();
        prop_assert_eq!(count, committed.len(), "a post was read twice");
        for post in model.posts {
            prop_assert!(committed.binary_search(&post).is_ok(), "post {} was lost", post);
        }
    }
}

#[test]
fn a_bad_child_is_handed_over_once_within_the_bound() {
    let mut walker = Walker::begin(rules(Order::Newest), Progress::default(), DateTime::from_timestamp(1_000, 0).unwrap());
    let new: Vec<bool> = ["a", "b", "a", "c", "d", "b"].map(|print| walker.accept_bad(print.to_owned())).into();
    assert_eq!(new, [true, true, false, true, true, false]);
    assert_eq!(walker.progress().bad, ["b", "c", "d"]);
}

#[test]
fn a_page_of_nothing_but_bad_children_is_walked_past() {
    let mut walker = Walker::begin(rules(Order::Newest), Progress::default(), DateTime::from_timestamp(1_000, 0).unwrap());
    walker.pass(Some("t3_x"));
    assert_eq!(walker.step(), Step::Page(Some("t3_x".into())));
    walker.pass(None);
    assert_eq!(walker.step(), Step::Done);
}
