//! The section `[scheduler]`.

use std::time::Duration;

use anyhow::ensure;
use chrono::TimeDelta;
use serde::Deserialize;

/// The scheduler's pace.
#[derive(Debug)]
pub(crate) struct Scheduler {
    pub(crate) tick: Duration,
    pub(crate) spread: TimeDelta,
    /// Of runs and deliveries.
    pub(crate) lease: TimeDelta,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    tick_millis: u64,
    spread_minutes: i64,
    lease_seconds: i64,
}

impl Written {
    pub(super) fn check(self) -> anyhow::Result<Scheduler> {
        ensure!(
            (0..=90).contains(&self.spread_minutes),
            "TIDINGS_SPREAD_MINUTES: {} is not 0 to 90",
            self.spread_minutes
        );
        ensure!(self.tick_millis >= 10, "TIDINGS_TICK_MILLIS must be at least 10");
        ensure!(
            (2..=600).contains(&self.lease_seconds),
            "TIDINGS_LEASE_SECONDS: {} is not 2 to 600",
            self.lease_seconds
        );
        Ok(Scheduler {
            tick: Duration::from_millis(self.tick_millis),
            spread: TimeDelta::minutes(self.spread_minutes),
            lease: TimeDelta::seconds(self.lease_seconds),
        })
    }
}
