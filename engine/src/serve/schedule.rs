//! When a pipeline is due: a cron expression in a time zone.

use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use connectors::options::nearest;
use croner::Cron;
use croner::parser::{CronParser, Seconds};
use sha2::{Digest, Sha256};

/// What a schedule may be called in place of fields.
const NICKNAMES: [&str; 5] = ["@hourly", "@daily", "@weekly", "@monthly", "@yearly"];

const EXPECTED: &str = "expected five fields: minute, hour, day of the month, month, day of the week, as in '*/15 * * * *'; or six with \
                        seconds in front; or @hourly, @daily, @weekly, @monthly, @yearly";

/// Times that come again and again.
///
/// Local times that a change of clocks leaves out are made up for, and those that it brings twice count once, as with Vixie cron;
/// expressions with wildcards in their hour go by elapsed time.
#[derive(Debug, Clone)]
pub struct Schedule {
    cron: Cron,
    /// The same for a person.
    words: String,
    zone: Tz,
    jitter: Duration,
}

impl Schedule {
    /// From `*/15 * * * *`, `30 */15 * * * *` (seconds in front) or `@hourly`, in an IANA time zone.
    ///
    /// # Errors
    /// What is wrong with it, and what is right.
    pub fn parse(expression: &str, zone: Tz, jitter: Duration) -> Result<Self, String> {
        let wrong = |why: &str| format!("'{expression}' is no schedule{why}; {EXPECTED}");
        if NICKNAMES.contains(&format!("@{expression}").as_str()) {
            return Err(format!("'{expression}' is no schedule; did you mean '@{expression}'?"));
        }
        // The parser would take a year too.
        if !expression.starts_with('@') && !matches!(expression.split_whitespace().count(), 5 | 6) {
            return Err(wrong(""));
        }
        let parser = CronParser::builder().seconds(Seconds::Optional).build();
        let cron = parser.parse(expression).map_err(|error| {
            let why = error.to_string();
            wrong(&format!(" ({})", why.trim_end_matches('.')))
        })?;
        let words = cron.describe().trim_end_matches('.').to_owned();
        let schedule = Self { cron, words, zone, jitter };
        // The thirtieth of February.
        if schedule.next_after(DateTime::UNIX_EPOCH).is_none() {
            return Err(format!("'{expression}' never comes; {EXPECTED}"));
        }
        Ok(schedule)
    }

    /// The first of its times after `time`.
    pub fn next_after(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let next = self.cron.find_next_occurrence(&time.with_timezone(&self.zone), false).ok()?;
        Some(next.with_timezone(&Utc))
    }

    /// The last of its times up to `time`, `time` included.
    pub fn last_up_to(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let last = self.cron.find_previous_occurrence(&time.with_timezone(&self.zone), true).ok()?;
        Some(last.with_timezone(&Utc))
    }

    /// How much later than `tick` a run of `pipeline` begins; the same whoever asks.
    pub fn delay(&self, pipeline: &str, tick: DateTime<Utc>) -> Duration {
        let span = u64::try_from(self.jitter.as_millis()).unwrap_or(u64::MAX);
        if span == 0 {
            return Duration::ZERO;
        }
        let hash = Sha256::digest(format!("{pipeline} {}", tick.timestamp_millis()));
        let number = hash.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        Duration::from_millis(number % span)
    }

    /// For a person: `Every 15 minutes`.
    pub fn describe(&self) -> &str {
        &self.words
    }
}

/// An IANA time zone by its name.
///
/// # Errors
/// With the nearest name there is.
pub fn time_zone(name: &str) -> Result<Tz, String> {
    Tz::from_str(name).map_err(|_| {
        let near = nearest(name, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()));
        let hint =
            near.map_or_else(|| "expected a name as in 'Europe/Berlin'".to_owned(), |near| format!("did you mean '{near}'?"));
        format!("'{name}' is no time zone; {hint}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc)
    }

    fn schedule(expression: &str, zone: &str) -> Schedule {
        Schedule::parse(expression, time_zone(zone).unwrap(), Duration::ZERO).unwrap()
    }

    fn after(expression: &str, zone: &str, times: &[&str]) {
        let schedule = schedule(expression, zone);
        for pair in times.windows(2) {
            assert_eq!(schedule.next_after(at(pair[0])), Some(at(pair[1])), "{expression} in {zone} after {}", pair[0]);
        }
    }

    #[test]
    fn fields_seconds_and_names_are_understood() {
        after("*/15 * * * *", "UTC", &["2026-11-22T10:01:00Z", "2026-11-22T10:15:00Z", "2026-11-22T10:30:00Z"]);
        after("*/20 * * * * *", "UTC", &["2026-11-22T10:00:00Z", "2026-11-22T10:00:20Z", "2026-11-22T10:00:40Z"]);
        after("@daily", "Africa/Lagos", &["2026-11-22T10:00:00Z", "2026-11-22T23:00:00Z", "2026-11-23T23:00:00Z"]);
        // The 29th of February is not in a common year.
        after("0 9 29 * *", "UTC", &["2025-01-29T09:00:00Z", "2025-03-29T09:00:00Z", "2025-04-29T09:00:00Z"]);
    }

    #[test]
    fn a_change_of_clocks_loses_no_day_and_doubles_none() {
        // 02:30 is not on 2026-03-29 in Berlin, and twice on 2026-10-25.
        after("30 2 * * *", "Europe/Berlin", &["2026-03-28T02:00:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
        after("30 2 * * *", "Europe/Berlin", &["2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    }

    #[test]
    fn the_last_time_includes_the_present_one() {
        let quarter = schedule("*/15 * * * *", "UTC");
        assert_eq!(quarter.last_up_to(at("2026-11-22T10:15:00Z")), Some(at("2026-11-22T10:15:00Z")));
        assert_eq!(quarter.last_up_to(at("2026-11-22T10:29:59Z")), Some(at("2026-11-22T10:15:00Z")));
    }

    #[test]
    fn jitter_is_bounded_and_does_not_change() {
        let schedule = Schedule::parse("@hourly", Tz::UTC, Duration::from_secs(60)).unwrap();
        let delays: std::collections::BTreeSet<Duration> =
            (0..50).map(|number| schedule.delay(&format!("p{number}"), at("2026-11-22T10:00:00Z"))).collect();
        assert!(delays.len() > 40 && delays.iter().all(|delay| *delay < Duration::from_secs(60)), "{delays:?}");
        assert_eq!(schedule.delay("p", at("2026-11-22T10:00:00Z")), schedule.delay("p", at("2026-11-22T10:00:00Z")));
    }

    #[test]
    fn what_is_wrong_is_told() {
        let error = |expression| Schedule::parse(expression, Tz::UTC, Duration::ZERO).unwrap_err();
        assert!(error("every hour").starts_with("'every hour' is no schedule; expected five fields"), "{}", error("every hour"));
        assert!(error("0 0 0 1 1 * 2030").starts_with("'0 0 0 1 1 * 2030' is no schedule; "));
        assert!(error("61 * * * *").starts_with("'61 * * * *' is no schedule ("), "{}", error("61 * * * *"));
        assert_eq!(error("hourly"), "'hourly' is no schedule; did you mean '@hourly'?");
        assert!(error("0 0 30 2 *").starts_with("'0 0 30 2 *' never comes"));
        assert_eq!(time_zone("Europe/Berln").unwrap_err(), "'Europe/Berln' is no time zone; did you mean 'Europe/Berlin'?");
    }
}
