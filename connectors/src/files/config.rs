//! What a table of files says of itself, checked.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};

use catalog::infer::ObservedSchema;
use catalog::partitions::Partitioning;

use super::csv::decode::CsvOptions;
use super::csv::encoding::Choice;
use super::csv::{Hints, Renames, dialect};
use super::decode::{OnError, Refused};
use super::forms;
use super::infer::{self, Files, Memory};
use super::lengths;
use super::listing::Place;
use super::news::Notifications;
use super::object::Format;
use super::pending::OnChange;
use crate::context::{Context, TableSpec};
use crate::error::{Error, Result};
use crate::on_error::MAX_BAD_RATIO;
use crate::options::{OptionSpec, Options};
use crate::stores::Location;

/// How long `--follow` waits between two listings, when the table does not say.
const POLL: Duration = Duration::from_secs(30);
/// The same, when a queue tells of new files.
const POLL_TOLD: Duration = Duration::from_secs(3_600);

/// Options of every table of files.
macro_rules! common_options {
    ($($own:expr),* $(,)?) => {
        &[
            OptionSpec {
                name: "on_error",
                default: "'fail'",
                help: "what happens to a record that cannot be read or has a value that does not fit its column: 'fail' stops the run \
                       before anything of the epoch is written; 'quarantine' puts the record, with its bytes, file, row, column and \
                       reason, into the table <table>$bad (Delta, lake://bad/<pipeline>/<table>), in the same epoch; 'null' keeps \
                       the row with NULL for the value, and notes it there. 'engine replay' makes rows of such records when the \
                       table has been repaired",
            },
            OptionSpec {
                name: "type_conflict",
                default: "as on_error says; columns that are found have a type that all of the sample fits",
                help: "what happens to a value that its column's type cannot hold, whatever on_error says of other faults: 'fail' stops \
                       the run; 'quarantine' puts the record into <table>$bad; 'widen', for a table that declares no columns, gives \
                       the column a type that holds it from that epoch on (BIGINT to DOUBLE or DECIMAL, DATE to TIMESTAMP, anything to \
                       VARCHAR), if the sinks have or take such a column. With 'quarantine', a column that is found has the type that \
                       most values of the sample have; with 'fail', a sample in which they differ is an error",
            },
            OptionSpec {
                name: "max_bad_ratio",
                default: "'0.1'",
                help: "with on_error or type_conflict 'quarantine', or on_error 'null': the share of the records of an epoch that may be bad before the run \
                       fails, from 0 to 1",
            },
            OptionSpec {
                name: "on_change",
                default: "'fail'",
                help: "what happens to a file that has changed since it was read: 'fail' stops the run; 'reprocess' reads it again \
                       (into a sink with a key, by REPLACE INTO); 'ignore' leaves it",
            },
            OptionSpec {
                name: "read",
                default: "'auto'",
                help: "'new' reads the files that are new since the last run; 'whole' reads all of them whenever a query needs the \
                       table, as for a table of codes that others are joined with; 'auto' is 'new', but for a table whose LOCATION is \
                       one file and that is joined with another source",
            },
            OptionSpec {
                name: "file_columns",
                default: "'false'",
                help: "'true' adds the columns _file (address), _file_size (bytes), _file_modified (time) and _file_row (number of \
                       the record in its file, from 1)",
            },
            OptionSpec {
                name: "partitions",
                default: "folders are called <column>=<value>, as Hive, Spark and Glue write them",
                help: "how the folders below LOCATION are named, for the columns of PARTITIONED BY: '{year}/{month}/{day}' for \
                       2026/11/21, 'raw/{region}/day={day}', '*' for a level that is no column. The values have the columns' types; of a \
                       file that lies higher, the columns of the levels below it are NULL. Of a pattern, the last folders count, with '**' \
                       those behind it",
            },
            OptionSpec {
                name: "form.<column>",
                default: "dates and times as in ISO 8601, and others that cannot be taken for another",
                help: "how the dates or times of a declared column are written: 'D/M/Y', 'M/D/Y', 'Y/M/D h:m:s', 'M/D/Y h:m:s z', \
                       'YMD'; a member of an object is named behind a dot (form.user.born), the items of a list by brackets \
                       (form.days[])",
            },
            OptionSpec {
                name: "poll",
                default: "'30s'; '1h' with notifications 'sqs:...'",
                help: "how long --follow waits before it lists the files again, whatever else tells it of new ones",
            },
            OptionSpec {
                name: "notifications",
                default: "'auto'",
                help: "what tells --follow of new files: 'auto' has the operating system watch a local folder; 'none' leaves it at \
                       listing; 'sqs:<queue url>', for a table on s3://, reads the events of S3 from a queue, as S3, EventBridge or SNS \
                       put them there, reads the objects they name, and deletes a message when its objects are in all sinks. One queue \
                       may serve several tables of one run; messages of other objects are deleted. What cannot be understood is left to \
                       the queue's dead-letter queue",
            },
            OptionSpec {
                name: "quiet",
                default: "'2s'",
                help: "of local files, with --follow: how long a file is to be left alone before it is read, if nobody was seen to close \
                       it or to rename it into place; one that was is read at once",
            },
            OptionSpec {
                name: "visibility",
                default: "'60s'",
                help: "with notifications 'sqs:...': how long a message is hidden from others at once; it is hidden again while work on it \
                       goes on, so that this is how long the next run waits for what a killed one held; tables that share a queue have \
                       it in common",
            },
            OptionSpec {
                name: "file",
                default: "all files at LOCATION",
                help: "of the files below LOCATION, a folder, only this one: its path from there, in which no letter is a wildcard",
            },
            OptionSpec {
                name: "file_version",
                default: "whichever it is when it is read",
                help: "with file: the version that it has to be, as the engine numbers versions; a run fails, to be tried again, when it is \
                       another",
            },
            OptionSpec {
                name: "length.<column>",
                default: "any",
                help: "the longest text that a declared column takes, in letters, or as in '255 bytes'; a longer one does not fit, as a word \
                       does not fit a number",
            },
            $($own),*
        ]
    };
}
pub(super) use common_options;

