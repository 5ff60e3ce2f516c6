//! What comes of tasks' conditions, run by run: what a run is held to, what earlier runs found, and an end that sends only
//! where the condition says so.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    ConnectionId, TaskId, ThreadId,
    answer::Answer,
    check::{ANOMALY_VALUES_MAX, Check, History},
    condition::Condition,
    delivery::DeliveryKind,
    freshness::FreshnessGate,
    run::{RunStatus, RunTrigger, Usage},
    task::Notification,
};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    Error, Result, RunLease, Scope, Store, Tx,
    error::{json, to_json_text, word},
    run_end::{self, Ending, RunEnd},
    run_message::{self, AnsweredRun, Audience},
    run_queue,
};

/// Nothing was sent for so many days: the task's people are told that it is alive. Of occurrences their dates count, whenever in
/// its window a run ended, and however late: a weekly task's are seven days apart, and never a moment less.
const QUIET_DAYS: i32 = 7;
/// The same for what has no date: a run by hand, a change of the question. A delivery window's length short of a week, for the
/// ends of runs move a little from week to week, and by an hour with the clocks.
const QUIET_AT_MOST: TimeDelta = TimeDelta::hours(7 * 24 - 2);

/// What a task's run is held to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskTerms {
    /// When its answer is sent; none: always.
    pub condition: Option<Condition>,
    /// Whether it waits for fresh data.
    pub freshness: Option<FreshnessGate>,
}

/// A condition's outcome, as a run's end stores it.
#[derive(Clone, Debug, PartialEq)]
pub struct NewCheck {
    /// What came of it.
    pub check: Check,
    /// SHA-256 over the rows in whatever order, where the condition is about them.
    pub rows_digest: Option<[u8; 32]>,
}

/// What earlier runs of a task found, and where.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PastValues {
    /// What they found.
    pub history: History,
    /// The connections that their queries ran on: of a task that names none, each run may have asked others.
    pub connection_ids: Vec<ConnectionId>,
}

/// What came of a condition in one run.
#[derive(Clone, Debug, PartialEq)]
pub struct PastCheck {
    /// When.
    pub checked_at: DateTime<Utc>,
    /// The thread that it was about.
    pub thread_id: ThreadId,
    /// What came of it.
    pub check: Check,
}

impl Store {
    /// What earlier runs of a task found: values of `column` (regardless of case), or where none is named numbers and digests
    /// of rows. Since the question last changed; tests left out, and what was asked before that and ended after it. A turn is
    /// as old as its question: asked by hand then, or taken from the task when the attempt started that began it.
    pub async fn check_history(
        &self,
        scope: &Scope,
        task_id: TaskId,
        column: Option<&str>,
    ) -> Result<PastValues> {
        let mut tx = self.begin(scope).await?;
        let mut rows = sqlx::query!(
            r#"SELECT run_check.value AS "value!", run_check.rows_digest, ARRAY(
                   SELECT DISTINCT result.connection_id FROM result
                   WHERE result.workspace_id = turn.workspace_id AND result.thread_id = turn.thread_id
                     AND result.turn_no = turn.turn_no) AS "connection_ids!"
               FROM run_check
               JOIN task ON task.workspace_id = run_check.workspace_id AND task.id = run_check.task_id
               JOIN run ON run.workspace_id = run_check.workspace_id AND run.id = run_check.run_id
               JOIN turn ON turn.workspace_id = run.workspace_id AND turn.thread_id = run.thread_id
                 AND turn.turn_no = run.turn_no
               WHERE run_check.workspace_id = $1 AND run_check.task_id = $2 AND is_history AND value IS NOT NULL
                 AND column_name IS NOT DISTINCT FROM $3 AND ($3 IS NOT NULL OR rows_digest IS NOT NULL)
                 AND (task.checked_since IS NULL OR turn.created_at > task.checked_since)
               ORDER BY checked_at DESC, run_check.run_id DESC LIMIT $4"#,
            tx.workspace_id(),
            task_id.as_uuid(),
            column.map(column_key),
            ANOMALY_VALUES_MAX as i64
        )
        .fetch_all(tx.db())
        .await?;
        rows.reverse();
        let connection_ids: BTreeSet<Uuid> =
            rows.iter().flat_map(|row| row.connection_ids.iter().copied()).collect();
        let history = History {
            last_value: rows.last().map(|row| row.value),
            last_digest: rows.last().and_then(|row| row.rows_digest.clone()),
            values: rows.iter().map(|row| row.value).collect(),
        };
        Ok(PastValues { history, connection_ids: connection_ids.into_iter().map(Into::into).collect() })
    }

    /// What came of a task's condition after an instant and until another where nothing was sent, oldest first, at most the
    /// newest `limit`; tests left out.
    pub async fn check_list(
        &self,
        scope: &Scope,
        task_id: TaskId,
        after: DateTime<Utc>,
        until: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<PastCheck>> {
        let mut tx = self.begin(scope).await?;
        let rows = sqlx::query!(
            r#"SELECT run_id, checked_at, thread_id AS "thread_id!", outcome AS "outcome!: Value" FROM (
                   SELECT run_check.run_id, checked_at, run.thread_id, outcome FROM run_check
                   JOIN run ON run.workspace_id = run_check.workspace_id AND run.id = run_check.run_id
                   WHERE run_check.workspace_id = $1 AND run_check.task_id = $2 AND checked_at > $3 AND checked_at <= $4
                     AND is_history AND NOT sent AND run.thread_id IS NOT NULL
                   ORDER BY checked_at DESC, run_check.run_id DESC LIMIT $5) AS latest
               ORDER BY checked_at, run_id"#,
            tx.workspace_id(),
            task_id.as_uuid(),
            after,
            until,
            i64::from(limit)
        )
        .fetch_all(tx.db())
        .await?;
        rows.into_iter()
            .map(|row| {
                let check = json("run_check", "outcome", row.run_id, row.outcome)?;
                Ok(PastCheck { checked_at: row.checked_at, thread_id: row.thread_id.into(), check })
            })
            .collect()
    }

    /// Ends a run with its answer and what came of its task's condition: the answer is sent, or kept without a word
    /// (`no_news`). A test is always sent, a backtest never. Answers how it ended. After a week in which nothing was sent, the task's people are
    /// told so in the same transaction. `LeaseLost`, `RunStopped`.
    pub async fn run_conclude(
        &self,
        scope: &Scope,
        lease: &RunLease,
        answer: &Answer,
        usage: &Usage,
        checked: &NewCheck,
    ) -> Result<RunStatus> {
        let mut tx = self.begin(scope).await?;
        run_queue::hold(&mut tx, lease).await?;
        let run_id = lease.run_id.as_uuid();
        let run = sqlx::query!(
            r#"SELECT task_id AS "task_id!", trigger FROM run WHERE workspace_id = $1 AND id = $2 AND task_id IS NOT NULL"#,
            tx.workspace_id(),
            run_id
        )
        .fetch_optional(tx.db())
        .await?
        .ok_or(Error::NotFound)?;
        let trigger: RunTrigger = word("run", "trigger", run_id, &run.trigger)?;
        let is_test = trigger == RunTrigger::Test;
        let status =
            if checked.check.verdict.sends() || is_test { RunStatus::Succeeded } else { RunStatus::NoNews };
        let is_backtest = trigger == RunTrigger::Backtest;
        let is_history = !is_test && !is_backtest;
        let is_sent = status == RunStatus::Succeeded && !is_backtest;
        insert_check(&mut tx, run_id, run.task_id, checked, is_history, is_sent).await?;
        let end = RunEnd::with_answer(status, answer, *usage);
        let workspace_id = tx.workspace_id();
        run_end::close(&mut tx, &[Ending { workspace_id, run_id, end }]).await?;
        if status == RunStatus::NoNews && trigger == RunTrigger::Schedule {
            tell_quiet_week(&mut tx, run_id, run.task_id).await?;
        }
        tx.commit().await?;
        Ok(status)
    }
}

