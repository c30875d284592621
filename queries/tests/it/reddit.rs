//! What reddit.sql makes of the sample posts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use connectors::reddit::{SamplePost, sample_posts};
use tokio_util::sync::CancellationToken;

use crate::lab::Lab;

const POSTS: u64 = 300;

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("reddit.sql")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reddit_holds_the_sample_posts() {
    let (lab, file) = (Lab::new(POSTS), file());
    lab.run(&file, 100_000, &CancellationToken::new()).await;
    let sample: Vec<SamplePost> = sample_posts(POSTS).collect();

    let ids: BTreeSet<String> = lab.query(&file, "SELECT id FROM reddit_posts").await.into_iter().collect();
    assert_eq!(ids, sample.iter().map(|post| post.id.clone()).collect());
    let made: BTreeSet<String> =
        lab.query(&file, "SELECT id, subreddit, to_unixtime(created_at) FROM reddit_posts").await.into_iter().collect();
    let expected = |post: &SamplePost| format!("{}|{}|{}", post.id, post.subreddit, post.created_utc);
    assert_eq!(made, sample.iter().map(expected).collect());

    let truth = "SELECT
        count(*) = count(DISTINCT id),
        count(*) FILTER (WHERE author_deleted) > 0,
        bool_and(author_deleted = (author = '[deleted]')),
        bool_and(author IS NOT NULL AND title = trim(title)),
        count(edited_at) > 0,
        -- Reddit says of very old edits that there was one, not when: a time is an edit, an edit need not have a time.
        bool_and(edited_at IS NULL OR (edited AND edited_at > created_at)),
        bool_and(created_date = CAST(created_at AS DATE)),
        bool_and(is_discussed = (num_comments >= 50)),
        count(*) FILTER (WHERE is_discussed) > 0
        FROM reddit_posts";
    assert_eq!(lab.query(&file, truth).await, [["true"; 9].join("|")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_warehouse_holds_what_the_lake_holds() {
    let (lab, file) = (Lab::new(POSTS), file());
    lab.run(&file, 100, &CancellationToken::new()).await;
    let columns = "id, subreddit, title, author, score, created_at, edited, edited_at, created_date, link, is_discussed";
    let lake = lab.query(&file, &format!("SELECT {columns} FROM reddit_posts ORDER BY id")).await;
    assert_eq!(lake.len(), usize::try_from(POSTS * 3).unwrap());
    assert_eq!(lab.query(&file, &format!("SELECT {columns} FROM warehouse_posts ORDER BY id")).await, lake);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_days_sum_up_to_the_posts() {
    let (lab, file) = (Lab::new(POSTS), file());
    lab.run(&file, 100, &CancellationToken::new()).await;
    let days = "SELECT sum(posts), sum(discussed_posts), sum(score), sum(comments), count(*) FROM reddit_days";
    let posts = "SELECT count(*), count(*) FILTER (WHERE is_discussed), sum(score), sum(num_comments),
        count(DISTINCT CAST(created_date AS VARCHAR) || subreddit) FROM reddit_posts";
    let days = lab.query(&file, days).await;
    assert_eq!(days, lab.query(&file, posts).await);
    assert!(days[0].starts_with(&format!("{}|", POSTS * 3)), "{days:?}");
}
