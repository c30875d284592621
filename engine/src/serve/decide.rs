//! What a server is to do now: a pure decision from what is known.
//!
//! Nothing is done here and nothing is asked; the same facts give the same decision, whichever server looks at them. Several of them may:
//! a cursor is moved by one, and a pipeline's lease is had by one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

use super::policy::Policy;
use super::schedule::Schedule;
use crate::state::{LeaseRecord, OpenRequest, Pause, Request};

/// The key of a request by a person: it is run even if the pipeline is paused.
pub const BY_HAND: &str = "by hand";

/// Requests of a schedule's times that wait at most, of one pipeline. The times behind them follow when these are done.
const MOST_TIMES: usize = 100;

/// What is known.
#[derive(Debug)]
pub struct Facts<'a> {
    /// Now.
    pub now: DateTime<Utc>,
    /// Pipelines that can be run.
    pub pipelines: &'a BTreeMap<String, Policy>,
    /// By pipeline and name.
    pub cursors: &'a BTreeMap<(String, String), String>,
    /// What has not ended.
    pub open: &'a [OpenRequest],
    /// Who runs what.
    pub leases: &'a [LeaseRecord],
    /// What is not to be run.
    pub pauses: &'a BTreeMap<String, Pause>,
    /// How what triggers wait for looks now, by pipeline and trigger.
    pub marks: &'a BTreeMap<(String, String), String>,
    /// What this process runs.
    pub here: &'a BTreeSet<String>,
    /// How many more it can.
    pub slots: usize,
}

/// A cursor that is to be moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The pipeline.
    pub pipeline: String,
    /// The cursor.
    pub name: String,
    /// Where it is.
    pub from: Option<String>,
    /// Where it is to be.
    pub to: String,
    /// What is to be run for it.
    pub requests: Vec<Request>,
}

/// A pipeline that is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The pipeline.
    pub pipeline: String,
    /// What for. The first is why.
    pub requests: Vec<OpenRequest>,
}

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// First these. When there are any, facts are other than they were.
    pub moves: Vec<Move>,
    /// Then these, the longest due first.
    pub starts: Vec<Start>,
    /// When to look again if nothing happens.
    pub wake_at: Option<DateTime<Utc>>,
}

/// Decides.
pub fn decide(facts: &Facts<'_>) -> Decision {
    let mut decision = Decision::default();
    for (name, policy) in facts.pipelines {
        if let Some(schedule) = &policy.schedule {
            facts.tick(name, policy, schedule, &mut decision);
        }
        facts.react(name, policy, &mut decision);
    }
    facts.start(&mut decision);
    decision
}

/// The name of a schedule's cursor, which is the last of its times that was seen to.
const SCHEDULE: &str = "schedule";

