//! Backtests: a task run as of its last occurrences, one after the other. Nothing is sent, and nothing counts as a run of the
//! task; what each costs is debited like any other run.
//!
//! One occurrence's end begins the next, in the same transaction. A run always ends, by its worker or by the rescue of runs
//! whose worker vanished; so none is forgotten.

use chrono::{DateTime, NaiveDate, Utc};
use domain::{
    BacktestId, RunId, TaskId, ThreadId,
    answer::Answer,
    check::{ANOMALY_VALUES_MAX, Check, History},
    run::{RunReason, RunStatus},
    schedule::Window,
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    Result, Scope, Store, Tx, audit,
    error::{json as read_json, optional_word, word},
    event,
    run_check::column_key,
    run_start::hold_task,
};

/// The most backtests of a task that are listed.
const LISTED_MAX: i64 = 20;

/// A backtest, in brief.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backtest {
    /// Its id.
    pub id: BacktestId,
    /// When it was started.
    pub created_at: DateTime<Utc>,
    /// When its last occurrence ended; none while there is something to come.
    pub finished_at: Option<DateTime<Utc>>,
    /// How many occurrences it has.
    pub count: u32,
}

/// An occurrence of a backtest.
#[derive(Clone, Debug, PartialEq)]
pub struct BacktestOccurrence {
    /// The occurrence. The question is asked as of the opening of its window.
    pub window: Window,
    /// Its run; none before it begins, and where the backtest ended before it.
    pub run: Option<BacktestRun>,
}

/// A run of a backtest.
#[derive(Clone, Debug, PartialEq)]
pub struct BacktestRun {
    /// Its id.
    pub id: RunId,
    /// Its thread.
    pub thread_id: ThreadId,
    /// How it stands: `NoNews` where its condition did not hold.
    pub status: RunStatus,
    /// Why it has no answer.
    pub reason: Option<RunReason>,
    /// The same as a sentence.
    pub message: Option<String>,
    /// What came of the task's condition.
    pub check: Option<Check>,
    /// The answer.
    pub answer: Option<Answer>,
    /// What it cost.
    pub credits: f64,
}

