//! What `LOCATION` names: a listing of Reddit, and the request that reads it.

use std::fmt;

use crate::error::{Error, Result};

/// Named in every error about a location.
const FORMS: &str = "'r/<subreddit>[+<subreddit>...]/new' (or /hot, /top, /rising, /controversial), 'r/<subreddit>/comments', \
                     'r/<subreddit>/search?q=<words>', 'comments/<post id>', 'user/<name>/submitted'";
/// What the API accepts as `t`.
pub(super) const TIMES: [&str; 6] = ["hour", "day", "week", "month", "year", "all"];
/// Reddit's largest page.
const PAGE_SIZE: u32 = 100;
/// A comment tree comes in one answer; this is the most that Reddit puts into it.
const TREE_SIZE: u32 = 500;

/// How a listing is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Newest first: what lies below something old is old.
    Newest,
    /// By rank, which changes all the time.
    Ranked,
}

/// What a listing holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Links and self posts, `t3`.
    Post,
    /// Comments, `t1`.
    Comment,
}

impl Kind {
    /// The type prefix of its full names.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Post => "t3",
            Self::Comment => "t1",
        }
    }

    /// In words, for messages.
    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::Post => "posts",
            Self::Comment => "comments",
        }
    }
}

/// A listing of Reddit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Listing {
    /// Posts of one or more subreddits.
    Posts {
        /// Joined by `+`.
        subreddits: String,
        /// `new`, `hot`, `top`, `rising` or `controversial`.
        sort: &'static str,
    },
    /// The newest comments of one or more subreddits.
    Comments {
        /// Joined by `+`.
        subreddits: String,
    },
    /// The comments of one post.
    Tree {
        /// The post.
        post: String,
    },
    /// Posts that match, newest first.
    Search {
        /// Joined by `+`.
        subreddits: String,
        /// In Reddit's search syntax.
        query: String,
    },
    /// A user's posts, newest first.
    Submitted {
        /// The user.
        user: String,
    },
}

impl Listing {
    /// Reads a `LOCATION`; `query` is the option of that name.
    ///
    /// # Errors
    /// [`Error::Config`] that names the accepted forms.
    pub(super) fn parse(location: &str, query: Option<&str>) -> Result<Self> {
        let (path, parameters) = location.trim().split_once('?').unwrap_or((location.trim(), ""));
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let bad = |why: &str| Error::config_at("LOCATION", format!("location '{location}' {why}; accepted are {FORMS}"));
        let listing = match parts.as_slice() {
            ["r", subreddits, "search"] => {
                let found = url::form_urlencoded::parse(parameters.as_bytes()).find(|(name, _)| name == "q");
                let query = query.map(str::to_owned).or_else(|| found.map(|(_, value)| value.into_owned()));
                let query = query.filter(|text| !text.trim().is_empty()).ok_or_else(|| bad("lacks the words to search for"))?;
                return Ok(Self::Search { subreddits: names(subreddits).ok_or_else(|| bad("names no subreddit"))?, query });
            }
            ["r", subreddits, "comments"] => {
                Self::Comments { subreddits: names(subreddits).ok_or_else(|| bad("names no subreddit"))? }
            }
            ["r", subreddits, sort] => Self::Posts {
                subreddits: names(subreddits).ok_or_else(|| bad("names no subreddit"))?,
                sort: ["new", "hot", "top", "rising", "controversial"]
                    .into_iter()
                    .find(|known| known == sort)
                    .ok_or_else(|| bad(&format!("has the unknown order '{sort}'")))?,
            },
            ["r", _] => return Err(bad("lacks an order")),
            ["comments", post] if is_id(post) => Self::Tree { post: post.trim_start_matches("t3_").to_owned() },
            ["user" | "u", user, "submitted"] if is_name(user) => Self::Submitted { user: (*user).to_owned() },
            _ => return Err(bad("is no listing of Reddit")),
        };
        if !parameters.is_empty() {
            return Err(bad("has parameters, which only a search takes"));
        }
        if query.is_some() {
            return Err(Error::config_at("query", "option 'query' belongs to 'r/<subreddit>/search' only"));
        }
        Ok(listing)
    }

