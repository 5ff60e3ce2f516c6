//! The clock that due times and leases are compared with.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

/// Where the store takes "now" from.
#[derive(Clone, Debug, Default)]
pub enum Time {
    /// The database's clock: the only one in production, whatever the machines' clocks say.
    #[default]
    Database,
    /// A clock that stands still until it is stepped, for tests.
    Stepped(SteppedClock),
}

impl Time {
    /// What is handed to SQL's `instant($1)`: null for the database's own clock.
    pub(crate) fn given(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Database => None,
            Self::Stepped(clock) => Some(clock.now()),
        }
    }

    /// Returns when so much time has gone by. A clock that stands still is stepped by it: nobody else may do so.
    pub(crate) async fn wait(&self, length: TimeDelta) {
        match self {
            Self::Database => tokio::time::sleep(length.to_std().unwrap_or_default()).await,
            Self::Stepped(clock) => {
                clock.step(length.max(TimeDelta::zero()));
                tokio::task::yield_now().await;
            }
        }
    }
}

/// A clock that a test holds the other end of.
#[derive(Clone, Debug)]
pub struct SteppedClock(Arc<Mutex<DateTime<Utc>>>);

impl SteppedClock {
    /// A clock that shows `now`.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self(Arc::new(Mutex::new(now)))
    }

    /// What it shows.
    pub fn now(&self) -> DateTime<Utc> {
        *self.shown()
    }

    /// Sets it.
    pub fn set(&self, now: DateTime<Utc>) {
        *self.shown() = now;
    }

    /// Moves it ahead.
    pub fn step(&self, by: TimeDelta) {
        *self.shown() += by;
    }

    fn shown(&self) -> MutexGuard<'_, DateTime<Utc>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl domain::Clock for SteppedClock {
    fn now(&self) -> DateTime<Utc> {
        Self::now(self)
    }
}
