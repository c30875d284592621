//! `STORED AS REDDIT`: posts and comments of Reddit, read incrementally through its official API.
//!
//! What happens in which file:
//! - `location`: what `LOCATION` names, and the request that reads it; `connector`: the options;
//! - `client`, `auth`, `answer`, `pacing`: one request, with token, retries and rate limit;
//! - `page`, `schema`, `decode`, `batch`: from the bytes of a page to Arrow columns;
//! - `offset`, `walk`: which posts of a moving listing are new, without I/O; `source` drives it;
//! - `child_replay`: what was put aside, decoded once more;
//! - `replay`: the server inside the engine that stands in for Reddit when no credentials are set.
//!
//! It reads only: nothing is posted, voted or moderated, and no page of the web site is scraped.

mod answer;
mod auth;
mod batch;
mod child_replay;
mod client;
mod config;
mod connector;
mod decode;
mod location;
mod offset;
mod pacing;
mod page;
mod replay;
mod schema;
mod source;
mod walk;

pub use config::{RedditConfig, replay_notice};
pub use connector::Reddit;
pub use replay::{SUBREDDITS, SamplePost, sample_posts};
