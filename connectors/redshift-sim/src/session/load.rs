//! COPY: files from S3 into a table, over the connection of the client's transaction.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::{Done, End, Session, Step};
use crate::catalog::{load_error_sql, load_history_sql};
use crate::copy::{ColumnType, Copy, Failure, Format, JsonFile, LoadError, ParquetFile, SourceFile, Target, TextFile, resolve};
use crate::faults::FaultKind;
use crate::rules::LOAD_ERRORS_SURVIVE_ROLLBACK;
use crate::sql::quote;
use crate::sql_error::SqlError;
use crate::wire::{Backend, Builder, Fields};

/// What a COPY did.
struct Loaded {
    rows: u64,
    files: usize,
    bytes: u64,
}

/// Rows from a file, in the text format of PostgreSQL.
enum Rows {
    Parquet(ParquetFile),
    Text(TextFile),
    Json(JsonFile),
}

impl Rows {
    async fn open(file: &SourceFile, target: &Target, copy: &Copy) -> Result<Self, Failure> {
        Ok(match copy.options.format {
            Format::Parquet => Self::Parquet(ParquetFile::open(file, target, &copy.options).await?),
            Format::Json => Self::Json(JsonFile::open(file, target, &copy.options).await?),
            Format::Csv | Format::Delimited => Self::Text(TextFile::open(file, target, &copy.options).await?),
        })
    }

    /// Takes the records that were passed over.
    fn rejected(&mut self) -> Vec<LoadError> {
        match self {
            Self::Parquet(_) => Vec::new(),
            Self::Text(file) => std::mem::take(&mut file.rejected),
            Self::Json(file) => std::mem::take(&mut file.rejected),
        }
    }

    async fn next(&mut self) -> Result<Option<(Vec<u8>, u64)>, Failure> {
        match self {
            Self::Parquet(file) => file.next().await,
            Self::Text(file) => file.next(),
            Self::Json(file) => file.next(),
        }
    }
}

impl Session {
    pub(super) async fn copy(&mut self, copy: &Copy) -> Step<Done> {
        let own = self.backend.status == b'I';
        if own && self.silently("BEGIN").await? == Done::Failed {
            return Ok(Done::Failed);
        }
        if let Some(fields) = self.lock(&copy.table).await? {
            let missing = fields.get(b'C') == "42P01";
            let message = format!("Cannot COPY into nonexistent table {}", copy.table.name);
            let fields = if missing { fields.with(b'M', message) } else { fields };
            self.client.write(b'E', &fields.build()).await?;
            return self.finish_copy(own, Done::Failed).await;
        }
        if self.writes(&copy.table).await? == Done::Failed {
            return self.finish_copy(own, Done::Failed).await;
        }
        let target = match Target::describe(&mut self.backend, copy).await? {
            Ok(target) => target,
            Err(error) => {
                self.fail(&error).await?;
                return self.finish_copy(own, Done::Failed).await;
            }
        };
        let query = self.shared.next_query();
        // What a failed load leaves: its number, and no rows.
        let noted =
            format!("SELECT setval('pg_temp.redshift_sim_copy_id', {query}), setval('pg_temp.redshift_sim_copy_count', 0)");
        self.backend.query(&noted).await?;
        let started = Instant::now();
        let mut rejected = Vec::new();
        let result = self.load(copy, &target, &mut rejected).await;
        let result = match result {
            Err(Failure::Io(error)) => return Err(End::Io(error)),
            other => other,
        };
        for error in &rejected {
            self.keep_error(&target, query, error).await?;
        }
        self.keep_history(copy, query, started, result.as_ref().ok()).await?;
        let done = match result {
            Ok(loaded) => self.loaded(copy, &loaded, rejected.len()).await?,
            Err(failure) => self.not_loaded(copy, &target, query, failure).await?,
        };
        self.finish_copy(own, done).await
    }

    /// Ends the transaction that is COPY's own.
    async fn finish_copy(&mut self, own: bool, done: Done) -> Step<Done> {
        if !own {
            if done == Done::Well {
                self.complete("COPY").await?;
            }
            return Ok(done);
        }
        self.written.clear();
        if done == Done::Failed {
            self.backend.query("ROLLBACK").await?;
            return Ok(done);
        }
        let done = self.silently("COMMIT").await?;
        if done == Done::Well {
            self.complete("COPY").await?;
        }
        Ok(done)
    }