/// Names of columns are compared regardless of case. The character NUL cannot be stored.
pub(crate) fn column_key(name: &str) -> String {
    name.to_lowercase().replace('\0', "")
}

async fn insert_check(
    tx: &mut Tx,
    run_id: Uuid,
    task_id: Uuid,
    checked: &NewCheck,
    is_history: bool,
    sent: bool,
) -> Result<()> {
    let NewCheck { check, rows_digest } = checked;
    sqlx::query!(
        "INSERT INTO run_check (workspace_id, run_id, task_id, is_history, sent, column_name, value, rows_digest, outcome,
             checked_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::json, $10)",
        tx.workspace_id(),
        run_id,
        task_id,
        is_history,
        sent,
        check.column.as_deref().map(column_key),
        check.value,
        rows_digest.as_ref().map(<[u8; 32]>::as_slice),
        to_json_text(check),
        tx.now
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

/// Tells the creator and the recipients of a task that nothing was sent for a week, if that is so at the end of this scheduled
/// run: no answer to its question since that last changed, and no such word.
async fn tell_quiet_week(tx: &mut Tx, run_id: Uuid, task_id: Uuid) -> Result<()> {
    let run = sqlx::query!(
        r#"SELECT run.thread_id, run.turn_no, run.creator_id, task.notification,
               coalesce(task.checked_since, task.created_at) > $3 AS "is_new!",
               EXISTS (
                   SELECT FROM run_check
                   JOIN run AS earlier ON earlier.workspace_id = run_check.workspace_id AND earlier.id = run_check.run_id
                   JOIN turn ON turn.workspace_id = earlier.workspace_id AND turn.thread_id = earlier.thread_id
                     AND turn.turn_no = earlier.turn_no
                   WHERE run_check.workspace_id = $1 AND run_check.task_id = task.id AND sent AND is_history
                     AND (task.checked_since IS NULL OR turn.created_at > task.checked_since)
                     AND CASE WHEN earlier.occurrence_date IS NULL THEN checked_at > $3
                         ELSE earlier.occurrence_date > run.occurrence_date - $4::int END) AS "is_answered!",
               EXISTS (
                   SELECT FROM delivery
                   JOIN run AS earlier ON earlier.workspace_id = delivery.workspace_id AND earlier.id = delivery.run_id
                   WHERE delivery.workspace_id = $1 AND delivery.task_id = task.id AND delivery.kind = 'no_news'
                     AND earlier.occurrence_date > run.occurrence_date - $4::int) AS "is_told!"
           FROM run
           JOIN task ON task.workspace_id = run.workspace_id AND task.id = run.task_id
           WHERE run.workspace_id = $1 AND run.id = $2"#,
        tx.workspace_id(),
        run_id,
        tx.now - QUIET_AT_MOST,
        QUIET_DAYS
    )
    .fetch_one(tx.db())
    .await?;
    if run.is_new || run.is_answered || run.is_told {
        return Ok(());
    }
    let mut to: Notification = json("task", "notification", task_id, run.notification)?;
    to.user_ids.push(run.creator_id.into());
    to.attach_csv = false;
    let quiet = AnsweredRun {
        workspace_id: tx.workspace_id(),
        run_id,
        task_id,
        thread: run.thread_id.zip(run.turn_no),
        audience: Audience::Notification(to),
    };
    run_message::send(tx, DeliveryKind::NoNews, &[quiet]).await
}
