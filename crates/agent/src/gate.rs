//! The freshness gate: whether a run's data is new enough for its turn to begin.
//!
//! Looked at each time the run is claimed, before anything is recorded. While the data is too old, a scheduled run goes back
//! into the queue and holds nothing; at the last moment the task's policy decides, and of a run that is late at once. A look that
//! fails counts as too old, with what went wrong in its place.

use chrono_tz::Tz;
use domain::{
    ConnectionId,
    freshness::{FreshnessGate, StalePolicy},
    run::{RunReason, RunTrigger},
};
use store::{AfterHold, ClaimedRun, Connection, Store};
use tokio_util::sync::CancellationToken;
use warehouse::{QueryLimits, Warehouse};

use crate::{
    admission::Admission,
    failure::Failure,
    journal::{Journal, Reachable},
};

/// What became of a run at the gate.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// Its turn may begin. Where the data is not fresh, what its answer must say.
    Open { stale: Option<Stale> },
    /// It was put back, to be looked at again.
    Held,
    /// It was skipped.
    Skipped,
}

/// Data that is not fresh.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stale {
    /// What there is to say of it: times that were read from it, or what a database said.
    pub(crate) text: String,
    /// Whose data it is.
    pub(crate) connection_ids: Vec<ConnectionId>,
}

/// What a look needs.
pub(crate) struct Gate<'a> {
    pub(crate) store: &'a Store,
    pub(crate) warehouse: &'a Warehouse,
    pub(crate) journal: &'a Journal,
    pub(crate) run: &'a ClaimedRun,
    pub(crate) limits: QueryLimits,
    pub(crate) stop: &'a CancellationToken,
}

impl Gate<'_> {
    /// Looks at the data that `wish` is about, and lets the run through, puts it back, or skips it.
    pub(crate) async fn pass(&self, wish: &FreshnessGate) -> Result<Passage, Failure> {
        let (mut told, mut connection_ids) = (Vec::new(), Vec::new());
        for connection in self.watched(wish).await? {
            if let Some(sentence) = self.look(&connection).await? {
                told.push(sentence);
                connection_ids.push(connection.id);
            }
        }
        if self.stop.is_cancelled() {
            self.journal.check().await?;
            return Err(Failure::LeaseLost);
        }
        let ClaimedRun { scope, lease, trigger, .. } = self.run;
        if told.is_empty() {
            if *trigger == RunTrigger::Schedule {
                // Now, and not as it ends: the day had fresh data, whatever becomes of the run.
                self.store.run_found_fresh(scope, lease).await?;
            }
            return Ok(Passage::Open { stale: None });
        }
        let stale = Stale { text: told.join(" "), connection_ids };
        if *trigger != RunTrigger::Schedule || self.has_begun().await? {
            return Ok(Passage::Open { stale: Some(stale) });
        }
        match self.store.run_hold(scope, lease, &stale.text).await? {
            AfterHold::LookAt(look_at) => {
                tracing::info!(%look_at, "the run is held for fresh data");
                return Ok(Passage::Held);
            }
            AfterHold::Skipped => return Ok(Passage::Skipped),
            AfterHold::TimeIsUp => {}
        }
        match wish.policy {
            StalePolicy::SendStale => Ok(Passage::Open { stale: Some(stale) }),
            StalePolicy::Skip => {
                self.store.run_skip_stale(scope, lease, &stale.text).await?;
                Ok(Passage::Skipped)
            }
        }
    }

    /// The connections whose freshness counts and can be known: those that the gate names, else those of the task, else all
    /// that its creator may query.
    async fn watched(&self, wish: &FreshnessGate) -> Result<Vec<Connection>, Failure> {
        let ClaimedRun { scope, creator_id, connection_ids, .. } = self.run;
        let named: &[ConnectionId] = wish.connection_ids.as_deref().unwrap_or(connection_ids);
        let mut watched = if named.is_empty() {
            self.store.connection_queryable(scope, *creator_id).await?
        } else {
            let mut found = Vec::with_capacity(named.len());
            for id in named {
                found.extend(self.store.connection_get(scope, *id, Some(*creator_id)).await?);
            }
            found
        };
        watched.retain(|connection| connection.freshness.is_some());
        Ok(watched)
    }

    /// What there is to say of a connection whose data is not fresh; nothing of one that is, nor of one that was deleted or
    /// may no longer be queried: over that the turn itself stumbles, and says so.
    async fn look(&self, connection: &Connection) -> Result<Option<String>, Failure> {
        let Some(check) = &connection.freshness else { return Ok(None) };
        let reachable = match self.journal.connection(connection.id).await {
            Ok(Some(reachable)) => reachable,
            Ok(None) => return Ok(None),
            Err(Failure::Failed { message, .. }) => return Ok(Some(unknown(connection, &message))),
            Err(failure) => return Err(failure),
        };
        let limits = Reachable::limit(&reachable, self.limits);
        let look = self.warehouse.newest(&reachable.spec, check, limits, self.stop);
        let looked = match Admission::of(self.journal, &reachable, limits.timeout, self.stop).await {
            Ok(admission) => admission.run(Box::pin(look)).await,
            Err(failure) => Err(failure),
        };
        let newest = match looked {
            Ok(Ok(newest)) => newest,
            Ok(Err(error)) => return Ok(Some(unknown(connection, &error.to_string()))),
            // Nobody could look, which is no reason to try the whole run again.
            Err(Failure::Failed { reason: RunReason::ConnectionBusy, message, .. }) => {
                return Ok(Some(unknown(connection, &message)));
            }
            Err(failure) => return Err(failure),
        };
        if check.is_met(newest, self.run.as_of) {
            return Ok(None);
        }
        let zone: Tz = self.run.timezone.parse().unwrap_or(Tz::UTC);
        Ok(Some(check.stale_sentence(&connection.name, newest, zone)))
    }

    async fn has_begun(&self) -> Result<bool, Failure> {
        let steps = self.store.step_list(&self.run.scope, self.run.thread_id, 0).await?;
        Ok(steps.iter().any(|step| step.turn_no == self.run.turn_no))
    }
}

fn unknown(connection: &Connection, why: &str) -> String {
    format!("How fresh {} is could not be found out: {}.", connection.name, why.trim_end_matches('.'))
}