/// A table of files.
#[derive(Debug)]
pub(crate) struct FileTable {
    /// Its name.
    pub name: String,
    /// Where its files are.
    pub place: Place,
    /// The same for every date, where the location has that of the run in it.
    pub series: Option<Place>,
    /// What they hold.
    pub format: Format,
    /// What happens to bad records.
    pub faults: Faults,
    /// What happens to files that changed.
    pub on_change: OnChange,
    /// How long to wait between listings.
    pub poll: Duration,
    /// What tells of new files.
    pub notifications: Notifications,
    /// Read as a whole.
    pub whole: bool,
    /// Read as a whole where it is joined with another source.
    pub lookup: bool,
    /// How they are read.
    pub text: Text,
    /// The columns.
    pub layout: Layout,
    /// Where its columns come from, if it declares none and they are kept.
    pub inferred: Option<Inferred>,
    /// What becomes of columns that are found.
    pub findings: Findings,
}

/// What becomes of the columns that are found in the files of a table that declares none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Findings {
    /// They are kept, and those of files that come later are added.
    Kept,
    /// They are those of a look at the files as they are now, and forgotten with the table.
    Dropped,
}

/// What a table does about values that its columns cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnConflict {
    /// The column becomes wider.
    Widen,
    /// The record goes to the table's bad records.
    Quarantine,
    /// The run fails.
    Fail,
}

/// What happens to bad records.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Faults {
    /// Those that cannot be read.
    pub on_error: OnError,
    /// Those with a value that its column cannot hold, where the table says so by itself.
    pub on_conflict: Option<OnConflict>,
    /// The share of them that is tolerated.
    pub max_bad_ratio: f64,
}

