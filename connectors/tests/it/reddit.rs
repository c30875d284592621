//! REDDIT against a server that answers as Reddit does when things go wrong. No time is slept: the clock is moved by hand.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::AsArray;
use connectors::context::{Context, TableComments, TableSpec};
use connectors::reddit::{Reddit, RedditConfig, SUBREDDITS, sample_posts};
use connectors::registry::Connector;
use connectors::source::{Offset, SliceEnd, SliceLimits, SliceRequest, Source};
use connectors::staging::StagingSizes;
use connectors::stores::{S3Config, Stores};
use connectors::testing::{ManualClock, source_contract};
use connectors::{Error, Result};
use datafusion::execution::runtime_env::RuntimeEnv;
use testkit::reddit::{Answer, Reddit as Server, listing, post};

const HUGE: SliceLimits = SliceLimits { rows: u64::MAX, bytes: u64::MAX };
const SECRETS: [&str; 4] = ["hush-secret", "hush-password", "token-1", "token-2"];

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(chrono::DateTime::from_timestamp(1_795_216_000, 0).unwrap()))
}

async fn open(config: RedditConfig, clock: &Arc<ManualClock>, location: &str, options: &[(&str, &str)]) -> Arc<dyn Source> {
    let context = Context {
        stores: Arc::new(Stores::new("./lake", S3Config::default()).unwrap()),
        reddit: config,
        warehouse: connectors::warehouse::WarehouseConfig::default(),
        sizes: StagingSizes::default(),
        runtime: Arc::new(RuntimeEnv::default()),
        clock: Arc::clone(clock) as _,
    };
    let table = TableSpec {
        name: "posts".into(),
        connector: "REDDIT".into(),
        location: location.into(),
        series: None,
        partition_by: vec![],
        columns: None,
        primary_key: vec![],
        options: options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        comments: TableComments::default(),
    };
    Reddit.source(&table, context.locate("lake://.engine").unwrap(), &context).await.unwrap()
}

/// A server, its clock and a source that reads `r/test/new` from it.
struct Bench {
    server: Server,
    clock: Arc<ManualClock>,
    source: Arc<dyn Source>,
}

impl Bench {
    async fn new() -> Self {
        Self::with(|_| {}, "r/test/new", &[]).await
    }

    async fn with(set: impl Fn(&mut RedditConfig), location: &str, options: &[(&str, &str)]) -> Self {
        let server = Server::start().await.unwrap();
        let mut config = RedditConfig {
            client_id: Some("app".into()),
            client_secret: Some("hush-secret".into()),
            api_url: server.url(),
            token_url: format!("{}/api/v1/access_token", server.url()),
            ..RedditConfig::default()
        };
        set(&mut config);
        let clock = clock();
        let source = open(config, &clock, location, options).await;
        Self { server, clock, source }
    }

    async fn read(&self, offset: Option<&Offset>) -> Result<(Vec<String>, SliceEnd)> {
        slice(&self.source, offset, HUGE).await
    }

    /// Paths asked for, without those of tokens.
    fn pages(&self) -> usize {
        self.server.requests().iter().filter(|request| request.method == "GET").count()
    }

    async fn fails(&self) -> Error {
        let error = self.read(None).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(SECRETS.iter().all(|secret| !shown.contains(secret)), "a secret is shown: {shown}");
        error
    }
}

async fn slice(source: &Arc<dyn Source>, offset: Option<&Offset>, limits: SliceLimits) -> Result<(Vec<String>, SliceEnd)> {
    let (ids, end, fault) = slice_with_fault(source, offset, limits).await?;
    assert!(fault.is_none(), "{fault:?}");
    Ok((ids, end))
}

async fn slice_with_fault(
    source: &Arc<dyn Source>,
    offset: Option<&Offset>,
    limits: SliceLimits,
) -> Result<(Vec<String>, SliceEnd, Option<Error>)> {
    let mut read = source.read(offset, &SliceRequest::new(limits, None)).await?;
    let mut ids = Vec::new();
    while let Some(batch) = read.next_batch().await? {
        ids.extend(batch.column_by_name("id").unwrap().as_string::<i32>().iter().map(|id| id.unwrap().to_owned()));
    }
    let fault = read.take_fault();
    Ok((ids, read.end().await?, fault))
}

fn page(ids: &[&str], after: Option<&str>) -> Answer {
    let children: Vec<_> = ids.iter().map(|id| post(id, 1_795_000_000.0 + u32::from_str_radix(id, 36).unwrap() as f64)).collect();
    Answer::json(&listing(&children, after))
}

