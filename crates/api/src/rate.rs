//! How often a user may ask: a bucket a user, refilled evenly over a minute, in this process.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::http::{HeaderMap, HeaderName};
use chrono::{DateTime, TimeDelta, Utc};
use domain::UserId;

use crate::{ApiOptions, Error, Result, error::whole_seconds};

/// Buckets that were not touched for this long are full and are forgotten.
const FORGET_AFTER: TimeDelta = TimeDelta::minutes(2);

/// The buckets of all users.
#[derive(Debug)]
pub(crate) struct RateLimits {
    by_token: Buckets,
    by_session: Buckets,
    runs: Buckets,
}

/// What is left to a user after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    limit: u32,
    remaining: u32,
    /// Until the bucket is full again.
    reset: Duration,
    /// Until the next request is served; zero when this one is.
    retry_after: Duration,
}

impl RateLimits {
    pub(crate) fn new(options: &ApiOptions) -> Self {
        Self {
            by_token: Buckets::new(options.requests_per_minute),
            by_session: Buckets::new(options.page_requests_per_minute),
            runs: Buckets::new(options.runs_per_minute),
        }
    }

    /// Takes one request by token or by the page's session.
    pub(crate) fn take_request(&self, user: UserId, is_session: bool, now: DateTime<Utc>) -> Allowance {
        if is_session { self.by_session.take(user, now) } else { self.by_token.take(user, now) }
    }

    /// Takes one run or question.
    pub(crate) fn take_run(&self, user: UserId, now: DateTime<Utc>) -> Result<()> {
        self.runs.take(user, now).verdict()
    }
}

impl Allowance {
    /// Refuses when the bucket was empty.
    pub(crate) fn verdict(&self) -> Result<()> {
        if self.retry_after.is_zero() {
            return Ok(());
        }
        Err(Error::RateLimited { retry_after: self.retry_after })
    }

    /// Tells a client what is left.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        headers.insert(HeaderName::from_static("ratelimit-limit"), self.limit.into());
        headers.insert(HeaderName::from_static("ratelimit-remaining"), self.remaining.into());
        let reset = if self.reset.is_zero() { 0 } else { whole_seconds(self.reset) };
        headers.insert(HeaderName::from_static("ratelimit-reset"), reset.into());
    }
}

#[derive(Debug)]
struct Buckets {
    per_minute: u32,
    users: Mutex<Users>,
}

#[derive(Debug, Default)]
struct Users {
    buckets: HashMap<UserId, Bucket>,
    /// When forgotten ones were last looked for.
    swept_at: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Requests left, with fractions.
    level: f64,
    at: DateTime<Utc>,
}

impl Buckets {
    fn new(per_minute: u32) -> Self {
        Self { per_minute: per_minute.max(1), users: Mutex::default() }
    }

    fn take(&self, user: UserId, now: DateTime<Utc>) -> Allowance {
        let capacity = f64::from(self.per_minute);
        let per_second = capacity / 60.0;
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        // A look at all of them is dear, and is due once in a while only. A clock that was set back makes it due.
        if (now - users.swept_at).abs() >= FORGET_AFTER {
            users.buckets.retain(|_, bucket| (now - bucket.at).abs() < FORGET_AFTER);
            users.swept_at = now;
        }
        let bucket = users.buckets.entry(user).or_insert(Bucket { level: capacity, at: now });
        // A clock that was set back refills nothing.
        let elapsed = (now - bucket.at).max(TimeDelta::zero()).as_seconds_f64();
        bucket.level = (bucket.level + elapsed * per_second).min(capacity);
        bucket.at = now;
        let is_served = bucket.level >= 1.0;
        if is_served {
            bucket.level -= 1.0;
        }
        let retry_after = if is_served { 0.0 } else { (1.0 - bucket.level) / per_second };
        Allowance {
            limit: self.per_minute,
            remaining: bucket.level as u32,
            reset: Duration::from_secs_f64((capacity - bucket.level) / per_second),
            retry_after: Duration::from_secs_f64(retry_after),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_who_are_gone_are_forgotten() {
        let start: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().expect("an instant");
        let buckets = Buckets::new(60);
        for minute in 0..60 {
            let now = start + TimeDelta::minutes(minute);
            for _ in 0..100 {
                buckets.take(UserId::new(now), now);
            }
            let known = buckets.users.lock().expect("a lock").buckets.len();
            assert!(known <= 400, "{known} users are remembered");
        }
    }

    #[test]
    fn a_bucket_empties_and_refills_and_is_one_users_alone() {
        let start: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().expect("an instant");
        let (one, other) = (UserId::new(start), UserId::new(start + TimeDelta::seconds(1)));
        let buckets = Buckets::new(60);
        for left in (0..60).rev() {
            let allowance = buckets.take(one, start);
            assert!(allowance.verdict().is_ok());
            assert_eq!(allowance.remaining, left);
        }
        let refused = buckets.take(one, start);
        assert_eq!(refused.retry_after, Duration::from_secs(1));
        assert!(refused.verdict().is_err());
        assert!(buckets.take(other, start).verdict().is_ok());
        // Whoever waits as long as told is served.
        assert!(buckets.take(one, start + TimeDelta::seconds(1)).verdict().is_ok());
        assert!(buckets.take(one, start + TimeDelta::seconds(1)).verdict().is_err());
        // Going back in time gives nothing.
        assert!(buckets.take(one, start).verdict().is_err());
    }
}
