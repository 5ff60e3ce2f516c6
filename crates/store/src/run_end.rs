//! How runs end, are tried again, and are cancelled.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    RunId, ThreadId,
    answer::Answer,
    delivery::DeliveryKind,
    run::{RunReason, RunStatus, Usage, retry_delay},
    task::Notification,
};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    Conflict, Error, Result, RunLease, Scope, Store, Tx, audit, backtest, credit_wait,
    error::{json, to_json_text, without_nul},
    event,
    notice::{self, Notice},
    run_begin::FIRST_SEQ,
    run_message::{self, AnsweredRun, Audience},
    run_queue, run_wait,
    slack_turn::{self, EndedTurn},
    webhook_event,
};

/// Longer than any window: who is to come back after that need not come back.
const PUT_OFF_MAX: TimeDelta = TimeDelta::days(7);

/// What became of a run that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterFailure {
    /// It is tried again then.
    RetryAt(DateTime<Utc>),
    /// It goes on when the workspace has credits again.
    WaitsForCredits,
    /// It has ended.
    Ended,
}

/// How an attempt of a run failed.
#[derive(Clone, Copy, Debug)]
pub struct RunFailure<'a> {
    /// The word for it.
    pub reason: RunReason,
    /// The sentence for it, without secrets.
    pub message: &'a str,
    /// What this attempt used.
    pub usage: &'a Usage,
    /// How long there is no use in trying again, where somebody said so: a model's provider by `Retry-After`.
    pub retry_after: Option<Duration>,
}

/// The end of a run.
pub(crate) struct RunEnd<'a> {
    status: RunStatus,
    reason: Option<RunReason>,
    pub(crate) message: Option<String>,
    answer: Option<&'a Answer>,
    usage: Usage,
}

impl<'a> RunEnd<'a> {
    /// An end with an answer, sent (`Succeeded`) or kept (`NoNews`).
    pub(crate) const fn with_answer(status: RunStatus, answer: &'a Answer, usage: Usage) -> Self {
        Self { status, reason: None, message: None, answer: Some(answer), usage }
    }
}

impl RunEnd<'_> {
    /// The end of a run that had started when its time was over: a failure with its last error.
    pub(crate) fn out_of_time(lacks_credits: bool, last_error: Option<&str>) -> Self {
        if lacks_credits {
            return Self::without_answer(RunStatus::Failed, RunReason::BlockedByCredits);
        }
        let mut end = Self::without_answer(RunStatus::Failed, RunReason::Deadline);
        end.message = last_error.map(str::to_owned);
        end
    }

    /// An end without an answer.
    pub(crate) fn without_answer(status: RunStatus, reason: RunReason) -> Self {
        Self { status, reason: Some(reason), message: None, answer: None, usage: Usage::default() }
    }

    fn turn_status(&self) -> &'static str {
        match self.status {
            RunStatus::Succeeded | RunStatus::NoNews => "answered",
            RunStatus::Failed | RunStatus::Missed => "failed",
            _ => "cancelled",
        }
    }

    fn thread_status(&self) -> &'static str {
        match self.status {
            RunStatus::Failed | RunStatus::Missed => "error",
            _ => "idle",
        }
    }

    /// Whether it begins or ends a streak of failures; none where it says nothing about one.
    fn is_failure(&self) -> Option<bool> {
        match self.status {
            RunStatus::Failed => Some(true),
            RunStatus::Succeeded | RunStatus::NoNews => Some(false),
            _ => None,
        }
    }

    fn headline(&self) -> Option<String> {
        self.answer.map(|answer| without_nul(&answer.fill(&answer.headline)))
    }

    /// What the turn says where there is no answer.
    fn told(&self) -> Option<String> {
        self.message.as_deref().or_else(|| self.reason.map(RunReason::sentence)).map(without_nul)
    }
}

