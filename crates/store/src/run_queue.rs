//! How workers hold runs: heartbeat, release, rescue.
//!
//! A claim (`run_claim.rs`) leases a run for [`crate::StoreOptions::run_lease`] by the database's clock under a fresh token.
//! Every later write names the token. Whoever could not renew it in time finds, at the next write, that it is no longer
//! theirs. Whatever locks several rows of the queue takes them in the order of its key, or passes locked ones by.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use domain::run::{RunReason, RunStatus};
use uuid::Uuid;

use crate::{
    Error, Result, RunLease, Scope, Store, Tx,
    error::{if_readable, optional_word, word},
    run_end::{self, Ending, RunEnd},
};

/// A run whose workers vanished this often is given up: it may be what kills them.
pub const RESCUES_MAX: i32 = 5;

/// A run that is still held after a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldRun {
    /// The lease.
    pub lease: RunLease,
    /// Why it shall stop before its next step, if it shall.
    pub stop: Option<RunReason>,
}

impl Store {
    /// Renews a worker's leases in one statement. A lease that is not among the answers is lost: stop that run at once.
    pub async fn run_heartbeat(&self, leases: &[RunLease]) -> Result<Vec<HeldRun>> {
        if leases.is_empty() {
            return Ok(vec![]);
        }
        let (workspace_ids, run_ids, tokens) = columns(leases);
        let rows = sqlx::query!(
            r#"WITH held AS (
                   SELECT run_queue.workspace_id, run_queue.run_id
                   FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS lease (workspace_id, run_id, token)
                   JOIN run_queue ON run_queue.workspace_id = lease.workspace_id AND run_queue.run_id = lease.run_id
                   WHERE run_queue.lease_token = lease.token
                   ORDER BY run_queue.workspace_id, run_queue.run_id FOR NO KEY UPDATE OF run_queue)
               UPDATE run_queue SET lease_until = instant($4) + make_interval(secs => $5) FROM held
               WHERE run_queue.workspace_id = held.workspace_id AND run_queue.run_id = held.run_id
               RETURNING run_queue.workspace_id, run_queue.run_id, run_queue.lease_token AS "lease_token!", stop_reason"#,
            &workspace_ids,
            &run_ids,
            &tokens,
            self.time.given(),
            self.run_lease.as_seconds_f64()
        )
        .fetch_all(&self.worker)
        .await?;
        let held = rows.into_iter().map(|row| {
            let stop = stop(row.run_id, row.stop_reason.as_deref());
            let (workspace_id, run_id) = (row.workspace_id.into(), row.run_id.into());
            HeldRun { lease: RunLease { workspace_id, run_id, token: row.lease_token }, stop }
        });
        Ok(held.collect())
    }

    /// Whether the run is still held and may take its next step: `LeaseLost`, `RunStopped`.
    pub async fn run_check(&self, scope: &Scope, lease: &RunLease) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        hold(&mut tx, lease).await
    }

    /// Hands runs back, at once claimable by others; the attempt is not counted. Ones that are lost already are left alone.
    /// One that was asked to stop ends instead: nobody shall claim it again. Answers how many were handed back or ended.
    pub async fn run_release(&self, leases: &[RunLease]) -> Result<u64> {
        let (workspace_ids, run_ids, tokens) = columns(leases);
        let mut tx = self.begin_across().await?;
        let released = sqlx::query!(
            "WITH held AS (
                 SELECT run_queue.workspace_id, run_queue.run_id
                 FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS lease (workspace_id, run_id, token)
                 JOIN run_queue ON run_queue.workspace_id = lease.workspace_id AND run_queue.run_id = lease.run_id
                 WHERE run_queue.lease_token = lease.token
                 ORDER BY run_queue.workspace_id, run_queue.run_id FOR NO KEY UPDATE OF run_queue
             ), released AS (
                 UPDATE run_queue SET lease_token = NULL, lease_until = NULL, worker = NULL, listed_at = $4
                 FROM held
                 WHERE run_queue.workspace_id = held.workspace_id AND run_queue.run_id = held.run_id
                 RETURNING run_queue.workspace_id, run_queue.run_id, stop_reason)
             UPDATE run SET status = 'queued', attempt = attempt - 1 FROM released
             WHERE run.workspace_id = released.workspace_id AND run.id = released.run_id
             RETURNING run.workspace_id, run.id, released.stop_reason",
            &workspace_ids,
            &run_ids,
            &tokens,
            tx.now
        )
        .fetch_all(tx.db())
        .await?;
        let mut ended = Vec::new();
        for row in &released {
            if let Some(reason) = stop(row.id, row.stop_reason.as_deref()) {
                let end = RunEnd::without_answer(RunStatus::Cancelled, reason);
                ended.push(Ending { workspace_id: row.workspace_id, run_id: row.id, end });
            }
        }
        run_end::close(&mut tx, &ended).await?;
        tx.commit().await?;
        Ok(released.len() as u64)
    }

    /// Lets go of a run in the middle: its lease passes now, as it would some time after its worker died, and
    /// [`Store::run_rescue`] queues it again, so often and no oftener. One that is lost already is left alone.
    pub async fn run_let_go(&self, scope: &Scope, lease: &RunLease) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        sqlx::query!(
            "UPDATE run_queue SET lease_until = $4 WHERE workspace_id = $1 AND run_id = $2 AND lease_token = $3",
            tx.workspace_id(),
            lease.run_id.as_uuid(),
            lease.token,
            tx.now
        )
        .execute(tx.db())
        .await?;
        tx.commit().await
    }

    /// Takes up to `batch` runs from workers that let their lease pass, and queues them again, the attempt not counted: nothing has
    /// failed but the worker. One that this happened to too often fails. Answers how many.
    pub async fn run_rescue(&self, batch: u32) -> Result<usize> {
        let mut tx = self.begin_across().await?;
        let expired = sqlx::query!(
            "UPDATE run_queue SET lease_token = NULL, lease_until = NULL, worker = NULL, listed_at = $1,
                 rescues = rescues + 1
             WHERE (workspace_id, run_id) IN (
                 SELECT workspace_id, run_id FROM run_queue
                 WHERE lease_token IS NOT NULL AND lease_until <= $1
                 ORDER BY lease_until LIMIT $2 FOR UPDATE SKIP LOCKED)
             RETURNING workspace_id, run_id, rescues, stop_reason",
            tx.now,
            i64::from(batch)
        )
        .fetch_all(tx.db())
        .await?;
        let mut ended = Vec::new();
        let mut queued = (vec![], vec![]);
        for row in &expired {
            let end = match stop(row.run_id, row.stop_reason.as_deref()) {
                Some(reason) => RunEnd::without_answer(RunStatus::Cancelled, reason),
                None if row.rescues >= RESCUES_MAX => {
                    RunEnd::without_answer(RunStatus::Failed, RunReason::Internal)
                }
                None => {
                    queued.0.push(row.workspace_id);
                    queued.1.push(row.run_id);
                    continue;
                }
            };
            ended.push(Ending { workspace_id: row.workspace_id, run_id: row.run_id, end });
        }
        sqlx::query!(
            "UPDATE run SET status = 'queued', attempt = greatest(attempt - 1, 0)
             FROM unnest($1::uuid[], $2::uuid[]) AS queued (workspace_id, run_id)
             WHERE run.workspace_id = queued.workspace_id AND run.id = queued.run_id",
            &queued.0,
            &queued.1
        )
        .execute(tx.db())
        .await?;
        run_end::close(&mut tx, &ended).await?;
        tx.commit().await?;
        Ok(expired.len())
    }

    /// Deals with up to `batch` runs that nobody holds and whose time has passed. One that waits to be tried again fails with
    /// its last error. One that was never tried, or lost its worker, may still run late within the workspace's grace period;
    /// after that it is missed, or fails. Answers how many.
    pub async fn run_overdue(&self, batch: u32) -> Result<usize> {
        let mut tx = self.begin_across().await?;
        let overdue = sqlx::query!(
            r#"SELECT run_queue.workspace_id, run_queue.run_id, run.status, run.reason, run.message, run.closes_at,
                   run.started_at IS NOT NULL AS "has_started!", workspace.grace_seconds
               FROM run_queue
               JOIN run ON run.workspace_id = run_queue.workspace_id AND run.id = run_queue.run_id
               JOIN workspace ON workspace.id = run_queue.workspace_id
               WHERE run_queue.lease_token IS NULL AND run_queue.deadline_at <= $1
               ORDER BY run_queue.deadline_at LIMIT $2 FOR UPDATE OF run_queue SKIP LOCKED"#,
            tx.now,
            i64::from(batch)
        )
        .fetch_all(tx.db())
        .await?;
        let mut ended = Vec::new();
        for row in &overdue {
            // Its time is over, whatever a newer version called what it waited for.
            let status: Option<RunStatus> = if_readable(word("run", "status", row.run_id, &row.status));
            let reason: Option<RunReason> =
                if_readable(optional_word("run", "reason", row.run_id, row.reason.as_deref())).flatten();
            let lacks_credits =
                status == Some(RunStatus::Waiting) && reason == Some(RunReason::BlockedByCredits);
            let runs_late_until =
                row.closes_at.map(|closes_at| closes_at + TimeDelta::seconds(row.grace_seconds.into()));
            // One that was held for fresh data until its worker vanished has not started either.
            let may_run_late = status == Some(RunStatus::Queued) || !(row.has_started || lacks_credits);
            if let Some(until) = runs_late_until.filter(|until| may_run_late && *until > tx.now) {
                run_late(&mut tx, row.workspace_id, row.run_id, until).await?;
                continue;
            }
            let end = if lacks_credits || row.has_started {
                RunEnd::out_of_time(lacks_credits, row.message.as_deref())
            } else {
                RunEnd::without_answer(RunStatus::Missed, RunReason::Downtime)
            };
            ended.push(Ending { workspace_id: row.workspace_id, run_id: row.run_id, end });
        }
        run_end::close(&mut tx, &ended).await?;
        tx.commit().await?;
        Ok(overdue.len())
    }
}

