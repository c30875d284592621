//! Times, spans and amounts for people.

use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};

use crate::state::{RunRecord, RunStatus};

/// A moment: how long ago, with the time itself behind it.
pub(super) fn when(at: DateTime<Utc>, now: DateTime<Utc>) -> Markup {
    html! { time datetime=(at.to_rfc3339()) title=(exact(at)) { (relative(at, now)) } }
}

/// A moment as it is.
pub(super) fn exactly(at: DateTime<Utc>) -> Markup {
    html! { time datetime=(at.to_rfc3339()) { (exact(at)) } }
}

/// A moment as it is, where no markup can be.
pub(super) fn exact(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// How long ago it is, or how far ahead.
pub(super) fn relative(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let distance = now - at;
    match distance {
        _ if distance.abs() < TimeDelta::seconds(2) => "now".to_owned(),
        _ if distance < TimeDelta::zero() => format!("in {}", coarse(-distance)),
        _ => format!("{} ago", coarse(distance)),
    }
}

/// The largest unit of a span.
pub(super) fn coarse(span: TimeDelta) -> String {
    match span.num_seconds() {
        seconds if seconds < 120 => format!("{seconds} s"),
        seconds if seconds < 7_200 => format!("{} min", seconds / 60),
        seconds if seconds < 172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// How long something took.
pub(super) fn span(span: TimeDelta) -> String {
    let ms = span.num_milliseconds().max(0);
    match ms / 1_000 {
        0 => format!("{ms} ms"),
        seconds if seconds < 60 => format!("{seconds}.{} s", ms % 1_000 / 100),
        seconds if seconds < 3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// How long a run took, or has taken so far; nobody knows of one that was killed.
pub(super) fn took(run: &RunRecord, now: DateTime<Utc>) -> Option<TimeDelta> {
    match (run.ended_at, run.status) {
        (Some(ended), _) => Some(ended - run.started_at),
        (None, RunStatus::Running) => Some(now - run.started_at),
        (None, _) => None,
    }
}

/// `1,234,567`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1.2 M`, where room is small.
pub(super) fn short(number: f64) -> String {
    match number {
        _ if number >= 1e9 => format!("{:.1} G", number / 1e9),
        _ if number >= 1e6 => format!("{:.1} M", number / 1e6),
        _ if number >= 1e4 => format!("{:.0} k", number / 1e3),
        _ if number >= 1e3 => format!("{:.1} k", number / 1e3),
        _ => format!("{number:.0}"),
    }
}

/// `12.3 MB`.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = UNITS.iter().find(|(size, _)| number >= *size);
    #[expect(clippy::cast_precision_loss, reason = "one digit is shown")]
    match unit {
        Some((size, name)) => format!("{:.1} {name}", number as f64 / *size as f64),
        None => format!("{number} B"),
    }
}

/// `1 row`, `2 rows`.
pub(super) fn plural(number: u64, word: &str) -> String {
    format!("{} {word}{}", count(number), if number == 1 { "" } else { "s" })
}

/// How a run stands, with a sign that is not only a colour.
pub(super) fn status(status: RunStatus) -> Markup {
    let name = status.to_string();
    html! { span.state.(name) { (name) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_one_unit() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(100);
        for (seconds, expected) in [
            (0, "now"),
            (5, "5 s ago"),
            (119, "119 s ago"),
            (120, "2 min ago"),
            (7_200, "2 h ago"),
            (200_000, "2 d ago"),
            (-90, "in 90 s"),
            (-3_700, "in 61 min"),
        ] {
            assert_eq!(relative(now - TimeDelta::seconds(seconds), now), expected);
        }
    }

    #[test]
    fn spans_and_amounts() {
        for (ms, expected) in [(0, "0 ms"), (999, "999 ms"), (1_250, "1.2 s"), (61_000, "1 min 1 s"), (3_661_000, "1 h 1 min")] {
            assert_eq!(span(TimeDelta::milliseconds(ms)), expected);
        }
        for (number, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), expected);
        }
        for (number, expected) in [(12.0, "12"), (1_234.0, "1.2 k"), (12_345.0, "12 k"), (2_500_000.0, "2.5 M")] {
            assert_eq!(short(number), expected);
        }
        assert_eq!((bytes(0), bytes(1_536), bytes(5 << 30)), ("0 B".into(), "1.5 KiB".into(), "5.0 GiB".into()));
        assert_eq!((plural(1, "row"), plural(2_000, "row")), ("1 row".into(), "2,000 rows".into()));
    }
}
