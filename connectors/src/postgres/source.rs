//! A table of PostgreSQL as a [`Source`].

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::logical_expr::Expr;

use super::client::Client;
use super::config::ConnectionConfig;
use super::describe::{Pattern, describe};
use super::literal;
use super::offset::Progress;
use super::pushdown;
use super::query::{Asked, Query};
use super::slice::Slice;
use crate::context::TableComments;
use crate::error::{Error, Result};
use crate::on_error::OnError;
use crate::replay::{Replay, ReplayRequest};
use crate::source::{Offset, SliceRead, SliceRequest, Source};
use crate::stores::Location;

/// A table, and how it is read.
#[derive(Debug)]
pub(super) struct Table {
    /// The table's name in the pipeline.
    pub(super) name: String,
    /// Its schema and name in the database.
    pub(super) full_name: String,
    /// What is being done, for errors: `reading public.orders`.
    pub(super) doing: String,
    /// The same, to be looked up.
    pub(super) place: Pattern,
    pub(super) connection: ConnectionConfig,
    pub(super) query: Query,
    /// The columns, as they are asked for and as they are handed out.
    pub(super) columns: Vec<Asked>,
    pub(super) schema: SchemaRef,
    pub(super) comments: TableComments,
    /// The columns are those of the table, and not declared.
    pub(super) takes_all: bool,
    /// How far behind the greatest cursor rows may still be committed, in the cursor's ranks.
    pub(super) overlap: i128,
    pub(super) on_error: OnError,
    pub(super) max_bad_ratio: f64,
    /// Rows without a position are left out, and not an error.
    pub(super) skips_placeless: bool,
    pub(super) poll: Duration,
    pub(super) home: Location,
}

impl Table {
    /// Where a cursor's value stands; nothing for a type without distances.
    pub(super) fn rank(&self, cursor: &[u8]) -> Option<i128> {
        literal::rank(&self.query.cursor()?.read_as.wire, cursor)
    }

    /// A value that cannot be a position, in spite of its type.
    pub(super) fn unplaced(&self, column: &Asked) -> Error {
        Error::data(format!(
            "{}, column '{}': a value cannot be written as a position to go on from",
            self.full_name, column.name
        ))
    }

    /// The rows that `filters` do not rule out, in the server's SQL; `None` when all are to come.
    pub(super) fn filter(&self, filters: &[Expr]) -> Option<String> {
        let conditions: Vec<String> = filters.iter().filter_map(|filter| pushdown::condition(self, filter)).collect();
        (!conditions.is_empty()).then(|| format!("({})", conditions.join(" AND ")))
    }

    /// The same, of a read that goes on. Rows that are to be remembered come all the same: the position is that of the last row of all,
    /// and a query that is edited later does not find rows again that were passed over.
    pub(super) fn filter_behind(&self, filters: &[Expr], floor: Option<i128>) -> Option<String> {
        let filter = self.filter(filters)?;
        if self.query.position.is_empty() {
            return Some(filter);
        }
        Some(format!("({filter} OR {})", self.query.is_near(floor)?))
    }

    /// Whether the table is still what it was when it was opened: what COPY sends does not say what it is.
    pub(super) async fn check_columns(&self, client: &Client) -> Result<()> {
        let Some(now) = describe(client, &self.place).await?.pop() else { return Ok(()) };
        let known = self.columns.iter().chain(&self.query.position);
        let changed = known.filter(|column| now.asked(&column.name).as_ref() != Some(*column)).map(|column| column.name.as_str());
        let is_new = |name: &&str| self.takes_all && self.columns.iter().all(|column| column.name != *name);
        let new = now.columns.iter().map(|column| column.name.as_str()).filter(is_new);
        let changed: Vec<&str> = changed.chain(new).collect();
        if changed.is_empty() {
            return Ok(());
        }
        let message = format!("{}: columns have changed since it was opened: {}", self.full_name, changed.join(", "));
        Err(Error::SchemaChanged { message })
    }

