//! The clock that due times and leases are compared with.

use std::sync::{Arc, Mutex, PoisonError};

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
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets it.
    pub fn set(&self, now: DateTime<Utc>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Moves it ahead.
    pub fn step(&self, by: TimeDelta) {
        self.set(self.now() + by);
    }
}

impl domain::Clock for SteppedClock {
    fn now(&self) -> DateTime<Utc> {
        Self::now(self)
    }
}