    async fn loaded(&mut self, copy: &Copy, loaded: &Loaded, rejected: usize) -> Step<Done> {
        // Through the Data API it stays 0 (aws/aws-sdk#333).
        let counted = if self.by_data_api { 0 } else { loaded.rows };
        self.backend.query(&format!("SELECT setval('pg_temp.redshift_sim_copy_count', {counted})")).await?;
        let message = format!("Load into table '{}' completed, {} record(s) loaded successfully.", copy.table.name, loaded.rows);
        self.tell(message).await?;
        if rejected > 0 {
            let table = &copy.table.name;
            let message = format!(
                "Load into table '{table}' completed, {rejected} record(s) could not be loaded.  Check 'stl_load_errors' system table for details."
            );
            self.tell(message).await?;
        }
        Ok(Done::Well)
    }

    async fn tell(&mut self, message: String) -> Step<()> {
        let notice = Fields::default().with(b'S', "INFO").with(b'C', "00000").with(b'M', message);
        Ok(self.client.write(b'N', &notice.build()).await?)
    }

    async fn not_loaded(&mut self, copy: &Copy, target: &Target, query: i64, failure: Failure) -> Step<Done> {
        let error = match failure {
            Failure::Sql(error) => error,
            Failure::Record(error) => {
                self.keep_error(target, query, &error).await?;
                let message =
                    format!("Load into table '{}' failed.  Check 'stl_load_errors' system table for details.", copy.table.name);
                SqlError::refused(&LOAD_ERRORS_SURVIVE_ROLLBACK, message)
            }
            Failure::Io(error) => return Err(End::Io(error)),
        };
        if self.backend.status != b'E' {
            return self.fail(&error).await;
        }
        // PostgreSQL's own COPY has failed the transaction already.
        self.client.write(b'E', &error.fields().build()).await?;
        Ok(Done::Failed)
    }

    async fn keep_error(&mut self, target: &Target, query: i64, error: &LoadError) -> Step<()> {
        let sql = load_error_sql(error, target, query, self.backend.key.0, &self.user);
        Ok(self.shared.administer(&self.database, &sql).await?)
    }

    async fn keep_history(&mut self, copy: &Copy, query: i64, started: Instant, loaded: Option<&Loaded>) -> Step<()> {
        let (rows, files, bytes) = loaded.map_or((0, 0, 0), |loaded| (loaded.rows, loaded.files, loaded.bytes));
        let status = if loaded.is_some() { "completed" } else { "failed" };
        let session = self.backend.key.0;
        let sql = load_history_sql(copy, query, session, &self.user, status, started.elapsed(), (rows, files, bytes));
        Ok(self.shared.administer(&self.database, &sql).await?)
    }

    /// Loads all files. After a failure PostgreSQL's own COPY has ended.
    async fn load(&mut self, copy: &Copy, target: &Target, rejected: &mut Vec<LoadError>) -> Result<Loaded, Failure> {
        let cancelled = Arc::clone(&self.cancelled);
        let (files, first) = tokio::select! {
            found = self.find(copy, target) => found?,
            () = cancelled.notified() => return Err(interrupted()),
        };
        let cut = self.shared.faults.take(&self.written, |kind| kind == FaultKind::CutDuringCopy).is_some();
        begin_copy(&mut self.backend, target).await?;
        let result = tokio::select! {
            result = transfer(&mut self.backend, (copy, target), &files, first, cut, rejected) => result,
            () = cancelled.notified() => Err(interrupted()),
        };
        let rows = end_copy(&mut self.backend, result, target).await?;
        Ok(Loaded { rows, files: files.len(), bytes: files.iter().map(|file| file.size).sum() })
    }

    /// The files, and the first of them opened, so that what does not fit at all is found before COPY begins.
    async fn find(&self, copy: &Copy, target: &Target) -> Result<(Vec<SourceFile>, Option<Rows>), Failure> {
        let slow = self.shared.faults.take(&self.written, |kind| matches!(kind, FaultKind::SlowCopy(_)));
        if let Some(FaultKind::SlowCopy(time)) = slow {
            tokio::time::sleep(time).await;
        }
        let files = resolve(&self.shared.stores, copy).await?;
        let first = match files.first() {
            Some(file) if !copy.options.no_load => Some(Rows::open(file, target, copy).await?),
            _ => None,
        };
        Ok((files, first))
    }
}

fn interrupted() -> Failure {
    Failure::Sql(SqlError::new("57014", "canceling statement due to user request"))
}

