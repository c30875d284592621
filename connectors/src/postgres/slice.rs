//! One slice being read: a transaction, a COPY, and batches of what it sends.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;

use super::batch::Batch;
use super::client::Client;
use super::input::Input;
use super::literal;
use super::offset::{Progress, Resume};
use super::query::{Asked, Wanted};
use super::source::Table;
use super::window::{Identity, Place, Seen, Window, identity};
use crate::error::{Error, Result};
use crate::on_error::OnError;
use crate::source::{BadRecord, SliceEnd, SliceLimits, SliceRead, SliceRequest};

/// A batch ends at this many rows, or bytes.
const BATCH_ROWS: u64 = 8_192;
const BATCH_BYTES: u64 = 8 << 20;
/// Rows without a position that are counted; more are not told apart.
const MOST_PLACELESS: u64 = 1_000;

/// A slice of a table.
pub(super) struct Slice {
    table: Arc<Table>,
    input: Input,
    batch: Batch,
    /// For each part of the position the field that it is in.
    place: Vec<usize>,
    limits: SliceLimits,
    given: Progress,
    /// Where the last row stands, as it came.
    at: Vec<Vec<u8>>,
    window: Window,
    rows: u64,
    bad: Vec<BadRecord>,
    fault: Option<Error>,
    is_touched: bool,
    is_drained: bool,
}

impl Slice {
    /// Opens a slice behind `given`.
    pub(super) async fn open(table: Arc<Table>, given: Progress, request: &SliceRequest) -> Result<Self> {
        let (client, asked, batch) = connected(&table, request).await?;
        let mut fields = asked;
        let mut place = Vec::new();
        for part in &table.query.position {
            let found = fields.iter().position(|field| field.name == part.name);
            place.push(found.unwrap_or(fields.len()));
            if found.is_none() {
                fields.push(part.clone());
            }
        }
        let seen = given.seen(&table.home).await?;
        // All that is remembered may come first; and one row more says whether there is more.
        let limit = request.limits.rows.saturating_add(1 + seen.len() as u64);
        let limit = i64::try_from(limit).is_ok_and(|_| !place.is_empty()).then_some(limit);
        let (client, floor) = begin(&table, client, &given).await?;
        let filter = table.filter_behind(&request.filters, floor);
        let value =
            table.query.cursor().zip(given.at.first()).and_then(|(cursor, text)| literal::to_bytes(&cursor.read_as.wire, text));
        let window = Window::new(seen, floor, value, given.is_lost);
        let statement = table.query.copy(&fields, &Wanted { progress: &given, filter, limit, in_order: true });
        let input = Input::open(client, &statement, fields.len(), &table.doing).await?;
        Ok(Self::new(table, (input, batch), (place, window), given, request.limits))
    }

    /// Opens all of the table, as it lies.
    pub(super) async fn open_whole(table: Arc<Table>, request: &SliceRequest) -> Result<Self> {
        let (client, fields, batch) = connected(&table, request).await?;
        check_placeless(&table, &client).await?;
        // A row that is put aside is none of those that are enough.
        let limit = request.enough.filter(|_| table.on_error != OnError::Quarantine);
        let limit = limit.filter(|limit| i64::try_from(*limit).is_ok());
        let given = Progress::default();
        let wanted = Wanted { progress: &given, filter: table.filter(&request.filters), limit, in_order: false };
        let input = Input::open(client, &table.query.copy(&fields, &wanted), fields.len(), &table.doing).await?;
        let window = Window::new(Seen::new(), None, None, false);
        Ok(Self::new(table, (input, batch), (Vec::new(), window), given, request.limits))
    }

    fn new(
        table: Arc<Table>,
        (input, batch): (Input, Batch),
        (place, window): (Vec<usize>, Window),
        given: Progress,
        limits: SliceLimits,
    ) -> Self {
        let at = vec![Vec::new(); place.len()];
        let (rows, bad, fault, is_touched, is_drained) = (0, Vec::new(), None, false, false);
        Self { table, input, batch, place, limits, given, at, window, rows, bad, fault, is_touched, is_drained }
    }

    fn is_full(&self) -> bool {
        self.rows >= self.limits.rows || (self.input.bytes >= self.limits.bytes && self.rows > 0)
    }

