//! `engine land [NAME]`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use indicatif::HumanCount;

use super::Status;
use super::printer::Printer;
use super::signals::Interrupts;
use crate::epoch::lease::{HeldLease, under_lease};
use crate::landing::{Done, Landings, Outcome, Zone, zones};
use crate::run::Observer;
use crate::session::Session;
use crate::state::{self, Purpose, StateStore};

/// Arguments of `engine land`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  engine land                  load what was put into the landing zones, and exit
  engine land sales --plan     say what would become of each file, and touch nothing
  engine runs show landing/3   see what a run loaded and refused

A zone is a section of engine.toml:

  [[landing]]
  url = 's3://company-landing/'    # or a folder

A file at dev/append/users/a.csv is added to the table users of the database dev, one at dev/truncate/users/ replaces \
its rows, one at dev/schema/users/ the table. What is wrong with a file is told beside it in rejected/. Files that are \
loaded stay where they are. `engine serve` does the same as files come. Exit code 1: some file was refused.")]
pub(super) struct LandArguments {
    /// The zone; all of them when it is left out
    #[arg(value_name = "NAME")]
    name: Option<String>,

    /// Say what would be loaded and what refused, and why; touch nothing
    #[arg(long)]
    plan: bool,
}

impl LandArguments {
    pub(super) fn only_looks(&self) -> bool {
        self.plan
    }
}

pub(super) async fn land(arguments: LandArguments, session: &Session, printer: &mut Printer) -> Result<Status> {
    let zones = zones(session, arguments.name.as_deref())?;
    let is_one = session.settings.landings().len() == 1;
    let interrupts = Interrupts::default();
    let mut status = Status::Done;
    for zone in &zones {
        if !is_one {
            printer.note(&format!("{}:", zone.name));
        }
        let (refused, any) = {
            let told = Told { printer: Mutex::new(&mut *printer), refused: AtomicBool::new(false), any: AtomicBool::new(false) };
            if arguments.plan {
                plan(zone, session, &told).await?;
            } else {
                let store = state::open(session).await?;
                tokio::select! {
                    ran = run(zone, session, store, &told, &interrupts) => ran?,
                    () = interrupts.abort.cancelled() => return Ok(Status::Aborted),
                    () = interrupts.listen(|text| tracing::warn!("{text}")) => return Ok(Status::Aborted),
                }
            }
            (told.refused.load(Ordering::Relaxed), told.any.load(Ordering::Relaxed))
        };
        if !any {
            printer.note("nothing new");
        }
        if refused {
            status = Status::Failed;
        }
    }
    Ok(status)
}

async fn run(zone: &Zone, session: &Session, store: Arc<dyn StateStore>, told: &Told<'_>, interrupts: &Interrupts) -> Result<()> {
    let observer = Observer::new(&zone.name, false)?;
    let tell = |done: &Done| told.tell(done);
    let shared = Arc::clone(&store);
    let purpose = Purpose { reason: "engine land".to_owned(), ..Purpose::default() };
    let (file, clock) = (zone.file(), &session.context.clock);
    under_lease(shared, (&zone.name, &file), &purpose, clock, async |held: &HeldLease| {
        let landings =
            Landings { zone, session, store: Some(store.as_ref()), observer: &observer, stop: &interrupts.stop, tell: &tell };
        Box::pin(landings.run(held.lease())).await
    })
    .await
}

async fn plan(zone: &Zone, session: &Session, told: &Told<'_>) -> Result<()> {
    let store = state::open_existing(session).await?;
    let observer = Observer::new(&zone.name, false)?;
    let stop = tokio_util::sync::CancellationToken::new();
    let tell = |done: &Done| told.tell(done);
    let landings = Landings { zone, session, store: store.as_deref(), observer: &observer, stop: &stop, tell: &tell };
    Box::pin(landings.plan()).await
}

/// A line a file.
struct Told<'a> {
    printer: Mutex<&'a mut Printer>,
    refused: AtomicBool,
    any: AtomicBool,
}

impl Told<'_> {
    fn tell(&self, done: &Done) {
        let landed = &done.landed;
        let (key, table, mode) = (&landed.key, &landed.table, &landed.action);
        let line = match &done.outcome {
            Outcome::Loaded(rows) => format!("loaded   {key}: {} rows into {table} ({mode})", HumanCount(*rows)),
            Outcome::Known => format!("loaded   {key}: into {table} ({mode}), by a run before"),
            Outcome::Would => format!("would load    {key}: into {table} ({mode})"),
            Outcome::Refused(why) => format!("refused  {key}: {why}"),
            Outcome::Failed(why) => format!("failed   {key}: {why}"),
        };
        self.any.store(true, Ordering::Relaxed);
        if matches!(done.outcome, Outcome::Refused(_)) {
            self.refused.store(true, Ordering::Relaxed);
        }
        self.printer.lock().unwrap_or_else(PoisonError::into_inner).data(&format!("{line}\n"));
    }
}