/// Sends the rows of all files; their number. Records that are passed over are added to `rejected`.
async fn transfer(
    backend: &mut Backend,
    (copy, target): (&Copy, &Target),
    files: &[SourceFile],
    mut first: Option<Rows>,
    cut: bool,
    rejected: &mut Vec<LoadError>,
) -> Result<u64, Failure> {
    let most = usize::try_from(copy.options.max_errors).unwrap_or_default();
    let mut rows = 0;
    for file in files.iter().filter(|_| !copy.options.no_load) {
        let mut source = match first.take() {
            Some(source) => source,
            None => Rows::open(file, target, copy).await?,
        };
        while let Some((text, count)) = source.next().await? {
            backend.send(b'd', &text).await?;
            rows += count;
            if cut {
                return Err(Failure::Io(io::Error::other("cut in the middle of COPY, as ordered")));
            }
        }
        rejected.extend(source.rejected());
        // The last is told by the failure itself.
        if most > 0
            && rejected.len() >= most
            && let Some(last) = rejected.pop()
        {
            return Err(Failure::Record(Box::new(last)));
        }
    }
    Ok(rows)
}

/// Starts PostgreSQL's own COPY.
async fn begin_copy(backend: &mut Backend, target: &Target) -> Result<(), Failure> {
    let columns: Vec<String> = target.columns.iter().map(|column| quote(&column.name)).collect();
    let sql = format!("COPY {} ({}) FROM STDIN", target.table.sql(), columns.join(", "));
    backend.send(b'Q', &Builder::default().text(&sql).build()).await?;
    backend.flush().await?;
    let mut error = None;
    loop {
        let frame = backend.read().await?;
        match frame.tag {
            b'G' => return Ok(()),
            b'E' => error = Some(Fields::parse(frame.body)?),
            b'Z' => {
                let error = error.unwrap_or_default();
                return Err(Failure::Sql(SqlError::new("XX000", error.get(b'M').to_owned())));
            }
            _ => {}
        }
    }
}

/// Ends PostgreSQL's own COPY, well or not.
async fn end_copy(backend: &mut Backend, result: Result<u64, Failure>, target: &Target) -> Result<u64, Failure> {
    match &result {
        Err(Failure::Io(_)) => return result,
        Ok(_) => backend.send(b'c', &[]).await?,
        Err(_) => backend.send(b'f', &Builder::default().text("given up by redshift-sim").build()).await?,
    }
    backend.flush().await?;
    let mut error = None;
    loop {
        let frame = backend.read().await?;
        match frame.tag {
            b'E' => error = Some(Fields::parse(frame.body)?),
            b'Z' => break,
            _ => {}
        }
    }
    match (result, error) {
        (Ok(_), Some(fields)) => Err(refused_value(&fields, target)),
        (result, _) => result,
    }
}

/// A value that PostgreSQL could not read, as Redshift says it (r_Load_Error_Reference). Its context is
/// `COPY table, line 3, column name: "value"`.
fn refused_value(fields: &Fields, target: &Target) -> Failure {
    let context = fields.get(b'W');
    let between =
        |start: &str, end: &str| context.split_once(start).and_then(|(_, rest)| Some(rest.split_once(end)?.0.to_owned()));
    let name = between(", column ", ":").unwrap_or_default();
    let value = context.split_once(": \"").map(|(_, rest)| rest.trim_end_matches('"').to_owned()).unwrap_or_default();
    let Some(column) = target.columns.iter().find(|column| column.name == name) else {
        return Failure::Sql(SqlError::new("XX000", fields.get(b'M').to_owned()));
    };
    let line = between(", line ", ",").and_then(|line| line.parse().ok()).unwrap_or_default();
    let (code, reason) = match column.column_type {
        ColumnType::Date => (1205, "Invalid Date Format - length must be 10 or more".to_owned()),
        ColumnType::Timestamp | ColumnType::TimestampTz => {
            (1206, "Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SS]".to_owned())
        }
        ColumnType::Boolean => (1210, "Unknown boolean format".to_owned()),
        ColumnType::Super => (1224, fields.get(b'M').to_owned()),
        other => {
            let first = value.chars().next().unwrap_or(' ');
            (1207, format!("Invalid digit, Value '{first}', Pos 0, Type: {other}"))
        }
    };
    let (type_name, raw_value) = (column.column_type.to_string().to_lowercase(), value);
    Failure::Record(Box::new(LoadError { line, column: name, type_name, raw_value, code, reason, ..LoadError::default() }))
}