/// A run that ends.
pub(crate) struct Ending<'a> {
    pub(crate) workspace_id: Uuid,
    pub(crate) run_id: Uuid,
    pub(crate) end: RunEnd<'a>,
}

/// A run that its worker has answered.
#[derive(Clone, Debug)]
pub struct RunAnswer {
    /// The right to end it.
    pub lease: RunLease,
    /// The answer.
    pub answer: Answer,
    /// What it used and has not recorded yet.
    pub usage: Usage,
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
        if scope.workspace_id() != lease.workspace_id {
            return Err(Error::LeaseLost);
        }
        let answered = RunAnswer { lease: *lease, answer: answer.clone(), usage: *usage };
        self.run_succeed_all(&[answered]).await?.into_iter().next().unwrap_or(Err(Error::LeaseLost))
    }

    /// Ends many runs in one transaction, each as [`Store::run_succeed`] does: a run whose lease is lost or that was asked to
    /// stop is left alone, and the others end. Answers how each fared, in order; an error means that none ended.
    pub async fn run_succeed_all(&self, answered: &[RunAnswer]) -> Result<Vec<Result<()>>> {
        let mut tx = self.begin_across().await?;
        tx.plan_afresh().await?;
        let leases: Vec<_> = answered.iter().map(|run| run.lease).collect();
        let taken = run_queue::take_off(&mut tx, &leases).await?;
        let mut endings = Vec::with_capacity(taken.len());
        let mut outcomes = Vec::with_capacity(answered.len());
        for run in answered {
            if !taken.contains(&run.lease) {
                outcomes.push(Err(run_queue::refusal(&mut tx, &run.lease).await?));
                continue;
            }
            let end = RunEnd::with_answer(RunStatus::Succeeded, &run.answer, run.usage);
            let (workspace_id, run_id) = (run.lease.workspace_id.as_uuid(), run.lease.run_id.as_uuid());
            endings.push(Ending { workspace_id, run_id, end });
            outcomes.push(Ok(()));
        }
        record(&mut tx, &endings).await?;
        tx.commit().await?;
        Ok(outcomes)
    }

    /// Notes that a run failed. After a transient failure inside its window it waits to be tried again, or for credits, and at
    /// the window's close fails for good; otherwise it fails at once. `usage` is what this attempt used. `message` holds no secrets.
    pub async fn run_fail(
        &self,
        scope: &Scope,
        lease: &RunLease,
        reason: RunReason,
        message: &str,
        usage: &Usage,
    ) -> Result<AfterFailure> {
        self.run_fail_until(scope, lease, RunFailure { reason, message, usage, retry_after: None }).await
    }

    /// As [`Store::run_fail`], where it may be known from when on trying again can help: the run is put off until then, and ends
    /// at once where that is after its window's close.
    pub async fn run_fail_until(
        &self,
        scope: &Scope,
        lease: &RunLease,
        failure: RunFailure<'_>,
    ) -> Result<AfterFailure> {
        let RunFailure { reason, message, usage, retry_after } = failure;
        let put_off = retry_after.map_or(TimeDelta::zero(), |wait| {
            TimeDelta::from_std(wait).map_or(PUT_OFF_MAX, |wait| wait.min(PUT_OFF_MAX))
        });
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
        let retries_until =
            run.deadline_at.filter(|deadline| reason.is_transient() && *deadline > tx.now + put_off);
        let workspace_id = tx.workspace_id();
        if retries_until.is_none() {
            let mut end = RunEnd::without_answer(RunStatus::Failed, reason);
            end.message = Some(message.to_owned());
            end.usage = *usage;
            close(&mut tx, &[Ending { workspace_id, run_id: lease.run_id.as_uuid(), end }]).await?;
            tx.commit().await?;
            return Ok(AfterFailure::Ended);
        }
        let waits_for_credits =
            reason == RunReason::BlockedByCredits && credit_wait::keep_used_up(&mut tx, workspace_id).await?;
        let retry_at = match (waits_for_credits, retries_until) {
            (true, Some(close)) => close,
            // Credits came back in the meantime.
            _ if reason == RunReason::BlockedByCredits => tx.now,
            _ => tx.now + retry_delay(run.attempt.unsigned_abs()).max(put_off),
        };
        sqlx::query!(
            "UPDATE run_queue SET lease_token = NULL, lease_until = NULL, worker = NULL, available_at = $3,
                 listed_at = $3
             WHERE workspace_id = $1 AND run_id = $2",
            workspace_id,
            lease.run_id.as_uuid(),
            retry_at
        )
        .execute(tx.db())
        .await?;
        sqlx::query!(
            "UPDATE run SET status = 'waiting', reason = $3, message = $4,
                 attempt = attempt - CASE WHEN $5 THEN 1 ELSE 0 END
             WHERE workspace_id = $1 AND id = $2",
            workspace_id,
            lease.run_id.as_uuid(),
            reason.as_str(),
            without_nul(message),
            // Waiting for credits is no failure, and makes the wait after one no longer.
            reason == RunReason::BlockedByCredits
        )
        .execute(tx.db())
        .await?;
        add_usage(&mut tx, lease.run_id.as_uuid(), usage).await?;
        tx.commit().await?;
        Ok(if waits_for_credits { AfterFailure::WaitsForCredits } else { AfterFailure::RetryAt(retry_at) })
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
        end.usage = *usage;
        let workspace_id = tx.workspace_id();
        close(&mut tx, &[Ending { workspace_id, run_id: lease.run_id.as_uuid(), end }]).await?;
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
        audit::record(&mut tx, scope.actor(), "run.cancel", id.as_uuid(), serde_json::json!({})).await?;
        tx.commit().await
    }

    /// Cancels the run that a thread is working on. `Conflict::RunFinished` when it is idle.
    pub async fn thread_cancel(&self, scope: &Scope, id: ThreadId) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let run_id = sqlx::query_scalar!(
            r#"SELECT turn.run_id AS "run_id!" FROM turn
               JOIN run_queue ON run_queue.workspace_id = turn.workspace_id AND run_queue.run_id = turn.run_id
               WHERE turn.workspace_id = $1 AND turn.thread_id = $2"#,
            tx.workspace_id(),
            id.as_uuid()
        )
        .fetch_optional(tx.db())
        .await?
        .ok_or(Conflict::RunFinished)?;
        cancel(&mut tx, run_id).await?;
        audit::record(
            &mut tx,
            scope.actor(),
            "thread.cancel",
            id.as_uuid(),
            serde_json::json!({ "runId": run_id }),
        )
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
    close(tx, &[Ending { workspace_id, run_id, end }]).await
}

