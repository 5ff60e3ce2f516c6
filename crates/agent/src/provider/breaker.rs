//! A circuit breaker: a provider that failed several times in a row is left alone for a while, then tried by one request.
//!
//! Time is a parameter. A clock that was set back never keeps a breaker open for longer than its rest.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Notify, futures::Notified};

/// The longest rest that a provider can ask for itself.
const REST_MAX: TimeDelta = TimeDelta::hours(1);

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerOptions {
    /// How many requests in a row must fail.
    pub failures: u32,
    /// How long nothing is sent then.
    pub rest: TimeDelta,
}

impl Default for BreakerOptions {
    /// Five failures; half a minute.
    fn default() -> Self {
        Self { failures: 5, rest: TimeDelta::seconds(30) }
    }
}

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Requests go through.
    Closed,
    /// One request is let through to find out; the others are not.
    HalfOpen,
    /// None is let through.
    Open,
}

/// Why no request may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotNow {
    /// It is open, for so long yet.
    Resting(TimeDelta),
    /// It is half open, and another request is finding out: [`Breaker::verdict`] tells when it has.
    Tried,
}

/// What a verdict on a provider changed, for whoever logs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// It is left alone from now on, or for longer.
    Opened,
    /// It is back.
    Closed,
}

/// The breaker of one provider, of which all its requests of this process ask.
#[derive(Debug)]
pub struct Breaker {
    options: BreakerOptions,
    held: Mutex<Held>,
    /// Tells those who wait that it is no longer half open.
    found_out: Notify,
}

#[derive(Clone, Copy, Debug)]
enum Held {
    Closed { failures: u32 },
    Open { since: DateTime<Utc>, rest: TimeDelta },
    HalfOpen,
}

/// The right to send one request. Dropped without a verdict (its turn was stopped), it says nothing about the provider.
#[derive(Debug)]
pub struct Admission<'a> {
    breaker: &'a Breaker,
    is_probe: bool,
}

impl Breaker {
    /// A closed one.
    pub fn new(options: BreakerOptions) -> Self {
        Self { options, held: Mutex::new(Held::Closed { failures: 0 }), found_out: Notify::new() }
    }

    /// Where it stands.
    pub fn state(&self) -> BreakerState {
        match *self.held() {
            Held::Closed { .. } => BreakerState::Closed,
            Held::Open { .. } => BreakerState::Open,
            Held::HalfOpen => BreakerState::HalfOpen,
        }
    }

