//! The command line: arguments, settings, exit codes. One file a command.

mod catalog;
mod check;
mod config;
mod crash;
mod crawl;
mod doctor;
mod land;
mod logging;
mod plan;
pub(crate) mod printer;
mod redshift_sim;
mod replay;
mod run;
mod runs;
mod serve;
mod shell;
mod signals;
mod state;
mod verify;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::cause::{is_ours, one_line};
use crate::config::{Settings, unknown_variables};
use crate::session::{Purpose, Session};
use crate::sql::script::STACK;
use printer::Printer;

/// How a command ended: its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    /// 0: done.
    Done,
    /// 1: the user's to repair; the message is out already.
    Failed,
    /// 130: the user pressed Ctrl-C twice.
    Aborted,
}

/// Moves what is new from Reddit, files and PostgreSQL into a Parquet/Delta lake and a warehouse, exactly once, as .sql files say.
#[derive(Debug, Parser)]
#[command(
    name = "engine",
    version,
    max_term_width = 120,
    after_help = "\
Examples:
  engine run queries/reddit.sql            move what is new, then exit
  engine run queries/reddit.sql --follow   keep going until Ctrl-C
  engine serve queries/                    run pipelines when they are due, until it is stopped
  engine land                              load what was put into a landing zone
  engine runs                              see what was run
  engine check queries/                    find mistakes without moving data
  engine plan queries/reddit.sql           show what a run would read, create and alter
  engine crawl s3://bucket/raw --plan      find the tables in files that nobody described
  engine replay FILE.sql TABLE             make rows of bad records after a fix
  engine doctor                            try the whole setup, and say what to repair
  engine verify reddit                     hold what was read against what is in the tables
  engine shell                             query what is there
  engine catalog list                      what tables there are, with their columns and sizes
  engine state show                        where progress is kept, and what is in it
  engine config                            show the settings in force

Settings come from engine.toml in the working directory and from the environment (ENGINE_LAKE_URL, ...)."
)]
struct Arguments {
    /// Read the settings from this file instead of ./engine.toml
    #[arg(long, global = true, value_name = "FILE", env = "ENGINE_CONFIG")]
    config: Option<PathBuf>,

    /// How to log to standard error
    #[arg(long, global = true, value_enum, default_value = "text", value_name = "FORMAT")]
    log: logging::Format,

    /// Log more: -v progress of every step, -vv every request
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a pipeline: everything that is new, through its queries, into its sinks, once
    Run(run::RunArguments),
    /// Run many pipelines by schedule and trigger, until it is stopped
    Serve(serve::ServeArguments),
    /// Load the files that were put into landing zones, and exit
    Land(land::LandArguments),
    /// What was run, how it ended, and what it brought
    Runs(runs::RunsArguments),
    /// Find what is wrong with a pipeline, or a folder of them, without moving data
    Check(check::CheckArguments),
    /// Show what a run of a pipeline would read, create and alter, without doing it
    Plan(plan::PlanArguments),
    /// Find the tables in a folder, bucket or database that nobody described, and register them in the catalog
    Crawl(crawl::CrawlArguments),
    /// Feed the bad records of a table through a pipeline again, after a fix
    Replay(replay::ReplayArguments),
    /// Query the lake and files: a shell to type SQL in, and for scripts
    #[command(visible_alias = "sql")]
    Shell(shell::ShellArguments),
    /// List, show and export the tables of the catalog
    Catalog(catalog::CatalogArguments),
    /// Show the settings in force, secrets masked, and where each came from
    Config(config::ConfigArguments),
    /// Hold what a pipeline's tables have against what its epochs brought
    Verify(verify::VerifyArguments),
    /// Find what is wrong with the setup, from the settings to the warehouse, and what repairs it
    Doctor(doctor::DoctorArguments),
    /// Say where progress is kept, and move it
    State(state::StateArguments),
    /// Run a stand-in for Amazon Redshift on this machine, to develop without AWS
    RedshiftSim(redshift_sim::RedshiftSimArguments),
}

/// The exit code of a fault that is ours and not the user's.
const OURS: u8 = 2;