#[tokio::test]
async fn pages_to_the_end_as_reddit_wants_to_be_asked() {
    let bench = Bench::new().await;
    bench.server.push(page(&["f", "e"], Some("t3_e")));
    bench.server.push(page(&["e", "d"], None));
    let (ids, end) = bench.read(None).await.unwrap();
    assert_eq!((ids, end.more), (vec!["f".to_owned(), "e".into(), "d".into()], false));
    let requests = bench.server.requests();
    let token = &requests[0];
    assert_eq!((token.method.as_str(), token.body.as_str()), ("POST", "grant_type=client_credentials"));
    assert!(token.header("authorization").unwrap().starts_with("Basic "));
    let (first, second) = (&requests[1], &requests[2]);
    assert_eq!((first.parameter("raw_json"), first.parameter("limit"), first.parameter("after")), (Some("1"), Some("100"), None));
    assert_eq!((first.path.as_str(), second.parameter("after")), ("/r/test/new", Some("t3_e")));
    assert_eq!(first.header("authorization"), Some("Bearer token-1"));
    assert!(first.header("user-agent").unwrap().ends_with("(by /u/unknown)"));
    assert!(bench.clock.sleeps().is_empty());
}

#[tokio::test]
async fn listing_that_moves_and_loses_its_cursor_is_read_once() {
    let bench = Bench::new().await;
    bench.server.push(page(&["z", "y", "x"], Some("t3_x")));
    bench.server.push(page(&[], None));
    bench.server.push(page(&["x", "w", "v"], None));
    let (ids, end) = bench.read(None).await.unwrap();
    assert_eq!(ids, ["z", "y", "x", "w", "v"]);
    assert_eq!(bench.server.requests()[3].parameter("after"), Some("t3_y"));
    bench.server.push(page(&["11", "10", "z"], None));
    let (ids, next) = bench.read(Some(&end.offset)).await.unwrap();
    assert_eq!((ids, next.more), (vec!["11".to_owned(), "10".into()], false));
    bench.server.push(page(&["11", "10", "z"], None));
    let (ids, last) = bench.read(Some(&next.offset)).await.unwrap();
    assert_eq!((ids.len(), last.offset), (0, next.offset));
}

#[tokio::test]
async fn rate_limit_waits_as_told_or_backs_off() {
    let bench = Bench::new().await;
    bench.server.push(Answer::new(429, "<html>Too Many Requests</html>").header("retry-after", "4"));
    bench.server.push(Answer::new(429, ""));
    bench.server.push(page(&["a"], None));
    assert_eq!(bench.read(None).await.unwrap().0, ["a"]);
    let sleeps = bench.clock.sleeps();
    assert_eq!((sleeps.len(), sleeps[0]), (2, Duration::from_secs(4)));
    assert!(sleeps[1] <= Duration::from_secs(2));
}

#[tokio::test]
async fn rate_limit_that_lasts_is_reported_with_its_wait() {
    let bench = Bench::new().await;
    bench.server.handle(|_| Answer::new(429, "").header("retry-after", "7"));
    let error = bench.fails().await;
    assert!(matches!(error, Error::RateLimited { retry_after: Some(wait), .. } if wait == Duration::from_secs(7)), "{error:?}");
    assert_eq!((bench.pages(), bench.clock.sleeps().len()), (6, 5));
    let bench = Bench::new().await;
    bench.server.push(Answer::new(429, "").header("retry-after", "86400"));
    assert!(matches!(bench.fails().await, Error::RateLimited { .. }));
    assert!(bench.clock.sleeps().is_empty());
}

#[tokio::test]
async fn last_requests_of_a_window_are_spread() {
    let bench = Bench::new().await;
    let limited = |answer: Answer, left: &str| answer.header("x-ratelimit-remaining", left).header("x-ratelimit-reset", "100");
    bench.server.push(limited(page(&["c"], Some("t3_c")), "10.0"));
    bench.server.push(limited(page(&["b"], Some("t3_b")), "0.0"));
    bench.server.push(limited(page(&["a"], None), "599.0"));
    assert_eq!(bench.read(None).await.unwrap().0, ["c", "b", "a"]);
    assert_eq!(bench.clock.sleeps(), [Duration::from_secs(10), Duration::from_secs(100)]);
}

