//! What moves a task between its states, and what each move does to its runs.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    TaskId, UserId,
    delivery::DeliveryKind,
    run::{RunReason, RunStatus},
    task::TaskStatus,
    webhook::WebhookEvent,
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    Conflict, Error, Result, Scope, Store, Task, Tx, audit,
    due::read_schedule,
    due_change,
    error::{one_row, to_json},
    event,
    notice::{self, Notice},
    people,
    run_end::{self, Ending, RunEnd},
    task, webhook_event,
};

/// How long before its expiration a task's creator is told.
pub(crate) const WARN_BEFORE: TimeDelta = TimeDelta::days(7);

impl Store {
    /// Pauses a task: its queued runs are skipped, as is an occurrence whose window has opened; a started run goes on. Pausing a
    /// paused task changes nothing.
    pub async fn task_pause(&self, scope: &Scope, id: TaskId) -> Result<Task> {
        let mut tx = self.begin(scope).await?;
        let task = demand_uncancelled(&mut tx, id).await?;
        match task.status {
            TaskStatus::Paused => return Ok(task),
            TaskStatus::Expired => return Err(Conflict::TaskExpired.into()),
            TaskStatus::Active | TaskStatus::Cancelled => {}
        }
        let (status, reason) = (RunStatus::Skipped, RunReason::Paused);
        due_change::stop(&mut tx, self.spread, &[id.as_uuid()], status, reason).await?;
        mark_paused(&mut tx, id).await?;
        end_waiting(&mut tx, id, status, reason, false).await?;
        set_status(&mut tx, &task, TaskStatus::Paused).await?;
        // Whoever asked for a run held the task until then: what they left is seen now.
        end_waiting(&mut tx, id, status, reason, false).await?;
        let workspace_id = tx.workspace_id();
        webhook_event::task_stopped(&mut tx, workspace_id, id, WebhookEvent::TaskPaused).await?;
        audit::record(&mut tx, scope.actor(), "task.pause", id.as_uuid(), json!({})).await?;
        finish(tx, id).await
    }

    /// Resumes a paused task: its next occurrence is the first whose window opens after this moment.
    pub async fn task_resume(&self, scope: &Scope, id: TaskId) -> Result<Task> {
        let mut tx = self.begin(scope).await?;
        let task = demand_uncancelled(&mut tx, id).await?;
        match task.status {
            TaskStatus::Active => return Ok(task),
            TaskStatus::Expired => return Err(Conflict::TaskExpired.into()),
            TaskStatus::Paused | TaskStatus::Cancelled => {}
        }
        if task.expires_at.is_some_and(|expires_at| expires_at <= tx.now) {
            return Err(Conflict::TaskExpired.into());
        }
        people::demand_active(&mut tx, task.creator_id).await?;
        let schedule = read_schedule(id.as_uuid(), to_json(&task.schedule))?;
        due_change::restart(&mut tx, self.spread, id, &schedule, task.expires_at).await?;
        set_status(&mut tx, &task, TaskStatus::Active).await?;
        audit::record(&mut tx, scope.actor(), "task.resume", id.as_uuid(), json!({})).await?;
        finish(tx, id).await
    }

