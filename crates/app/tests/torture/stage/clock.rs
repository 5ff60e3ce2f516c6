//! PostgreSQL's clock, as the stage sets it: shared with a Slack that must show the same time, and remembered, so that what
//! happened before it was set again can still be told in its time.

use std::{
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    time::Instant,
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::Clock;

/// A clock that is set ahead now and then, and may run faster than this machine's. A clone is the same clock.
#[derive(Clone, Debug)]
pub(crate) struct FakedClock(Arc<RwLock<Vec<Setting>>>);

/// How it was set, until the next time.
#[derive(Clone, Copy, Debug)]
struct Setting {
    /// What it showed...
    shown: DateTime<Utc>,
    /// ...at this moment.
    at: Instant,
    /// How many of its seconds pass in one.
    rate: f64,
}

impl FakedClock {
    /// One that shows this machine's time.
    pub(crate) fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the faked clock starts from the real one")]
        let shown = Utc::now();
        Self(Arc::new(RwLock::new(vec![Setting { shown, at: Instant::now(), rate: 1.0 }])))
    }

    /// Sets it: it shows `shown` at the moment `at`, and runs `rate` times as fast as this machine's from then on.
    pub(crate) fn set(&self, shown: DateTime<Utc>, at: Instant, rate: f64) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(Setting { shown, at, rate });
    }

    /// How fast it runs.
    pub(crate) fn rate(&self) -> f64 {
        self.settings().last().map_or(1.0, |setting| setting.rate)
    }

    /// What it showed, or will show, at a moment since it was made.
    pub(crate) fn at(&self, moment: Instant) -> DateTime<Utc> {
        let settings = self.settings();
        let setting = settings.iter().rfind(|setting| setting.at <= moment).unwrap_or(&settings[0]);
        let passed = moment.saturating_duration_since(setting.at).as_secs_f64() * setting.rate;
        setting.shown + TimeDelta::microseconds((passed * 1e6) as i64)
    }

    /// The moment at which it shows, or showed, `instant`; where it was set past it, the moment at which that was done.
    pub(crate) fn moment(&self, instant: DateTime<Utc>) -> Instant {
        let settings = self.settings();
        let position = settings.iter().rposition(|setting| setting.shown <= instant).unwrap_or(0);
        let setting = settings[position];
        let passed = (instant - setting.shown).to_std().unwrap_or_default();
        let moment = setting.at + passed.div_f64(setting.rate);
        settings.get(position + 1).map_or(moment, |next| moment.min(next.at))
    }

    fn settings(&self) -> RwLockReadGuard<'_, Vec<Setting>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for FakedClock {
    fn now(&self) -> DateTime<Utc> {
        self.at(Instant::now())
    }
}
