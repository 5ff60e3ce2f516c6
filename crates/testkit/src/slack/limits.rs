//! How often something may be done.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};

/// When each thing that is limited was done lately.
#[derive(Debug, Default)]
pub(super) struct Limits {
    by_key: BTreeMap<(String, String), Limiter>,
}

#[derive(Debug, Default)]
struct Limiter {
    done_at: VecDeque<DateTime<Utc>>,
    /// Set when a call was refused: when it was, and until when no other will be let in.
    refused: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

/// A call that is refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    /// What `Retry-After` says.
    pub(super) retry_after_seconds: u32,
    /// When the caller was told to wait, if it was and did not.
    pub(super) told_at: Option<DateTime<Utc>>,
}

impl Limits {
    /// Lets one more call in, or refuses it: at most `max` in any `window`, and none while a `Retry-After` runs.
    pub(super) fn admit(
        &mut self,
        key: (&str, &str),
        now: DateTime<Utc>,
        max: usize,
        window: TimeDelta,
    ) -> Result<(), Refused> {
        let limiter = self.by_key.entry((key.0.to_owned(), key.1.to_owned())).or_default();
        if let Some((told_at, until)) = limiter.refused {
            if now < until {
                return Err(Refused {
                    retry_after_seconds: whole_seconds(until - now),
                    told_at: Some(told_at),
                });
            }
            limiter.refused = None;
        }
        while limiter.done_at.front().is_some_and(|at| *at + window <= now) {
            limiter.done_at.pop_front();
        }
        if limiter.done_at.len() < max {
            limiter.done_at.push_back(now);
            return Ok(());
        }
        let free_at = limiter.done_at.front().map_or(now, |at| *at + window);
        let retry_after_seconds = whole_seconds(free_at - now);
        self.refuse(key, now, retry_after_seconds);
        Err(Refused { retry_after_seconds, told_at: None })
    }

    /// Lets nothing in for so many seconds.
    pub(super) fn refuse(&mut self, key: (&str, &str), now: DateTime<Utc>, seconds: u32) {
        let limiter = self.by_key.entry((key.0.to_owned(), key.1.to_owned())).or_default();
        limiter.refused = Some((now, now + TimeDelta::seconds(seconds.into())));
    }
}

/// `Retry-After` knows whole seconds only.
fn whole_seconds(wait: TimeDelta) -> u32 {
    u32::try_from((wait.num_milliseconds() + 999) / 1_000).unwrap_or(u32::MAX).max(1)
}
