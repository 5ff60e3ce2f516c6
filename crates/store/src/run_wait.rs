//! Runs that are held for fresh data: put back before their turn begins, or skipped at the last moment.
//!
//! A held run is as one that never started: no lease, no thread, no step, and its attempt is not counted. Whatever befalls
//! one that is queued (a pause, a deactivation, a newer occurrence) befalls it in the same way.

use chrono::{DateTime, Utc};
use domain::{
    delivery::DeliveryKind,
    freshness::{HELD_AT_MOST, LOOK_EVERY},
    run::{RunReason, RunStatus},
};
use uuid::Uuid;

use crate::{
    Error, Result, RunLease, Scope, Store, Tx,
    error::{one_row, without_nul},
    notice::{self, Notice},
    run_end::{self, Ending, RunEnd},
    run_queue,
};

/// Whether a run may wait for fresh data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterHold {
    /// It was put back, and is looked at again then.
    LookAt(DateTime<Utc>),
    /// Its task was paused while it was looked at: it was skipped, as one that waited is.
    Skipped,
    /// It may wait no longer: nothing was changed, and it is still held by its worker.
    TimeIsUp,
}

impl Store {
    /// Puts a run whose turn has not begun back until its data is looked at again, in about two minutes and at the latest 105
    /// minutes after its window opened. Only a scheduled run waits, inside its window: for any other, and after the last
    /// moment, the answer is `TimeIsUp`. One whose task was paused while its worker held it is skipped for that, even where it was
    /// resumed since. `message` says what it waits for. `LeaseLost`, `RunStopped`.
    pub async fn run_hold(&self, scope: &Scope, lease: &RunLease, message: &str) -> Result<AfterHold> {
        let mut tx = self.begin(scope).await?;
        run_queue::hold(&mut tx, lease).await?;
        let run_id = lease.run_id.as_uuid();
        let run = sqlx::query!(
            "SELECT run.opens_at, run.late, run_queue.paused FROM run
             JOIN run_queue ON run_queue.workspace_id = run.workspace_id AND run_queue.run_id = run.id
             WHERE run.workspace_id = $1 AND run.id = $2",
            tx.workspace_id(),
            run_id
        )
        .fetch_one(tx.db())
        .await?;
        let last_look_at = run.opens_at.filter(|_| !run.late).map(|opens_at| opens_at + HELD_AT_MOST);
        let Some(last_look_at) = last_look_at.filter(|last| *last > tx.now) else {
            return Ok(AfterHold::TimeIsUp);
        };
        let look_at = last_look_at.min(tx.now + LOOK_EVERY);
        sqlx::query!(
            "UPDATE run_queue SET lease_token = NULL, lease_until = NULL, worker = NULL, available_at = $3,
                 listed_at = $3
             WHERE workspace_id = $1 AND run_id = $2",
            tx.workspace_id(),
            run_id,
            look_at
        )
        .execute(tx.db())
        .await?;
        unstart(&mut tx, run_id).await?;
        // A pause marks the run and then looks for runs that wait: its mark was seen above, or it comes after this and finds the
        // run waiting.
        if run.paused {
            let end = RunEnd::without_answer(RunStatus::Skipped, RunReason::Paused);
            let workspace_id = tx.workspace_id();
            run_end::close(&mut tx, &[Ending { workspace_id, run_id, end }]).await?;
            tx.commit().await?;
            return Ok(AfterHold::Skipped);
        }
        sqlx::query!(
            "UPDATE run SET status = 'waiting', reason = $3, message = $4 WHERE workspace_id = $1 AND id = $2",
            tx.workspace_id(),
            run_id,
            RunReason::StaleData.as_str(),
            without_nul(message)
        )
        .execute(tx.db())
        .await?;
        tx.commit().await?;
        Ok(AfterHold::LookAt(look_at))
    }

    /// Notes that a run found its data fresh. For a scheduled one that ends a streak of days that were skipped for stale data,
    /// whatever becomes of the run. `LeaseLost`, `RunStopped`.
    pub async fn run_found_fresh(&self, scope: &Scope, lease: &RunLease) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        run_queue::hold(&mut tx, lease).await?;
        sqlx::query!(
            "UPDATE task SET skipping_stale = false FROM run
             WHERE task.workspace_id = $1 AND run.workspace_id = $1 AND run.id = $2 AND task.id = run.task_id
               AND run.trigger = 'schedule' AND task.skipping_stale",
            tx.workspace_id(),
            lease.run_id.as_uuid()
        )
        .execute(tx.db())
        .await?;
        tx.commit().await
    }

    /// Skips a run whose turn has not begun because its data is not fresh, and tells the creator, once per streak of skipped
    /// days. `LeaseLost`, `RunStopped`.
    pub async fn run_skip_stale(&self, scope: &Scope, lease: &RunLease, message: &str) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        run_queue::hold(&mut tx, lease).await?;
        let run_id = lease.run_id.as_uuid();
        unstart(&mut tx, run_id).await?;
        let mut end = RunEnd::without_answer(RunStatus::Skipped, RunReason::StaleData);
        end.message = Some(without_nul(message));
        let workspace_id = tx.workspace_id();
        run_end::close(&mut tx, &[Ending { workspace_id, run_id, end }]).await?;
        let told = sqlx::query_scalar!(
            "UPDATE task SET skipping_stale = true FROM run
             WHERE task.workspace_id = $1 AND run.workspace_id = $1 AND run.id = $2 AND task.id = run.task_id
               AND NOT task.skipping_stale
             RETURNING task.id",
            workspace_id,
            run_id
        )
        .fetch_optional(tx.db())
        .await?;
        if let Some(task_id) = told {
            let mut notice = Notice::of_task(workspace_id, task_id, DeliveryKind::StaleData);
            notice.run_id = Some(run_id);
            notice.message = Some(without_nul(message));
            notice::send(&mut tx, &notice).await?;
        }
        tx.commit().await
    }
}

/// Ends a streak of occurrences that were skipped for stale data, now that one has brought an answer: by now its task may wait for
/// fresh data no more, or send stale data, so that no run finds any fresh.
pub(crate) async fn end_stale_streak(tx: &mut Tx, workspace_id: Uuid, task_id: Uuid) -> Result<()> {
    sqlx::query!(
        "UPDATE task SET skipping_stale = false WHERE workspace_id = $1 AND id = $2 AND skipping_stale",
        workspace_id,
        task_id
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

/// Takes back the start of a run in which nothing was done, and its attempt: it has no thread yet, and with the next start it is
/// asked what its task asks then.
async fn unstart(tx: &mut Tx, run_id: Uuid) -> Result<()> {
    let done = sqlx::query!(
        "UPDATE run SET started_at = NULL, attempt = attempt - 1
         WHERE workspace_id = $1 AND id = $2 AND thread_id IS NULL",
        tx.workspace_id(),
        run_id
    )
    .execute(tx.db())
    .await?;
    one_row(&done, Error::NotFound)
}