    /// Rows up to the end of a batch; none at the end of the slice.
    async fn fill(&mut self) -> Result<Option<RecordBatch>> {
        let most = BATCH_ROWS.min(self.limits.rows.saturating_sub(self.rows).max(1));
        let begun = self.input.bytes;
        while self.batch.rows() < most && self.input.bytes - begun < BATCH_BYTES {
            match self.input.advance().await {
                Ok(true) => self.take()?,
                Ok(false) => {
                    self.is_drained = true;
                    break;
                }
                Err(error) if error.retry() && self.rows + self.batch.rows() > 0 => {
                    self.fault = Some(error);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        let rows = self.batch.rows();
        self.rows += rows;
        if rows == 0 { Ok(None) } else { self.batch.finish(&mut self.bad).map(Some) }
    }

    /// Takes the current row, unless it was read before.
    fn take(&mut self) -> Result<()> {
        let (input, window) = (&self.input, &mut self.window);
        let mut identified = None;
        if let Some(place) = place_of(&self.table, input, &self.place) {
            window.pass(place);
            if window.concerns(place) {
                identified = Some((place, identity_of(input, &self.place)));
            }
        }
        let is_known = identified.is_some_and(|(_, identity)| window.is_seen(identity));
        if !is_known {
            self.batch.append(input)?;
            if let Some((place, identity)) = identified {
                window.remember(place, identity);
            }
        }
        for (at, field) in self.at.iter_mut().zip(&self.place) {
            at.clear();
            at.extend_from_slice(self.input.field(*field).unwrap_or_default());
        }
        self.is_touched = true;
        Ok(())
    }

    /// Whether a row follows that was not read before.
    async fn look_ahead(&mut self) -> Result<()> {
        while self.input.advance().await? {
            if self.place.is_empty() {
                return Ok(());
            }
            if !self.window.is_seen(identity_of(&self.input, &self.place)) {
                return Ok(());
            }
        }
        self.is_drained = true;
        Ok(())
    }

    /// The offset behind what was returned, and the connection.
    async fn progress(mut self: Box<Self>) -> Result<(Progress, Client)> {
        let is_closing = self.is_drained && self.given.resume == Resume::After && !self.given.at.is_empty();
        let is_idle = self.rows == 0 && self.is_drained && self.given.resume == Resume::Window;
        if (!self.is_touched && !is_closing) || is_idle || self.place.is_empty() {
            return Ok((self.given, self.input.into_client()));
        }
        let mut progress = self.given.clone();
        let mut rank = None;
        if self.is_touched {
            let parts = self.table.query.position.iter().zip(&self.at);
            let text = parts
                .map(|(column, bytes)| literal::of_value(&column.read_as.wire, bytes).ok_or_else(|| self.table.unplaced(column)));
            progress.at = text.collect::<Result<_>>()?;
            rank = self.table.rank(&self.at[0]);
        }
        progress.rows += self.rows;
        self.window.forget(if self.is_drained { rank.map(|_| i128::MAX) } else { rank });
        let is_lost = self.window.is_lost;
        if is_lost {
            tracing::warn!(
                table = self.table.name,
                "more rows share the end of the cursor than are remembered; rows that are committed late among them are not looked for"
            );
        }
        progress.is_lost = is_lost && rank.is_none();
        progress.set_floor(if is_lost { rank.map(|rank| rank + 1) } else { self.window.floor });
        progress.resume = if self.is_drained && !is_lost { Resume::Window } else { Resume::After };
        progress.remember(&self.window.seen, &self.table.home).await?;
        Ok((progress, self.input.into_client()))
    }
}

/// Where the current row stands; nothing in a table that is read as a whole.
fn place_of<'a>(table: &Table, input: &'a Input, place: &[usize]) -> Option<Place<'a>> {
    let cursor = input.field(*place.first()?).unwrap_or_default();
    Some(Place { rank: table.rank(cursor), cursor })
}

fn identity_of(input: &Input, place: &[usize]) -> Identity {
    identity(place.iter().map(|field| input.field(*field).unwrap_or_default()))
}

/// A transaction that reads, the columns that are asked for, and what they go into.
async fn connected(table: &Table, request: &SliceRequest) -> Result<(Client, Vec<Asked>, Batch)> {
    let client = Client::connect(&table.connection).await?;
    client.begin_read().await?;
    table.check_columns(&client).await?;
    let asked: Vec<usize> = match &request.columns {
        Some(columns) => columns.clone(),
        None => (0..table.schema.fields().len()).collect(),
    };
    let schema: SchemaRef = Arc::new(table.schema.project(&asked)?);
    let fields: Vec<Asked> = asked.iter().map(|index| table.columns[*index].clone()).collect();
    let batch = Batch::new(table, &fields, schema);
    Ok((client, fields, batch))
}

async fn check_placeless(table: &Table, client: &Client) -> Result<()> {
    let Some(statement) = table.query.placeless(MOST_PLACELESS) else { return Ok(()) };
    let rows = client.rows(&statement, &table.doing).await?;
    let count: u64 = rows.first().and_then(|row| row.first()?.as_ref()?.parse().ok()).unwrap_or_default();
    table.check_placeless(count, count == MOST_PLACELESS)
}

/// Begins a round, or goes on with one: from which rank on its rows are remembered.
async fn begin(table: &Table, client: Client, given: &Progress) -> Result<(Client, Option<i128>)> {
    let is_new = given.at.is_empty() || given.resume == Resume::Window;
    if !is_new || table.query.position.is_empty() {
        return Ok((client, given.floor()));
    }
    check_placeless(table, &client).await?;
    let Some(statement) = table.query.greatest() else { return Ok((client, None)) };
    let mut input = Input::open(client, &statement, 1, &table.doing).await?;
    let mut greatest = None;
    while input.advance().await? {
        greatest = input.field(0).and_then(|cursor| table.rank(cursor));
    }
    let floor = greatest.map(|greatest| greatest.saturating_sub(table.overlap)).max(given.floor());
    Ok((input.into_client(), floor))
}

#[async_trait]
impl SliceRead for Slice {
    async fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if self.is_drained || self.fault.is_some() {
                return Ok(None);
            }
            if self.is_full() {
                if let Err(error) = self.look_ahead().await {
                    self.fault = Some(error);
                }
                return Ok(None);
            }
            // A batch of which all rows were put aside is none.
            if let Some(batch) = self.fill().await?.filter(|batch| batch.num_rows() > 0) {
                return Ok(Some(batch));
            }
        }
    }

    fn take_bad(&mut self) -> Vec<BadRecord> {
        std::mem::take(&mut self.bad)
    }

    fn take_fault(&mut self) -> Option<Error> {
        self.fault.take()
    }

    fn records(&self) -> u64 {
        self.input.records
    }

    fn bytes(&self) -> u64 {
        self.input.bytes
    }

    async fn end(self: Box<Self>) -> Result<SliceEnd> {
        let more = !self.is_drained;
        let (progress, client) = self.progress().await?;
        if !more {
            client.end_read().await;
        }
        let offset = progress.offset()?;
        Ok(SliceEnd { offset, more, landed_at: None })
    }
}
