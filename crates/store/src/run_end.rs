//! How runs end, are tried again, and are cancelled.

use chrono::{DateTime, Utc};
use domain::{
    DeliveryId, RunId, ThreadId,
    answer::Answer,
    delivery::DeliveryKind,
    run::{RunReason, RunStatus, RunTrigger, Usage, retry_delay},
    task::Notification,
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    Conflict, Error, Result, RunLease, Scope, Store, Tx, audit,
    error::{json, one_row, to_json_text, without_nul, word},
    event,
    notice::{self, Notice},
    run_queue, run_wait,
};

/// What became of a run that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterFailure {
    /// It is tried again then.
    RetryAt(DateTime<Utc>),
    /// It has ended.
    Ended,
}

/// The end of a run.
pub(crate) struct RunEnd {
    status: RunStatus,
    reason: Option<RunReason>,
    pub(crate) message: Option<String>,
    answer: Option<Answer>,
    usage: Option<Usage>,
}

impl RunEnd {
    /// An end with an answer, sent (`Succeeded`) or kept (`NoNews`).
    pub(crate) const fn with_answer(status: RunStatus, answer: Answer, usage: Usage) -> Self {
        Self { status, reason: None, message: None, answer: Some(answer), usage: Some(usage) }
    }

    /// An end without an answer.
    pub(crate) const fn without_answer(status: RunStatus, reason: RunReason) -> Self {
        Self { status, reason: Some(reason), message: None, answer: None, usage: None }
    }
}

impl Store {
    /// Ends a run with its answer: answer, turn, usage and one message per recipient become so at once, or not at all.
    /// `LeaseLost`, `RunStopped`.
    pub async fn run_succeed(
        &self,
        scope: &Scope,
        lease: &RunLease,
        answer: &Answer,
        usage: &Usage,
    ) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        run_queue::hold(&mut tx, lease).await?;
        let end = RunEnd::with_answer(RunStatus::Succeeded, answer.clone(), *usage);
        let workspace_id = tx.workspace_id();
        close(&mut tx, workspace_id, lease.run_id.as_uuid(), &end).await?;
        tx.commit().await
    }

    /// Notes that a run failed. After a transient failure inside its window it waits to be tried again, and at the window's
    /// close fails for good; otherwise it fails at once. `usage` is what this attempt used. `message` holds no secrets.
    pub async fn run_fail(
        &self,
        scope: &Scope,
        lease: &RunLease,
        reason: RunReason,
        message: &str,
        usage: &Usage,
    ) -> Result<AfterFailure> {
        let mut tx = self.begin(scope).await?;
        match run_queue::hold(&mut tx, lease).await {
            // It was to stop anyway: it ends as that.
            Err(Error::RunStopped(_)) => {
                drop(tx);
                self.run_stop(scope, lease, usage).await?;
                return Ok(AfterFailure::Ended);
            }
            held => held?,
        }
        let run = sqlx::query!(
            "SELECT run.attempt, run_queue.deadline_at FROM run_queue
             JOIN run ON run.workspace_id = run_queue.workspace_id AND run.id = run_queue.run_id
             WHERE run_queue.workspace_id = $1 AND run_queue.run_id = $2",
            tx.workspace_id(),
            lease.run_id.as_uuid()
        )
        .fetch_one(tx.db())
        .await?;
        let retries_until = run.deadline_at.filter(|deadline| reason.is_transient() && *deadline > tx.now);
        let workspace_id = tx.workspace_id();
        if retries_until.is_none() {
            let mut end = RunEnd::without_answer(RunStatus::Failed, reason);
            end.message = Some(message.to_owned());
            end.usage = Some(*usage);
            close(&mut tx, workspace_id, lease.run_id.as_uuid(), &end).await?;
            tx.commit().await?;
            return Ok(AfterFailure::Ended);
        }
        let retry_at = tx.now + retry_delay(run.attempt.unsigned_abs());
        sqlx::query!(
            "UPDATE run_queue SET lease_token = NULL, lease_until = NULL, worker = NULL, available_at = $3
             WHERE workspace_id = $1 AND run_id = $2",
            workspace_id,
            lease.run_id.as_uuid(),
            retry_at
        )
        .execute(tx.db())
        .await?;
        sqlx::query!(
            "UPDATE run SET status = 'waiting', reason = $3, message = $4 WHERE workspace_id = $1 AND id = $2",
            workspace_id,
            lease.run_id.as_uuid(),
            reason.as_str(),
            message
        )
        .execute(tx.db())
        .await?;
        add_usage(&mut tx, lease.run_id.as_uuid(), usage).await?;
        tx.commit().await?;
        Ok(AfterFailure::RetryAt(retry_at))
    }

    /// Ends a run that was asked to stop (`Error::RunStopped`). Nothing is sent.
    pub async fn run_stop(&self, scope: &Scope, lease: &RunLease, usage: &Usage) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let reason = match run_queue::hold(&mut tx, lease).await {
            Err(Error::RunStopped(reason)) => reason,
            Err(error) => return Err(error),
            Ok(()) => RunReason::CancelledByUser,
        };
        let mut end = RunEnd::without_answer(RunStatus::Cancelled, reason);
        end.usage = Some(*usage);
        let workspace_id = tx.workspace_id();
        close(&mut tx, workspace_id, lease.run_id.as_uuid(), &end).await?;
        tx.commit().await
    }

    /// Cancels a run: at once while no worker holds it, else before its next step. `Conflict::RunFinished`.
    pub async fn run_cancel(&self, scope: &Scope, id: RunId) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let exists = sqlx::query_scalar!(
            "SELECT id FROM run WHERE workspace_id = $1 AND id = $2",
            tx.workspace_id(),
            id.as_uuid()
        );
        exists.fetch_optional(tx.db()).await?.ok_or(Error::NotFound)?;
        cancel(&mut tx, id.as_uuid()).await?;
        audit::record(&mut tx, scope.actor(), "run.cancel", id.as_uuid(), json!({})).await?;
        tx.commit().await
    }

    /// Cancels the run that a thread is working on. `Conflict::RunFinished` when it is idle.
    pub async fn thread_cancel(&self, scope: &Scope, id: ThreadId) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let run_id = sqlx::query_scalar!(
            "SELECT run.id FROM run
             JOIN run_queue ON run_queue.workspace_id = run.workspace_id AND run_queue.run_id = run.id
             WHERE run.workspace_id = $1 AND run.thread_id = $2",
            tx.workspace_id(),
            id.as_uuid()
        )
        .fetch_optional(tx.db())
        .await?
        .ok_or(Conflict::RunFinished)?;
        cancel(&mut tx, run_id).await?;
        audit::record(&mut tx, scope.actor(), "thread.cancel", id.as_uuid(), json!({ "runId": run_id }))
            .await?;
        tx.commit().await
    }
}

