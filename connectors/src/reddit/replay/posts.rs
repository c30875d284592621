//! The replay's posts: each is a pure function of its subreddit, its number and how many there are.
//!
//! They are invented here, in the shape that Reddit sends, and include what makes real ones hard to read: deleted authors,
//! removed texts, keys that are missing or of changing type, galleries, crossposts, very long texts.

use std::fmt::Write;

use super::words::{Dice, account, base36, html, quote, text, title};

/// The subreddits that the replay knows.
pub const SUBREDDITS: [&str; 3] = ["dataengineering", "datascience", "rust"];

/// 2026-11-20T23:00:00Z, when the last post was made.
pub(super) const END: u64 = 1_795_215_600;
/// 30 days: how far back the first goes.
pub(super) const SPAN: u64 = 2_592_000;
/// Ids grow with time and are unique over all subreddits.
const FIRST_ID: u64 = 3_600_000_000;
/// A text as long as Reddit allows, once in so many posts.
const LONG_TEXT: u64 = 500;
/// What Reddit allows.
const LONGEST: usize = 40_000;

/// A post of the replay, by which a test knows what must arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SamplePost {
    /// As in the JSON.
    pub id: String,
    /// As in the JSON.
    pub subreddit: &'static str,
    /// Unix time.
    pub created_utc: u64,
}

/// Every post of a replay with `total` posts per subreddit, oldest first.
pub fn sample_posts(total: u64) -> impl Iterator<Item = SamplePost> {
    (0..total).flat_map(move |index| {
        SUBREDDITS.iter().enumerate().map(move |(place, subreddit)| {
            let key = PostKey { place: place as u64, index };
            SamplePost { id: key.id(), subreddit, created_utc: key.created(total) }
        })
    })
}

/// Which post: the place of its subreddit in [`SUBREDDITS`], and its number there, from the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PostKey {
    /// Number, from the oldest.
    pub(super) index: u64,
    /// Subreddit.
    pub(super) place: u64,
}

impl PostKey {
    /// Base 36.
    pub(super) fn id(self) -> String {
        base36(FIRST_ID + self.index * SUBREDDITS.len() as u64 + self.place)
    }

    /// The post with this id.
    pub(super) fn of(id: &str, total: u64) -> Option<Self> {
        let number = u64::from_str_radix(id, 36).ok()?.checked_sub(FIRST_ID)?;
        let subreddits = SUBREDDITS.len() as u64;
        Some(Self { index: number / subreddits, place: number % subreddits }).filter(|key| key.index < total)
    }

    /// Its subreddit.
    pub(super) fn subreddit(self) -> &'static str {
        usize::try_from(self.place).ok().and_then(|place| SUBREDDITS.get(place)).copied().unwrap_or_default()
    }

    /// Unix time: evenly spread over the span, whatever the total is.
    pub(super) fn created(self, total: u64) -> u64 {
        END - SPAN + (u128::from(SPAN) * u128::from(self.index + 1) / u128::from(total.max(1))) as u64
    }

    /// What everything about the post is drawn from.
    pub(super) fn dice(self, purpose: u64) -> Dice {
        Dice::new(self.index * SUBREDDITS.len() as u64 + self.place + 1, purpose)
    }

    /// Its author, `None` for a deleted account.
    pub(super) fn author(self) -> Option<String> {
        let mut dice = self.dice(1);
        (!dice.once_in(20)).then(|| account(&mut dice))
    }

    /// Its title.
    pub(super) fn title(self) -> String {
        title(&mut self.dice(2))
    }

    /// Its score: mostly small, now and then large, zero or below.
    pub(super) fn score(self) -> i64 {
        let mut dice = self.dice(3);
        let score = match dice.below(20) {
            0 => return 0,
            1 => return -(dice.below(12) as i64) - 1,
            2 => dice.below(4_000) + 200,
            _ => dice.below(120) + 1,
        };
        score as i64
    }

    /// The object as Reddit sends it.
    pub(super) fn json(self, total: u64) -> String {
        let mut draft = Draft::new(self, total);
        draft.identity();
        draft.body();
        draft.numbers();
        draft.flags();
        draft.rest();
        draft.finish()
    }
}