impl Faults {
    fn parse(options: &Options) -> Result<Self> {
        let on_error = match options.choice("on_error", &["fail", "quarantine", "null"])? {
            Some("quarantine") => OnError::Quarantine,
            Some("null") => OnError::Null,
            _ => OnError::Fail,
        };
        let on_conflict = options.choice("type_conflict", &["widen", "quarantine", "fail"])?.map(|choice| match choice {
            "widen" => OnConflict::Widen,
            "quarantine" => OnConflict::Quarantine,
            _ => OnConflict::Fail,
        });
        let ratio = options.ratio("max_bad_ratio")?;
        let tolerates = on_error != OnError::Fail || on_conflict == Some(OnConflict::Quarantine);
        if ratio.is_some() && !tolerates {
            return Err(Error::config_at(
                "max_bad_ratio",
                "option 'max_bad_ratio' applies only with on_error 'quarantine' or 'null', or type_conflict 'quarantine': with 'fail', \
                 the first bad record ends the run",
            ));
        }
        Ok(Self { on_error, on_conflict, max_bad_ratio: if tolerates { ratio.unwrap_or(MAX_BAD_RATIO) } else { 0.0 } })
    }

    /// What happens to a record with a value that its column cannot hold.
    pub(super) fn on_misfit(self) -> OnError {
        match self.on_conflict {
            Some(OnConflict::Quarantine) => OnError::Quarantine,
            Some(OnConflict::Fail) => OnError::Fail,
            Some(OnConflict::Widen) | None => self.on_error,
        }
    }

    /// What happens to a record that was refused.
    pub(super) fn of(self, refused: &Refused) -> OnError {
        if refused.column.is_some() { self.on_misfit() } else { self.on_error }
    }
}

/// Columns that were found in files.
#[derive(Debug)]
pub(crate) struct Inferred {
    /// What was seen.
    pub observed: ObservedSchema,
    /// Where it is kept.
    pub memory: Memory,
    /// A column in which values differ has the type of most of them, in place of text.
    pub majority: bool,
}

impl Inferred {
    /// What becomes of the columns of `observed`.
    pub(super) fn schema(&self, observed: &ObservedSchema) -> SchemaRef {
        infer::schema(observed, self.majority)
    }
}

fn own_name(name: &str) -> String {
    match name.strip_prefix("format.").unwrap_or(name) {
        "has_header" => "header".to_owned(),
        other => other.to_owned(),
    }
}

/// How the records of a text file are read.
#[derive(Debug, Clone)]
pub(crate) enum Text {
    /// JSON; perhaps as Python prints it.
    Json {
        /// Read what is no JSON but clear.
        lenient: bool,
    },
    /// CSV.
    Csv(Arc<CsvOptions>),
}

/// What a table says in its `OPTIONS`, checked; apart from that, the forms and lengths of its columns.
fn options(table: &TableSpec, specs: &[OptionSpec]) -> Result<(Vec<(String, String)>, Options)> {
    // DataFusion's own names of the options of files are understood too.
    let named = table.options.iter().map(|(name, value)| (own_name(name), value.clone()));
    let of_column = |name: &str| [forms::PREFIX, lengths::PREFIX].iter().any(|prefix| name.starts_with(prefix));
    let (forms, given): (Vec<_>, Vec<_>) = named.partition(|(name, _)| of_column(&name.to_ascii_lowercase()));
    Ok((forms, Options::parse(&table.connector, specs, &given)?))
}

impl Text {
    /// As the options of `table`, whose files are of `format`, say.
    ///
    /// # Errors
    /// [`Error::Config`] for an option that is wrong.
    pub(crate) fn of(table: &TableSpec, format: Format, specs: &[OptionSpec]) -> Result<Self> {
        Self::parse(format, &options(table, specs)?.1)
    }