async fn cancel(tx: &mut Tx, run_id: Uuid) -> Result<()> {
    let row = sqlx::query!(
        r#"UPDATE run_queue SET stop_reason = coalesce(stop_reason, 'cancelled_by_user')
           WHERE workspace_id = $1 AND run_id = $2 RETURNING lease_token IS NOT NULL AS "is_held!""#,
        tx.workspace_id(),
        run_id
    )
    .fetch_optional(tx.db())
    .await?
    .ok_or(Conflict::RunFinished)?;
    if row.is_held {
        return event::tell_run_stop(tx).await;
    }
    let workspace_id = tx.workspace_id();
    let end = RunEnd::without_answer(RunStatus::Cancelled, RunReason::CancelledByUser);
    close(tx, workspace_id, run_id, &end).await
}

/// Ends a run that is in the queue, whoever holds it: the caller has locked its queue row and knows that it may.
pub(crate) async fn close(tx: &mut Tx, workspace_id: Uuid, run_id: Uuid, end: &RunEnd) -> Result<()> {
    let done =
        sqlx::query!("DELETE FROM run_queue WHERE workspace_id = $1 AND run_id = $2", workspace_id, run_id)
            .execute(tx.db())
            .await?;
    one_row(&done, Error::LeaseLost)?;
    let run = sqlx::query!(
        "UPDATE run SET status = $3, reason = $4, message = coalesce($5, CASE WHEN $3 = 'failed' THEN message END),
             late = late AND started_at IS NOT NULL, finished_at = $6
         WHERE workspace_id = $1 AND id = $2
         RETURNING task_id, trigger, thread_id, turn_no, test_to",
        workspace_id,
        run_id,
        end.status.as_str(),
        end.reason.map(RunReason::as_str),
        end.message,
        tx.now
    )
    .fetch_one(tx.db())
    .await?;
    if let Some(usage) = &end.usage {
        add_usage_in(tx, workspace_id, run_id, usage).await?;
    }
    if let Some((thread_id, turn_no)) = run.thread_id.zip(run.turn_no) {
        close_turn(tx, workspace_id, thread_id, turn_no, end).await?;
    }
    let Some(task_id) = run.task_id else { return Ok(()) };
    let trigger: RunTrigger = word("run", "trigger", run_id, &run.trigger)?;
    let finished = Finished { workspace_id, run_id, task_id, thread_id: run.thread_id, turn_no: run.turn_no };
    if end.answer.is_some() && end.status == RunStatus::Succeeded {
        let kind = DeliveryKind::Answer;
        match run.test_to {
            Some(user_id) => deliver_to_users(tx, &finished, kind, &[user_id], false, true).await?,
            None => deliver(tx, &finished, kind, None).await?,
        }
    }
    if trigger == RunTrigger::Schedule && end.answer.is_some() {
        run_wait::end_stale_streak(tx, workspace_id, task_id).await?;
    }
    if trigger == RunTrigger::Schedule {
        tell_streak(tx, &finished, end).await?;
    }
    Ok(())
}

