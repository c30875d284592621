//! The replay's comments: two to a post, the second a reply to the first.

use super::posts::PostKey;
use super::words::{base36, quote, text};

/// Ids of comments grow with time as well, from here.
const FIRST_ID: u64 = 5_200_000_000;

/// Which comment: its post, and whether it is the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CommentKey {
    /// What it is about.
    pub(super) post: PostKey,
    /// 0, or 1 for the reply.
    pub(super) turn: u64,
}

impl CommentKey {
    /// Base 36. All first comments of a moment are older than all its replies, over every subreddit.
    pub(super) fn id(self) -> String {
        base36(FIRST_ID + self.post.index * 6 + self.turn * 3 + self.post.place)
    }

    /// The comment with this id.
    pub(super) fn of(id: &str, total: u64) -> Option<Self> {
        let number = u64::from_str_radix(id, 36).ok()?.checked_sub(FIRST_ID)?;
        let post = PostKey { index: number / 6, place: number % 3 };
        Some(Self { post, turn: (number % 6) / 3 }).filter(|key| key.post.index < total)
    }

    /// The object as Reddit sends it; `replies` as JSON.
    pub(super) fn json(self, total: u64, replies: &str) -> String {
        let mut dice = self.post.dice(10 + self.turn);
        let (id, post, subreddit) = (self.id(), self.post.id(), self.post.subreddit());
        let parent = if self.turn == 0 { format!("t3_{post}") } else { format!("t1_{}", Self { turn: 0, ..self }.id()) };
        // Replies come in the same second, so that comments stay in order whatever the total is.
        let created = self.post.created(total);
        let score = dice.below(60);
        let length = usize::try_from(dice.below(400)).unwrap_or_default();
        let mut body = String::new();
        quote(&mut body, if dice.once_in(15) { "[deleted]" } else { "" });
        if body.len() == 2 {
            body.clear();
            quote(&mut body, &text(&mut dice, length + 1));
        }
        let author =
            PostKey { index: self.post.index + 1 + self.turn, ..self.post }.author().unwrap_or_else(|| "[deleted]".to_owned());
        format!(
            "{{\"subreddit_id\":\"t5_{subreddit}\",\"subreddit\":\"{subreddit}\",\"id\":\"{id}\",\"name\":\"t1_{id}\",\
             \"parent_id\":\"{parent}\",\"link_id\":\"t3_{post}\",\"author\":\"{author}\",\"body\":{body},\"score\":{score},\
             \"ups\":{score},\"downs\":0,\"controversiality\":0,\"depth\":{},\"edited\":false,\"stickied\":false,\
             \"locked\":false,\"archived\":false,\"is_submitter\":false,\"score_hidden\":false,\"distinguished\":null,\
             \"gilded\":0,\"total_awards_received\":0,\"permalink\":\"/r/{subreddit}/comments/{post}/x/{id}/\",\
             \"created_utc\":{created}.0,\"created\":{created}.0,\"replies\":{replies}}}",
            self.turn
        )
    }
}
