//! REDDIT as a [`Source`]: a slice is the pages of one walk, a batch the new posts of one page.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use chrono::DateTime;
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use super::batch::{Projection, name};
use super::child_replay::ChildReplay;
use super::client::Client;
use super::config::RedditConfig;
use super::decode::{Fields, float, text};
use super::location::Listing;
use super::offset::{Entry, Mark, Progress};
use super::page::{Child, Page};
use super::replay::Replay as Server;
use super::schema::{columns, schema};
use super::walk::{Item, Rules, Step, Walker};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::replay::{Replay, ReplayRequest};
use crate::source::{BadRecord, Offset, SliceEnd, SliceLimits, SliceRead, SliceRequest, Source};

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
    pub(super) on_bad: OnBad,
    pub(super) config: RedditConfig,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) connection: OnceCell<Connection>,
}

/// What happens to a child that cannot be made into a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum OnBad {
    /// The slice fails.
    Fail,
    /// It is handed over; the epoch fails when there are more of them than this share.
    Quarantine { max_ratio: f64 },
}

/// The client and, without credentials, the server it talks to.
#[derive(Debug)]
pub(super) struct Connection {
    client: Client,
    /// Stops when the source is dropped.
    _replay: Option<Server>,
}

impl Feed {
    /// Set up at the first read: planning a pipeline opens no port and reads no certificates.
    async fn client(&self) -> Result<&Client> {
        let connect = || async {
            let mut config = self.config.clone();
            let replay = if config.is_live() { None } else { Some(Server::start(config.replay_size()).await?) };
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
            records: 0,
            bytes: 0,
            bad: Vec::new(),
            bad_rows: 0,
            fault: None,
            interrupted: false,
        }))
    }

    fn replay(&self, request: &ReplayRequest) -> Result<Box<dyn Replay>> {
        let rules = self.feed.rules.clone();
        let projection = Projection::new(rules.kind, request.columns.as_deref(), false);
        Ok(Box::new(ChildReplay::new(rules, projection)))
    }

    fn max_bad_ratio(&self) -> f64 {
        match self.feed.on_bad {
            OnBad::Fail => 0.0,
            OnBad::Quarantine { max_ratio } => max_ratio,
        }
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
    records: u64,
    bytes: u64,
    /// Bad children that were not handed over yet, and how many there were in all.
    bad: Vec<BadRecord>,
    bad_rows: u64,
    fault: Option<Error>,
    interrupted: bool,
}

/// A child as a row needs it.
pub(super) struct Decoded<'a> {
    pub(super) raw: &'a str,
    pub(super) fields: Fields<'a>,
    item: Item,
}

/// Why a child is no row, and its id if it has one.
pub(super) struct Refused {
    pub(super) reason: String,
    id: Option<String>,
}

impl<'a> Decoded<'a> {
    pub(super) fn new(child: &'a Child, projection: &Projection, rules: &Rules) -> Result<Self, Refused> {
        let refused = |reason: String| Refused { reason, id: None };
        let data = match child {
            Child::Data(data) => data,
            Child::Other(_, why) => return Err(refused(why.clone())),
        };
        let raw = std::str::from_utf8(data).map_err(|error| refused(error.to_string()))?;
        let keys = &projection.keys;
        let fields = Fields::parse(raw, keys).map_err(|error| refused(error.to_string()))?;
        let id = fields.value(keys.slot("id")).and_then(text).filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| refused("it has no 'id', which must be a text".to_owned()))?.into_owned();
        let Some(at) = fields.value(keys.slot("created_utc")).and_then(float) else {
            let reason = format!("'{id}' has no 'created_utc', which must be a unix time");
            return Err(Refused { reason, id: Some(id) });
        };
        let hash = rules.refresh.map(|_| fields.fingerprint(keys));
        let item = Item { name: name(&fields, keys, rules.kind), entry: Entry { mark: Mark { at, id }, hash } };
        Ok(Self { raw, fields, item })
    }
}