async fn close_turn(
    tx: &mut Tx,
    workspace_id: Uuid,
    thread_id: Uuid,
    turn_no: i32,
    end: &RunEnd,
) -> Result<()> {
    let (turn_status, thread_status) = match end.status {
        RunStatus::Succeeded | RunStatus::NoNews => ("answered", "idle"),
        RunStatus::Failed | RunStatus::Missed => ("failed", "error"),
        _ => ("cancelled", "idle"),
    };
    let headline = end.answer.as_ref().map(|answer| without_nul(&answer.fill(&answer.headline)));
    let seq = sqlx::query_scalar!(
        "UPDATE thread SET last_seq = last_seq + 1, status = $3, headline = coalesce($4, headline), updated_at = $5
         WHERE workspace_id = $1 AND id = $2 RETURNING last_seq",
        workspace_id,
        thread_id,
        thread_status,
        headline,
        tx.now
    )
    .fetch_one(tx.db())
    .await?;
    let message = end.message.as_deref().or_else(|| end.reason.map(RunReason::sentence));
    let done = sqlx::query!(
        "UPDATE turn SET status = $4, reason = $5, message = $6, answer = $7::text::json, finished_at = $8, finished_seq = $9
         WHERE workspace_id = $1 AND thread_id = $2 AND turn_no = $3",
        workspace_id,
        thread_id,
        turn_no,
        turn_status,
        end.reason.map(RunReason::as_str),
        message,
        end.answer.as_ref().map(to_json_text),
        tx.now,
        seq
    )
    .execute(tx.db())
    .await?;
    one_row(&done, Error::NotFound)?;
    event::tell_thread_changed(tx, thread_id.into()).await
}

async fn add_usage(tx: &mut Tx, run_id: Uuid, usage: &Usage) -> Result<()> {
    let workspace_id = tx.workspace_id();
    add_usage_in(tx, workspace_id, run_id, usage).await
}