#[tokio::test]
async fn expired_token_is_replaced_once() {
    let bench = Bench::new().await;
    bench.server.push(Answer::new(401, r#"{"message":"Unauthorized","error":401}"#));
    bench.server.push(page(&["a"], None));
    assert_eq!(bench.read(None).await.unwrap().0, ["a"]);
    assert_eq!(bench.server.requests()[3].header("authorization"), Some("Bearer token-2"));
    let bench = Bench::new().await;
    bench.server.handle(|_| Answer::new(401, ""));
    assert!(matches!(bench.fails().await, Error::Auth { .. }));
    assert_eq!(bench.pages(), 2);
}

#[tokio::test]
async fn token_is_renewed_ahead_of_its_end() {
    let bench = Bench::new().await;
    bench.server.handle(|_| page(&["a"], None));
    let (_, end) = bench.read(None).await.unwrap();
    bench.clock.advance(Duration::from_secs(3_550));
    bench.read(Some(&end.offset)).await.unwrap();
    assert_eq!(bench.server.requests().last().unwrap().header("authorization"), Some("Bearer token-2"));
}

#[tokio::test]
async fn refused_grant_says_what_to_check() {
    let script = |config: &mut RedditConfig| {
        config.username = Some("ada".into());
        config.password = Some("hush-password".into());
    };
    let bench = Bench::with(script, "r/test/new", &[]).await;
    bench.server.push_token(Answer::new(200, r#"{"error_description":"Only script apps may","error":"unauthorized_client"}"#));
    let error = bench.fails().await;
    assert!(matches!(error, Error::Auth { .. }) && error.to_string().contains("unauthorized_client"), "{error}");
    assert_eq!(bench.server.requests()[0].body, "grant_type=password&username=ada&password=hush-password");
    bench.server.push_token(Answer::new(401, ""));
    assert!(bench.fails().await.to_string().contains("client_id and client_secret"));
    assert_eq!(bench.pages(), 0);
}

#[tokio::test]
async fn final_answers_are_not_asked_again() {
    let search = ("location", "https://www.reddit.com/subreddits/search?q=x");
    for (status, header, body, expected) in [
        (301, ("location", "/r/y/new"), "", "redirects to /r/y/new"),
        (302, search, "", "no such subreddit"),
        (403, ("x-a", "b"), r#"{"reason":"private","error":403}"#, "'private'"),
        (404, ("x-a", "b"), r#"{"message":"Not Found","error":404}"#, "Not Found"),
        (451, ("x-a", "b"), "", "legal"),
    ] {
        let bench = Bench::new().await;
        bench.server.push(Answer::new(status, body).header(header.0, header.1));
        let error = bench.fails().await;
        assert!(!error.retry() && error.to_string().contains(expected), "{status}: {error}");
        assert_eq!((bench.pages(), bench.clock.sleeps().len()), (1, 0), "{status}");
    }
}

#[tokio::test]
async fn faults_that_pass_are_outlived() {
    let half = page(&["a", "b", "c"], None).truncated();
    for fault in [
        Answer::new(500, ""),
        Answer::new(502, "<html>"),
        Answer::new(503, ""),
        Answer::new(504, ""),
        Answer::new(520, ""),
        Answer::new(522, ""),
        Answer::new(200, "<!doctype html><html>over capacity</html>"),
        Answer::new(200, r#"{"kind": "Listing", "data": {"children": []"#),
        half,
        Answer::reset(),
    ] {
        let bench = Bench::new().await;
        bench.server.push(fault.clone());
        bench.server.push(page(&["a"], None));
        assert_eq!(bench.read(None).await.unwrap().0, ["a"], "{fault:?}");
        assert_eq!(bench.clock.sleeps().len(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn faults_that_last_end_after_a_bounded_number_of_attempts() {
    let bench = Bench::new().await;
    bench.server.handle(|_| Answer::new(503, ""));
    let error = bench.fails().await;
    assert!(matches!(error, Error::Transient { .. }) && error.to_string().contains("after 6 attempts"), "{error}");
    assert_eq!(bench.pages(), 6);
}

#[tokio::test]
async fn silence_is_cut_off_and_asked_again() {
    // The timeout is real, and short, because it is the socket's; the ten seconds of the standard setting are not waited for.
    let bench = Bench::with(|config| config.timeout = Duration::from_millis(150), "r/test/new", &[]).await;
    bench.server.push(Answer::silent());
    bench.server.push(page(&["a"], None));
    assert_eq!(bench.read(None).await.unwrap().0, ["a"]);
}

#[tokio::test]
async fn fault_on_a_later_page_keeps_what_was_read() {
    let bench = Bench::new().await;
    bench.server.push(page(&["f", "e"], Some("t3_e")));
    (0..6).for_each(|_| bench.server.push(Answer::new(503, "")));
    let (ids, end, fault) = slice_with_fault(&bench.source, None, HUGE).await.unwrap();
    assert_eq!((ids, end.more), (vec!["f".to_owned(), "e".into()], true));
    assert!(matches!(fault, Some(Error::Transient { .. })));
    bench.server.push(page(&["d"], None));
    let (ids, end) = bench.read(Some(&end.offset)).await.unwrap();
    assert_eq!((ids, end.more), (vec!["d".to_owned()], true));
    assert_eq!(bench.server.requests().last().unwrap().parameter("after"), Some("t3_e"));
}

#[tokio::test]
async fn child_without_id_names_its_place() {
    let bench = Bench::new().await;
    let nameless = serde_json::json!({"kind": "t3", "data": {"title": "x", "created_utc": 1.0}});
    bench.server.push(Answer::json(&listing(&[post("a", 2.0), nameless], None)));
    let error = bench.fails().await;
    assert!(error.to_string().starts_with("r/test/new page 1 row 2: it has no 'id'"), "{error}");
}

#[tokio::test]
async fn refresh_emits_changed_scores_again() {
    let bench = Bench::with(|_| {}, "r/test/new", &[("refresh", "30 days")]).await;
    let changed = || {
        let mut post = post("a", 1_795_000_010.0);
        post["data"]["score"] = 99.into();
        Answer::json(&listing(&[post], None))
    };
    bench.server.push(page(&["a"], None));
    bench.server.push(page(&["a"], None));
    let (ids, end) = bench.read(None).await.unwrap();
    assert_eq!((ids.len(), end.more), (1, false));
    bench.server.push(changed());
    bench.server.push(changed());
    let (ids, next) = bench.read(Some(&end.offset)).await.unwrap();
    assert_eq!((ids, next.more), (vec!["a".to_owned()], false));
    assert_eq!(bench.server.requests().last().unwrap().parameter("id"), Some("t3_a"));
    bench.server.push(changed());
    bench.server.push(changed());
    let (ids, last) = bench.read(Some(&next.offset)).await.unwrap();
    assert_eq!((ids.len(), last.offset), (0, next.offset));
}

async fn replayed(posts: u64, location: &str) -> Arc<dyn Source> {
    open(RedditConfig { replay_posts: Some(posts), ..RedditConfig::default() }, &clock(), location, &[]).await
}

#[tokio::test]
async fn replay_gives_every_sample_post_once() {
    let source = replayed(1_000, &format!("r/{}/new", SUBREDDITS.join("+"))).await;
    let (ids, end) = slice(&source, None, HUGE).await.unwrap();
    assert_eq!(ids.len(), 3_000);
    assert_eq!(ids.into_iter().collect::<HashSet<_>>(), sample_posts(1_000).map(|post| post.id).collect());
    assert_eq!(source.describe(&end.offset), "3000 posts, newest 2026-11-20 23:00:00 UTC");
    let error = slice(&replayed(10, "r/nosuch/new").await, None, HUGE).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn replay_keeps_the_contract_of_a_source() {
    for location in ["r/rust/new", "r/rust+datascience/hot", "r/rust/comments", "r/rust/search?q=help", "r/rust/rising"] {
        let source = replayed(250, location).await;
        source_contract(source).await.unwrap_or_else(|broken| panic!("{location}: {broken}"));
    }
}

#[tokio::test]
async fn replay_serves_comment_trees_and_users() {
    let id = sample_posts(20).next().unwrap().id;
    let (comments, _) = slice(&replayed(20, &format!("comments/{id}")).await, None, HUGE).await.unwrap();
    assert_eq!(comments.len(), 2);
    let (top, _) = slice(&replayed(100, "r/rust/top").await, None, HUGE).await.unwrap();
    assert!(!top.is_empty() && top.len() < 10);
}

#[tokio::test]
async fn listing_longer_than_reddits_cap_comes_once_in_bounded_offsets() {
    let source = replayed(6_000, "r/rust/new").await;
    let limits = SliceLimits { rows: 1_500, bytes: u64::MAX };
    let (mut ids, mut offset, mut more, mut slices) = (HashSet::new(), None, true, 0);
    while more {
        let (rows, end) = slice(&source, offset.as_ref(), limits).await.unwrap();
        slices += 1;
        assert!(rows.into_iter().all(|id| ids.insert(id)), "a post came twice");
        assert!(end.offset.0.len() < 100_000, "an offset of {} bytes", end.offset.0.len());
        (offset, more) = (Some(end.offset), end.more);
    }
    assert_eq!((ids.len(), slices), (6_000, 5));
}
