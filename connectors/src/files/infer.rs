//! The columns of a table that declares none: what is in a sample of its files, kept, and added to when a file brings a new one.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use catalog::infer::{FileObservation, ObservedColumn, ObservedSchema, ResolveOptions};
use futures::future::join_all;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufRead, AsyncBufReadExt};

use super::columns::Columns;
use super::config::{Findings, Text};
use super::csv::decode::CsvDecoder;
use super::csv::header;
use super::decode::{Decoder, Output, Progress, Refused};
use super::json::records::JsonDecoder;
use super::listing::Place;
use super::object::{Format, Object};
use super::open::{fetch, read_error};
use super::parquet::reader;
use super::pending::{OnChange, Skipped, pending};
use crate::error::{Error, Result};
use crate::stores::Location;

/// Files at the beginning and at the end of the listing that are looked at, and as many between.
const ENDS: usize = 8;
/// The same of a table that nothing is kept of: what is not seen in one of these files is not read.
const ENDS_DROPPED: usize = 250;
/// So many of those at the same time.
const AHEAD: usize = 16;
/// Decompressed bytes of a file that are looked at.
const HEAD: u64 = 1 << 20;
/// And of each of many files.
const SHORT_HEAD: u64 = 1 << 16;

/// The files of a table and how they are read.
#[derive(Debug, Clone)]
pub(super) struct Files<'a> {
    pub(super) name: &'a str,
    pub(super) place: &'a Place,
    pub(super) format: Format,
    pub(super) text: &'a Text,
}

/// Where it is kept what is known of the columns of a table: below its home, and for the location that it has now.
#[derive(Debug, Clone)]
pub(super) struct Memory(Location);

impl Memory {
    /// Of `files`: read in another way, they may have other columns.
    pub(super) fn new(home: &Location, files: &Files<'_>) -> Self {
        let read = format!("{}\n{:?}\n{:?}", files.place.shown, files.format, files.text);
        let name = hex::encode(&Sha256::digest(read)[..8]);
        Self(home.join(&format!("columns-{name}.json")))
    }

