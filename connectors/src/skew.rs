//! How far the clock of another machine is from ours.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::finding::Finding;

/// What nobody notices.
const TOLERATED: TimeDelta = TimeDelta::seconds(5);
/// From here on AWS refuses what we sign: "Requests must arrive within five minutes of their time stamp" (IAM User Guide, "Elements of
/// an AWS API request signature"); S3 itself waits for fifteen.
const REFUSED: TimeDelta = TimeDelta::minutes(5);
pub(crate) const FIX: &str =
    "set the clock of the machine that is wrong by NTP: `timedatectl set-ntp true`, or `chronyc makestep`";

/// The clock of `whose` said `theirs` between two looks at ours.
pub(crate) fn finding(check: &str, whose: &str, theirs: DateTime<Utc>, before: DateTime<Utc>, after: DateTime<Utc>) -> Finding {
    let skew = theirs - (before + (after - before) / 2);
    // What the look itself took is not known better.
    let certain = (skew.abs() - (after - before) / 2 - TimeDelta::seconds(1)).max(TimeDelta::zero());
    let found = described(whose, skew);
    if certain > REFUSED {
        let found = format!("{found}; AWS refuses requests that are signed more than 5 minutes off");
        return Finding::problem(check, found, FIX);
    }
    if certain > TOLERATED {
        return Finding::warning(check, format!("{found}; times in ledgers and logs do not fit each other"), FIX);
    }
    Finding::ok(check, format!("{whose} and this machine agree within {} s", TOLERATED.num_seconds()))
}

/// The time that a database wrote as seconds since 1970.
pub(crate) fn time(seconds: &str) -> Option<DateTime<Utc>> {
    let seconds: f64 = seconds.trim().parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970 fit for long")]
    let millis = (seconds * 1_000.0) as i64;
    DateTime::from_timestamp_millis(millis)
}

fn described(whose: &str, skew: TimeDelta) -> String {
    let span = skew.abs().to_std().unwrap_or(Duration::ZERO).as_secs();
    let span = if span < 120 { format!("{span} s") } else { format!("{} min {} s", span / 60, span % 60) };
    let direction = if skew < TimeDelta::zero() { "behind" } else { "ahead of" };
    format!("{whose} is {span} {direction} this machine")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Level;

    fn seen(skew_seconds: i64, took_seconds: i64) -> Finding {
        let before = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let after = before + TimeDelta::seconds(took_seconds);
        finding("clock", "the server", before + (after - before) / 2 + TimeDelta::seconds(skew_seconds), before, after)
    }

    #[test]
    fn seconds_are_tolerated_and_minutes_are_not() {
        for (skew, level) in [(0, Level::Ok), (-5, Level::Ok), (8, Level::Warning), (-299, Level::Warning), (600, Level::Problem)]
        {
            assert_eq!(seen(skew, 0).level, level, "{skew}");
        }
        assert!(seen(600, 0).found.starts_with("the server is 10 min 0 s ahead of this machine"));
        assert!(seen(-60, 0).found.starts_with("the server is 60 s behind this machine"));
    }

    #[test]
    fn a_slow_answer_is_not_taken_for_a_wrong_clock() {
        assert_eq!(seen(8, 20).level, Level::Ok);
    }
}