    /// Moves a task's expiration (`None`: never) and revives an expired task. `Invalid` for an instant that is not ahead.
    pub async fn task_extend(
        &self,
        scope: &Scope,
        id: TaskId,
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<Task> {
        let mut tx = self.begin(scope).await?;
        let task = demand_uncancelled(&mut tx, id).await?;
        if expires_at.is_some_and(|expires_at| expires_at <= tx.now) {
            return Err(domain::Invalid::new("expiresAt", "must be in the future").into());
        }
        let status = if task.status == TaskStatus::Expired { TaskStatus::Active } else { task.status };
        let mut is_restarted = false;
        if status == TaskStatus::Active {
            people::demand_active(&mut tx, task.creator_id).await?;
            let schedule = read_schedule(id.as_uuid(), to_json(&task.schedule))?;
            is_restarted =
                due_change::change_expiration(&mut tx, self.spread, id, &schedule, expires_at).await?;
        }
        let since = is_restarted.then_some(tx.now);
        let done = sqlx::query!(
            "UPDATE task SET expires_at = $3, status = $4, status_reason = NULL, expiry_warned_at = NULL,
                 schedule_since = coalesce($5, schedule_since), version = version + 1, updated_at = $6
             WHERE workspace_id = $1 AND id = $2 AND version = $7",
            tx.workspace_id(),
            id.as_uuid(),
            expires_at,
            status.as_str(),
            since,
            tx.now,
            task.version as i32
        )
        .execute(tx.db())
        .await?;
        one_row(&done, Conflict::VersionMismatch.into())?;
        let details = json!({ "expiresAt": expires_at });
        audit::record(&mut tx, scope.actor(), "task.extend", id.as_uuid(), details).await?;
        finish(tx, id).await
    }

    /// Deletes a task: waiting runs are cancelled, as is an occurrence whose window has opened; a started run stops before its
    /// next step, and what was not sent yet is withheld; of what may be in Slack already the notifier finds out, and sends no
    /// more. Its threads stay.
    pub async fn task_delete(&self, scope: &Scope, id: TaskId) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let workspace_id = tx.workspace_id();
        let (status, reason) = (RunStatus::Cancelled, RunReason::TaskDeleted);
        due_change::stop(&mut tx, self.spread, &[id.as_uuid()], status, reason).await?;
        end_runs_of_deleted(&mut tx, id).await?;
        let done = sqlx::query!(
            "UPDATE task SET deleted_at = $3, version = version + 1
             WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL",
            tx.workspace_id(),
            id.as_uuid(),
            tx.now
        )
        .execute(tx.db())
        .await?;
        one_row(&done, Error::NotFound)?;
        // Whoever started a run, or finished one, held the task until then: what they left is seen now.
        end_runs_of_deleted(&mut tx, id).await?;
        sqlx::query!(
            "UPDATE delivery SET state = 'withheld', reason = $3, finished_at = $4, lease_token = NULL, lease_until = NULL
             WHERE workspace_id = $1 AND task_id = $2 AND state IN ('pending', 'unknown')
               AND NOT EXISTS (SELECT FROM slack_post WHERE slack_post.workspace_id = $1 AND slack_post.delivery_id = delivery.id)",
            workspace_id,
            id.as_uuid(),
            reason.as_str(),
            tx.now
        )
        .execute(tx.db())
        .await?;
        event::tell_run_stop(&mut tx).await?;
        audit::record(&mut tx, scope.actor(), "task.delete", id.as_uuid(), json!({})).await?;
        tx.commit().await
    }

    /// Expires up to `batch` tasks whose time has come, and tells their creators. Answers how many. Each in a transaction of its
    /// own: who holds the locks of many tasks at once waits in a circle with another scheduler, or with runs that end.
    pub async fn task_expire(&self, batch: u32) -> Result<usize> {
        let mut tx = self.begin_across().await?;
        let expired = sqlx::query!(
            "SELECT workspace_id, id FROM task
             WHERE status IN ('active', 'paused') AND deleted_at IS NULL AND expires_at <= $1
             ORDER BY expires_at LIMIT $2",
            tx.now,
            i64::from(batch)
        )
        .fetch_all(tx.db())
        .await?;
        drop(tx);
        for row in &expired {
            self.expire(row.workspace_id, row.id).await?;
        }
        Ok(expired.len())
    }

    async fn expire(&self, workspace_id: Uuid, id: Uuid) -> Result<()> {
        let mut tx = self.begin_across().await?;
        // An occurrence whose window opened before runs yet: it starts at its own offset in the window.
        let now = tx.now;
        due_change::clip_expired(&mut tx, workspace_id, id).await?;
        let done = sqlx::query!(
            "UPDATE task SET status = 'expired', version = version + 1, updated_at = $3
             WHERE workspace_id = $1 AND id = $2 AND status IN ('active', 'paused') AND expires_at <= $3",
            workspace_id,
            id,
            now
        )
        .execute(tx.db())
        .await?;
        if done.rows_affected() == 1 {
            notice::send(&mut tx, &Notice::of_task(workspace_id, id, DeliveryKind::Expired)).await?;
            webhook_event::task_stopped(&mut tx, workspace_id, id.into(), WebhookEvent::TaskExpired).await?;
        }
        tx.commit().await
    }

