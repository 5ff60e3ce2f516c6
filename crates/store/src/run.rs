//! Runs as they are looked at. How they start: `run_start.rs`; how workers hold them: `run_queue.rs`; how they end:
//! `run_end.rs`.

use chrono::{DateTime, NaiveDate, Utc};
use domain::{
    RunId, TaskId, ThreadId, UserId, WorkspaceId,
    check::Check,
    run::{RunReason, RunStatus, RunTrigger, Usage},
    schedule::Window,
};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    Error, Result, Scope, Store, Tx,
    error::{json, optional_word, word},
    page::{Page, Paged},
};

/// The right to work on one run, until it is taken away. Every write of a worker names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RunLease {
    /// The run's workspace.
    pub workspace_id: WorkspaceId,
    /// The run.
    pub run_id: RunId,
    /// Made anew with each claim.
    pub token: Uuid,
}

/// A run, as a page shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Its task; none for a question typed into a thread.
    pub task_id: Option<TaskId>,
    /// For whom it runs.
    pub creator_id: UserId,
    /// What started it.
    pub trigger: RunTrigger,
    /// The occurrence that it executes.
    pub occurrence: Option<Window>,
    /// The worst of its parts: failed, for `delivery_failed`, where an answer exists and did not reach everybody.
    pub status: RunStatus,
    /// Why it is so.
    pub reason: Option<RunReason>,
    /// The reason in more words, without secrets.
    pub message: Option<String>,
    /// Whether it started after its window had closed.
    pub late: bool,
    /// Which attempt it is at, from 1; 0 before the first. Starts that no failure ended are not counted: what was handed back, was
    /// lost with its worker, or waits for credits or fresh data.
    pub attempt: u32,
    /// Its thread and turn, once it has started.
    pub thread_id: Option<ThreadId>,
    /// The turn that it executes.
    pub turn_no: Option<u32>,
    /// When it was queued.
    pub created_at: DateTime<Utc>,
    /// When it first started.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// What it used.
    pub usage: Usage,
    /// What came of its task's condition; none where it has none, or was not evaluated yet.
    pub check: Option<Check>,
    /// How its messages fare.
    pub deliveries: DeliveryCounts,
}

/// How many messages of a run are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryCounts {
    /// To be sent, being sent, or to be reconciled.
    pub pending: u32,
    /// Taken by the provider.
    pub sent: u32,
    /// Given up, or not tried since it could not arrive: to a dead address, or to a paused place. What another message to the same
    /// recipient made good is left out.
    pub failed: u32,
    /// Not for the recipient's eyes.
    pub withheld: u32,
    /// Not wanted.
    pub suppressed: u32,
}

struct RunRow {
    id: Uuid,
    task_id: Option<Uuid>,
    creator_id: Uuid,
    trigger: String,
    occurrence_date: Option<NaiveDate>,
    opens_at: Option<DateTime<Utc>>,
    closes_at: Option<DateTime<Utc>>,
    status: String,
    reason: Option<String>,
    message: Option<String>,
    late: bool,
    attempt: i32,
    thread_id: Option<Uuid>,
    turn_no: Option<i32>,
    tokens_in: i64,
    tokens_out: i64,
    credits: f64,
    queries: i32,
    rows: i64,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    outcome: Option<Value>,
    deliveries_pending: i64,
    deliveries_sent: i64,
    deliveries_failed: i64,
    deliveries_withheld: i64,
    deliveries_suppressed: i64,
}

impl TryFrom<RunRow> for Run {
    type Error = Error;

    fn try_from(row: RunRow) -> Result<Self> {
        let occurrence = match (row.occurrence_date, row.opens_at, row.closes_at) {
            (Some(date), Some(opens_at), Some(closes_at)) => Some(Window { date, opens_at, closes_at }),
            _ => None,
        };
        let mut status: RunStatus = word("run", "status", row.id, &row.status)?;
        let mut reason: Option<RunReason> = optional_word("run", "reason", row.id, row.reason.as_deref())?;
        if status == RunStatus::Succeeded && row.deliveries_failed > 0 {
            status = RunStatus::Failed;
            reason = Some(RunReason::DeliveryFailed);
        }
        let message = row.message.or_else(|| reason.map(|reason| reason.sentence().to_owned()));
        Ok(Self {
            id: row.id.into(),
            task_id: row.task_id.map(TaskId::from),
            creator_id: row.creator_id.into(),
            trigger: word("run", "trigger", row.id, &row.trigger)?,
            occurrence,
            status,
            reason,
            message,
            late: row.late,
            attempt: row.attempt.unsigned_abs(),
            thread_id: row.thread_id.map(ThreadId::from),
            turn_no: row.turn_no.map(i32::unsigned_abs),
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            usage: Usage {
                tokens_in: row.tokens_in.unsigned_abs(),
                tokens_out: row.tokens_out.unsigned_abs(),
                credits: row.credits,
                queries: row.queries.unsigned_abs(),
                rows: row.rows.unsigned_abs(),
            },
            check: row.outcome.map(|stored| json("run_check", "outcome", row.id, stored)).transpose()?,
            deliveries: DeliveryCounts {
                pending: row.deliveries_pending as u32,
                sent: row.deliveries_sent as u32,
                failed: row.deliveries_failed as u32,
                withheld: row.deliveries_withheld as u32,
                suppressed: row.deliveries_suppressed as u32,
            },
        })
    }
}