    /// What to do about rows that have no position: they would never be read.
    pub(super) fn check_placeless(&self, count: u64, is_more: bool) -> Result<()> {
        if count == 0 {
            return Ok(());
        }
        let names: Vec<String> = self.query.position.iter().map(|column| format!("'{}'", column.name)).collect();
        let rows = match (count, is_more) {
            (_, true) => format!("{count} rows or more have"),
            (1, _) => "1 row has".to_owned(),
            _ => format!("{count} rows have"),
        };
        let message = format!("{}: {rows} NULL or infinity in {}, and would never be read", self.full_name, names.join(" or "));
        if self.skips_placeless {
            tracing::warn!(table = self.name, "{message}");
            return Ok(());
        }
        Err(Error::data(format!(
            "{message}; give them values, read a view that does (coalesce), or leave them out with 'on_null' 'skip'"
        )))
    }
}

/// A table of PostgreSQL, read by its cursor or as a whole.
#[derive(Debug)]
pub(super) struct PostgresSource(pub(super) Arc<Table>);

#[async_trait]
impl Source for PostgresSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.0.schema)
    }

    async fn read(&self, offset: Option<&Offset>, request: &SliceRequest) -> Result<Box<dyn SliceRead>> {
        Ok(Box::new(Slice::open(Arc::clone(&self.0), Progress::load(offset)?, request).await?))
    }

    fn uses_filter(&self, filter: &Expr) -> bool {
        pushdown::condition(&self.0, filter).is_some()
    }

    fn describe_request(&self, columns: usize, filters: &[Expr]) -> Option<String> {
        let all = self.0.columns.len();
        let columns = if columns == all { "all columns".to_owned() } else { format!("{columns} of {all} columns") };
        let rows = self.0.filter(filters).map_or_else(|| "all rows".to_owned(), |filter| format!("the rows where {filter}"));
        Some(format!("{columns} of {rows}"))
    }

    async fn read_whole(&self, request: &SliceRequest) -> Result<Box<dyn SliceRead>> {
        Ok(Box::new(Slice::open_whole(Arc::clone(&self.0), request).await?))
    }

    fn mark(&self, offset: &Offset) -> String {
        // How many rows came depends on what was wanted of them.
        Progress::load(Some(offset)).and_then(Progress::mark).unwrap_or_else(|_| offset.0.clone())
    }

    fn identity(&self) -> String {
        let table = &self.0;
        let position: Vec<&str> = table.query.position.iter().map(|column| column.name.as_str()).collect();
        let filter = table.query.filter.as_ref().map_or_else(String::new, |filter| format!(" where {filter}"));
        format!("postgres {}/{} by {}{filter}", table.connection.place(), table.full_name, position.join(", "))
    }

    fn max_bad_ratio(&self) -> f64 {
        self.0.max_bad_ratio
    }

    fn comments(&self) -> TableComments {
        self.0.comments.clone()
    }

    fn poll_interval(&self) -> Duration {
        self.0.poll
    }

    fn describe(&self, offset: &Offset) -> String {
        let Ok(progress) = Progress::load(Some(offset)) else { return "not an offset of a table of PostgreSQL".to_owned() };
        let rows = if progress.rows == 1 { "row" } else { "rows" };
        let named = self.0.query.position.iter().zip(&progress.at);
        let at: Vec<String> = named.map(|(column, value)| format!("{} {value}", column.name)).collect();
        let up_to = if at.is_empty() { String::new() } else { format!(", up to {}", at.join(", ")) };
        format!("{} {rows}{up_to}", progress.rows)
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn is_whole(&self) -> bool {
        self.0.query.position.is_empty()
    }

    async fn version(&self) -> Result<String> {
        let client = Client::connect(&self.0.connection).await?;
        client.begin_read().await?;
        let rows = client.rows(&self.0.query.version(&self.0.columns), &self.0.doing).await?;
        client.end_read().await;
        let cells = rows.into_iter().flatten().map(Option::unwrap_or_default);
        Ok(cells.collect::<Vec<_>>().join(" rows, hash "))
    }

    fn replay(&self, _request: &ReplayRequest) -> Result<Box<dyn Replay>> {
        Err(Error::config(
            "bad rows of a POSTGRES table are still in their table: correct them there; they are read again when their cursor moves, and \
             all rows are with --from-scratch",
        ))
    }

    async fn retain(&self, live: &[&Offset]) -> Result<()> {
        Progress::retain(live, &self.0.home).await
    }
}
