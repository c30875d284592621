//! Which posts a request to the replay means, page by page, computed from the cursor alone.

use super::comments::CommentKey;
use super::posts::{END, PostKey, SUBREDDITS};
use super::words::Dice;

/// Reddit's largest page, and what it sends when asked for nothing in particular.
const LARGEST_PAGE: usize = 100;
const USUAL_PAGE: usize = 25;
/// Reddit serves no more than this of a ranked listing, a search or a user's posts.
const CAP: u64 = 1_000;
/// Once in so many pages the last item of the page before comes again, as when a listing moves.
const REPEATS: u64 = 4;

/// The parameters of a listing request.
#[derive(Debug, Default, Clone, serde::Deserialize)]
#[serde(default)]
pub(super) struct Query {
    pub(super) limit: Option<usize>,
    pub(super) after: Option<String>,
    pub(super) t: Option<String>,
    pub(super) q: Option<String>,
    pub(super) id: Option<String>,
}

impl Query {
    fn page_size(&self) -> usize {
        self.limit.unwrap_or(USUAL_PAGE).clamp(1, LARGEST_PAGE)
    }

    fn cursor(&self, prefix: &str) -> Option<&str> {
        self.after.as_deref().and_then(|name| name.strip_prefix(prefix)).and_then(|name| name.strip_prefix('_'))
    }
}

/// Places of the subreddits in `a+b+c`; `None` when one does not exist.
pub(super) fn places(names: &str) -> Option<Vec<u64>> {
    let mut places = names
        .split('+')
        .map(|name| SUBREDDITS.iter().position(|known| known.eq_ignore_ascii_case(name)).map(|place| place as u64))
        .collect::<Option<Vec<u64>>>()?;
    places.sort_unstable();
    places.dedup();
    Some(places)
}

/// A page: what is on it, and whether more follows.
#[derive(Debug)]
pub(super) struct Slot<K> {
    pub(super) keys: Vec<K>,
    pub(super) more: bool,
}

/// `new`: newest first, without end but that of the posts.
pub(super) fn newest(places: &[u64], query: &Query, total: u64) -> Slot<PostKey> {
    let size = query.page_size();
    let after = match query.cursor("t3") {
        None if query.after.is_some() => return Slot { keys: Vec::new(), more: false },
        None => None,
        Some(id) => match PostKey::of(id, total) {
            Some(key) => Some(key),
            None => return Slot { keys: Vec::new(), more: false },
        },
    };
    let again = after.is_some_and(|key| size > 1 && key.dice(20).once_in(REPEATS));
    let from = after.map_or(total, |key| key.index + 1);
    let below = (0..from).rev().flat_map(|index| places.iter().rev().map(move |place| PostKey { index, place: *place }));
    let mut keys = below.skip_while(|key| after.is_some_and(|after| if again { *key > after } else { *key >= after }));
    let page: Vec<PostKey> = keys.by_ref().take(size).collect();
    Slot { keys: page, more: keys.next().is_some() }
}

/// The newest comments, newest first.
pub(super) fn newest_comments(places: &[u64], query: &Query, total: u64) -> Slot<CommentKey> {
    let after = query.cursor("t1").and_then(|id| CommentKey::of(id, total));
    if query.after.is_some() && after.is_none() {
        return Slot { keys: Vec::new(), more: false };
    }
    let rank = |key: CommentKey| (key.post.index, key.turn, key.post.place);
    let from = after.map_or(total, |key| key.post.index + 1);
    let below = (0..from).rev().flat_map(|index| {
        [1, 0].into_iter().flat_map(move |turn| {
            places.iter().rev().map(move |place| CommentKey { post: PostKey { index, place: *place }, turn })
        })
    });
    let mut keys = below.skip_while(|key| after.is_some_and(|after| rank(*key) >= rank(after)));
    let page: Vec<CommentKey> = keys.by_ref().take(query.page_size()).collect();
    Slot { keys: page, more: keys.next().is_some() }
}