/// Runs the command line, on a thread with room for deep statements, and says how it ended.
pub fn main() -> ExitCode {
    let thread = std::thread::Builder::new().name("main".to_owned()).stack_size(STACK).spawn(command_line);
    match thread.map(std::thread::JoinHandle::join) {
        Ok(Ok(code)) => code,
        _ => ExitCode::from(OURS),
    }
}

fn command_line() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are what was asked for; anything else is the user's to repair.
            let status = if error.use_stderr() { ExitCode::from(1) } else { ExitCode::SUCCESS };
            drop(error.print());
            return status;
        }
    };
    let serves = matches!(&arguments.command, Command::Serve(_));
    let follows = matches!(&arguments.command, Command::Run(run) if run.follows());
    let json = arguments.log == logging::Format::Json;
    crash::watch(json);
    let mut printer = Printer::new(json);
    let lines = printer.lines();
    logging::start(arguments.log, arguments.verbose, serves || (follows && lines.is_hidden()), &lines);
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    threads.thread_stack_size(STACK);
    if matches!(&arguments.command, Command::Shell(_)) {
        threads.worker_threads(shell::threads());
    }
    let runtime = match threads.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            printer.error(&format!("cannot start: {error}"));
            return ExitCode::from(OURS);
        }
    };
    let work = || runtime.block_on(Box::pin(dispatch(arguments, &mut printer)));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    runtime.shutdown_background();
    #[cfg(feature = "failpoints")]
    if let Err(error) = crate::faults::write_counts() {
        printer.error(&format!("cannot write the counts of points: {error}"));
    }
    let status = match result {
        // What happened is told already.
        Err(_) => OURS,
        Ok(Ok(Status::Done)) => 0,
        Ok(Ok(Status::Failed)) => 1,
        Ok(Ok(Status::Aborted)) => 130,
        Ok(Err(error)) => {
            printer.error(&one_line(&error));
            if is_ours(&error) { OURS } else { 1 }
        }
    };
    ExitCode::from(if crash::has_happened() { OURS } else { status })
}

async fn dispatch(arguments: Arguments, printer: &mut Printer) -> anyhow::Result<Status> {
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    let settings = Settings::load(arguments.config.as_deref(), &environment)?;
    for warning in unknown_variables(&environment) {
        printer.warning(&warning);
    }
    if let Command::Config(config) = &arguments.command {
        return config::config(config, &settings, printer);
    }
    if let Command::RedshiftSim(sim) = arguments.command {
        return redshift_sim::redshift_sim(sim, &settings, printer).await;
    }
    let purpose = match &arguments.command {
        Command::Run(_) | Command::Serve(_) => Purpose::Run,
        Command::Land(land) if !land.only_looks() => Purpose::Run,
        Command::Replay(replay) if !replay.only_looks() => Purpose::Run,
        _ => Purpose::Look,
    };
    let session = Session::new(settings, environment, purpose)?;
    match arguments.command {
        Command::Run(run) => Box::pin(run::run(run, &session, printer)).await,
        Command::Serve(serve) => Box::pin(serve::serve(serve, &session, printer)).await,
        Command::Land(land) => Box::pin(land::land(land, &session, printer)).await,
        Command::Runs(runs) => runs::runs(runs, &session, printer).await,
        Command::Replay(replay) => Box::pin(replay::replay(replay, &session, printer)).await,
        Command::Check(check) => check::check(check, &session, printer).await,
        Command::Plan(plan) => plan::plan(plan, &session, printer).await,
        Command::Crawl(crawl) => Box::pin(crawl::crawl(crawl, &session, printer)).await,
        Command::Shell(shell) => Box::pin(shell::shell(shell, &session, printer)).await,
        Command::Catalog(catalog) => Box::pin(catalog::catalog(catalog, &session, printer)).await,
        Command::Verify(verify) => Box::pin(verify::verify(verify, &session, printer)).await,
        Command::State(state) => Box::pin(state::state(state, &session, printer)).await,
        Command::Doctor(doctor) => Box::pin(doctor::doctor(doctor, &session, printer)).await,
        // Both are done above.
        Command::Config(_) | Command::RedshiftSim(_) => Ok(Status::Done),
    }
}
