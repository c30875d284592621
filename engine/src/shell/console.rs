//! The shell itself: runs what it is given, one statement or command after the other, and shows what comes of it.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::{FutureExt, StreamExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::command::{self, Command};
use super::input::{self, Item};
use super::output::{Destination, Format, Screen, TableLimits, Wanted};
use super::progress::Progress;
use super::shown::Shown;
use super::statement::{self, Prepared};
use super::summary::Summary;
use super::workspace::Workspace;
use super::{describe, mistake};
use crate::cli::printer::Printer;
use crate::session::Session;
use crate::sql::{Diagnostic, script};

/// Batches between a query and its output.
const AHEAD: usize = 2;

/// Characters of the widest cell of a table on a terminal.
const CELL_WIDTH: usize = 200;

/// Files that include each other.
const MAX_INCLUDES: usize = 16;

/// How a text ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All of it was run.
    Done,
    /// Something was wrong, and has been told.
    Failed,
    /// By Ctrl-C.
    Interrupted,
    /// `\q`, or the reader of the output has gone.
    Quit,
}

/// Why a statement did not come to its end.
pub(super) enum Failure {
    /// It is wrong.
    Mistake(Diagnostic),
    /// The reader of the output has gone.
    Gone,
    /// Anything else.
    Other(anyhow::Error),
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Mistake(diagnostic)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::Gone } else { Self::Other(error.into()) }
    }
}

/// A shell, over one session.
#[derive(Debug)]
pub(crate) struct Console<'a> {
    pub(super) workspace: Workspace,
    pub(super) printer: &'a mut Printer,
    pub(super) format: Format,
    pub(super) max_rows: usize,
    timing: bool,
    /// How long of a statement's time a person was reading its result.
    waited: Duration,
    output: Option<File>,
    /// Files that `\i` is in the middle of.
    pub(super) including: usize,
    /// A person looks on: results are paged and counted.
    pub(super) interactive: bool,
    /// What `\e` begins with.
    pub(super) last: String,
}

impl<'a> Console<'a> {
    pub(crate) fn new(session: &Session, printer: &'a mut Printer, format: Format, max_rows: usize) -> Self {
        // From here on Ctrl-C is ours: without a listener it would end the process.
        drop(tokio::signal::ctrl_c().now_or_never());
        Self {
            workspace: Workspace::new(session),
            printer,
            format,
            max_rows: if max_rows == 0 { usize::MAX } else { max_rows },
            timing: false,
            waited: Duration::ZERO,
            output: None,
            including: 0,
            interactive: false,
            last: String::new(),
        }
    }

    /// Runs statements and commands until one fails. `name` is what errors call the text.
    ///
    /// # Errors
    /// What is not about a statement: the output cannot be written.
    pub(crate) async fn run(&mut self, name: &str, text: &str) -> Result<Ending> {
        for item in input::split(text).0 {
            let done = tokio::select! {
                biased;
                done = self.item(name, text, item) => done,
                () = interrupt() => {
                    self.printer.note("stopped");
                    return Ok(Ending::Interrupted);
                }
            };
            match done {
                Ok(Ending::Done) => {}
                Ok(ending) => return Ok(ending),
                Err(Failure::Mistake(diagnostic)) => {
                    self.printer.error(&diagnostic.render(name, text));
                    return Ok(Ending::Failed);
                }
                // Whoever leaves the pager wants no more of this result, but goes on.
                Err(Failure::Gone) if self.interactive => {}
                Err(Failure::Gone) => return Ok(Ending::Quit),
                Err(Failure::Other(error)) => return Err(error),
            }
        }
        Ok(Ending::Done)
    }

    async fn item(&mut self, name: &str, text: &str, item: Item) -> Result<Ending, Failure> {
        match item {
            Item::Statement(span) => {
                format!("{};", &text[span.clone()]).clone_into(&mut self.last);
                let begun = Instant::now();
                self.waited = Duration::ZERO;
                self.statement(text, &span).await?;
                if self.timing {
                    let took = begun.elapsed().saturating_sub(self.waited);
                    self.printer.note(&format!("Time: {:.3} s", took.as_secs_f64()));
                }
                Ok(Ending::Done)
            }
            Item::Command(span) => match command::parse(&text[span.clone()]) {
                Ok(command) => Box::pin(self.command(name, command)).await,
                Err(message) => Err(Failure::Mistake(Diagnostic::new(message, Some(span)))),
            },
        }
    }

    async fn command(&mut self, name: &str, command: Command) -> Result<Ending, Failure> {
        match command {
            Command::Tables(pattern) => self.tables(pattern.as_deref(), false).await?,
            Command::Views(pattern) => self.tables(pattern.as_deref(), true).await?,
            Command::Describe(table) => return self.generated(describe::describe(&table)).await,
            Command::Summarize(table) => return self.generated(describe::summarize(&table)).await,
            Command::Timing(on) => {
                self.timing = on.unwrap_or(!self.timing);
                self.tell(&format!("timing is {}", if self.timing { "on" } else { "off" }));
            }
            Command::Expanded(on) => {
                let expanded = on.unwrap_or(self.format != Format::Vertical);
                self.set_format(if expanded { Format::Vertical } else { Format::Table });
            }
            Command::Format(Some(format)) => self.set_format(format),
            Command::Format(None) => self.printer.data(&format!("{}\n", self.format.name())),
            Command::Include(path) => {
                return self.include(&path).await.map_err(Failure::Other);
            }
            Command::Edit(path) => {
                let written = super::interactive::edit(path.as_deref(), &self.last).map_err(Failure::Other)?;
                self.last.clone_from(&written);
                if input::is_complete(&written) {
                    self.printer.note(written.trim_end());
                    return Box::pin(self.run(name, &written)).await.map_err(Failure::Other);
                }
            }
            Command::Output(path) => self.output = path.map(|path| create(&path)).transpose().map_err(Failure::Other)?,
            Command::Help => self.printer.data(&command::help()),
            Command::Quit => return Ok(Ending::Quit),
        }
        Ok(Ending::Done)
    }