impl Store {
    /// One run.
    pub async fn run_get(&self, scope: &Scope, id: RunId) -> Result<Option<Run>> {
        let mut tx = self.begin(scope).await?;
        find(&mut tx, id).await
    }

    /// The runs of a task, newest first: one for each past occurrence, and those started by hand; backtests left out.
    pub async fn run_list(&self, scope: &Scope, task_id: TaskId, page: &Page) -> Result<Paged<Run>> {
        let mut tx = self.begin(scope).await?;
        // With OFFSET 0 the task's runs are read, not all of the workspace's, newest first, until a page of them is the task's.
        let rows = sqlx::query_as!(
            RunRow,
            r#"SELECT id AS "id!", task_id, creator_id AS "creator_id!", trigger AS "trigger!", occurrence_date, opens_at,
                   closes_at, status AS "status!", reason, message, late AS "late!", attempt AS "attempt!", thread_id,
                   turn_no, tokens_in AS "tokens_in!", tokens_out AS "tokens_out!", credits AS "credits!",
                   queries AS "queries!", rows AS "rows!", created_at AS "created_at!", started_at, finished_at,
                   (SELECT outcome FROM run_check WHERE run_check.workspace_id = run_overview.workspace_id
                      AND run_check.run_id = run_overview.id) AS outcome,
                   deliveries_pending AS "deliveries_pending!", deliveries_sent AS "deliveries_sent!",
                   deliveries_failed AS "deliveries_failed!", deliveries_withheld AS "deliveries_withheld!",
                   deliveries_suppressed AS "deliveries_suppressed!"
               FROM run_overview
               WHERE workspace_id = $1 AND id IN (
                   SELECT id FROM (
                       SELECT id FROM run
                       WHERE workspace_id = $1 AND task_id = $2 AND trigger <> 'backtest' AND ($3::uuid IS NULL OR id < $3)
                       OFFSET 0) AS of_task
                   ORDER BY id DESC LIMIT $4)
               ORDER BY id DESC"#,
            tx.workspace_id(),
            task_id.as_uuid(),
            page.after_id(),
            page.rows_to_fetch()
        )
        .fetch_all(tx.db())
        .await?;
        let runs = rows.into_iter().map(Run::try_from).collect::<Result<Vec<_>>>()?;
        Ok(page.cut(runs, |run| (String::new(), run.id.as_uuid())))
    }
}

pub(crate) async fn find(tx: &mut Tx, id: RunId) -> Result<Option<Run>> {
    let row = sqlx::query_as!(
        RunRow,
        r#"SELECT id AS "id!", task_id, creator_id AS "creator_id!", trigger AS "trigger!", occurrence_date, opens_at,
               closes_at, status AS "status!", reason, message, late AS "late!", attempt AS "attempt!", thread_id,
               turn_no, tokens_in AS "tokens_in!", tokens_out AS "tokens_out!", credits AS "credits!",
               queries AS "queries!", rows AS "rows!", created_at AS "created_at!", started_at, finished_at,
               (SELECT outcome FROM run_check WHERE run_check.workspace_id = run_overview.workspace_id
                  AND run_check.run_id = run_overview.id) AS outcome,
               deliveries_pending AS "deliveries_pending!", deliveries_sent AS "deliveries_sent!",
               deliveries_failed AS "deliveries_failed!", deliveries_withheld AS "deliveries_withheld!",
               deliveries_suppressed AS "deliveries_suppressed!"
           FROM run_overview WHERE workspace_id = $1 AND id = $2"#,
        tx.workspace_id(),
        id.as_uuid()
    )
    .fetch_optional(tx.db())
    .await?;
    row.map(Run::try_from).transpose()
}