async fn add_usage_in(tx: &mut Tx, workspace_id: Uuid, run_id: Uuid, usage: &Usage) -> Result<()> {
    sqlx::query!(
        "UPDATE run SET tokens_in = tokens_in + $3, tokens_out = tokens_out + $4, credits = credits + $5,
             queries = queries + $6, rows = rows + $7
         WHERE workspace_id = $1 AND id = $2",
        workspace_id,
        run_id,
        usage.tokens_in as i64,
        usage.tokens_out as i64,
        usage.credits,
        usage.queries as i32,
        usage.rows as i64
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

/// A run of a task that has ended.
pub(crate) struct Finished {
    pub(crate) workspace_id: Uuid,
    pub(crate) run_id: Uuid,
    pub(crate) task_id: Uuid,
    pub(crate) thread_id: Option<Uuid>,
    pub(crate) turn_no: Option<i32>,
}

/// One message to each recipient of the task, its groups expanded now, and to `also`, who may be one of them.
pub(crate) async fn deliver(
    tx: &mut Tx,
    run: &Finished,
    kind: DeliveryKind,
    also: Option<Uuid>,
) -> Result<()> {
    let stored = sqlx::query_scalar!(
        "SELECT notification FROM task WHERE workspace_id = $1 AND id = $2",
        run.workspace_id,
        run.task_id
    )
    .fetch_one(tx.db())
    .await?;
    let notification: Notification = json("task", "notification", run.task_id, stored)?;
    let groups: Vec<Uuid> = notification.group_ids.iter().map(|id| id.as_uuid()).collect();
    let mut users: Vec<Uuid> = notification.user_ids.iter().map(|id| id.as_uuid()).collect();
    let members = sqlx::query_scalar!(
        "SELECT DISTINCT user_id FROM group_member WHERE workspace_id = $1 AND group_id = ANY ($2)",
        run.workspace_id,
        &groups
    )
    .fetch_all(tx.db())
    .await?;
    users.extend(members);
    users.extend(also);
    users.sort_unstable();
    users.dedup();
    let attach_csv = notification.attach_csv && kind == DeliveryKind::Answer;
    deliver_to_users(tx, run, kind, &users, attach_csv, false).await?;
    for channel in &notification.slack_channels {
        sqlx::query!(
            "INSERT INTO delivery (workspace_id, id, kind, task_id, run_id, thread_id, turn_no, channel, slack_channel_id,
                 label, attach_csv, state, available_at, created_at)
             VALUES ($1, $2, $11, $3, $4, $5, $6, 'slack_channel', $7, $8, $9, 'pending', $10, $10)
             ON CONFLICT DO NOTHING",
            run.workspace_id,
            DeliveryId::new(tx.now).as_uuid(),
            run.task_id,
            run.run_id,
            run.thread_id,
            run.turn_no,
            channel.id,
            channel.name,
            attach_csv,
            tx.now,
            kind.as_str()
        )
        .execute(tx.db())
        .await?;
    }
    Ok(())
}

/// One message to each active member of `users`, by the way that they prefer. What they do not want, or what would go to a
/// dead address, is recorded as suppressed. A test goes by email whatever was preferred.
async fn deliver_to_users(
    tx: &mut Tx,
    run: &Finished,
    kind: DeliveryKind,
    users: &[Uuid],
    attach_csv: bool,
    is_test: bool,
) -> Result<()> {
    let ids: Vec<Uuid> =
        users.iter().flat_map(|_| [0, 1].map(|_| DeliveryId::new(tx.now).as_uuid())).collect();
    sqlx::query!(
        "INSERT INTO delivery (workspace_id, id, kind, task_id, run_id, thread_id, turn_no, channel, user_id, label,
             attach_csv, state, reason, available_at, created_at, finished_at)
         SELECT $1, id, $11, $4, $5, $6, $7, channel, user_id, label, $8,
             CASE WHEN refusal IS NULL THEN 'pending' ELSE 'suppressed' END, refusal, $10, $10,
             CASE WHEN refusal IS NOT NULL THEN $10::timestamptz END
         FROM (
             SELECT ($2::uuid[])[row_number() OVER (ORDER BY app_user.id, way.channel)] AS id, way.channel,
                 app_user.id AS user_id, app_user.name || ' <' || app_user.email || '>' AS label,
                 CASE
                     WHEN way.is_unwanted THEN 'not_wanted'
                     WHEN NOT $9 AND EXISTS (SELECT FROM task_unsubscription AS quiet WHERE quiet.workspace_id = $1
                         AND quiet.task_id = $4 AND quiet.user_id = app_user.id) THEN 'unsubscribed'
                     WHEN way.channel = 'email' AND EXISTS (SELECT FROM mail_suppression AS dead
                         WHERE dead.workspace_id = $1 AND dead.address = app_user.email) THEN 'address_suppressed'
                 END AS refusal
             FROM member
             JOIN app_user ON app_user.id = member.user_id
             LEFT JOIN notification_preference AS preference ON preference.workspace_id = member.workspace_id
                 AND preference.user_id = member.user_id
             CROSS JOIN LATERAL (
                 -- Who wants neither is told by neither, and it is recorded.
                 SELECT 'email' AS channel, NOT $9 AND NOT coalesce(preference.email, true) AS is_unwanted
                 WHERE $9 OR coalesce(preference.email, true) OR NOT coalesce(preference.slack_dm, false)
                 UNION ALL
                 SELECT 'slack_dm', false WHERE NOT $9 AND coalesce(preference.slack_dm, false)
             ) AS way
             WHERE member.workspace_id = $1 AND member.user_id = ANY ($3) AND member.deactivated_at IS NULL
         ) AS recipient
         ON CONFLICT DO NOTHING",
        run.workspace_id,
        &ids,
        users,
        run.task_id,
        run.run_id,
        run.thread_id,
        run.turn_no,
        attach_csv,
        is_test,
        tx.now,
        kind.as_str()
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

/// Tells the creator of the first failure of a streak, and of the recovery from it.
async fn tell_streak(tx: &mut Tx, run: &Finished, end: &RunEnd) -> Result<()> {
    let is_failure = match end.status {
        RunStatus::Failed => true,
        RunStatus::Succeeded | RunStatus::NoNews => false,
        _ => return Ok(()),
    };
    let changed = sqlx::query!(
        "UPDATE task SET failing = $3 WHERE workspace_id = $1 AND id = $2 AND failing <> $3",
        run.workspace_id,
        run.task_id,
        is_failure
    )
    .execute(tx.db())
    .await?;
    if changed.rows_affected() == 0 {
        return Ok(());
    }
    let kind = if is_failure { DeliveryKind::Failure } else { DeliveryKind::Recovery };
    let mut notice = Notice::of_task(run.workspace_id, run.task_id, kind);
    notice.run_id = Some(run.run_id);
    notice.message = end.message.clone().or_else(|| end.reason.map(|reason| reason.sentence().to_owned()));
    notice::send(tx, &notice).await
}
