//! Many pipelines on a clock that is moved by hand: every time is run once, none late.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use connectors::clock::Clock;
use tokio::sync::oneshot;

use super::files::Place;
use super::{Control, Server};
use crate::config::Settings;
use crate::session::{Purpose, Session};
use crate::state::{self, Page, RunStatus};

/// Stands still but for [`HandClock::step`].
#[derive(Debug)]
struct HandClock(Mutex<Hands>);

#[derive(Debug)]
struct Hands {
    now: DateTime<Utc>,
    sleepers: Vec<Sleeper>,
}

#[derive(Debug)]
struct Sleeper {
    until: DateTime<Utc>,
    span: Duration,
    wake: oneshot::Sender<()>,
}

#[async_trait]
impl Clock for HandClock {
    fn now(&self) -> DateTime<Utc> {
        self.0.lock().unwrap().now
    }

    async fn sleep(&self, span: Duration) {
        let (wake, woken) = oneshot::channel();
        {
            let mut hands = self.0.lock().unwrap();
            let until = hands.now + TimeDelta::from_std(span).unwrap();
            hands.sleepers.push(Sleeper { until, span, wake });
        }
        drop(woken.await);
    }
}

impl HandClock {
    /// Whether the scheduler sleeps: nobody else does so for so short a time.
    fn is_scheduler_asleep(&self) -> bool {
        let hands = self.0.lock().unwrap();
        hands.sleepers.iter().any(|sleeper| sleeper.span <= Duration::from_secs(1) && !sleeper.wake.is_closed())
    }

    /// Moves on to when the first of those that sleep wants to wake, and wakes it.
    fn step(&self) {
        let mut hands = self.0.lock().unwrap();
        hands.sleepers.retain(|sleeper| !sleeper.wake.is_closed());
        let Some(until) = hands.sleepers.iter().map(|sleeper| sleeper.until).min() else { return };
        hands.now = hands.now.max(until);
        for sleeper in hands.sleepers.extract_if(.., |sleeper| sleeper.until <= until) {
            let _sleeps_on = sleeper.wake.send(());
        }
    }
}

async fn is_quiet(control: &Control, clock: &HandClock) -> bool {
    control.is_ready()
        && clock.is_scheduler_asleep()
        && control.0.running().is_empty()
        && control.store().open_requests(None).await.unwrap().is_empty()
}

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// `ENGINE_TEST_PIPELINES=200 ENGINE_TEST_MINUTES=60` is the whole of it; it takes minutes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_minute_of_every_pipeline_is_run_once_and_none_late() {
    let (pipelines, minutes) = (number("ENGINE_TEST_PIPELINES", 12), number("ENGINE_TEST_MINUTES", 4));
    let folder = tempfile::tempdir().unwrap();
    let queries = folder.path().join("queries");
    std::fs::create_dir(&queries).unwrap();
    for number in 0..pipelines {
        std::fs::write(queries.join(format!("p{number}.sql")), "SET pipeline.schedule = '* * * * *';\nSELECT 1;").unwrap();
    }
    let path = |name: &str| folder.path().join(name).display().to_string();
    let environment =
        BTreeMap::from([("ENGINE_LAKE_URL".to_owned(), path("lake")), ("ENGINE_STATE_URL".to_owned(), path("state"))]);
    let settings = Settings::load(None, &environment).unwrap();
    let mut session = Session::new(settings, environment, Purpose::Run).unwrap();
    let begin: DateTime<Utc> = "2026-11-22T10:00:30Z".parse().unwrap();
    let clock = Arc::new(HandClock(Mutex::new(Hands { now: begin, sleepers: Vec::new() })));
    session.context.clock = Arc::clone(&clock) as Arc<dyn Clock>;
    let store = state::open(&session).await.unwrap();
    let place = Place::parse(queries.to_str().unwrap(), &session).unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let server = Server::new(session, store, place, stop.clone()).unwrap();
    let control = server.control();
    let served = tokio::spawn(server.run());
    let end = begin + TimeDelta::minutes(i64::try_from(minutes).unwrap());
    while clock.now() < end {
        while !is_quiet(&control, &clock).await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        clock.step();
    }
    while !is_quiet(&control, &clock).await {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for number in 0..pipelines {
        let page = Page { pipeline: Some(format!("p{number}")), limit: 10_000, ..Page::default() };
        let runs = control.store().runs(&page, end).await.unwrap();
        let due: Vec<DateTime<Utc>> = runs.iter().rev().map(|run| run.purpose.due.unwrap()).collect();
        let first: DateTime<Utc> = "2026-11-22T10:01:00Z".parse().unwrap();
        let expected: Vec<DateTime<Utc>> =
            (0..minutes).map(|minute| first + TimeDelta::minutes(i64::try_from(minute).unwrap())).collect();
        assert_eq!(due, expected, "p{number}");
        for run in runs {
            assert_eq!(run.status, RunStatus::Done, "{run:?}");
            let late = run.started_at - run.purpose.due.unwrap();
            assert!(late <= TimeDelta::seconds(1), "{late} late: {run:?}");
        }
    }
    stop.cancel();
    // The grace is waited for by the same clock.
    while !served.is_finished() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