    fn parse(format: Format, options: &Options) -> Result<Self> {
        match format {
            Format::Csv => csv_options(options).map(|csv| Self::Csv(Arc::new(csv))),
            Format::Json | Format::Parquet => {
                Ok(Self::Json { lenient: options.choice("mode", &["strict", "lenient"])? == Some("lenient") })
            }
        }
    }
}

fn csv_options(options: &Options) -> Result<CsvOptions> {
    let wrong = |name: &str, error: &dyn std::fmt::Display| Error::config_at(name, format!("option '{name}': {error}"));
    let character = |name: &str| -> Result<Option<Option<u8>>> {
        options.text(name).map(|text| dialect::character(text).map_err(|error| wrong(name, &error))).transpose()
    };
    let header = match options.choice("header", &["auto", "true", "false"])? {
        Some("true") => Some(true),
        Some("false") => Some(false),
        _ => None,
    };
    let encoding = options.text("encoding").map(Choice::parse).transpose().map_err(|error| wrong("encoding", &error))?;
    let renames = options.text("rename").map(Renames::parse).transpose().map_err(|error| wrong("rename", &error))?;
    Ok(CsvOptions {
        hints: Hints {
            delimiter: character("delimiter")?.flatten(),
            quote: character("quote")?,
            escape: character("escape")?,
            comment: character("comment")?,
            header,
            ..Hints::default()
        },
        encoding: encoding.unwrap_or(Choice::Auto),
        renames: renames.unwrap_or_default(),
        nulls: options.list("null"),
        ragged: options.choice("ragged", &["true", "false"])? == Some("true"),
    })
}

/// Where the columns of a table come from: its files, the folders they are in, what is known of a file.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// All columns.
    pub schema: SchemaRef,
    /// How many of them, the first, are in the files.
    pub in_files: usize,
    /// Names of the columns that come from folders, behind those.
    pub partitions: Vec<String>,
    /// How the folders are named; nothing when each says itself which column it is.
    pub folders: Option<Partitioning>,
    /// Whether the columns about the file follow.
    pub file_columns: bool,
}

/// The columns about a file, in their order.
pub(crate) fn file_fields() -> [Field; 4] {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    [
        Field::new("_file", DataType::Utf8, false),
        Field::new("_file_size", DataType::Int64, false),
        Field::new("_file_modified", time, false),
        Field::new("_file_row", DataType::Int64, false),
    ]
}

impl FileTable {
    /// Checks what the table says.
    ///
    /// # Errors
    /// [`Error::Config`] for an option or location that is wrong.
    pub(crate) async fn open(
        table: &TableSpec,
        home: &Location,
        context: &Context,
        format: Format,
        specs: &[OptionSpec],
        findings: Findings,
    ) -> Result<Self> {
        let (of_columns, options) = options(table, specs)?;
        let (lengths, forms): (Vec<_>, Vec<_>) =
            of_columns.into_iter().partition(|(name, _)| name.to_ascii_lowercase().starts_with(lengths::PREFIX));
        let faults = Faults::parse(&options)?;
        let on_change = match options.choice("on_change", &["fail", "reprocess", "ignore"])? {
            Some("reprocess") => OnChange::Reprocess,
            Some("ignore") => OnChange::Ignore,
            _ => OnChange::Fail,
        };
        let mut place = Place::parse(&context.stores, &table.location)?;
        if let Some(file) = options.text("file") {
            place = place.only(file, options.number("file_version")?)?;
        }
        let notifications = Notifications::parse(&options, &place)?;
        let poll = if matches!(notifications, Notifications::Queue { .. }) { POLL_TOLD } else { POLL };
        let text = Text::parse(format, &options)?;
        let files = Files { name: &table.name, place: &place, format, text: &text };
        let (columns, inferred) = match &table.columns {
            Some(_) if faults.on_conflict == Some(OnConflict::Widen) => return Err(declared_and_widened()),
            Some(columns) => (lengths::applied(&forms::applied(columns, &forms)?, &lengths)?, None),
            None if !forms.is_empty() => return Err(forms::undeclared(&forms)),
            None if !lengths.is_empty() => return Err(forms::undeclared(&lengths)),
            None if findings == Findings::Dropped => (infer::schema(&files.sample(false, findings).await?, false), None),
            None => {
                let memory = Memory::new(home, &files);
                let observed = match memory.load().await? {
                    Some(observed) => observed,
                    None => files.sample(faults.on_conflict == Some(OnConflict::Fail), findings).await?,
                };
                let inferred = Inferred { observed, memory, majority: faults.on_conflict == Some(OnConflict::Quarantine) };
                (inferred.schema(&inferred.observed), Some(inferred))
            }
        };
        let read = options.choice("read", &["auto", "new", "whole"])?;
        let lookup = read.is_none_or(|read| read == "auto") && place.names_one_file();
        let file_columns = options.choice("file_columns", &["true", "false"])? == Some("true");
        Ok(Self {
            name: table.name.clone(),
            // Not that of a bucket or server which is another for each date: its paths are not those of the others.
            series: table.series.as_deref().and_then(|series| Place::parse(&context.stores, series).ok()),
            place,
            format,
            faults,
            on_change,
            poll: options.duration("poll")?.unwrap_or(poll),
            notifications,
            whole: read == Some("whole"),
            lookup,
            text,
            layout: Layout::new(&columns, &table.partition_by, options.text("partitions"), file_columns)?,
            inferred,
            findings,
        })
    }