    /// Tells the creators of up to `batch` active tasks that expire within a week, once each. Answers how many.
    pub async fn task_warn_expiring(&self, batch: u32) -> Result<usize> {
        let mut tx = self.begin_across().await?;
        let warned = sqlx::query!(
            "UPDATE task SET expiry_warned_at = $1
             WHERE (workspace_id, id) IN (
                 SELECT workspace_id, id FROM task
                 WHERE status IN ('active', 'paused') AND deleted_at IS NULL AND expires_at > $1 AND expires_at <= $2
                   AND status = 'active' AND expiry_warned_at IS NULL AND created_at < expires_at - make_interval(secs => $3)
                 ORDER BY expires_at LIMIT $4 FOR NO KEY UPDATE SKIP LOCKED)
             RETURNING workspace_id, id",
            tx.now,
            tx.now + WARN_BEFORE,
            WARN_BEFORE.as_seconds_f64(),
            i64::from(batch)
        )
        .fetch_all(tx.db())
        .await?;
        for row in &warned {
            notice::send(&mut tx, &Notice::of_task(row.workspace_id, row.id, DeliveryKind::Expiring)).await?;
        }
        tx.commit().await?;
        Ok(warned.len())
    }
}

/// Cancels all tasks of a member who is about to be deactivated for good, ends their waiting runs and questions, has started ones
/// stop before their next step, and withholds what was to be sent for them or to them. The member's row is locked.
pub(crate) async fn cancel_all_of(tx: &mut Tx, spread: TimeDelta, creator_id: UserId) -> Result<()> {
    let workspace_id = tx.workspace_id();
    let creator = creator_id.as_uuid();
    let firing = due_change::firing_of(tx, creator_id).await?;
    let (status, reason) = (RunStatus::Cancelled, RunReason::CreatorDeactivated);
    due_change::stop(tx, spread, &firing, status, reason).await?;
    // All of their runs are locked before it is looked which of them wait: one that its worker hands back or gives up for a
    // while meanwhile is seen as waiting, and ends here.
    stop_all_of(tx, creator, reason).await?;
    let waiting = sqlx::query_scalar!(
        "SELECT run_id FROM run_queue WHERE workspace_id = $1 AND creator_id = $2 AND lease_token IS NULL
         ORDER BY run_id FOR UPDATE",
        workspace_id,
        creator
    )
    .fetch_all(tx.db())
    .await?;
    end_all(tx, &waiting, status, reason).await?;
    // A backtest's next run is queued by the end of the one before, which may have held up the first look.
    stop_all_of(tx, creator, reason).await?;
    sqlx::query!(
        "UPDATE delivery SET state = 'withheld', reason = $3, finished_at = $4, lease_token = NULL, lease_until = NULL
         WHERE workspace_id = $1
           -- Both halves named: each is an index of its own.
           AND (state IN ('pending', 'unknown') AND lease_token IS NULL
                OR state IN ('pending', 'unknown') AND lease_token IS NOT NULL)
           AND (user_id = $2 OR EXISTS (
             SELECT FROM run WHERE run.workspace_id = $1 AND run.id = delivery.run_id AND run.creator_id = $2))
           -- What may be in Slack already is looked for first, and no more of it is sent.
           AND NOT EXISTS (SELECT FROM slack_post WHERE slack_post.workspace_id = $1 AND slack_post.delivery_id = delivery.id)",
        workspace_id,
        creator,
        reason.as_str(),
        tx.now
    )
    .execute(tx.db())
    .await?;
    sqlx::query!(
        "UPDATE task SET status = 'cancelled', status_reason = $3, version = version + 1, updated_at = $4
         WHERE workspace_id = $1 AND creator_id = $2 AND status <> 'cancelled'",
        workspace_id,
        creator,
        reason.as_str(),
        tx.now
    )
    .execute(tx.db())
    .await?;
    event::tell_run_stop(tx).await
}

