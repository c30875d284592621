//! A clock that is moved by hand.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::Clock;

/// A clock that stands still until someone sleeps: sleeping moves it on at once, and is noted.
#[derive(Debug)]
pub struct ManualClock {
    state: Mutex<(DateTime<Utc>, Vec<Duration>)>,
}

impl ManualClock {
    /// Shows `now`.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self { state: Mutex::new((now, Vec::new())) }
    }

    /// Every sleep so far, in order.
    pub fn sleeps(&self) -> Vec<Duration> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// Moves the clock on without a sleep.
    pub fn advance(&self, by: Duration) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 += TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    async fn sleep(&self, duration: Duration) {
        self.advance(duration);
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1.push(duration);
        // A wait lets others run, this one too.
        tokio::task::yield_now().await;
    }
}
