//! The embedded replay: a small server inside the engine that speaks Reddit's API and serves posts invented by a pure
//! generator, so that a pipeline runs without an account, through the same client and decoder as against Reddit.
//!
//! [`words`] and [`posts`] make a post of its number alone, [`comments`] its comments; [`listing`] says which numbers a
//! request means, a page at a time; [`server`] is the HTTP around it. Nothing is kept in memory but the page in work.

mod comments;
mod listing;
mod posts;
mod server;
mod words;

pub use posts::{SUBREDDITS, SamplePost, sample_posts};
pub(super) use server::Replay;