/// Why a run shall stop, if it shall. It shall for a reason as well that only a newer version knows.
fn stop(run_id: Uuid, stored: Option<&str>) -> Option<RunReason> {
    let stored = stored?;
    Some(if_readable(word("run_queue", "stop_reason", run_id, stored)).unwrap_or(RunReason::Internal))
}

/// Demands that a lease is held and the run need not stop, and keeps both so until the transaction ends.
pub(crate) async fn hold(tx: &mut Tx, lease: &RunLease) -> Result<()> {
    let row = sqlx::query!(
        "SELECT stop_reason FROM run_queue WHERE workspace_id = $1 AND run_id = $2 AND lease_token = $3 FOR SHARE",
        tx.workspace_id(),
        lease.run_id.as_uuid(),
        lease.token
    )
    .fetch_optional(tx.db())
    .await?
    .ok_or(Error::LeaseLost)?;
    match stop(lease.run_id.as_uuid(), row.stop_reason.as_deref()) {
        None => Ok(()),
        Some(reason) => Err(Error::RunStopped(reason)),
    }
}

/// Why a run was not taken off the queue: `LeaseLost`, `RunStopped`.
pub(crate) async fn refusal(tx: &mut Tx, lease: &RunLease) -> Result<Error> {
    let row = sqlx::query!(
        "SELECT stop_reason FROM run_queue WHERE workspace_id = $1 AND run_id = $2 AND lease_token = $3",
        lease.workspace_id.as_uuid(),
        lease.run_id.as_uuid(),
        lease.token
    )
    .fetch_optional(tx.db())
    .await?;
    let stored = row.and_then(|row| row.stop_reason);
    let reason = stop(lease.run_id.as_uuid(), stored.as_deref());
    Ok(reason.map_or(Error::LeaseLost, Error::RunStopped))
}