/// A post being written.
struct Draft {
    key: PostKey,
    created: u64,
    dice: Dice,
    out: String,
}

impl Draft {
    fn new(key: PostKey, total: u64) -> Self {
        let mut out = String::with_capacity(3_072);
        out.push_str("{\"approved_at_utc\":null");
        Self { key, created: key.created(total), dice: key.dice(4), out }
    }

    /// A value that is JSON already.
    fn raw(&mut self, name: &str, value: impl std::fmt::Display) {
        // Writing to a String cannot fail.
        write!(self.out, ",\"{name}\":{value}").unwrap_or_default();
    }

    fn text(&mut self, name: &str, value: &str) {
        write!(self.out, ",\"{name}\":").unwrap_or_default();
        quote(&mut self.out, value);
    }

    fn identity(&mut self) {
        let (id, subreddit, title) = (self.key.id(), self.key.subreddit(), self.key.title());
        self.text("id", &id);
        self.text("name", &format!("t3_{id}"));
        self.text("subreddit", subreddit);
        self.text("subreddit_id", ["t5_36en4", "t5_2sptq", "t5_2s7lj"][usize::try_from(self.key.place).unwrap_or_default() % 3]);
        self.text("subreddit_name_prefixed", &format!("r/{subreddit}"));
        self.text("subreddit_type", "public");
        self.text("title", &title);
        let slug: String = title.chars().filter(|c| c.is_ascii_alphanumeric() || *c == ' ').take(48).collect();
        self.text("permalink", &format!("/r/{subreddit}/comments/{id}/{}/", slug.trim().to_lowercase().replace(' ', "_")));
        match self.key.author() {
            Some(author) => {
                self.text("author_fullname", &format!("t2_{}", base36(self.key.dice(5).below(2_000_000_000))));
                self.text("author", &author);
                self.raw("author_premium", self.key.score() > 2_000);
                self.raw("author_patreon_flair", false);
                self.raw("author_flair_richtext", "[]");
                self.text("author_flair_type", "text");
            }
            // A deleted account has neither a full name nor anything else.
            None => self.text("author", "[deleted]"),
        }
        let created = self.created;
        self.raw("created_utc", format_args!("{created}.0"));
        self.raw("created", format_args!("{created}.0"));
    }

    fn body(&mut self) {
        let (id, subreddit) = (self.key.id(), self.key.subreddit());
        let is_long = self.key.index % LONG_TEXT == LONG_TEXT / 2;
        let shape = if is_long { 0 } else { self.dice.below(10) };
        let is_self = shape < 6;
        let selftext = match () {
            () if !is_self => String::new(),
            () if is_long => {
                // Counted in characters, of which some take several bytes.
                let long = text(&mut self.dice, LONGEST + LONGEST / 8);
                long.chars().take(LONGEST).collect()
            }
            () if self.dice.once_in(12) => "[removed]".to_owned(),
            () if self.dice.once_in(25) => "[deleted]".to_owned(),
            () => {
                let length = usize::try_from(self.dice.below(300)).unwrap_or_default();
                text(&mut self.dice, length)
            }
        };
        let removed = if selftext == "[removed]" { "\"moderator\"" } else { "null" };
        self.raw("removed_by_category", removed);
        if selftext.is_empty() {
            self.raw("selftext_html", "null");
        } else if selftext.len() < LONGEST / 2 {
            self.text("selftext_html", &format!("<!-- SC_OFF --><div class=\"md\"><p>{}</p></div>", html(&selftext)));
        }
        self.text("selftext", &selftext);
        self.raw("is_self", is_self);
        self.raw("is_video", shape == 8);
        let page = format!("https://www.reddit.com/r/{subreddit}/comments/{id}/");
        let (domain, url) = match shape {
            0..=5 => (format!("self.{subreddit}"), page),
            6 => ("i.redd.it".to_owned(), format!("https://i.redd.it/{id}.png")),
            7 => ("reddit.com".to_owned(), format!("https://www.reddit.com/gallery/{id}")),
            8 => ("v.redd.it".to_owned(), format!("https://v.redd.it/{id}")),
            _ => ("blog.example.org".to_owned(), format!("https://blog.example.org/{id}?a=1&b=<2>")),
        };
        self.text("domain", &domain);
        self.text("url", &url);
        match shape {
            6 => self.text("post_hint", "image"),
            7 => {
                self.raw("is_gallery", true);
                let media = format!(
                    "{{\"m{id}\":{{\"status\":\"valid\",\"e\":\"Image\",\"m\":\"image/png\",\"s\":{{\"y\":720,\"x\":1280}}}}}}"
                );
                self.raw("media_metadata", media);
                self.raw("gallery_data", format!("{{\"items\":[{{\"media_id\":\"m{id}\",\"id\":{}}}]}}", self.created));
            }
            8 => {
                let video = format!(
                    "{{\"reddit_video\":{{\"bitrate_kbps\":2400,\"height\":720,\"duration\":31,\"fallback_url\":\"{url}/DASH_720.mp4\"}}}}"
                );
                self.raw("media", video);
                self.text("post_hint", "hosted:video");
            }
            9 if self.key.index > 0 && self.dice.once_in(2) => {
                let parent = PostKey { index: self.key.index / 2, place: (self.key.place + 1) % 3 };
                self.text("crosspost_parent", &format!("t3_{}", parent.id()));
                self.raw(
                    "crosspost_parent_list",
                    format_args!("[{{\"id\":\"{}\",\"subreddit\":\"{}\"}}]", parent.id(), parent.subreddit()),
                );
            }
            _ => {}
        }
    }