    /// The files, for looking at them.
    pub(super) fn files(&self) -> Files<'_> {
        Files { name: &self.name, place: &self.place, format: self.format, text: &self.text }
    }
}

fn declared_and_widened() -> Error {
    Error::config_at(
        "type_conflict",
        "option 'type_conflict': 'widen' is for a table that declares no columns: declare the wider type, or choose 'quarantine' or 'fail'",
    )
}

impl Layout {
    /// The columns that are in the files.
    pub(super) fn columns_in_files(&self) -> SchemaRef {
        Arc::new(Schema::new(self.schema.fields()[..self.in_files].to_vec()))
    }

    /// Of names in a file, those that do not come from folders: where a column stands in both, the folders count.
    pub(super) fn not_from_folders(&self, mut names: Vec<String>) -> Vec<String> {
        names.retain(|name| !self.partitions.iter().any(|other| other.to_lowercase() == name.to_lowercase()));
        names
    }

    /// `columns` are those that the table declares or that were found in its files; partition columns may be among them and are
    /// text if they are not.
    ///
    /// # Errors
    /// [`Error::Config`] for a column that is there twice.
    pub(crate) fn new(columns: &Schema, partition_by: &[String], partitions: Option<&str>, file_columns: bool) -> Result<Self> {
        let is_partition = |field: &FieldRef| partition_by.contains(field.name());
        let mut fields: Vec<FieldRef> = columns.fields().iter().filter(|field| !is_partition(field)).cloned().collect();
        let in_files = fields.len();
        for name in partition_by {
            let declared = columns.fields().iter().find(|field| field.name() == name).cloned();
            fields.push(declared.unwrap_or_else(|| Field::new(name, DataType::Utf8, true).into()));
        }
        let folders = partitions.map(|template| {
            let fields: Vec<Field> = fields[in_files..].iter().map(|field| field.as_ref().clone()).collect();
            Partitioning::parse(template, &fields).map_err(|error| Error::config_at("partitions", error.to_string()))
        });
        let folders = folders.transpose()?;
        if file_columns {
            fields.extend(file_fields().map(FieldRef::new));
        }
        for (index, field) in fields.iter().enumerate() {
            if fields[..index].iter().any(|other| other.name() == field.name()) {
                return Err(Error::config_at(field.name(), format!("column '{}' is there twice", field.name())));
            }
        }
        Ok(Self { schema: Schema::new(fields).into(), in_files, partitions: partition_by.to_vec(), folders, file_columns })
    }
}