impl Store {
    /// Starts a backtest of a task over these occurrences, the oldest first; there is at least one.
    /// `Conflict::BacktestUnderWay`, `Conflict::TaskCancelled`, `Conflict::CreatorDeactivated`.
    pub async fn backtest_start(
        &self,
        scope: &Scope,
        task_id: TaskId,
        windows: &[Window],
    ) -> Result<BacktestId> {
        let mut tx = self.begin(scope).await?;
        hold_task(&mut tx, task_id, false).await?;
        let id = BacktestId::new(tx.now);
        sqlx::query!(
            "INSERT INTO backtest (workspace_id, id, task_id, created_at) VALUES ($1, $2, $3, $4)",
            tx.workspace_id(),
            id.as_uuid(),
            task_id.as_uuid(),
            tx.now
        )
        .execute(tx.db())
        .await?;
        let dates: Vec<NaiveDate> = windows.iter().map(|window| window.date).collect();
        let opens: Vec<_> = windows.iter().map(|window| window.opens_at).collect();
        let closes: Vec<_> = windows.iter().map(|window| window.closes_at).collect();
        sqlx::query!(
            "INSERT INTO backtest_occurrence (workspace_id, backtest_id, position, occurrence_date, opens_at, closes_at)
             SELECT $1, $2, place - 1, date, opens_at, closes_at
             FROM unnest($3::date[], $4::timestamptz[], $5::timestamptz[])
                 WITH ORDINALITY AS given (date, opens_at, closes_at, place)",
            tx.workspace_id(),
            id.as_uuid(),
            &dates,
            &opens,
            &closes
        )
        .execute(tx.db())
        .await?;
        let workspace_id = tx.workspace_id();
        begin_next(&mut tx, workspace_id, id.as_uuid()).await?;
        let details = json!({ "backtestId": id, "occurrences": windows.len() });
        audit::record(&mut tx, scope.actor(), "task.backtest", task_id.as_uuid(), details).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// A task's latest backtests, newest first.
    pub async fn backtest_list(&self, scope: &Scope, task_id: TaskId) -> Result<Vec<Backtest>> {
        let mut tx = self.begin(scope).await?;
        find(&mut tx, task_id, None).await
    }

    /// One, with its occurrences, the oldest first.
    pub async fn backtest_get(
        &self,
        scope: &Scope,
        task_id: TaskId,
        id: BacktestId,
    ) -> Result<Option<(Backtest, Vec<BacktestOccurrence>)>> {
        let mut tx = self.begin(scope).await?;
        let Some(backtest) = find(&mut tx, task_id, Some(id)).await?.pop() else { return Ok(None) };
        let rows = sqlx::query!(
            r#"SELECT occurrence.occurrence_date, occurrence.opens_at, occurrence.closes_at, run.id AS "run_id?",
                   run.thread_id AS "thread_id?", run.status AS "status?", run.reason, run.message, run.credits AS "credits?",
                   turn.answer AS "answer?", run_check.outcome AS "outcome?"
               FROM backtest_occurrence AS occurrence
               LEFT JOIN run ON run.workspace_id = $1 AND run.id = occurrence.run_id
               LEFT JOIN turn ON turn.workspace_id = $1 AND turn.thread_id = run.thread_id AND turn.turn_no = run.turn_no
               LEFT JOIN run_check ON run_check.workspace_id = $1 AND run_check.run_id = run.id
               WHERE occurrence.workspace_id = $1 AND occurrence.backtest_id = $2
               ORDER BY occurrence.position"#,
            tx.workspace_id(),
            id.as_uuid()
        )
        .fetch_all(tx.db())
        .await?;
        let mut occurrences = Vec::with_capacity(rows.len());
        for row in rows {
            let mut run = None;
            if let (Some(run_id), Some(thread_id), Some(status)) = (row.run_id, row.thread_id, row.status) {
                let check = row.outcome.map(|stored| read_json("run_check", "outcome", run_id, stored));
                let answer = row.answer.map(|stored| read_json("turn", "answer", run_id, stored));
                run = Some(BacktestRun {
                    id: run_id.into(),
                    thread_id: thread_id.into(),
                    status: word("run", "status", run_id, &status)?,
                    reason: optional_word("run", "reason", run_id, row.reason.as_deref())?,
                    message: row.message,
                    check: check.transpose()?,
                    answer: answer.transpose()?,
                    credits: row.credits.unwrap_or_default(),
                });
            }
            let window =
                Window { date: row.occurrence_date, opens_at: row.opens_at, closes_at: row.closes_at };
            occurrences.push(BacktestOccurrence { window, run });
        }
        Ok(Some((backtest, occurrences)))
    }

    /// What earlier occurrences of a run's backtest found, as [`Store::check_history`] has it of a task's runs.
    pub async fn backtest_history(
        &self,
        scope: &Scope,
        run_id: RunId,
        column: Option<&str>,
    ) -> Result<History> {
        let mut tx = self.begin(scope).await?;
        let rows = sqlx::query!(
            r#"SELECT run_check.value AS "value!", run_check.rows_digest
               FROM backtest_occurrence AS this
               JOIN backtest_occurrence AS earlier ON earlier.workspace_id = $1 AND earlier.backtest_id = this.backtest_id
                 AND earlier.position < this.position
               JOIN run_check ON run_check.workspace_id = $1 AND run_check.run_id = earlier.run_id
               WHERE this.workspace_id = $1 AND this.run_id = $2 AND value IS NOT NULL
                 AND column_name IS NOT DISTINCT FROM $3 AND ($3 IS NOT NULL OR rows_digest IS NOT NULL)
               ORDER BY earlier.position LIMIT $4"#,
            tx.workspace_id(),
            run_id.as_uuid(),
            column.map(column_key),
            ANOMALY_VALUES_MAX as i64
        )
        .fetch_all(tx.db())
        .await?;
        Ok(History {
            last_value: rows.last().map(|row| row.value),
            last_digest: rows.last().and_then(|row| row.rows_digest.clone()),
            values: rows.iter().map(|row| row.value).collect(),
        })
    }
}

async fn find(tx: &mut Tx, task_id: TaskId, id: Option<BacktestId>) -> Result<Vec<Backtest>> {
    let rows = sqlx::query!(
        r#"SELECT backtest.id, created_at, finished_at,
               (SELECT count(*) FROM backtest_occurrence AS occurrence
                WHERE occurrence.workspace_id = $1 AND occurrence.backtest_id = backtest.id) AS "count!"
           FROM backtest
           WHERE workspace_id = $1 AND task_id = $2 AND ($3::uuid IS NULL OR backtest.id = $3)
           ORDER BY backtest.id DESC LIMIT $4"#,
        tx.workspace_id(),
        task_id.as_uuid(),
        id.map(BacktestId::as_uuid),
        LISTED_MAX
    )
    .fetch_all(tx.db())
    .await?;
    let backtests = rows.into_iter().map(|row| Backtest {
        id: row.id.into(),
        created_at: row.created_at,
        finished_at: row.finished_at,
        count: row.count as u32,
    });
    Ok(backtests.collect())
}

/// Goes on with the backtest of a run that has ended with an answer; one whose run has none ends, for what stood in its way
/// stands in the next one's.
pub(crate) async fn go_on(tx: &mut Tx, workspace_id: Uuid, run_id: Uuid, is_answered: bool) -> Result<()> {
    let backtest_id = sqlx::query_scalar!(
        "SELECT backtest_id FROM backtest_occurrence WHERE workspace_id = $1 AND run_id = $2",
        workspace_id,
        run_id
    )
    .fetch_one(tx.db())
    .await?;
    if is_answered && begin_next(tx, workspace_id, backtest_id).await? {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE backtest SET finished_at = $3 WHERE workspace_id = $1 AND id = $2",
        workspace_id,
        backtest_id,
        tx.now
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

/// Makes the run of a backtest's next occurrence, of the task as it stands now, and tells workers. Answers whether there was one
/// and the task can still run. The task is not locked: whoever deletes it locks it before its runs, and this comes after a run's
/// end. One that is deleted at this very moment has one occurrence more run, which sends nothing.
async fn begin_next(tx: &mut Tx, workspace_id: Uuid, backtest_id: Uuid) -> Result<bool> {
    let run_id = RunId::new(tx.now);
    let begun = sqlx::query_scalar!(
        r#"WITH next AS MATERIALIZED (
               SELECT occurrence.position, occurrence.occurrence_date, occurrence.opens_at, task.id AS task_id, task.creator_id,
                   task.title, task.prompt, task.schedule ->> 'timezone' AS timezone,
                   ARRAY(SELECT connection_id FROM task_connection
                       WHERE task_connection.workspace_id = $1 AND task_connection.task_id = task.id
                       ORDER BY task_connection.position, connection_id) AS connection_ids
               FROM backtest
               JOIN backtest_occurrence AS occurrence ON occurrence.workspace_id = $1
                 AND occurrence.backtest_id = backtest.id AND occurrence.run_id IS NULL
               JOIN task ON task.workspace_id = $1 AND task.id = backtest.task_id AND task.deleted_at IS NULL
                 AND task.status <> 'cancelled'
               JOIN member ON member.workspace_id = $1 AND member.user_id = task.creator_id AND member.deactivated_at IS NULL
               WHERE backtest.workspace_id = $1 AND backtest.id = $2
               ORDER BY occurrence.position LIMIT 1
           ), of_thread AS (
               INSERT INTO thread (workspace_id, id, creator_id, task_id, title, source, status, last_turn_no, connection_ids,
                   created_at, updated_at)
               SELECT $1, $4, creator_id, task_id, title, 'backtest', 'running', 1, connection_ids, $5, $5 FROM next
           ), of_turn AS (
               INSERT INTO turn (workspace_id, thread_id, turn_no, run_id, prompt, status, as_of, timezone, created_at)
               SELECT $1, $4, 1, $3, prompt, 'queued', opens_at, timezone, $5 FROM next
           ), of_run AS (
               INSERT INTO run (workspace_id, id, task_id, creator_id, trigger, status, thread_id, turn_no, created_at)
               SELECT $1, $3, task_id, creator_id, 'backtest', 'queued', $4, 1, $5 FROM next
           ), queued AS (
               INSERT INTO run_queue (workspace_id, run_id, task_id, creator_id, urgent, test, available_at, listed_at)
               SELECT $1, $3, task_id, creator_id, false, true, $5, $5 FROM next
           )
           SELECT position FROM next"#,
        workspace_id,
        backtest_id,
        run_id.as_uuid(),
        ThreadId::new(tx.now).as_uuid(),
        tx.now
    )
    .fetch_optional(tx.db())
    .await?;
    let Some(position) = begun else { return Ok(false) };
    // A statement of its own: the occurrence names the run, which must be there by then.
    sqlx::query!(
        "UPDATE backtest_occurrence SET run_id = $4 WHERE workspace_id = $1 AND backtest_id = $2 AND position = $3",
        workspace_id,
        backtest_id,
        position,
        run_id.as_uuid()
    )
    .execute(tx.db())
    .await?;
    event::tell_run_ready(tx).await?;
    Ok(true)
}