    /// Asks to send a request now.
    pub fn admit(&self, now: DateTime<Utc>) -> Result<Admission<'_>, NotNow> {
        let mut held = self.held();
        match *held {
            Held::Closed { .. } => Ok(Admission { breaker: self, is_probe: false }),
            Held::HalfOpen => Err(NotNow::Tried),
            Held::Open { since, rest } => {
                let rested = now - since;
                if rested >= TimeDelta::zero() && rested < rest {
                    return Err(NotNow::Resting(rest - rested));
                }
                *held = Held::HalfOpen;
                Ok(Admission { breaker: self, is_probe: true })
            }
        }
    }

    /// Ends when the request that finds out has, or was stopped. Taken before a request asks to be sent, it misses nothing.
    pub fn verdict(&self) -> Notified<'_> {
        self.found_out.notified()
    }

    /// Stands at `next` from now on.
    fn turn(&self, held: &mut Held, next: Held) -> Option<Turned> {
        let before = std::mem::replace(held, next);
        if matches!(before, Held::HalfOpen) {
            self.found_out.notify_waiters();
        }
        match (before, next) {
            (_, Held::Open { .. }) => Some(Turned::Opened),
            (Held::HalfOpen | Held::Open { .. }, Held::Closed { .. }) => Some(Turned::Closed),
            (Held::Closed { .. }, Held::Closed { .. }) | (_, Held::HalfOpen) => None,
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admission<'_> {
    /// Whether this request finds out for all whether the provider is back.
    pub const fn is_probe(&self) -> bool {
        self.is_probe
    }

    /// The provider answered, be it with a refusal.
    pub fn answered(mut self) -> Option<Turned> {
        self.is_probe = false;
        let mut held = self.breaker.held();
        // A request from before it opened says nothing about now.
        if matches!(*held, Held::Open { .. }) {
            return None;
        }
        self.breaker.turn(&mut held, Held::Closed { failures: 0 })
    }

    /// The provider failed.
    pub fn failed(mut self, now: DateTime<Utc>) -> Option<Turned> {
        let is_probe = std::mem::take(&mut self.is_probe);
        let BreakerOptions { failures: most, rest } = self.breaker.options;
        let mut held = self.breaker.held();
        let next = match *held {
            Held::HalfOpen if is_probe => Held::Open { since: now, rest },
            Held::Closed { failures } if failures + 1 >= most => Held::Open { since: now, rest },
            Held::Closed { failures } => Held::Closed { failures: failures + 1 },
            Held::HalfOpen | Held::Open { .. } => return None,
        };
        self.breaker.turn(&mut held, next)
    }

    /// The provider asked to be left alone for `rest`; an hour of it is granted.
    pub fn sent_away(mut self, now: DateTime<Utc>, rest: TimeDelta) -> Option<Turned> {
        self.is_probe = false;
        let mut held = self.breaker.held();
        self.breaker.turn(&mut held, Held::Open { since: now, rest: rest.min(REST_MAX) })
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        if !self.is_probe {
            return;
        }
        // Nothing was found out: the next request tries.
        let mut held = self.breaker.held();
        if matches!(*held, Held::HalfOpen) {
            self.breaker.turn(&mut held, Held::Open { since: DateTime::UNIX_EPOCH, rest: TimeDelta::zero() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(1_000_000 + seconds)
    }

    fn breaker() -> Breaker {
        Breaker::new(BreakerOptions { failures: 3, rest: TimeDelta::seconds(30) })
    }

    fn fail(breaker: &Breaker, times: u32) {
        for _ in 0..times {
            breaker.admit(at(0)).expect("let through").failed(at(0));
        }
    }

    #[test]
    fn failures_in_a_row_open_it_and_an_answer_in_between_does_not() {
        let breaker = breaker();
        fail(&breaker, 2);
        breaker.admit(at(0)).expect("let through").answered();
        fail(&breaker, 2);
        assert_eq!(breaker.state(), BreakerState::Closed);
        fail(&breaker, 1);
        assert_eq!(breaker.state(), BreakerState::Open);
        assert_eq!(
            breaker.admit(at(10)).expect_err("not let through"),
            NotNow::Resting(TimeDelta::seconds(20))
        );
    }

    #[test]
    fn after_its_rest_one_request_finds_out() {
        let breaker = breaker();
        fail(&breaker, 3);
        let probe = breaker.admit(at(30)).expect("the probe");
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert_eq!(breaker.admit(at(30)).expect_err("only one"), NotNow::Tried);
        assert_eq!(probe.failed(at(31)), Some(Turned::Opened));
        assert!(breaker.admit(at(60)).is_err(), "it rests again");
        assert_eq!(breaker.admit(at(61)).expect("the probe").answered(), Some(Turned::Closed));
        assert_eq!(breaker.state(), BreakerState::Closed);
        fail(&breaker, 2);
        assert_eq!(breaker.state(), BreakerState::Closed, "it counts from none again");
    }

    #[test]
    fn a_probe_that_was_stopped_leaves_room_for_the_next() {
        let breaker = breaker();
        fail(&breaker, 3);
        drop(breaker.admit(at(30)).expect("the probe"));
        assert!(breaker.admit(at(30)).is_ok());
    }

    #[test]
    fn a_late_answer_from_before_it_opened_does_not_close_it() {
        let breaker = breaker();
        let early = breaker.admit(at(0)).expect("let through");
        fail(&breaker, 3);
        early.answered();
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[test]
    fn it_rests_as_long_as_the_provider_asks_and_never_over_an_hour() {
        let breaker = breaker();
        breaker.admit(at(0)).expect("let through").sent_away(at(0), TimeDelta::minutes(10));
        assert_eq!(breaker.admit(at(1)).expect_err("resting"), NotNow::Resting(TimeDelta::seconds(599)));
        breaker.admit(at(600)).expect("the probe").sent_away(at(600), TimeDelta::days(1));
        assert!(breaker.admit(at(600 + 3_599)).is_err());
        assert!(breaker.admit(at(600 + 3_600)).is_ok());
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_keep_it_open() {
        let breaker = breaker();
        fail(&breaker, 3);
        assert!(breaker.admit(at(-100)).is_ok());
    }
}