    async fn include(&mut self, path: &str) -> Result<Ending> {
        let text = script::read(Path::new(path))?;
        anyhow::ensure!(
            self.including < MAX_INCLUDES,
            "{path}: \\i within \\i, {MAX_INCLUDES} deep; does the file include itself?"
        );
        self.including += 1;
        let ending = Box::pin(self.run(path, &text)).await;
        self.including -= 1;
        ending
    }

    fn set_format(&mut self, format: Format) {
        self.format = format;
        self.tell(&format!("the format is {}", format.name()));
    }

    /// A word about what a command did; a script did not ask for it.
    fn tell(&mut self, text: &str) {
        if self.interactive {
            self.printer.note(text);
        }
    }

    async fn tables(&mut self, pattern: Option<&str>, only_views: bool) -> Result<(), Failure> {
        let frame = describe::tables(&self.workspace, pattern, only_views).await?;
        self.show("", &(0..0), frame, None).await
    }

    /// A statement that a command stands for: its mistakes are those of that statement.
    async fn generated(&mut self, sql: String) -> Result<Ending, Failure> {
        let span = 0..sql.len();
        match self.statement(&sql, &span).await {
            Err(Failure::Mistake(mut diagnostic)) => {
                diagnostic.span = None;
                let helps = std::mem::take(&mut diagnostic.helps);
                let help = helps.first().map(|help| format!("; {help}")).unwrap_or_default();
                self.printer.error(&format!("{}{help}", diagnostic.message));
                Ok(Ending::Failed)
            }
            other => other.map(|()| Ending::Done),
        }
    }

    async fn statement(&mut self, text: &str, span: &Range<usize>) -> Result<(), Failure> {
        match Box::pin(statement::prepare(&self.workspace, text, span)).await? {
            Prepared::Rows(frame) => self.show(text, span, frame, None).await,
            Prepared::Summary(frame, summary) => self.show(text, span, frame, Some(summary)).await,
            Prepared::Done(what) => {
                self.tell(&what);
                Ok(())
            }
        }
    }

    async fn show(&mut self, text: &str, span: &Range<usize>, frame: DataFrame, summary: Option<Summary>) -> Result<(), Failure> {
        let (task, planned) = (Arc::new(frame.task_ctx()), Box::pin(frame.create_physical_plan()).await);
        let stream = planned.and_then(|plan| execute_stream(Arc::clone(&plan), task).map(|stream| (plan, stream)));
        let shown = match stream {
            Ok((plan, stream)) => self.stream(plan, stream, summary).await,
            Err(error) => Ok(Err(error)),
        };
        match shown? {
            Ok(()) => Ok(()),
            Err(error) => Err(mistake::of_datafusion(&self.workspace, text, span, &error).await.into()),
        }
    }

    /// The query runs in a task of its own, so that Ctrl-C need not wait for its next batch.
    async fn stream(
        &mut self,
        plan: Arc<dyn ExecutionPlan>,
        mut stream: datafusion::execution::SendableRecordBatchStream,
        summary: Option<Summary>,
    ) -> Result<Result<(), DataFusionError>, Failure> {
        let (send, mut batches) = mpsc::channel(AHEAD);
        let mut query = JoinSet::new();
        query.spawn(async move {
            while let Some(batch) = stream.next().await {
                if send.send(batch).await.is_err() {
                    break;
                }
            }
        });
        let mut progress = Progress::new(!self.printer.lines().is_hidden());
        let mut result = Shown::new(self, &plan)?;
        let mut figures = Vec::new();
        let complete = loop {
            let batch = tokio::select! {
                biased;
                batch = batches.recv() => batch,
                () = progress.tick() => {
                    progress.draw(&plan);
                    continue;
                }
            };
            match batch {
                None => break true,
                Some(Err(error)) => return Ok(Err(error)),
                Some(Ok(batch)) if summary.is_some() => figures.push(batch),
                Some(Ok(batch)) => {
                    if !result.writer.waits() {
                        progress.clear();
                    }
                    if result.write(&batch)? == Wanted::Enough {
                        break false;
                    }
                }
            }
        };
        progress.clear();
        // Rows that nobody wants are not waited for; a query that broke off has not given all of its rows.
        if complete && let Some(Err(error)) = query.join_next().await {
            return Err(Failure::Other(anyhow::anyhow!("the query broke off: {error}")));
        }
        drop(query);
        if let Some(summary) = summary {
            match summary.pivot(&figures) {
                Ok(batch) => result.summary(self, &batch)?,
                Err(error) => return Ok(Err(error)),
            }
        }
        let finished = result.finish(self);
        self.waited += result.waited;
        finished?;
        Ok(Ok(()))
    }

    pub(super) fn destination(&self) -> io::Result<Destination> {
        if let Some(file) = &self.output {
            return Ok(Destination::file(file.try_clone()?));
        }
        let screen = Screen::now().filter(|_| self.interactive);
        Ok(match screen.zip(super::interactive::pager()) {
            Some((screen, pager)) => Destination::paged(screen, &pager),
            None => Destination::plain(),
        })
    }

    pub(super) fn limits(&self) -> TableLimits {
        let on_screen = self.interactive && self.output.is_none();
        TableLimits { rows: self.max_rows, cell_width: if on_screen { CELL_WIDTH } else { usize::MAX } }
    }
}

fn create(path: &str) -> Result<File> {
    File::create(path).with_context(|| format!("cannot write {path}"))
}

/// The next Ctrl-C.
async fn interrupt() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