    fn numbers(&mut self) {
        let score = self.key.score();
        // A few old records carry numbers as floats or strings.
        match self.dice.below(200) {
            0 => self.raw("score", format_args!("{score}.0")),
            1 => self.raw("score", format_args!("\"{score}\"")),
            _ => self.raw("score", score),
        }
        self.raw("ups", score.max(0));
        self.raw("downs", 0);
        let (ratio, crossposts) = (40 + self.dice.below(60), self.dice.below(3));
        self.raw("upvote_ratio", format_args!("0.{ratio}"));
        let comments = if self.dice.once_in(3) { self.dice.below(240) } else { self.dice.below(30) };
        self.raw("num_comments", comments);
        self.raw("num_crossposts", crossposts);
        self.raw("total_awards_received", 0);
        self.raw("gilded", u8::from(score > 3_000));
        self.raw("view_count", "null");
        self.raw("subreddit_subscribers", 300_000 + self.key.index);
        match self.dice.below(12) {
            0 => self.raw("edited", format!("{}.0", self.created + 600)),
            1 => self.raw("edited", true),
            _ => self.raw("edited", false),
        }
        match self.dice.below(50) {
            0 => self.raw("num_reports", 0),
            1 => self.text("num_reports", "0"),
            2 => {}
            _ => self.raw("num_reports", "null"),
        }
    }

    fn flags(&mut self) {
        for name in [
            "archived",
            "clicked",
            "hidden",
            "saved",
            "visited",
            "quarantine",
            "pinned",
            "hide_score",
            "no_follow",
            "is_meta",
            "is_crosspostable",
            "is_reddit_media_domain",
            "is_robot_indexable",
            "can_mod_post",
            "can_gild",
            "contest_mode",
            "media_only",
            "send_replies",
            "allow_live_comments",
            "is_original_content",
        ] {
            let value = self.dice.once_in(16);
            self.raw(name, value);
        }
        let (over_18, spoiler) = (self.dice.once_in(40), self.dice.once_in(60));
        let (stickied, locked) = (self.dice.once_in(250), self.dice.once_in(50));
        self.raw("over_18", over_18);
        self.raw("spoiler", spoiler);
        self.raw("stickied", stickied);
        self.raw("locked", locked);
        self.raw("distinguished", if stickied { "\"moderator\"" } else { "null" });
        let flair = self.dice.pick(&["Discussion", "Help", "Career", "Open Source", "🦀 meaty", "Q&A"]);
        if self.dice.once_in(3) {
            self.raw("link_flair_text", "null");
            self.raw("link_flair_css_class", "null");
        } else {
            self.text("link_flair_text", flair);
            self.text("link_flair_css_class", "");
        }
    }