    /// What was kept, if anything was.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(super) async fn load(&self) -> Result<Option<ObservedSchema>> {
        let place = &self.0;
        match place.store.get(&place.path).await {
            Ok(found) => {
                let bytes = found.bytes().await?;
                let parsed = serde_json::from_slice(&bytes);
                parsed.map(Some).map_err(|error| Error::internal(format!("{} does not hold columns: {error}", place.url)))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps what is known.
    ///
    /// # Errors
    /// When the store refuses.
    pub(super) async fn store(&self, observed: &ObservedSchema) -> Result<()> {
        let text = serde_json::to_vec(observed).map_err(|error| Error::internal(format!("columns: {error}")))?;
        self.0.store.put(&self.0.path, text.into()).await?;
        Ok(())
    }
}

/// The columns that all of `observed` fits, or, of columns in which values differ, those that most do: `majority`. Names are lower
/// case, as SQL writes names without quotes.
pub(super) fn schema(observed: &ObservedSchema, majority: bool) -> SchemaRef {
    Arc::new(observed.schema(&ResolveOptions { majority, ..ResolveOptions::default() }))
}

impl Files<'_> {
    /// What is in a sample of the files: some of the first, some of the last, some between. `agreeing`: the values of a column must
    /// not differ.
    ///
    /// # Errors
    /// [`Error::Config`] when there is no file, or values differ and must not; when none can be read.
    pub(super) async fn sample(&self, agreeing: bool, findings: Findings) -> Result<ObservedSchema> {
        let mut observed = ObservedSchema::default();
        let mut fault = None;
        let skipped = Skipped::default();
        // What a text file says may not be all of it, and Parquet files say all of theirs at once.
        let (ends, ahead) = match (findings, self.format) {
            (Findings::Kept, _) => (ENDS, 1),
            (Findings::Dropped, Format::Parquet) => (ENDS, AHEAD),
            (Findings::Dropped, _) => (ENDS_DROPPED, AHEAD),
        };
        let files = self.chosen_of(ends, skipped.clone()).await?;
        let head = if files.len() > 4 * ENDS { SHORT_HEAD } else { HEAD };
        // The first file names the columns of those that have no header.
        let (first, others) = files.split_at(files.len().min(1));
        for several in std::iter::once(first).chain(others.chunks(ahead)) {
            let names = names(&observed);
            let looks = several.iter().map(|object| self.observe(object, head, &names));
            for look in join_all(looks).await {
                match look {
                    Ok(one) => observed = self.merged(observed, &one),
                    Err(error @ Error::Data { .. }) => {
                        tracing::warn!(table = self.name, %error, "a file was not looked at");
                        fault = Some(error);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        match (observed.columns.is_empty(), fault) {
            (false, _) if agreeing => self.agreeing(observed),
            (false, _) => Ok(observed),
            (true, Some(fault)) => Err(fault),
            (true, None) => Err(self.without_columns(&files, &skipped).await?),
        }
    }

    /// Why no columns can be told from any of the `files`, none of which could not be opened.
    async fn without_columns(&self, files: &[Object], skipped: &Skipped) -> Result<Error> {
        let Some(first) = files.first() else {
            let passed_over =
                skipped.first().map_or_else(String::new, |(reason, file)| format!(" ('{file}' is passed over: {reason})"));
            return Ok(self.undeclared(&format!("there is no file to tell them from at '{}'{passed_over}", self.place.shown)));
        };
        let address = self.place.address(&first.path);
        let text = self.refused(first).await?.map_or_else(
            || format!("there is no record in '{address}' to tell them from"),
            |reason| format!("they cannot be told from '{address}': {reason}"),
        );
        Ok(self.undeclared(&text))
    }

    fn undeclared(&self, why: &str) -> Error {
        let name = self.name;
        Error::config_at(
            name,
            format!(
                "table '{name}' declares no columns, and {why}; check the location, or declare them, as in CREATE EXTERNAL TABLE {} (id \
                 BIGINT, ...)",
                if name.contains(['/', '.', '*']) { "t" } else { name }
            ),
        )
    }

    /// What is wrong with the first record of a text file that is refused, and what may help; none when none is.
    async fn refused(&self, object: &Object) -> Result<Option<String>> {
        let address = self.place.address(&object.path);
        if self.format == Format::Parquet {
            return Ok(None);
        }
        let Some(body) = fetch(self.place, object).await? else { return Ok(None) };
        let mut reader = body.open(&address).await?;
        let mut decoder = self.decoder(&address, &[]);
        let columns = Arc::new(Schema::empty());
        let first =
            decode_head(decoder.as_mut(), &mut reader, &address, &columns, Head { rows: usize::MAX, bytes: HEAD }).await?;
        let Some(first) = first else { return Ok(None) };
        Ok(Some(format!("row {} (line {}): {}", first.row, first.line, first.reason)))
    }

    fn agreeing(&self, observed: ObservedSchema) -> Result<ObservedSchema> {
        let conflict = observed.columns.iter().find_map(|(name, column)| column.evidence.conflict(name));
        let Some((column, seen)) = conflict else { return Ok(observed) };
        Err(Error::config_at(
            "type_conflict",
            format!(
                "the values of column '{column}' of table '{}' differ: {seen}; declare the table's columns, or set 'type_conflict' to \
                 'quarantine', which puts the fewer aside, or to 'widen'",
                self.name
            ),
        ))
    }

    /// Says of a column's name whether it is among the `known`, however it is written.
    pub(super) fn knows(&self, known: &ObservedSchema) -> impl Fn(&str) -> bool + use<> {
        let format = self.format;
        let keys: HashSet<String> = known.columns.iter().map(|(name, _)| key(name, format)).collect();
        move |name| keys.contains(&key(name, format))
    }

    /// What is known, and what was seen in one more file. A column may be written in another way there.
    pub(super) fn merged(&self, mut known: ObservedSchema, seen: &ObservedSchema) -> ObservedSchema {
        known.merge(seen);
        with_column_names(known, self.format)
    }

    /// What is known, with the columns and the members of columns that only `seen` has. They change no type of another one: for that
    /// there is 'type_conflict'.
    pub(super) fn adopted(&self, known: ObservedSchema, seen: &ObservedSchema) -> ObservedSchema {
        let is_known = self.knows(&known);
        let mut all = self.merged(known, &seen.only(|name| !is_known(name)));
        for (name, column) in seen.columns.iter() {
            if is_known(name) && all.columns.get(name).is_some() {
                all.columns.get_or_insert_with(name, ObservedColumn::default).evidence.adopt(&column.evidence);
            }
        }
        all
    }

    /// Some of the first files, some of the last, some between.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(super) async fn chosen(&self) -> Result<Vec<Object>> {
        self.chosen_of(ENDS, Skipped::default()).await
    }

    /// At most `ends` of the first and of the last, and twice as many between; what is passed over is noted.
    async fn chosen_of(&self, ends: usize, skipped: Skipped) -> Result<Vec<Object>> {
        let none = futures::stream::empty().boxed();
        let mut files = pending(self.place, none, self.format, OnChange::Ignore, skipped).await?;
        let (mut first, mut middle, mut last) = (Vec::new(), Vec::new(), VecDeque::new());
        let (mut seen, mut step) = (0_usize, 1);
        while let Some(found) = files.try_next().await? {
            if first.len() < ends {
                first.push(found.object);
                continue;
            }
            last.push_back(found.object);
            if last.len() > ends
                && let Some(object) = last.pop_front()
            {
                // Evenly spread: when there are too many, every other one goes, and from then on half as many come.
                if seen % step == 0 {
                    middle.push(object);
                }
                if middle.len() > 2 * ends {
                    let mut keep = false;
                    middle.retain(|_| {
                        keep = !keep;
                        keep
                    });
                    step *= 2;
                }
                seen += 1;
            }
        }
        first.extend(middle);
        first.extend(last);
        Ok(first)
    }

    /// What is in the first `bytes` of a file of a table that has columns of these `names`, as far as they are known. Where it has
    /// no header, its columns are those.
    ///
    /// # Errors
    /// [`Error::Data`] when the file cannot be read; otherwise when the store does not answer.
    pub(super) async fn observe(&self, object: &Object, bytes: u64, names: &[String]) -> Result<ObservedSchema> {
        let address = self.place.address(&object.path);
        if self.format == Format::Parquet {
            let builder = ParquetRecordBatchStreamBuilder::new(reader(self.place, object)).await;
            let builder = builder.map_err(|error| Error::from(error).context(format!("'{address}'")))?;
            let rows = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
            let mut observation = FileObservation::new(address);
            observation.declare(builder.schema(), rows);
            return Ok(lower_case(observation.finish(&ResolveOptions::default())));
        }
        let Some(body) = fetch(self.place, object).await? else { return Ok(ObservedSchema::default()) };
        let mut reader = body.open(&address).await?;
        let mut decoder = self.decoder(&address, names);
        let columns = Arc::new(Schema::empty());
        decode_head(decoder.as_mut(), &mut reader, &address, &columns, Head { rows: usize::MAX, bytes }).await?;
        let observed = decoder.observed();
        if observed.positional && !names.is_empty() {
            return Ok(by_position(observed, names));
        }
        Ok(with_column_names(observed, self.format))
    }

    /// What remembers the columns of the file at `address`.
    fn decoder(&self, address: &str, names: &[String]) -> Box<dyn Decoder> {
        let observation = FileObservation::new(address);
        match self.text {
            Text::Json { lenient } => Box::new(JsonDecoder::observing(observation, *lenient)),
            Text::Csv(options) => Box::new(CsvDecoder::observing(Arc::clone(options), observation, address, names.to_vec())),
        }
    }
}

/// How much of a file's beginning is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    /// Rows.
    pub(super) rows: usize,
    /// Bytes, and what a chunk has more.
    pub(super) bytes: u64,
}

/// Decodes the beginning of a file to rows of `columns`, which go: what `decoder` remembers is what counts. Gives the first record that
/// was refused.
///
/// # Errors
/// [`Error::Data`] when the file cannot be read; otherwise when the store does not answer.
pub(super) async fn decode_head(
    decoder: &mut dyn Decoder,
    reader: &mut (impl AsyncBufRead + Unpin),
    address: &str,
    columns: &SchemaRef,
    head: Head,
) -> Result<Option<Refused>> {
    let mut columns = Columns::new(Arc::clone(columns))?;
    let (mut read, mut first) = (0, None);
    loop {
        let (mut refused, mut numbers) = (Vec::new(), Vec::new());
        let mut output = Output { columns: &mut columns, refused: &mut refused, numbers: &mut numbers, room: head.rows };
        let progress = decoder.decode(&mut output)?;
        first = first.or(refused.into_iter().next());
        if progress != Progress::Hungry || read >= head.bytes {
            return Ok(first);
        }
        let chunk = reader.fill_buf().await.map_err(|error| read_error(&error, address))?;
        let length = chunk.len();
        if length == 0 {
            decoder.finish();
        } else {
            decoder.push(chunk);
        }
        reader.consume(length);
        read += length as u64;
    }
}

/// Names of columns that are more than their places.
fn names(observed: &ObservedSchema) -> Vec<String> {
    let names = observed.columns.iter().map(|(name, _)| name.to_owned());
    if observed.positional { Vec::new() } else { names.collect() }
}

/// The columns of a file without a header: the first is the first of `names`.
fn by_position(observed: ObservedSchema, names: &[String]) -> ObservedSchema {
    let mut places = 0..;
    let named = renamed(observed, |own| {
        let name = places.next().and_then(|place: usize| names.get(place)).map_or(own, String::as_str);
        (name.to_owned(), name.to_owned())
    });
    ObservedSchema { positional: false, ..named }
}

/// With names as the columns of a table of this format have them.
pub(super) fn with_column_names(observed: ObservedSchema, format: Format) -> ObservedSchema {
    match format {
        Format::Csv => folded(observed),
        Format::Json | Format::Parquet => lower_case(observed),
    }
}

/// What is in the members of the JSON records that `bytes` are.
///
/// # Errors
/// [`Error::Internal`].
pub(super) fn observe_json(bytes: &[u8], lenient: bool, address: &str) -> Result<ObservedSchema> {
    let mut decoder: Box<dyn Decoder> = Box::new(JsonDecoder::observing(FileObservation::new(address), lenient));
    decoder.push(bytes);
    decoder.finish();
    let mut columns = Columns::new(Arc::new(Schema::empty()))?;
    let (mut refused, mut numbers) = (Vec::new(), Vec::new());
    let mut output = Output { columns: &mut columns, refused: &mut refused, numbers: &mut numbers, room: usize::MAX };
    decoder.decode(&mut output)?;
    Ok(lower_case(decoder.observed()))
}

/// With names in lower case; columns whose names differ by nothing else are one.
fn lower_case(observed: ObservedSchema) -> ObservedSchema {
    renamed(observed, |name| (name.to_lowercase(), name.to_lowercase()))
}

/// With names of letters, digits and underscores. Columns whose names differ by case, spaces and punctuation are one: it is called
/// as it was first written, so that `VendorID` and `vendor_id` are the one or the other.
fn folded(observed: ObservedSchema) -> ObservedSchema {
    renamed(observed, |name| (key(name, Format::Csv), header::plain(name)))
}

/// What the ways of writing one name have in common.
fn key(name: &str, format: Format) -> String {
    match format {
        Format::Csv => header::folded(name),
        Format::Json | Format::Parquet => name.to_lowercase(),
    }
}

/// `names` gives each column what it is known by and what it is called.
fn renamed(mut observed: ObservedSchema, mut names: impl FnMut(&str) -> (String, String)) -> ObservedSchema {
    let mut called: HashMap<String, String> = HashMap::new();
    let name = |(name, _): (&str, &ObservedColumn)| {
        let (key, plain) = names(name);
        called.entry(key).or_insert(plain).clone()
    };
    let new: Vec<String> = observed.columns.iter().map(name).collect();
    if observed.columns.iter().zip(&new).all(|((old, _), new)| old == new) {
        return observed;
    }
    let columns = std::mem::take(&mut observed.columns);
    for ((_, column), name) in columns.iter().zip(&new) {
        let into = observed.columns.get_or_insert_with(name, ObservedColumn::default);
        into.evidence.merge(&column.evidence);
        into.files = into.files.max(column.files);
        into.types.extend(column.types.iter().cloned());
    }
    observed
}