/// `hot`, `top`, `rising`, `controversial`: of the newest posts.
pub(super) fn ranked(places: &[u64], sort: &str, query: &Query, total: u64) -> Slot<PostKey> {
    let span = match query.t.as_deref() {
        Some("hour") => 3_600,
        Some("week") => 604_800,
        Some("month" | "year" | "all") => END,
        // Reddit's own default; the other orders know no span.
        _ if sort == "top" || sort == "controversial" => 86_400,
        _ => END,
    };
    let mut keys: Vec<PostKey> = recent(places, total).filter(|key| key.created(total) > END - span).collect();
    match sort {
        "top" => keys.sort_by_key(|key| (std::cmp::Reverse(key.score()), *key)),
        "controversial" => keys.sort_by_key(|key| (key.score().abs(), *key)),
        _ => keys.sort_by_key(|key| Dice::new(key.index * 3 + key.place + 1, 21).next()),
    }
    if sort == "rising" {
        keys.truncate(LARGEST_PAGE);
    }
    paged(keys, query, total)
}

/// Posts whose title holds all words of `q`.
pub(super) fn search(places: &[u64], query: &Query, total: u64) -> Slot<PostKey> {
    let words: Vec<String> = query.q.iter().flat_map(|text| text.split_whitespace()).map(str::to_lowercase).collect();
    let found = recent(places, total).filter(|key| {
        let title = key.title().to_lowercase();
        words.iter().all(|word| title.contains(word.as_str()))
    });
    paged(found.collect(), query, total)
}

/// Posts of one author.
pub(super) fn submitted(user: &str, query: &Query, total: u64) -> Slot<PostKey> {
    let found = recent(&[0, 1, 2], total).filter(|key| key.author().is_some_and(|author| author.eq_ignore_ascii_case(user)));
    paged(found.collect(), query, total)
}

fn recent(places: &[u64], total: u64) -> impl Iterator<Item = PostKey> {
    let first = total.saturating_sub(CAP);
    (first..total).rev().flat_map(move |index| places.iter().rev().map(move |place| PostKey { index, place: *place }))
}

fn paged(keys: Vec<PostKey>, query: &Query, total: u64) -> Slot<PostKey> {
    let start = match query.cursor("t3").map(|id| PostKey::of(id, total)) {
        None => 0,
        Some(after) => keys.iter().position(|key| Some(*key) == after).map_or(keys.len(), |place| place + 1),
    };
    let end = (start + query.page_size()).min(keys.len());
    Slot { keys: keys[start..end].to_vec(), more: end < keys.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(after: Option<String>) -> Query {
        Query { limit: Some(100), after, ..Query::default() }
    }

    #[test]
    fn new_holds_every_post_in_order_and_repeats_some() {
        let (mut after, mut all, mut pages) = (None, Vec::new(), 0);
        loop {
            let page = newest(&[0, 1, 2], &query(after), 2_000);
            all.extend(page.keys.iter().copied());
            pages += 1;
            if !page.more {
                break;
            }
            after = page.keys.last().map(|key| format!("t3_{}", key.id()));
        }
        assert!(pages > 60 && all.len() > 6_000, "{} in {pages}", all.len());
        all.dedup();
        assert_eq!(all.len(), 6_000);
        assert!(all.windows(2).all(|pair| pair[0] > pair[1]));
    }

    #[test]
    fn unknown_cursor_answers_an_empty_page() {
        assert!(newest(&[0], &query(Some("t3_zzzzzzzz".into())), 10).keys.is_empty());
    }

    #[test]
    fn ranked_search_and_user_listings_are_cut_at_the_cap() {
        let top = ranked(&[2], "top", &Query { t: Some("all".into()), ..query(None) }, 5_000);
        assert!(top.more && top.keys.windows(2).all(|pair| pair[0].score() >= pair[1].score()));
        let found = search(&[2], &Query { q: Some("partition PRUNING".into()), ..query(None) }, 1_000);
        assert!(!found.keys.is_empty() && found.keys.iter().all(|key| key.title().contains("partition pruning")));
        let author = found.keys.iter().find_map(|key| key.author()).unwrap();
        assert!(!submitted(&author, &query(None), 1_000).keys.is_empty());
    }

    #[test]
    fn only_the_three_subreddits_exist() {
        assert_eq!(places("Rust+dataengineering"), Some(vec![0, 2]));
        assert_eq!(places("rust+nosuch"), None);
    }
}
