//! The connector as the registry knows it: its options, and a table made into a source. No network here.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use super::location::{Listing, Order, TIMES};
use super::source::{Feed, OnBad, RedditSource};
use super::walk::{Bounds, Rules};
use crate::context::{Context, TableSpec};
use crate::error::{Error, Result};
use crate::on_error::MAX_BAD_RATIO;
use crate::options::{OptionSpec, Options};
use crate::registry::Connector;
use crate::source::Source;
use crate::stores::Location;

/// How far below the newest post a poll looks again, when the table does not say.
const OVERLAP: Duration = Duration::from_secs(3_600);
/// A listing gains a few posts a minute at most; one request a minute is well within any rate limit.
const POLL: Duration = Duration::from_secs(60);

/// `STORED AS REDDIT`: posts and comments.
///
/// `LOCATION` is one of `r/<subreddit>[+<subreddit>...]/{new,hot,top,rising,controversial}`, `r/<subreddit>/comments`,
/// `r/<subreddit>/search?q=<words>`, `comments/<post id>` (the comments of one post, as far as Reddit sends them in one
/// answer: about 500) and `user/<name>/submitted`.
#[derive(Debug)]
pub struct Reddit;

/// The user reference.
const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "time",
        default: "Reddit's own: 'day' for top and controversial, 'all' for a search",
        help: "the span that /top, /controversial and /search look back: 'hour', 'day', 'week', 'month', 'year' or 'all'",
    },
    OptionSpec {
        name: "limit",
        default: "none for listings sorted by time, 1000 otherwise",
        help: "how many posts from the top of the listing one poll looks at, as in '100'; those further down are not read",
    },
    OptionSpec {
        name: "overlap",
        default: "'1 hour'",
        help: "how far below the newest post seen a poll looks again, even if it finds nothing new, as in '6 hours'; catches \
               posts that moderators let through late",
    },
    OptionSpec {
        name: "refresh",
        default: "none: a post is read once",
        help: "read the posts younger than this again at every poll, as in '1 day', and emit those whose score, number of \
               comments, text, flair or state has changed; use REPLACE INTO to keep the last. Of the newest 1000 posts",
    },
    OptionSpec {
        name: "query",
        default: "the 'q' in LOCATION",
        help: "what to search for, in Reddit's search syntax, as in 'title:delta'; only with 'r/<subreddit>/search'",
    },
    OptionSpec {
        name: "on_error",
        default: "'fail'",
        help: "what happens to a record that cannot be made into a row (no id, no time, no object): 'fail' stops the run before \
               anything is written; 'quarantine' puts it, with its bytes, position and reason, into the Delta table \
               lake://bad/<pipeline>/<table>, in the same epoch",
    },
    OptionSpec {
        name: "max_bad_ratio",
        default: "'0.1'",
        help: "with on_error 'quarantine': the share of the records received in an epoch that may be bad before the run fails, \
               from 0 to 1",
    },
    OptionSpec {
        name: "poll",
        default: "'60s'",
        help: "how long --follow waits before it asks again, after there was nothing more",
    },
];

#[async_trait]
impl Connector for Reddit {
    fn name(&self) -> &'static str {
        "REDDIT"
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn is_source(&self) -> bool {
        true
    }

    async fn source(&self, table: &TableSpec, _home: Location, context: &Context) -> Result<Arc<dyn Source>> {
        let options = Options::parse(self.name(), OPTIONS, &table.options)?;
        let listing = Listing::parse(&table.location, options.text("query"))?;
        let time = options.choice("time", &TIMES)?;
        if time.is_some() && !listing.takes_time() {
            return Err(Error::config_at(
                "time",
                format!("option 'time' does not apply to '{}'; use it with /top, /controversial or /search", table.location),
            ));
        }
        let limit = options.number("limit")?;
        if limit == Some(0) {
            return Err(Error::config_at("limit", "option 'limit' is '0', expected at least 1"));
        }
        if listing.order() == Order::Ranked && options.text("overlap").is_some() {
            return Err(Error::config_at(
                "overlap",
                format!("option 'overlap' does not apply to '{}', which is not sorted by time", table.location),
            ));
        }
        let rules = Rules {
            order: listing.order(),
            kind: listing.kind(),
            overlap: options.duration("overlap")?.unwrap_or(OVERLAP).as_secs_f64(),
            limit,
            refresh: options.duration("refresh")?.map(|age| age.as_secs_f64()),
            bounds: Bounds::STANDARD,
        };
        let on_bad = on_bad(&options)?;
        context.reddit.grant()?;
        Ok(Arc::new(RedditSource {
            poll: options.duration("poll")?.unwrap_or(POLL),
            feed: Arc::new(Feed {
                listing,
                time,
                rules,
                on_bad,
                config: context.reddit.clone(),
                clock: Arc::clone(&context.clock),
                connection: OnceCell::new(),
            }),
        }))
    }
}

fn on_bad(options: &Options) -> Result<OnBad> {
    let ratio = options.ratio("max_bad_ratio")?;
    match options.choice("on_error", &["fail", "quarantine"])? {
        Some("quarantine") => Ok(OnBad::Quarantine { max_ratio: ratio.unwrap_or(MAX_BAD_RATIO) }),
        _ if ratio.is_some() => Err(Error::config_at(
            "max_bad_ratio",
            "option 'max_bad_ratio' applies only with on_error 'quarantine': with 'fail', the first bad record ends the run",
        )),
        _ => Ok(OnBad::Fail),
    }
}
