//! A circuit breaker: a provider that failed several times in a row is left alone for a while, then tried by one request.
//!
//! Time is a parameter. A clock that was set back never keeps a breaker open for longer than its rest.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

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

/// The breaker of one provider, of which all its requests of this process ask.
#[derive(Debug)]
pub struct Breaker {
    options: BreakerOptions,
    held: Mutex<Held>,
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
        Self { options, held: Mutex::new(Held::Closed { failures: 0 }) }
    }

    /// Where it stands.
    pub fn state(&self) -> BreakerState {
        match *self.held() {
            Held::Closed { .. } => BreakerState::Closed,
            Held::Open { .. } => BreakerState::Open,
            Held::HalfOpen => BreakerState::HalfOpen,
        }
    }

    /// Asks to send a request now. Refused, it tells how long to wait.
    pub fn admit(&self, now: DateTime<Utc>) -> Result<Admission<'_>, TimeDelta> {
        let mut held = self.held();
        match *held {
            Held::Closed { .. } => Ok(Admission { breaker: self, is_probe: false }),
            Held::HalfOpen => Err(TimeDelta::seconds(1)),
            Held::Open { since, rest } => {
                let rested = now - since;
                if rested >= TimeDelta::zero() && rested < rest {
                    return Err(rest - rested);
                }
                *held = Held::HalfOpen;
                Ok(Admission { breaker: self, is_probe: true })
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admission<'_> {
    /// The provider answered, be it with a refusal.
    pub fn answered(mut self) {
        self.is_probe = false;
        let mut held = self.breaker.held();
        // A request from before it opened says nothing about now.
        if !matches!(*held, Held::Open { .. }) {
            *held = Held::Closed { failures: 0 };
        }
    }

    /// The provider failed.
    pub fn failed(mut self, now: DateTime<Utc>) {
        let is_probe = std::mem::take(&mut self.is_probe);
        let BreakerOptions { failures: most, rest } = self.breaker.options;
        let mut held = self.breaker.held();
        match *held {
            Held::HalfOpen if is_probe => *held = Held::Open { since: now, rest },
            Held::Closed { failures } if failures + 1 >= most => *held = Held::Open { since: now, rest },
            Held::Closed { failures } => *held = Held::Closed { failures: failures + 1 },
            Held::HalfOpen | Held::Open { .. } => {}
        }
    }

    /// The provider asked to be left alone for `rest`; an hour of it is granted.
    pub fn sent_away(mut self, now: DateTime<Utc>, rest: TimeDelta) {
        self.is_probe = false;
        *self.breaker.held() = Held::Open { since: now, rest: rest.min(REST_MAX) };
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
            *held = Held::Open { since: DateTime::UNIX_EPOCH, rest: TimeDelta::zero() };
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
        assert_eq!(breaker.admit(at(10)).expect_err("not let through"), TimeDelta::seconds(20));
    }

    #[test]
    fn after_its_rest_one_request_finds_out() {
        let breaker = breaker();
        fail(&breaker, 3);
        let probe = breaker.admit(at(30)).expect("the probe");
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert!(breaker.admit(at(30)).is_err(), "only one");
        probe.failed(at(31));
        assert!(breaker.admit(at(60)).is_err(), "it rests again");
        breaker.admit(at(61)).expect("the probe").answered();
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
        assert_eq!(breaker.admit(at(1)).expect_err("resting"), TimeDelta::seconds(599));
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
