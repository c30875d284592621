//! When and how a pipeline is run by itself: what its file sets about that, checked.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use connectors::options::parse_duration;

use super::notice::Target;
use super::schedule::{Schedule, time_zone};
use super::trigger::{Trigger, Triggers};
use crate::sql::settings::PipelineOptions;

/// The longest wait between two attempts.
const LONGEST_DELAY: Duration = Duration::from_secs(3_600);

/// What `SET pipeline.*` says of when and how a pipeline is run.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Its times.
    pub schedule: Option<Schedule>,
    /// The schedule, as the file has it.
    pub expression: Option<String>,
    /// Where its times are.
    pub zone: Tz,
    /// What else makes it due.
    pub triggers: Triggers,
    /// Pipelines whose successful runs make it due.
    pub after: Vec<String>,
    /// Every time of the schedule from here on is run, each once.
    pub catchup: Option<DateTime<Utc>>,
    /// Attempts after the first one.
    pub retries: u32,
    /// The wait before the second attempt.
    pub retry_delay: Duration,
    /// The longest that a run may take.
    pub timeout: Option<Duration>,
    /// Who is told of a run that failed for good.
    pub on_failure: Vec<Target>,
    /// Who is told of a run that ended well.
    pub on_success: Vec<Target>,
    /// It is not run by itself.
    pub paused: bool,
    /// What a run reads or writes depends on its date: `${run.date}` is in the file.
    pub has_dates: bool,
}

/// A setting that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Its value, as the file has it.
    pub value: String,
    /// Which, what is wrong, what is right.
    pub message: String,
}

impl Policy {
    /// From what a file sets.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn new(options: &PipelineOptions) -> Result<Self, Vec<Mistake>> {
        let mut mistakes = Mistakes(Vec::new());
        let zone = mistakes.take("time_zone", &options.time_zone, time_zone).unwrap_or(Tz::UTC);
        let jitter = mistakes.span("jitter", options.jitter.as_deref()).unwrap_or_default();
        let policy = Self {
            schedule: mistakes.optional("schedule", options.schedule.as_deref(), |text| Schedule::parse(text, zone, jitter)),
            expression: options.schedule.clone(),
            zone,
            triggers: mistakes.optional("trigger", options.trigger.as_deref(), Triggers::parse).unwrap_or_default(),
            after: list(options.after.as_deref().unwrap_or_default(), ','),
            catchup: mistakes.optional("catchup", options.catchup.as_deref(), |text| moment(text, zone)),
            retries: u32::try_from(options.retries).unwrap_or(u32::MAX),
            retry_delay: mistakes.span("retry_delay", Some(&options.retry_delay)).unwrap_or_default(),
            timeout: mistakes.span("timeout", options.timeout.as_deref()),
            on_failure: mistakes.targets("on_failure", options.on_failure.as_deref()),
            on_success: mistakes.targets("on_success", options.on_success.as_deref()),
            paused: options.paused,
            has_dates: false,
        };
        if options.concurrency != 1 {
            let value = options.concurrency.to_string();
            let message = format!(
                "pipeline.concurrency is {value}, expected 1: each run goes on where the one before has ended; [serve] concurrency says how many \
                 pipelines run at the same time"
            );
            mistakes.0.push(Mistake { value, message });
        }
        if let Some(catchup) = &options.catchup
            && options.schedule.is_none()
        {
            let message = "pipeline.catchup is set, but no pipeline.schedule: there are no times to run".to_owned();
            mistakes.0.push(Mistake { value: catchup.clone(), message });
        }
        if mistakes.0.is_empty() { Ok(policy) } else { Err(mistakes.0) }
    }

    /// Of a landing zone: run when files come to `url`, and tried again until it goes well.
    ///
    /// # Errors
    /// None that is known.
    pub fn of_files(url: &str) -> Result<Self, String> {
        let plain = Self::new(&PipelineOptions::default());
        let plain =
            plain.map_err(|mistakes| mistakes.into_iter().map(|mistake| mistake.message).collect::<Vec<_>>().join("; "))?;
        // References in it were resolved before.
        let triggers = Triggers { each: vec![Trigger::Files(url.replace('$', "$$"))], all: false };
        Ok(Self { triggers, retries: u32::MAX, ..plain })
    }

    /// How long to wait before the attempt behind `attempt`; `None`: that was the last.
    pub fn delay_after(&self, attempt: u32) -> Option<Duration> {
        if attempt > self.retries {
            return None;
        }
        let doublings = attempt.saturating_sub(1).min(16);
        Some((self.retry_delay * (1 << doublings)).min(LONGEST_DELAY.max(self.retry_delay)))
    }
}

