//! A lease that is renewed beside the work that it is for.

use std::{
    future::{Future, poll_fn},
    task::Poll,
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior};

use crate::deliver::Error;

/// How a lease is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Between two renewals.
    beat: Duration,
    /// How long after a renewal was asked for the work goes on at most.
    limit: Duration,
}

impl Pace {
    /// A lease of this length is renewed four times in it, and not relied on for its last third: someone else may hold it soon.
    pub(crate) fn of(lease: Duration) -> Self {
        Self { beat: lease / 4, limit: lease * 2 / 3 }
    }
}

/// Awaits `work` and keeps renewing its lease, which was had at `leased_at`, through `renew`. Gives up when the lease is lost, or
/// could not be renewed for as long as `pace` allows.
pub(crate) async fn while_renewed<T, F: Future<Output = store::Result<()>>>(
    pace: Pace,
    leased_at: Instant,
    renew: impl Fn() -> F,
    work: impl Future<Output = T>,
) -> Result<T, Error> {
    let mut renewed_at = leased_at;
    let mut beats = tokio::time::interval_at(renewed_at + pace.beat, pace.beat);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::pin!(work);
    loop {
        let lapses_at = renewed_at + pace.limit;
        // The clock itself is asked before each step of the work: a process that stood still must not send what others may have
        // taken up, and its timers may ring a moment after it goes on.
        let held_work = poll_fn(|context| {
            if Instant::now() >= lapses_at {
                return Poll::Ready(Err(Error::LeaseLapsed));
            }
            work.as_mut().poll(context).map(Ok)
        });
        // Beside the work, which goes on meanwhile: it may hold the row that is to be renewed, or what all connections wait for.
        let renewal = async {
            beats.tick().await;
            let asked_at = Instant::now();
            (asked_at, renew().await)
        };
        let (asked_at, renewed) = tokio::select! {
            biased;
            () = tokio::time::sleep_until(lapses_at) => return Err(Error::LeaseLapsed),
            done = held_work => return done,
            renewal = renewal => renewal,
        };
        match renewed {
            Ok(()) => renewed_at = asked_at,
            Err(error @ store::Error::LeaseLost) => return Err(error.into()),
            // Another try is due before the lease runs out.
            Err(error) => tracing::debug!(%error, "the lease could not be renewed"),
        }
    }
}

#[cfg(test)]
mod tests;