impl Facts<'_> {
    fn cursor(&self, pipeline: &str, name: &str) -> Option<&String> {
        self.cursors.get(&(pipeline.to_owned(), name.to_owned()))
    }

    fn is_paused(&self, pipeline: &str, policy: &Policy) -> bool {
        policy.paused || self.pauses.contains_key(pipeline)
    }

    /// Times of the schedule that have come.
    fn tick(&self, name: &str, policy: &Policy, schedule: &Schedule, decision: &mut Decision) {
        let begin = || policy.catchup.map_or(self.now, |from| from - Duration::from_millis(1));
        let found = self.cursor(name, SCHEDULE);
        let cursor = found.and_then(|text| DateTime::parse_from_rfc3339(text).ok());
        let Some(cursor) = cursor.map(|time| time.with_timezone(&Utc)) else {
            return decision.moves.push(moved(name, found, begin(), Vec::new()));
        };
        let last = if policy.catchup.is_some() {
            if self.is_paused(name, policy) {
                return;
            }
            self.catch_up(name, schedule, (cursor, found), decision)
        } else {
            self.last_due(name, schedule, cursor).inspect(|tick| {
                // What a pause let pass is not made up for.
                let paused = self.is_paused(name, policy);
                let requests = if paused { Vec::new() } else { vec![request_of(name, SCHEDULE.to_owned(), schedule, *tick)] };
                decision.moves.push(moved(name, found, *tick, requests));
            })
        };
        let next = schedule.next_after(last.unwrap_or(cursor));
        decision.wake(next.map(|tick| tick + schedule.delay(name, tick)));
    }

    /// The last time after `cursor` at which a run is due by now: of several that were missed, one run does for all.
    fn last_due(&self, name: &str, schedule: &Schedule, cursor: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut tick = schedule.last_up_to(self.now)?;
        while tick > cursor {
            if tick + schedule.delay(name, tick) <= self.now {
                return Some(tick);
            }
            tick = schedule.last_up_to(tick - Duration::from_millis(1))?;
        }
        None
    }

    /// Requests for every time that has come. Says up to which.
    fn catch_up(
        &self,
        name: &str,
        schedule: &Schedule,
        (cursor, found): (DateTime<Utc>, Option<&String>),
        decision: &mut Decision,
    ) -> Option<DateTime<Utc>> {
        let waiting = self.open.iter().filter(|open| open.request.pipeline == name && open.request.date.is_some()).count();
        let (mut requests, mut tick) = (Vec::new(), cursor);
        while requests.len() + waiting < MOST_TIMES
            && let Some(next) = schedule.next_after(tick)
            && next + schedule.delay(name, next) <= self.now
        {
            tick = next;
            requests.push(request_of(name, format!("{SCHEDULE} {}", stamp(tick)), schedule, tick));
        }
        if requests.is_empty() {
            return None;
        }
        decision.moves.push(moved(name, found, tick, requests));
        Some(tick)
    }

    /// Triggers that have happened.
    fn react(&self, name: &str, policy: &Policy, decision: &mut Decision) {
        let members: Vec<String> = policy.triggers.each.iter().map(ToString::to_string).collect();
        let mut happened = self.happened(name, &members, decision);
        if policy.triggers.all && happened.len() < members.len() {
            happened.clear();
        }
        let runs: Vec<String> = policy.after.iter().map(|after| after_name(after)).collect();
        happened.extend(self.happened(name, &runs, decision));
        // What comes while it is paused is seen when the pause ends.
        if self.is_paused(name, policy) {
            return;
        }
        let reason = happened.iter().map(|step| step.name.as_str()).collect::<Vec<_>>().join(", ");
        if let Some(first) = happened.first_mut() {
            let (pipeline, key) = (name.to_owned(), "trigger".to_owned());
            first.requests.push(Request { pipeline, key, reason, due: self.now, date: None, attempt: 1 });
        }
        decision.moves.extend(happened);
    }

    /// Of `triggers`, those that look other than when a run was last asked for because of them. What is there when a pipeline is first seen has
    /// come to it.
    fn happened(&self, name: &str, triggers: &[String], decision: &mut Decision) -> Vec<Move> {
        let mut happened = Vec::new();
        for trigger in triggers {
            let Some(mark) = self.marks.get(&(name.to_owned(), trigger.clone())) else { continue };
            let from = self.cursor(name, trigger).cloned();
            let (pipeline, name, to) = (name.to_owned(), trigger.clone(), mark.clone());
            let is_first = from.is_none() && mark.is_empty();
            let is_same = from.as_ref() == Some(mark);
            let step = Move { pipeline, name, from, to, requests: Vec::new() };
            match (is_first, is_same) {
                (true, _) => decision.moves.push(step),
                (false, true) => {}
                (false, false) => happened.push(step),
            }
        }
        happened
    }

    /// Pipelines that are due and that nobody runs.
    fn start(&self, decision: &mut Decision) {
        let is_held = |pipeline: &str| self.leases.iter().any(|lease| lease.pipeline == pipeline && !lease.is_over);
        let mut starts: Vec<Start> = Vec::new();
        for (name, policy) in self.pipelines {
            if self.here.contains(name) || is_held(name) {
                continue;
            }
            let is_wanted = |open: &&OpenRequest| {
                open.request.pipeline == *name && (open.request.key == BY_HAND || !self.is_paused(name, policy))
            };
            let waiting: Vec<&OpenRequest> = self.open.iter().filter(is_wanted).collect();
            let (due, later): (Vec<&OpenRequest>, Vec<&OpenRequest>) =
                ready(&waiting).into_iter().partition(|open| open.request.due <= self.now);
            for open in later {
                decision.wake(Some(open.request.due));
            }
            let requests = together(due, policy.has_dates);
            if !requests.is_empty() {
                starts.push(Start { pipeline: name.clone(), requests });
            }
        }
        starts.sort_by_key(|start| start.requests.iter().map(|open| open.request.due).min());
        starts.truncate(self.slots);
        decision.starts = starts;
    }
}

