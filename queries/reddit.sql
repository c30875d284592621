-- Posts of three subreddits, into the lake and the warehouse: every post once, with its newest score, in UTC, by day.
--
--   engine run queries/reddit.sql
--
-- Without credentials, sample posts are replayed; with REDDIT_CLIENT_ID and REDDIT_CLIENT_SECRET this reads Reddit.
-- Without [warehouse] url, the warehouse is a folder of the lake; with it, this file writes there, unchanged.
SET pipeline.schedule = '*/15 * * * *';
SET pipeline.retries  = 3;

-- A listing of Reddit ends after about 1,000 posts, so each subreddit is read on its own. For a day after a post was
-- made it is read again, because its score and its comments go on changing.
CREATE EXTERNAL TABLE dataengineering STORED AS REDDIT LOCATION 'r/dataengineering/new' OPTIONS ('refresh' '1 day');
CREATE EXTERNAL TABLE datascience     STORED AS REDDIT LOCATION 'r/datascience/new'     OPTIONS ('refresh' '1 day');
CREATE EXTERNAL TABLE rust            STORED AS REDDIT LOCATION 'r/rust/new'            OPTIONS ('refresh' '1 day');

CREATE VIEW posts AS
SELECT * FROM dataengineering
UNION ALL
SELECT * FROM datascience
UNION ALL
SELECT * FROM rust;

CREATE VIEW clean_posts AS
SELECT
    id,
    subreddit,
    trim(title)                                  AS title,
    -- Deleted accounts keep their posts: one name for all of them, and a column that says so.
    coalesce(author, '[deleted]')                AS author,
    coalesce(author, '[deleted]') = '[deleted]'  AS author_deleted,
    author_fullname,
    nullif(selftext, '')                         AS selftext,
    selftext IN ('[removed]', '[deleted]')       AS text_removed,
    'https://www.reddit.com' || permalink        AS link,
    url,
    domain,
    link_flair_text                              AS flair,
    is_self,
    over_18,
    stickied,
    score,
    upvote_ratio,
    num_comments,
    num_comments >= 50                           AS is_discussed,
    -- Reddit sends seconds since 1970, in UTC. `edited` is false, or the time of the last edit.
    to_timestamp(created_utc)                    AS created_at,
    edited,
    to_timestamp(edited_utc)                     AS edited_at,
    CAST(to_timestamp(created_utc) AS DATE)      AS created_date
FROM posts;

CREATE EXTERNAL TABLE reddit_posts
STORED AS DELTA LOCATION 'lake://reddit/posts' PARTITIONED BY (created_date) OPTIONS ('key' 'id');

CREATE EXTERNAL TABLE warehouse_posts
STORED AS WAREHOUSE LOCATION 'public.reddit_posts' OPTIONS ('key' 'id');

-- The days at a glance, computed anew whenever a post was added or changed.
CREATE EXTERNAL TABLE reddit_days
STORED AS DELTA LOCATION 'lake://reddit/days';

REPLACE INTO reddit_posts    SELECT * FROM clean_posts;
REPLACE INTO warehouse_posts SELECT * FROM clean_posts;

INSERT OVERWRITE reddit_days
SELECT
    created_date,
    subreddit,
    count(*)                                   AS posts,
    count(*) FILTER (WHERE is_discussed)       AS discussed_posts,
    count(DISTINCT author) FILTER (WHERE NOT author_deleted) AS authors,
    sum(score)                                 AS score,
    sum(num_comments)                          AS comments
FROM reddit_posts
GROUP BY created_date, subreddit;