/// Ends runs that are in the queue, whoever holds them: the caller has locked their queue rows and knows that it may.
pub(crate) async fn close(tx: &mut Tx, endings: &[Ending<'_>]) -> Result<()> {
    if endings.is_empty() {
        return Ok(());
    }
    let workspace_ids: Vec<_> = endings.iter().map(|run| run.workspace_id).collect();
    let run_ids: Vec<_> = endings.iter().map(|run| run.run_id).collect();
    let done = sqlx::query!(
        "DELETE FROM run_queue USING unnest($1::uuid[], $2::uuid[]) AS ended (workspace_id, run_id)
         WHERE run_queue.workspace_id = ended.workspace_id AND run_queue.run_id = ended.run_id",
        &workspace_ids,
        &run_ids
    )
    .execute(tx.db())
    .await?;
    if done.rows_affected() != endings.len() as u64 {
        return Err(Error::LeaseLost);
    }
    record(tx, endings).await
}

/// Records the ends of runs that are off the queue: the runs, their turns and threads, and what is sent.
async fn record(tx: &mut Tx, endings: &[Ending<'_>]) -> Result<()> {
    if endings.is_empty() {
        return Ok(());
    }
    let mut threads = Vec::with_capacity(endings.len());
    let mut answered = Vec::new();
    let mut for_webhooks = Vec::new();
    let mut asked = Vec::new();
    for run in write_ends(tx, endings).await? {
        let Ending { workspace_id, run_id, end } = &endings[run.index];
        threads.extend(run.thread.map(|(id, _)| ThreadId::from(id)));
        if run.is_backtest {
            backtest::go_on(tx, *workspace_id, *run_id, end.answer.is_some()).await?;
            continue;
        }
        if run.has_webhooks {
            for_webhooks.push((*workspace_id, *run_id));
        }
        if let (None, Some(thread)) = (run.task_id, run.thread) {
            let (workspace_id, run_id) = (*workspace_id, *run_id);
            asked.push(EndedTurn { workspace_id, run_id, thread, told: end.told() });
        }
        let Some((task_id, notification)) = run.task_id.zip(run.notification) else { continue };
        if end.answer.is_some() && run.is_scheduled && run.was_skipping_stale {
            run_wait::end_stale_streak(tx, *workspace_id, task_id).await?;
        }
        if end.answer.is_some() && end.status == RunStatus::Succeeded {
            let notification: Notification = json("task", "notification", task_id, notification)?;
            let audience = match run.test_to {
                Some(asker) => Audience::Test { asker, attach_csv: notification.attach_csv },
                None => Audience::Notification(notification),
            };
            let (workspace_id, run_id, thread) = (*workspace_id, *run_id, run.thread);
            answered.push(AnsweredRun { workspace_id, run_id, task_id, thread, audience });
        }
        if run.is_scheduled && end.is_failure().is_some_and(|is_failure| is_failure != run.was_failing) {
            tell_streak(tx, task_id, &endings[run.index]).await?;
        }
    }
    run_message::send(tx, DeliveryKind::Answer, &answered).await?;
    webhook_event::runs_ended(tx, &for_webhooks).await?;
    slack_turn::reply(tx, &asked).await?;
    event::tell_threads_changed(tx, &threads).await
}

/// A run that has ended, with what its task says about telling people.
#[expect(clippy::struct_excessive_bools, reason = "independent facts about a run and its task")]
struct Ended {
    /// Its place among the endings.
    index: usize,
    is_scheduled: bool,
    /// Whether it is of a backtest: nobody is told.
    is_backtest: bool,
    task_id: Option<Uuid>,
    thread: Option<(Uuid, i32)>,
    test_to: Option<Uuid>,
    notification: Option<Value>,
    /// Whether the task's last finished run failed.
    was_failing: bool,
    /// Whether its last occurrence was skipped for stale data.
    was_skipping_stale: bool,
    /// Whether its workspace has webhooks.
    has_webhooks: bool,
}

/// Ends runs, turns and threads in one statement, each row written once. A scheduled run that started and took no step gets its
/// thread and turn now, finished, of the task as it stands.
async fn write_ends(tx: &mut Tx, endings: &[Ending<'_>]) -> Result<Vec<Ended>> {
    let workspace_ids: Vec<_> = endings.iter().map(|run| run.workspace_id).collect();
    let run_ids: Vec<_> = endings.iter().map(|run| run.run_id).collect();
    let statuses: Vec<_> = endings.iter().map(|run| run.end.status.as_str()).collect();
    let reasons: Vec<_> = endings.iter().map(|run| run.end.reason.map(RunReason::as_str)).collect();
    let messages: Vec<_> = endings.iter().map(|run| run.end.message.as_deref().map(without_nul)).collect();
    let turn_statuses: Vec<_> = endings.iter().map(|run| run.end.turn_status()).collect();
    let thread_statuses: Vec<_> = endings.iter().map(|run| run.end.thread_status()).collect();
    let told: Vec<_> = endings.iter().map(|run| run.end.told()).collect();
    let headlines: Vec<_> = endings.iter().map(|run| run.end.headline()).collect();
    let answers: Vec<_> = endings.iter().map(|run| run.end.answer.map(to_json_text)).collect();
    let usage = || endings.iter().map(|run| run.end.usage);
    let tokens_in: Vec<_> = usage().map(|usage| usage.tokens_in as i64).collect();
    let tokens_out: Vec<_> = usage().map(|usage| usage.tokens_out as i64).collect();
    let credits: Vec<_> = usage().map(|usage| usage.credits).collect();
    let queries: Vec<_> = usage().map(|usage| usage.queries as i32).collect();
    let rows: Vec<_> = usage().map(|usage| usage.rows as i64).collect();
    let written = sqlx::query!(
        r#"WITH ending AS (
               SELECT given.*, before.thread_id IS NULL AND before.started_at IS NOT NULL AND before.trigger = 'schedule' AS begins
               FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                       $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::float8[], $14::int[], $15::bigint[])
                   WITH ORDINALITY AS given (workspace_id, run_id, status, reason, message, turn_status, thread_status, told,
                       headline, answer, tokens_in, tokens_out, credits, queries, rows, place)
               JOIN run AS before ON before.workspace_id = given.workspace_id AND before.id = given.run_id
           ), ended AS (
               UPDATE run SET status = ending.status, reason = ending.reason, finished_at = $16,
                   message = coalesce(ending.message, CASE WHEN ending.status = 'failed' THEN run.message END),
                   late = late AND started_at IS NOT NULL, tokens_in = run.tokens_in + ending.tokens_in,
                   tokens_out = run.tokens_out + ending.tokens_out, credits = run.credits + ending.credits,
                   queries = run.queries + ending.queries, rows = run.rows + ending.rows,
                   thread_id = CASE WHEN ending.begins THEN run.id ELSE run.thread_id END,
                   turn_no = CASE WHEN ending.begins THEN 1 ELSE run.turn_no END
               FROM ending
               WHERE run.workspace_id = ending.workspace_id AND run.id = ending.run_id
               RETURNING ending.place, ending.begins, run.workspace_id, run.id, run.task_id, run.creator_id, run.trigger,
                   run.thread_id, run.turn_no, run.test_to, run.reason, run.opens_at, run.started_at, ending.turn_status,
                   ending.thread_status, ending.told, ending.headline, ending.answer
           ), asked AS (
               SELECT ended.*, task.title, task.prompt,
                   -- Of a schedule that cannot be read: runs of other workspaces end with this one.
                   coalesce(task.schedule ->> 'timezone', 'UTC') AS timezone, task.notification,
                   task.failing, task.skipping_stale
               FROM ended
               LEFT JOIN task ON task.workspace_id = ended.workspace_id AND task.id = ended.task_id
           ), made AS (
               INSERT INTO thread (workspace_id, id, creator_id, task_id, title, source, status, last_seq, last_turn_no,
                   connection_ids, headline, created_at, updated_at)
               SELECT workspace_id, thread_id, creator_id, task_id, title, 'task', thread_status, $17, 1, ARRAY(
                       SELECT connection_id FROM task_connection
                       WHERE task_connection.workspace_id = asked.workspace_id AND task_connection.task_id = asked.task_id
                       ORDER BY position, connection_id), headline, started_at, $16
               FROM asked WHERE begins
           ), made_turns AS (
               INSERT INTO turn (workspace_id, thread_id, turn_no, run_id, prompt, status, reason, message, answer, as_of,
                   timezone, created_at, started_at, finished_at, finished_seq)
               SELECT workspace_id, thread_id, 1, id, prompt, turn_status, reason, told, answer::json, opens_at, timezone,
                   started_at, started_at, $16, $17
               FROM asked WHERE begins
           ), threads AS (
               UPDATE thread SET last_seq = last_seq + 1, status = ended.thread_status, updated_at = $16,
                   headline = coalesce(ended.headline, thread.headline)
               FROM ended WHERE NOT ended.begins AND thread.workspace_id = ended.workspace_id AND thread.id = ended.thread_id
               RETURNING ended.place, thread.last_seq
           ), turns AS (
               UPDATE turn SET status = ended.turn_status, reason = ended.reason, message = ended.told,
                   answer = ended.answer::json, finished_at = $16, finished_seq = threads.last_seq
               FROM ended JOIN threads ON threads.place = ended.place
               WHERE turn.workspace_id = ended.workspace_id AND turn.thread_id = ended.thread_id
                 AND turn.turn_no = ended.turn_no
               RETURNING ended.place
           )
           SELECT asked.place AS "place!", asked.trigger = 'schedule' AS "is_scheduled!",
               asked.trigger = 'backtest' AS "is_backtest!", asked.task_id, asked.thread_id,
               asked.turn_no, asked.test_to, asked.begins OR turns.place IS NOT NULL AS "has_turn!",
               asked.notification AS "notification?",
               coalesce(asked.failing, false) AS "was_failing!",
               coalesce(asked.skipping_stale, false) AS "was_skipping_stale!",
               EXISTS (SELECT FROM webhook_endpoint WHERE webhook_endpoint.workspace_id = asked.workspace_id)
                   AS "has_webhooks!"
           FROM asked
           LEFT JOIN turns ON turns.place = asked.place"#,
        &workspace_ids,
        &run_ids,
        &statuses as &[&str],
        &reasons as &[Option<&str>],
        &messages as &[Option<String>],
        &turn_statuses as &[&str],
        &thread_statuses as &[&str],
        &told as &[Option<String>],
        &headlines as &[Option<String>],
        &answers as &[Option<String>],
        &tokens_in,
        &tokens_out,
        &credits,
        &queries,
        &rows,
        tx.now,
        FIRST_SEQ
    )
    .fetch_all(tx.db())
    .await?;
    let has_all =
        written.len() == endings.len() && written.iter().all(|row| row.has_turn || row.thread_id.is_none());
    if !has_all {
        return Err(Error::NotFound);
    }
    let ended = written.into_iter().map(|row| Ended {
        index: row.place as usize - 1,
        is_scheduled: row.is_scheduled,
        is_backtest: row.is_backtest,
        task_id: row.task_id,
        thread: row.thread_id.zip(row.turn_no),
        test_to: row.test_to,
        notification: row.notification,
        was_failing: row.was_failing,
        was_skipping_stale: row.was_skipping_stale,
        has_webhooks: row.has_webhooks,
    });
    Ok(ended.collect())
}

async fn add_usage(tx: &mut Tx, run_id: Uuid, usage: &Usage) -> Result<()> {
    sqlx::query!(
        "UPDATE run SET tokens_in = tokens_in + $3, tokens_out = tokens_out + $4, credits = credits + $5,
             queries = queries + $6, rows = rows + $7
         WHERE workspace_id = $1 AND id = $2",
        tx.workspace_id(),
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

/// Tells the creator of the first failure of a streak, and of the recovery from it.
async fn tell_streak(tx: &mut Tx, task_id: Uuid, run: &Ending<'_>) -> Result<()> {
    let is_failure = run.end.is_failure() == Some(true);
    let changed = sqlx::query!(
        "UPDATE task SET failing = $3 WHERE workspace_id = $1 AND id = $2 AND failing <> $3",
        run.workspace_id,
        task_id,
        is_failure
    )
    .execute(tx.db())
    .await?;
    if changed.rows_affected() == 0 {
        return Ok(());
    }
    let kind = if is_failure { DeliveryKind::Failure } else { DeliveryKind::Recovery };
    let mut notice = Notice::of_task(run.workspace_id, task_id, kind);
    notice.run_id = Some(run.run_id);
    notice.message = run.end.told();
    notice::send(tx, &notice).await
}