impl Decision {
    fn wake(&mut self, at: Option<DateTime<Utc>>) {
        self.wake_at = [self.wake_at, at].into_iter().flatten().min();
    }
}

/// Of those with a logical date, the earliest only: the dates of a pipeline are run in their order.
fn ready<'a>(waiting: &[&'a OpenRequest]) -> Vec<&'a OpenRequest> {
    let first = waiting.iter().filter(|open| open.request.date.is_some()).min_by_key(|open| (open.request.date, open.id));
    let undated = waiting.iter().filter(|open| open.request.date.is_none());
    first.into_iter().chain(undated).copied().collect()
}

/// What one run is for: everything that has no date of its own is done by any run, unless what a run reads depends on its date. Then that comes
/// first, which is of now: what waits for many dates to be made up for does not wait for the last of them.
fn together(mut due: Vec<&OpenRequest>, has_dates: bool) -> Vec<OpenRequest> {
    due.sort_by_key(|open| (open.request.due, open.id));
    if has_dates && due.iter().any(|open| open.request.date.is_none()) {
        due.retain(|open| open.request.date.is_none());
    }
    due.into_iter().cloned().collect()
}

/// What the trigger of a run of `pipeline` is called.
pub fn after_name(pipeline: &str) -> String {
    format!("after {pipeline}")
}

fn stamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

fn moved(pipeline: &str, from: Option<&String>, to: DateTime<Utc>, requests: Vec<Request>) -> Move {
    Move { pipeline: pipeline.to_owned(), name: SCHEDULE.to_owned(), from: from.cloned(), to: stamp(to), requests }
}

