//! REDDIT as a [`Source`]: a slice is the pages of one walk, a batch the new posts of one page.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use bytes::Bytes;
use chrono::DateTime;
use tokio::sync::OnceCell;

use super::batch::{Projection, name};
use super::client::Client;
use super::config::RedditConfig;
use super::decode::{Fields, float, text};
use super::location::Listing;
use super::offset::{Entry, Mark, Progress};
use super::page::Page;
use super::replay::Replay;
use super::schema::{columns, schema};
use super::walk::{Item, Rules, Step, Walker};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::source::{Offset, SliceEnd, SliceLimits, SliceRead, SliceRequest, Source};

/// A listing of Reddit, read incrementally.
#[derive(Debug)]
pub(super) struct RedditSource {
    pub(super) poll: Duration,
    pub(super) feed: Arc<Feed>,
}

/// What the slices of a source share.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) listing: Listing,
    pub(super) time: Option<&'static str>,
    pub(super) rules: Rules,
    pub(super) config: RedditConfig,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) connection: OnceCell<Connection>,
}

/// The client and, without credentials, the server it talks to.
#[derive(Debug)]
pub(super) struct Connection {
    client: Client,
    /// Stops when the source is dropped.
    _replay: Option<Replay>,
}

impl Feed {
    /// Set up at the first read: planning a pipeline opens no port and reads no certificates.
    async fn client(&self) -> Result<&Client> {
        let connect = || async {
            let mut config = self.config.clone();
            let replay = if config.is_live() { None } else { Some(Replay::start(config.replay_size()).await?) };
            if let Some(replay) = &replay {
                config.api_url = replay.url();
                config.token_url = format!("{}/api/v1/access_token", replay.url());
            }
            Ok(Connection { client: Client::new(config, Arc::clone(&self.clock))?, _replay: replay })
        };
        self.connection.get_or_try_init(connect).await.map(|connection| &connection.client)
    }

    async fn fetch(&self, step: &Step, pages: u64) -> Result<Page> {
        let kind = self.rules.kind;
        let (path, parameters) = match step {
            Step::Refresh(names) => ("/api/info".to_owned(), vec![("raw_json", "1".to_owned()), ("id", names.join(","))]),
            Step::Page(after) => (self.listing.path(), self.listing.parameters(self.time, after.as_deref())),
            Step::Done => return Err(Error::internal("a finished walk was asked for a page")),
        };
        let what = format!("{} page {}", self.listing, pages + 1);
        self.client().await?.get(&path, &parameters, &what, |body| Page::parse(&body, kind)).await
    }
}

#[async_trait]
impl Source for RedditSource {
    fn schema(&self) -> SchemaRef {
        schema(columns(self.feed.rules.kind))
    }

    async fn read(&self, offset: Option<&Offset>, request: &SliceRequest) -> Result<Box<dyn SliceRead>> {
        let progress = Progress::load(offset)?;
        let rules = self.feed.rules.clone();
        let start = offset.cloned().map_or_else(|| progress.store(), Ok)?;
        Ok(Box::new(Slice {
            projection: Projection::new(rules.kind, request.columns.as_deref(), rules.refresh.is_some()),
            walker: Walker::begin(rules, progress, self.feed.clock.now()),
            feed: Arc::clone(&self.feed),
            limits: request.limits,
            start,
            pages: 0,
            rows: 0,
            bytes: 0,
            interrupted: None,
        }))
    }

    fn poll_interval(&self) -> Duration {
        self.poll
    }

    fn identity(&self) -> String {
        match &self.feed.listing {
            Listing::Search { query, .. } => format!("{} for '{query}'", self.feed.listing),
            listing => listing.to_string(),
        }
    }

    fn describe(&self, offset: &Offset) -> String {
        let Ok(progress) = Progress::load(Some(offset)) else { return "not an offset of REDDIT".to_owned() };
        let kind = self.feed.rules.kind.plural();
        #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970")]
        let newest = progress.newest().and_then(|mark| DateTime::from_timestamp(mark.at as i64, 0));
        let newest = newest.map_or_else(String::new, |time| format!(", newest {}", time.format("%Y-%m-%d %H:%M:%S UTC")));
        let unfinished = if progress.walk.is_some() { ", more below" } else { "" };
        format!("{} {kind}{newest}{unfinished}", progress.posts)
    }
}