impl Slice {
    /// Whether it has anything to hand over: an offset moves on with that only, or polls would not come to rest.
    fn has_some(&self) -> bool {
        self.rows + self.bad_rows > 0
    }

    fn is_full(&self) -> bool {
        self.has_some() && (self.rows + self.bad_rows >= self.limits.rows || self.bytes >= self.limits.bytes)
    }

    /// One page. Progress is noted and the rows are handed out without an await between: a read that is dropped half-way
    /// has done neither.
    async fn page(&mut self, step: &Step) -> Result<Option<RecordBatch>> {
        let page = self.feed.fetch(step, self.pages).await?;
        self.pages += 1;
        self.bytes += page.bytes;
        self.records += page.children.len() as u64;
        let mut decoded = Vec::with_capacity(page.children.len());
        for (place, child) in page.children.iter().enumerate() {
            match Decoded::new(child, &self.projection, &self.feed.rules) {
                Ok(row) => decoded.push(row),
                Err(refused) => self.refuse(child, place, refused)?,
            }
        }
        let items: Vec<Item> = decoded.iter().map(|row| row.item.clone()).collect();
        let wanted = match step {
            Step::Refresh(_) => self.walker.accept_refreshed(&items),
            _ if items.is_empty() && !page.children.is_empty() => {
                self.walker.pass(page.after.as_deref());
                Vec::new()
            }
            _ => self.walker.accept(&items, page.after.as_deref()),
        };
        let chosen = decoded.iter().zip(&wanted).filter(|(_, wanted)| **wanted);
        let rows: Vec<(&str, &Fields<'_>)> = chosen.map(|(row, _)| (row.raw, &row.fields)).collect();
        if rows.is_empty() {
            return Ok(None);
        }
        let batch = self.projection.batch(&rows)?;
        self.rows += batch.num_rows() as u64;
        Ok(Some(batch))
    }

    /// Keeps a bad child, unless it was handed over before.
    ///
    /// # Errors
    /// [`Error::Data`] where bad children are not quarantined.
    fn refuse(&mut self, child: &Child, place: usize, refused: Refused) -> Result<()> {
        let file = format!("{} page {}", self.feed.listing, self.pages);
        let row = place as u64 + 1;
        if self.feed.on_bad == OnBad::Fail {
            return Err(Error::data(format!(
                "{file} row {row}: {}; to put such records aside and go on, add OPTIONS ('on_error' 'quarantine')",
                refused.reason
            )));
        }
        let (Child::Data(raw) | Child::Other(raw, _)) = child;
        let fingerprint = refused.id.unwrap_or_else(|| hex::encode(&Sha256::digest(raw)[..8]));
        if self.walker.accept_bad(fingerprint) {
            self.bad.push(BadRecord { raw: raw.to_vec(), file, row: Some(row), reason: refused.reason, ..BadRecord::default() });
            self.bad_rows += 1;
        }
        Ok(())
    }
}

#[async_trait]
impl SliceRead for Slice {
    async fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let step = self.walker.step();
            if self.interrupted || self.is_full() || step == Step::Done {
                return Ok(None);
            }
            match self.page(&step).await {
                Ok(Some(batch)) => return Ok(Some(batch)),
                Ok(None) => {}
                Err(error) if self.has_some() => {
                    self.interrupted = true;
                    self.fault = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn take_fault(&mut self) -> Option<Error> {
        self.fault.take()
    }

    fn take_bad(&mut self) -> Vec<BadRecord> {
        std::mem::take(&mut self.bad)
    }

    fn records(&self) -> u64 {
        self.records
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    async fn end(self: Box<Self>) -> Result<SliceEnd> {
        let unchanged = !self.has_some() && !self.walker.resumed();
        let offset = if unchanged { self.start.clone() } else { self.walker.progress().store()? };
        Ok(SliceEnd { offset, more: self.interrupted || self.walker.more(), landed_at: None })
    }
}