fn request_of(pipeline: &str, key: String, schedule: &Schedule, tick: DateTime<Utc>) -> Request {
    Request {
        pipeline: pipeline.to_owned(),
        key,
        reason: format!("schedule {}", stamp(tick)),
        due: tick + schedule.delay(pipeline, tick),
        date: Some(tick),
        attempt: 1,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::config::ExtensionOptions;

    use super::*;
    use crate::sql::settings::PipelineOptions;
    use crate::state::Holder;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(&format!("2026-11-22T{text}Z")).unwrap().with_timezone(&Utc)
    }

    /// A state store's part of the facts, and a server's, moved on by what is decided.
    #[derive(Default)]
    struct World {
        pipelines: BTreeMap<String, Policy>,
        cursors: BTreeMap<(String, String), String>,
        open: Vec<OpenRequest>,
        leases: Vec<LeaseRecord>,
        pauses: BTreeMap<String, Pause>,
        marks: BTreeMap<(String, String), String>,
        asked: i64,
    }

    impl World {
        fn of(pipelines: &[(&str, &[(&str, &str)])]) -> Self {
            let mut world = Self::default();
            for (name, set) in pipelines {
                let mut options = PipelineOptions::default();
                for (key, value) in *set {
                    options.set(key, value).unwrap();
                }
                world.pipelines.insert((*name).to_owned(), Policy::new(&options).unwrap());
            }
            world
        }

        fn mark(&mut self, pipeline: &str, trigger: &str, mark: &str) {
            self.marks.insert((pipeline.to_owned(), trigger.to_owned()), mark.to_owned());
        }

        /// Moves cursors until none is to be moved; then says what starts.
        fn at(&mut self, now: &str) -> Decision {
            for _ in 0..20 {
                let decision = decide(&Facts {
                    now: at(now),
                    pipelines: &self.pipelines,
                    cursors: &self.cursors,
                    open: &self.open,
                    leases: &self.leases,
                    pauses: &self.pauses,
                    marks: &self.marks,
                    here: &BTreeSet::new(),
                    slots: 10,
                });
                if decision.moves.is_empty() {
                    return decision;
                }
                for step in decision.moves {
                    let key = (step.pipeline.clone(), step.name.clone());
                    assert_eq!(self.cursors.get(&key), step.from.as_ref());
                    self.cursors.insert(key, step.to);
                    for request in step.requests {
                        let waits = |open: &OpenRequest| {
                            open.run.is_none() && open.request.key == request.key && open.request.pipeline == request.pipeline
                        };
                        if !self.open.iter().any(waits) {
                            self.asked += 1;
                            self.open.push(OpenRequest { id: self.asked, request, requested_at: at(now), run: None });
                        }
                    }
                }
            }
            panic!("cursors are moved for ever");
        }

        /// What starts, each as `pipeline: reason, reason`; it is done at once.
        fn run(&mut self, now: &str) -> Vec<String> {
            let starts = self.at(now).starts;
            let done: BTreeSet<i64> = starts.iter().flat_map(|start| &start.requests).map(|open| open.id).collect();
            self.open.retain(|open| !done.contains(&open.id));
            let reasons =
                |start: &Start| start.requests.iter().map(|open| open.request.reason.clone()).collect::<Vec<_>>().join(", ");
            starts.iter().map(|start| format!("{}: {}", start.pipeline, reasons(start))).collect()
        }
    }

    #[test]
    fn every_time_is_run_once_and_what_was_missed_once_for_all() {
        let mut world = World::of(&[("a", &[("schedule", "*/15 * * * *")])]);
        assert!(world.run("10:07:00").is_empty());
        assert_eq!(world.at("10:14:59").wake_at, Some(at("10:15:00")));
        assert_eq!(world.run("10:15:00"), ["a: schedule 2026-11-22T10:15:00Z"]);
        assert!(world.run("10:15:01").is_empty());
        // The server was away.
        assert_eq!(world.run("12:20:00"), ["a: schedule 2026-11-22T12:15:00Z"]);
        assert!(world.run("12:29:59").is_empty());
    }

    #[test]
    fn catching_up_runs_every_time_in_order() {
        let mut world = World::of(&[("a", &[("schedule", "@hourly"), ("catchup", "2026-11-22T08:00:00Z")])]);
        let times: Vec<Vec<String>> = (0..5).map(|_| world.run("10:30:00")).collect();
        let expected = ["08", "09", "10"].map(|hour| vec![format!("a: schedule 2026-11-22T{hour}:00:00Z")]);
        assert_eq!(times[..3], expected);
        assert!(times[3].is_empty());
    }

    #[test]
    fn many_missed_times_come_by_and_by() {
        let mut world = World::of(&[("a", &[("schedule", "* * * * * *"), ("catchup", "2026-11-22T08:00:00Z")])]);
        assert_eq!(world.at("10:00:00").starts.len(), 1);
        assert_eq!(world.open.len(), MOST_TIMES);
        let mut runs = 0;
        while !world.run("08:04:00").is_empty() {
            runs += 1;
        }
        // The first hundred were asked for at ten o'clock; those due by four minutes past eight are run, and there are no others.
        assert_eq!(runs, 241);
    }

    #[test]
    fn a_pause_lets_times_pass_but_not_files_nor_a_person() {
        let mut world = World::of(&[("a", &[("schedule", "@hourly"), ("trigger", "/in")])]);
        world.mark("a", "/in", "");
        world.run("09:30:00");
        world.pauses.insert("a".into(), Pause { at: at("09:40:00"), by: "me".into() });
        world.mark("a", "/in", "1 file");
        assert!(world.run("10:00:00").is_empty());
        let request = Request {
            pipeline: "a".into(),
            key: BY_HAND.into(),
            reason: "by hand".into(),
            due: at("10:01:00"),
            date: None,
            attempt: 1,
        };
        world.open.push(OpenRequest { id: 99, request, requested_at: at("10:01:00"), run: None });
        assert_eq!(world.run("10:01:00"), ["a: by hand"]);
        world.pauses.clear();
        assert_eq!(world.run("10:30:00"), ["a: /in"]);
    }

    #[test]
    fn any_or_all_triggers_start_one_run() {
        let mut world = World::of(&[
            ("any", &[("trigger", "any(/in, table lake.a.b)")]),
            ("all", &[("trigger", "all(/in, table lake.a.b)")]),
            ("next", &[("after", "any")]),
        ]);
        for name in ["any", "all"] {
            world.mark(name, "/in", "1");
            world.mark(name, "table lake.a.b", "");
        }
        world.mark("next", "after any", "");
        assert_eq!(world.run("10:00:00"), ["any: /in"]);
        for name in ["any", "all"] {
            world.mark(name, "table lake.a.b", "8");
        }
        world.mark("next", "after any", "3");
        assert_eq!(world.run("10:00:01"), ["all: /in, table lake.a.b", "any: table lake.a.b", "next: after any"]);
        assert!(world.run("10:00:02").is_empty());
        world.mark("next", "after any", "4");
        assert_eq!(world.run("10:00:03"), ["next: after any"]);
    }

    #[test]
    fn what_has_happened_when_a_pipeline_is_first_seen_has_come_to_it() {
        let mut world = World::of(&[("a", &[("trigger", "table lake.a.b")]), ("next", &[("after", "a")])]);
        world.mark("a", "table lake.a.b", "7");
        world.mark("next", "after a", "3");
        assert_eq!(world.run("10:00:00"), ["a: table lake.a.b", "next: after a"]);
        assert!(world.run("10:00:01").is_empty());
    }

    #[test]
    fn what_is_of_now_is_not_done_by_a_run_for_another_date() {
        let mut world = World::of(&[("a", &[("trigger", "/in")])]);
        world.pipelines.get_mut("a").unwrap().has_dates = true;
        for (id, hour) in [(90, "01:00:00"), (91, "02:00:00")] {
            let (pipeline, key, date) = ("a".to_owned(), format!("backfill {hour}"), Some(at(hour)));
            let request = Request { pipeline, reason: key.clone(), key, due: at("09:00:00"), date, attempt: 1 };
            world.open.push(OpenRequest { id, request, requested_at: at("09:00:00"), run: None });
        }
        world.mark("a", "/in", "1 file");
        let runs: Vec<Vec<String>> = (0..4).map(|_| world.run("10:00:00")).collect();
        assert_eq!(runs, [vec!["a: /in"], vec!["a: backfill 01:00:00"], vec!["a: backfill 02:00:00"], vec![]]);
    }

    #[test]
    fn an_event_during_a_run_starts_another_and_a_burst_only_one() {
        let mut world = World::of(&[("a", &[("trigger", "/in")])]);
        world.mark("a", "/in", "1");
        let start = world.at("10:00:00").starts.remove(0);
        let holder = Holder::current();
        world.leases.push(LeaseRecord { pipeline: "a".into(), generation: 1, holder, until: at("10:01:00"), is_over: false });
        world.open[0].run = Some(1);
        for (second, mark) in ["2", "3", "4"].iter().enumerate() {
            world.mark("a", "/in", mark);
            assert!(world.at(&format!("10:00:0{second}")).starts.is_empty());
        }
        world.open.retain(|open| open.id != start.requests[0].id);
        world.leases.clear();
        assert_eq!(world.run("10:00:05"), ["a: /in"]);
        assert!(world.run("10:00:06").is_empty());
    }

    #[test]
    fn what_a_killed_run_had_begun_is_begun_again() {
        let mut world = World::of(&[("a", &[("schedule", "@hourly")])]);
        world.run("09:30:00");
        world.at("10:00:00");
        world.open[0].run = Some(4);
        let holder = Holder::current();
        world.leases.push(LeaseRecord { pipeline: "a".into(), generation: 4, holder, until: at("10:01:00"), is_over: false });
        assert!(world.at("10:00:30").starts.is_empty());
        world.leases[0].is_over = true;
        assert_eq!(world.run("10:01:00"), ["a: schedule 2026-11-22T10:00:00Z"]);
    }
}
