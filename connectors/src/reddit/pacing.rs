//! Keeping within Reddit's rate limit: what the headers of the last answer say about when the next request may go.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::HeaderMap;

/// Below this many requests left, the rest is spread over what remains of the window. Above it nothing is held back: a
/// pull of one listing is some ten requests out of several hundred.
const LOW: f64 = 50.0;
/// The longest window believed; a header that says more is a fault.
const LONGEST_WINDOW: Duration = Duration::from_secs(3_600);

/// The rate limit as last heard of.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pacing {
    window: Option<Window>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    remaining: f64,
    ends: DateTime<Utc>,
}

impl Pacing {
    /// How long to wait before the next request.
    pub(super) fn wait(&self, now: DateTime<Utc>) -> Duration {
        let Some(window) = self.window else { return Duration::ZERO };
        let Ok(left) = (window.ends - now).to_std() else { return Duration::ZERO };
        if window.remaining < 1.0 {
            left
        } else if window.remaining < LOW {
            left.div_f64(window.remaining)
        } else {
            Duration::ZERO
        }
    }

    /// Learns from an answer; one without the headers changes nothing.
    pub(super) fn learn(&mut self, headers: &HeaderMap, now: DateTime<Utc>) {
        let remaining = number(headers, "x-ratelimit-remaining");
        let reset = reset_after(headers);
        if let (Some(remaining), Some(reset)) = (remaining, reset) {
            self.window = Some(Window { remaining, ends: now + reset });
        }
    }
}

/// How long until the window ends, by the answer's headers.
pub(super) fn reset_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = number(headers, "x-ratelimit-reset")?;
    Duration::try_from_secs_f64(seconds).ok().map(|reset| reset.min(LONGEST_WINDOW))
}

/// `Retry-After` in seconds. Its other form, a date, is not used by Reddit and is read as absent.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    number(headers, "retry-after").and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

fn number(headers: &HeaderMap, name: &str) -> Option<f64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(remaining: &str, reset: &str) -> (Pacing, DateTime<Utc>) {
        let mut headers = HeaderMap::new();
        headers.insert("x-ratelimit-remaining", remaining.parse().unwrap());
        headers.insert("x-ratelimit-reset", reset.parse().unwrap());
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let mut pacing = Pacing::default();
        pacing.learn(&headers, now);
        (pacing, now)
    }

    #[test]
    fn plenty_left_waits_for_nothing() {
        let (pacing, now) = after("599.0", "300");
        assert_eq!(pacing.wait(now), Duration::ZERO);
        assert_eq!(Pacing::default().wait(now), Duration::ZERO);
    }

    #[test]
    fn few_left_are_spread_over_the_window() {
        let (pacing, now) = after("10.0", "300");
        assert_eq!(pacing.wait(now), Duration::from_secs(30));
        assert_eq!(pacing.wait(now + Duration::from_secs(301)), Duration::ZERO);
    }

    #[test]
    fn none_left_waits_for_the_reset() {
        let (pacing, now) = after("0.0", "82");
        assert_eq!(pacing.wait(now), Duration::from_secs(82));
    }

    #[test]
    fn nonsense_in_headers_is_ignored() {
        for (remaining, reset) in [("many", "82"), ("0.0", "-5"), ("nan", "1")] {
            let (pacing, now) = after(remaining, reset);
            assert_eq!(pacing.wait(now), Duration::ZERO);
        }
    }
}