/// Has all runs of a member stop before their next step, and locks them.
async fn stop_all_of(tx: &mut Tx, creator: Uuid, reason: RunReason) -> Result<()> {
    sqlx::query!(
        "WITH held AS (
             SELECT run_id FROM run_queue WHERE workspace_id = $1 AND creator_id = $2
             ORDER BY run_id FOR NO KEY UPDATE)
         UPDATE run_queue SET stop_reason = $3 FROM held
         WHERE run_queue.workspace_id = $1 AND run_queue.run_id = held.run_id",
        tx.workspace_id(),
        creator,
        reason.as_str()
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

/// Has the runs of a deleted task stop before their next step, and ends those that no worker holds.
async fn end_runs_of_deleted(tx: &mut Tx, id: TaskId) -> Result<()> {
    ask_to_stop(tx, &[id.as_uuid()], RunReason::TaskDeleted).await?;
    end_waiting(tx, id, RunStatus::Cancelled, RunReason::TaskDeleted, true).await
}

async fn demand_uncancelled(tx: &mut Tx, id: TaskId) -> Result<Task> {
    let task = task::find(tx, id).await?.ok_or(Error::NotFound)?;
    if task.status == TaskStatus::Cancelled { Err(Conflict::TaskCancelled.into()) } else { Ok(task) }
}

async fn set_status(tx: &mut Tx, task: &Task, status: TaskStatus) -> Result<()> {
    let since = (status == TaskStatus::Active).then_some(tx.now);
    let done = sqlx::query!(
        "UPDATE task SET status = $3, status_reason = NULL, schedule_since = coalesce($4, schedule_since),
             version = version + 1, updated_at = $5
         WHERE workspace_id = $1 AND id = $2 AND version = $6",
        tx.workspace_id(),
        task.id.as_uuid(),
        status.as_str(),
        since,
        tx.now,
        task.version as i32
    )
    .execute(tx.db())
    .await?;
    one_row(&done, Conflict::VersionMismatch.into())
}

async fn finish(mut tx: Tx, id: TaskId) -> Result<Task> {
    let task = task::find(&mut tx, id).await?.ok_or(Error::NotFound)?;
    tx.commit().await?;
    Ok(task)
}

/// Ends the runs of a task that no worker holds; of those that wait to be tried again only `with_started`.
async fn end_waiting(
    tx: &mut Tx,
    id: TaskId,
    status: RunStatus,
    reason: RunReason,
    with_started: bool,
) -> Result<()> {
    let workspace_id = tx.workspace_id();
    let waiting = sqlx::query_scalar!(
        "SELECT run_queue.run_id FROM run_queue
         JOIN run ON run.workspace_id = run_queue.workspace_id AND run.id = run_queue.run_id
         WHERE run_queue.workspace_id = $1 AND run_queue.task_id = $2 AND run_queue.lease_token IS NULL
           AND (run.started_at IS NULL OR $3)
         ORDER BY run_queue.run_id FOR UPDATE OF run_queue",
        workspace_id,
        id.as_uuid(),
        with_started
    )
    .fetch_all(tx.db())
    .await?;
    end_all(tx, &waiting, status, reason).await
}

async fn end_all(tx: &mut Tx, run_ids: &[Uuid], status: RunStatus, reason: RunReason) -> Result<()> {
    let workspace_id = tx.workspace_id();
    let ending = |run_id: &Uuid| {
        let end = RunEnd::without_answer(status, reason);
        Ending { workspace_id, run_id: *run_id, end }
    };
    let endings: Vec<_> = run_ids.iter().map(ending).collect();
    run_end::close(tx, &endings).await
}

/// Leaves word of a pause with a task's unfinished runs. One that a worker holds may yet be put back as if it had never started,
/// when the pause is over already. All of them are locked from here on: none is put back or taken up before it is looked which
/// of them wait.
async fn mark_paused(tx: &mut Tx, id: TaskId) -> Result<()> {
    sqlx::query!(
        "WITH held AS (
             SELECT run_id FROM run_queue WHERE workspace_id = $1 AND task_id = $2
             ORDER BY run_id FOR NO KEY UPDATE)
         UPDATE run_queue SET paused = true FROM held
         WHERE run_queue.workspace_id = $1 AND run_queue.run_id = held.run_id",
        tx.workspace_id(),
        id.as_uuid()
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

async fn ask_to_stop(tx: &mut Tx, task_ids: &[Uuid], reason: RunReason) -> Result<()> {
    sqlx::query!(
        "WITH held AS (
             SELECT run_id FROM run_queue WHERE workspace_id = $1 AND task_id = ANY ($2)
             ORDER BY run_id FOR NO KEY UPDATE)
         UPDATE run_queue SET stop_reason = $3 FROM held
         WHERE run_queue.workspace_id = $1 AND run_queue.run_id = held.run_id",
        tx.workspace_id(),
        task_ids,
        reason.as_str()
    )
    .execute(tx.db())
    .await?;
    Ok(())
}