/// Takes runs off the queue whose leases are held and that need not stop, for their end in the same transaction. Answers which.
pub(crate) async fn take_off(tx: &mut Tx, leases: &[RunLease]) -> Result<HashSet<RunLease>> {
    let (workspace_ids, run_ids, tokens) = columns(leases);
    let taken = sqlx::query!(
        r#"WITH held AS (
               SELECT run_queue.workspace_id, run_queue.run_id
               FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS lease (workspace_id, run_id, token)
               JOIN run_queue ON run_queue.workspace_id = lease.workspace_id AND run_queue.run_id = lease.run_id
               WHERE run_queue.lease_token = lease.token AND run_queue.stop_reason IS NULL
               ORDER BY run_queue.workspace_id, run_queue.run_id FOR UPDATE OF run_queue)
           DELETE FROM run_queue USING held
           WHERE run_queue.workspace_id = held.workspace_id AND run_queue.run_id = held.run_id
           RETURNING run_queue.workspace_id, run_queue.run_id, run_queue.lease_token AS "token!""#,
        &workspace_ids,
        &run_ids,
        &tokens
    )
    .fetch_all(tx.db())
    .await?;
    let lease = |workspace_id: Uuid, run_id: Uuid, token| RunLease {
        workspace_id: workspace_id.into(),
        run_id: run_id.into(),
        token,
    };
    Ok(taken.into_iter().map(|row| lease(row.workspace_id, row.run_id, row.token)).collect())
}

pub(crate) fn columns(leases: &[RunLease]) -> (Vec<Uuid>, Vec<Uuid>, Vec<Uuid>) {
    let workspace_ids = leases.iter().map(|lease| lease.workspace_id.as_uuid()).collect();
    let run_ids = leases.iter().map(|lease| lease.run_id.as_uuid()).collect();
    (workspace_ids, run_ids, leases.iter().map(|lease| lease.token).collect())
}

async fn run_late(tx: &mut Tx, workspace_id: Uuid, run_id: Uuid, until: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "UPDATE run_queue SET deadline_at = $3, listed_at = $4 WHERE workspace_id = $1 AND run_id = $2",
        workspace_id,
        run_id,
        until,
        tx.now
    )
    .execute(tx.db())
    .await?;
    sqlx::query!("UPDATE run SET late = true WHERE workspace_id = $1 AND id = $2", workspace_id, run_id)
        .execute(tx.db())
        .await?;
    Ok(())
}

/// The leases of `before` that `held` no longer has.
pub fn leases_lost(before: &[RunLease], held: &[HeldRun]) -> Vec<RunLease> {
    let held: HashSet<_> = held.iter().map(|held| held.lease).collect();
    before.iter().copied().filter(|lease| !held.contains(lease)).collect()
}