    fn rest(&mut self) {
        for name in [
            "likes",
            "mod_note",
            "mod_reason_by",
            "mod_reason_title",
            "banned_by",
            "banned_at_utc",
            "approved_by",
            "category",
            "content_categories",
            "top_awarded_type",
            "report_reasons",
            "removal_reason",
            "removed_by",
            "suggested_sort",
            "author_flair_text",
            "author_flair_css_class",
            "author_flair_background_color",
            "discussion_type",
            "secure_media",
        ] {
            self.raw(name, "null");
        }
        self.text("thumbnail", "self");
        self.raw("user_reports", "[]");
        self.raw("mod_reports", "[]");
        self.raw("media_embed", "{}");
        self.raw("secure_media_embed", "{}");
        // Newer posts have more keys.
        if self.dice.once_in(2) {
            self.text("link_flair_background_color", "#0079d3");
            self.text("link_flair_text_color", "light");
            self.text("link_flair_type", "text");
            self.text("parent_whitelist_status", "all_ads");
            self.text("whitelist_status", "all_ads");
            self.raw("wls", 6);
            self.raw("pwls", 6);
            self.raw("gildings", "{}");
            self.raw("awarders", "[]");
            self.raw("all_awardings", "[]");
            self.raw("treatment_tags", "[]");
            self.raw("link_flair_richtext", "[]");
        }
    }

    fn finish(mut self) -> String {
        self.out.push('}');
        self.out
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    use super::*;

    fn all(total: u64) -> Vec<Value> {
        let keys = (0..total).flat_map(|index| (0..3).map(move |place| PostKey { index, place }));
        keys.map(|key| serde_json::from_str(&key.json(total)).unwrap()).collect()
    }

    #[test]
    fn posts_are_valid_and_of_the_size_and_variety_of_real_ones() {
        let posts = all(1_000);
        let bytes: usize = posts.iter().map(|post| post.to_string().len()).sum();
        assert!((1_700..2_800).contains(&(bytes / posts.len())), "{} bytes each", bytes / posts.len());
        let keys: HashSet<usize> = posts.iter().map(|post| post.as_object().unwrap().len()).collect();
        assert!(keys.iter().all(|keys| (60..=110).contains(keys)), "{keys:?}");
        let any = |test: &dyn Fn(&Value) -> bool| posts.iter().any(test);
        assert!(any(&|post| post["author"] == "[deleted]" && post.get("author_fullname").is_none()));
        assert!(any(&|post| post["edited"] == true) && any(&|post| post["edited"].is_f64()));
        assert!(any(&|post| post["selftext"] == "[removed]") && any(&|post| post["selftext"] == "[deleted]"));
        assert!(
            any(&|post| post["score"].as_i64() == Some(0)) && any(&|post| post["score"].as_i64().is_some_and(|score| score < 0))
        );
        assert!(any(&|post| post["score"].is_string()) && any(&|post| post["score"].is_f64()));
        assert!(any(&|post| post["is_gallery"] == true) && any(&|post| post["crosspost_parent"].is_string()));
        assert!(any(&|post| post["link_flair_text"].is_null()) && any(&|post| post["over_18"] == true));
        assert!(any(&|post| post["title"].as_str().unwrap().contains('<')) && any(&|post| post["stickied"] == true));
        assert!(any(&|post| post["selftext"].as_str().unwrap().chars().count() == LONGEST), "none is very long");
    }

    #[test]
    fn ids_are_unique_and_times_grow_up_to_a_fixed_end() {
        for total in [1, 1_000, 50_000] {
            let posts: Vec<SamplePost> = sample_posts(total).filter(|post| post.subreddit == "rust").collect();
            assert!(posts.windows(2).all(|pair| pair[0].created_utc < pair[1].created_utc && pair[0].id < pair[1].id));
            assert_eq!(posts.last().unwrap().created_utc, END);
            assert_eq!(PostKey::of(&posts[0].id, total), Some(PostKey { index: 0, place: 2 }));
        }
        assert_eq!(sample_posts(1_000).map(|post| post.id).collect::<HashSet<_>>().len(), 3_000);
    }

    #[test]
    fn a_post_is_the_same_every_time() {
        let key = PostKey { index: 17, place: 1 };
        assert_eq!(key.json(1_000), key.json(1_000));
        assert_ne!(key.json(1_000), PostKey { index: 18, ..key }.json(1_000));
    }
}