    /// Sorted how.
    pub(super) fn order(&self) -> Order {
        match self {
            Self::Posts { sort, .. } if *sort != "new" => Order::Ranked,
            Self::Tree { .. } => Order::Ranked,
            _ => Order::Newest,
        }
    }

    /// Of what.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Comments { .. } | Self::Tree { .. } => Kind::Comment,
            _ => Kind::Post,
        }
    }

    /// Whether `t` narrows it.
    pub(super) fn takes_time(&self) -> bool {
        matches!(self, Self::Search { .. } | Self::Posts { sort: "top" | "controversial", .. })
    }

    /// The path below the API's address.
    pub(super) fn path(&self) -> String {
        match self {
            Self::Posts { subreddits, sort } => format!("/r/{subreddits}/{sort}"),
            Self::Comments { subreddits } => format!("/r/{subreddits}/comments"),
            Self::Tree { post } => format!("/comments/{post}"),
            Self::Search { subreddits, .. } => format!("/r/{subreddits}/search"),
            Self::Submitted { user } => format!("/user/{user}/submitted"),
        }
    }

    /// The query parameters of one page.
    pub(super) fn parameters(&self, time: Option<&str>, after: Option<&str>) -> Vec<(&'static str, String)> {
        // Without raw_json the API escapes <, > and & in every text.
        let mut parameters = vec![("raw_json", "1".to_owned())];
        let size = if matches!(self, Self::Tree { .. }) { TREE_SIZE } else { PAGE_SIZE };
        parameters.push(("limit", size.to_string()));
        match self {
            Self::Search { query, .. } => {
                parameters.extend([("q", query.clone()), ("restrict_sr", "1".to_owned()), ("sort", "new".to_owned())]);
            }
            Self::Submitted { .. } | Self::Tree { .. } => parameters.push(("sort", "new".to_owned())),
            _ => {}
        }
        parameters.extend(time.map(|time| ("t", time.to_owned())));
        parameters.extend(after.map(|after| ("after", after.to_owned())));
        parameters
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path().trim_start_matches('/'))
    }
}

/// Names joined by `+`, checked so that none can leave its place in the path.
fn names(text: &str) -> Option<String> {
    text.split('+').all(is_name).then(|| text.to_owned())
}

fn is_name(text: &str) -> bool {
    (2..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

fn is_id(text: &str) -> bool {
    let id = text.trim_start_matches("t3_");
    (1..=13).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(location: &str) -> String {
        Listing::parse(location, None).unwrap().path()
    }

    #[test]
    fn every_form_becomes_its_path() {
        assert_eq!(path("r/rust/new"), "/r/rust/new");
        assert_eq!(path("/r/rust+datascience/top/"), "/r/rust+datascience/top");
        assert_eq!(path("r/rust/comments"), "/r/rust/comments");
        assert_eq!(path("comments/t3_1abc"), "/comments/1abc");
        assert_eq!(path("user/some-one/submitted"), "/user/some-one/submitted");
        let search = Listing::parse("r/rust/search?q=borrow+checker", None).unwrap();
        assert!(search.parameters(None, None).contains(&("q", "borrow checker".to_owned())));
        let option = Listing::parse("r/rust/search", Some("async")).unwrap();
        assert_eq!((option.order(), option.kind(), option.takes_time()), (Order::Newest, Kind::Post, true));
    }

    #[test]
    fn wrong_locations_name_the_accepted_forms() {
        for wrong in
            ["r/rust", "r/rust/best", "r/a b/new", "r/../new", "rust", "comments/UPPER", "r/rust/search", "r/rust/new?x=1"]
        {
            let error = Listing::parse(wrong, None).unwrap_err();
            assert!(error.to_string().contains("accepted are 'r/<subreddit>"), "{error}");
            assert_eq!(error.subject(), Some("LOCATION"));
        }
        assert_eq!(Listing::parse("r/rust/new", Some("x")).unwrap_err().subject(), Some("query"));
    }
}