struct Mistakes(Vec<Mistake>);

impl Mistakes {
    fn take<T>(&mut self, name: &str, value: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        match parse(value.trim()) {
            Ok(parsed) => Some(parsed),
            Err(why) => {
                self.0.push(Mistake { value: value.to_owned(), message: format!("pipeline.{name}: {why}") });
                None
            }
        }
    }

    fn optional<T>(&mut self, name: &str, value: Option<&str>, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        self.take(name, value?, parse)
    }

    fn span(&mut self, name: &str, value: Option<&str>) -> Option<Duration> {
        let expected = |text: &str| format!("'{text}' is no time span; expected a number and a unit, as in '30s', '15m', '2h'");
        self.take(name, value?, |text| parse_duration(text).ok_or_else(|| expected(text)))
    }

    fn targets(&mut self, name: &str, value: Option<&str>) -> Vec<Target> {
        let targets = list(value.unwrap_or_default(), ' ');
        targets.iter().filter_map(|target| self.take(name, target, Target::parse)).collect()
    }
}

fn list(text: &str, separator: char) -> Vec<String> {
    let parts = text.split(|letter: char| letter == separator || (separator == ' ' && letter.is_whitespace()));
    parts.map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// A date, the beginning of which is meant, or a time; without an offset, in `zone`.
///
/// # Errors
/// What is expected.
pub fn moment(text: &str, zone: Tz) -> Result<DateTime<Utc>, String> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.with_timezone(&Utc));
    }
    let local = NaiveDate::parse_from_str(text, "%Y-%m-%d").map(|date| date.and_time(NaiveTime::MIN));
    let forms = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    let local = forms.iter().fold(local, |found, form| found.or_else(|_| NaiveDateTime::parse_from_str(text, form)));
    let local = local.map_err(|_| format!("'{text}' is no date or time; expected '2026-01-31' or '2026-01-31T06:00:00Z'"))?;
    let found = zone.from_local_datetime(&local).earliest();
    found
        .map(|time| time.with_timezone(&Utc))
        .ok_or_else(|| format!("'{text}' does not exist in {zone}, where clocks were put forward"))
}

#[cfg(test)]
mod tests {
    use datafusion::config::ExtensionOptions;

    use super::*;

    fn policy(set: &[(&str, &str)]) -> Result<Policy, Vec<String>> {
        let mut options = PipelineOptions::default();
        for (name, value) in set {
            options.set(name, value).unwrap();
        }
        Policy::new(&options).map_err(|mistakes| mistakes.into_iter().map(|mistake| mistake.message).collect())
    }

    #[test]
    fn waits_double_up_to_an_hour_and_end() {
        let policy = policy(&[("retries", "9"), ("retry_delay", "1m")]).unwrap();
        let waits: Vec<u64> = (1..=9).filter_map(|attempt| policy.delay_after(attempt)).map(|wait| wait.as_secs()).collect();
        assert_eq!(waits, [60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600]);
        assert_eq!(policy.delay_after(10), None);
    }

    #[test]
    fn every_mistake_is_told() {
        let wrong = [
            ("schedule", "daily 2"),
            ("time_zone", "Lagos"),
            ("timeout", "soon"),
            ("on_failure", "ftp://x"),
            ("concurrency", "2"),
        ];
        let errors = policy(&wrong).unwrap_err();
        assert_eq!(errors.len(), 5, "{errors:#?}");
        let error = policy(&[("catchup", "2026-01-01")]).unwrap_err();
        assert_eq!(error, ["pipeline.catchup is set, but no pipeline.schedule: there are no times to run"]);
    }

    #[test]
    fn a_date_is_the_beginning_of_its_day_where_the_pipeline_is() {
        let lagos = time_zone("Africa/Lagos").unwrap();
        assert_eq!(moment("2026-01-31", lagos).unwrap().to_rfc3339(), "2026-01-30T23:00:00+00:00");
        assert_eq!(moment("2026-01-31 06:00", lagos).unwrap().to_rfc3339(), "2026-01-31T05:00:00+00:00");
        assert_eq!(moment("2026-01-31T06:00:00+02:00", lagos).unwrap().to_rfc3339(), "2026-01-31T04:00:00+00:00");
        assert!(moment("tomorrow", lagos).unwrap_err().contains("'2026-01-31'"));
    }
}