/// One slice being read.
struct Slice {
    feed: Arc<Feed>,
    projection: Projection,
    walker: Walker,
    limits: SliceLimits,
    start: Offset,
    pages: u64,
    rows: u64,
    bytes: u64,
    interrupted: Option<Error>,
}

impl Slice {
    /// A slice that has no rows yet is never full: an offset moves on with rows only, or polls would not come to rest.
    fn is_full(&self) -> bool {
        self.rows > 0 && (self.rows >= self.limits.rows || self.bytes >= self.limits.bytes)
    }

    /// One page. Progress is noted and the rows are handed out without an await between: a read that is dropped half-way
    /// has done neither.
    async fn page(&mut self, step: &Step) -> Result<Option<RecordBatch>> {
        let page = self.feed.fetch(step, self.pages).await?;
        self.pages += 1;
        self.bytes += page.bytes;
        let texts = page.children.iter().enumerate().map(|(place, child)| self.text(child, place)).collect::<Result<Vec<_>>>()?;
        let fields = texts
            .iter()
            .enumerate()
            .map(|(place, raw)| Fields::parse(raw, &self.projection.keys).map_err(|error| self.bad(place, &error.to_string())))
            .collect::<Result<Vec<_>>>()?;
        let items = fields.iter().enumerate().map(|(place, fields)| self.item(fields, place)).collect::<Result<Vec<_>>>()?;
        let wanted = match step {
            Step::Refresh(_) => self.walker.accept_refreshed(&items),
            _ => self.walker.accept(&items, page.after.as_deref()),
        };
        let chosen = texts.iter().zip(&fields).zip(&wanted);
        let rows: Vec<(&str, &Fields<'_>)> =
            chosen.filter(|(_, wanted)| **wanted).map(|((raw, fields), _)| (*raw, fields)).collect();
        if rows.is_empty() {
            return Ok(None);
        }
        let batch = self.projection.batch(&rows)?;
        self.rows += batch.num_rows() as u64;
        Ok(Some(batch))
    }

    fn text<'a>(&self, child: &'a Bytes, place: usize) -> Result<&'a str> {
        std::str::from_utf8(child).map_err(|error| self.bad(place, &error.to_string()))
    }

    fn item(&self, fields: &Fields<'_>, place: usize) -> Result<Item> {
        let keys = &self.projection.keys;
        let id = fields.value(keys.slot("id")).and_then(text).filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| self.bad(place, "it has no 'id', which must be a text"))?.into_owned();
        let at = fields.value(keys.slot("created_utc")).and_then(float);
        let at = at.ok_or_else(|| self.bad(place, &format!("'{id}' has no 'created_utc', which must be a unix time")))?;
        let hash = self.feed.rules.refresh.map(|_| fields.fingerprint(keys));
        Ok(Item { name: name(fields, keys, self.feed.rules.kind), entry: Entry { mark: Mark { at, id }, hash } })
    }

    fn bad(&self, place: usize, why: &str) -> Error {
        Error::data(format!("{} page {} child {}: {why}", self.feed.listing, self.pages, place + 1))
    }
}

#[async_trait]
impl SliceRead for Slice {
    async fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let step = self.walker.step();
            if self.interrupted.is_some() || self.is_full() || step == Step::Done {
                return Ok(None);
            }
            match self.page(&step).await {
                Ok(Some(batch)) => return Ok(Some(batch)),
                Ok(None) => {}
                Err(error) if self.rows > 0 => self.interrupted = Some(error),
                Err(error) => return Err(error),
            }
        }
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn end(self: Box<Self>) -> SliceEnd {
        let unchanged = self.rows == 0 && !self.walker.resumed();
        let offset = if unchanged { Ok(self.start.clone()) } else { self.walker.progress().store() };
        let more = self.interrupted.is_some() || self.walker.more();
        match offset {
            Ok(offset) => SliceEnd { offset, more, interrupted: self.interrupted },
            // Rows without their offset would be read twice: the slice counts as failed.
            Err(error) => SliceEnd { offset: self.start, more: true, interrupted: Some(error) },
        }
    }
}
