//! How workers hold runs: claim, heartbeat, release, rescue.
//!
//! A claim is brief and leases the run for [`RUN_LEASE`] by the database's clock under a fresh token. Every later write names
//! the token. Whoever could not renew it in time finds, at the next write, that it is no longer theirs.

use std::collections::HashSet;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::{
    ConnectionId, TaskId, ThreadId, UserId,
    run::{RunReason, RunStatus, RunTrigger},
    schedule::Window,
};
use uuid::Uuid;

use crate::{
    Actor, Error, Result, RunLease, Scope, Store, Tx,
    due::read_schedule,
    error::{optional_word, word},
    event,
    run_end::{self, RunEnd},
};

/// How long a claim or a heartbeat holds a run.
pub const RUN_LEASE: TimeDelta = TimeDelta::seconds(60);
/// A run whose workers vanished this often is given up: it may be what kills them.
pub const RESCUES_MAX: i32 = 5;
/// Workspaces with waiting runs that one transaction of a claim looks at, at least.
const WORKSPACES_PER_SLICE: u32 = 16;
/// Such transactions in one claim. The next claim goes on behind them.
const SLICES_PER_CLAIM: usize = 64;

/// A run that this worker holds now, with all that it needs to start.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimedRun {
    /// What it may touch.
    pub scope: Scope,
    /// The right to work on it.
    pub lease: RunLease,
    /// Its task; none for a question.
    pub task_id: Option<TaskId>,
    /// What started it.
    pub trigger: RunTrigger,
    /// For whom it runs, and so with whose rights.
    pub creator_id: UserId,
    /// The occurrence that it executes.
    pub occurrence: Option<Window>,
    /// Whether its window has closed.
    pub late: bool,
    /// How often it was started, this time included.
    pub attempt: u32,
    /// Its thread.
    pub thread_id: ThreadId,
    /// Its turn in it.
    pub turn_no: u32,
    /// The thread's title: a task's, or made from the first question.
    pub title: String,
    /// The question, with its mentions.
    pub prompt: String,
    /// The instant as of which it is asked: a scheduled run's window opening, else when it was asked.
    pub as_of: DateTime<Utc>,
    /// The zone in which "yesterday" is meant.
    pub timezone: String,
    /// The connections that the thread names, deleted ones included; none: all that the creator may query.
    pub connection_ids: Vec<ConnectionId>,
}

/// A run that is still held after a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldRun {
    /// The lease.
    pub lease: RunLease,
    /// Why it shall stop before its next step, if it shall.
    pub stop: Option<RunReason>,
}

impl Store {
    /// Claims up to `limit` runs for `worker`. Workspaces take turns, each up to its own limit of runs at once, so that one
    /// with thousands of runs does not delay another's one.
    pub async fn run_claim(&self, worker: &str, limit: u32) -> Result<Vec<ClaimedRun>> {
        let start = self.claim_cursor();
        let (mut cursor, mut has_wrapped) = (start, start.is_nil());
        let mut claimed = Vec::new();
        for _ in 0..SLICES_PER_CLAIM {
            let (of_slice, behind) =
                self.run_claim_slice(worker, limit - claimed.len() as u32, cursor).await?;
            claimed.extend(of_slice);
            cursor = behind.unwrap_or_default();
            let is_round = has_wrapped && (behind.is_none() || cursor >= start);
            has_wrapped |= behind.is_none();
            if is_round || claimed.len() >= limit as usize {
                break;
            }
        }
        self.claim_cursor_set(cursor);
        Ok(claimed)
    }

    /// Claims from the next workspaces after `cursor` that have waiting runs. Answers where to go on, or none at the end.
    async fn run_claim_slice(
        &self,
        worker: &str,
        limit: u32,
        cursor: Uuid,
    ) -> Result<(Vec<ClaimedRun>, Option<Uuid>)> {
        let slice = limit.max(WORKSPACES_PER_SLICE);
        let mut tx = self.begin_across().await?;
        // Visits the workspaces with waiting runs one by one along the index, and takes their first runs in rounds.
        let candidates = sqlx::query!(
            r#"WITH RECURSIVE busy AS (
                   (SELECT workspace_id, 1 AS visited FROM run_queue
                    WHERE lease_token IS NULL AND workspace_id > $1 ORDER BY workspace_id LIMIT 1)
                   UNION ALL
                   SELECT (SELECT waiting.workspace_id FROM run_queue AS waiting
                           WHERE waiting.lease_token IS NULL AND waiting.workspace_id > busy.workspace_id
                           ORDER BY waiting.workspace_id LIMIT 1), visited + 1
                   FROM busy WHERE busy.workspace_id IS NOT NULL AND visited < $3
               )
               SELECT workspace.id AS workspace_id, waiting.run_id AS "run_id?",
                   waiting.place AS "place?"
               FROM busy
               JOIN workspace ON workspace.id = busy.workspace_id
               LEFT JOIN LATERAL (
                   SELECT run_id, row_number() OVER (ORDER BY urgent DESC, available_at) AS place
                   FROM run_queue
                   WHERE run_queue.workspace_id = workspace.id AND lease_token IS NULL AND available_at <= $2
                     AND (deadline_at IS NULL OR deadline_at > $2)
                   ORDER BY urgent DESC, available_at
                   LIMIT least($4, workspace.max_concurrent_runs - (
                       SELECT count(*) FROM (
                           SELECT FROM run_queue AS leased
                           WHERE leased.workspace_id = workspace.id AND leased.lease_token IS NOT NULL
                           LIMIT workspace.max_concurrent_runs) AS leased))
               ) AS waiting ON true
               ORDER BY waiting.place NULLS LAST, workspace.id"#,
            cursor,
            tx.now,
            slice as i32,
            i64::from(limit)
        )
        .fetch_all(tx.db())
        .await?;
        let wanted: Vec<_> = candidates
            .iter()
            .filter_map(|row| Some((row.workspace_id, row.run_id?, row.place?)))
            .take(limit as usize)
            .collect();
        let visited: HashSet<_> = candidates.iter().map(|row| row.workspace_id).collect();
        // Where the first round alone was enough, the workspaces behind it have not had their turn.
        let behind = match wanted.last() {
            Some((workspace_id, _, 1)) if wanted.len() == limit as usize => Some(*workspace_id),
            _ if visited.len() < slice as usize => None,
            _ => visited.iter().copied().max(),
        };
        if wanted.is_empty() {
            return Ok((vec![], behind));
        }
        let (workspace_ids, run_ids): (Vec<_>, Vec<_>) =
            wanted.iter().map(|(workspace, run, _)| (*workspace, *run)).unzip();
        // One claimer at a time counts the runs of a workspace; others pass it by.
        let mine: Vec<Uuid> = sqlx::query_scalar!(
            r#"SELECT workspace_id AS "workspace_id!" FROM (SELECT DISTINCT workspace_id FROM unnest($1::uuid[]) AS w (workspace_id)) AS w
               WHERE pg_try_advisory_xact_lock(hashtextextended('tidings.run_claim ' || workspace_id::text, 0))"#,
            &workspace_ids
        )
        .fetch_all(tx.db())
        .await?;
        let leased = sqlx::query!(
            r#"WITH room AS (
                   SELECT workspace.id AS workspace_id, max_concurrent_runs - (
                       SELECT count(*) FROM run_queue
                       WHERE run_queue.workspace_id = workspace.id AND lease_token IS NOT NULL) AS free
                   FROM workspace WHERE id = ANY ($1)
               ), placed AS (
                   SELECT run_queue.workspace_id, run_queue.run_id, room.free,
                       row_number() OVER (PARTITION BY run_queue.workspace_id ORDER BY urgent DESC, available_at) AS place
                   FROM unnest($2::uuid[], $3::uuid[]) AS wanted (workspace_id, run_id)
                   JOIN room ON room.workspace_id = wanted.workspace_id
                   JOIN run_queue ON run_queue.workspace_id = wanted.workspace_id AND run_queue.run_id = wanted.run_id
                   WHERE run_queue.lease_token IS NULL
               ), taken AS (
                   SELECT run_queue.workspace_id, run_queue.run_id FROM run_queue
                   JOIN placed ON placed.workspace_id = run_queue.workspace_id AND placed.run_id = run_queue.run_id
                   WHERE placed.place <= placed.free AND run_queue.lease_token IS NULL
                   FOR UPDATE OF run_queue SKIP LOCKED
               )
               UPDATE run_queue SET lease_token = gen_random_uuid(), lease_until = $4, worker = $5
               FROM taken
               WHERE run_queue.workspace_id = taken.workspace_id AND run_queue.run_id = taken.run_id
               RETURNING run_queue.workspace_id, run_queue.run_id, run_queue.lease_token AS "lease_token!""#,
            &mine,
            &workspace_ids,
            &run_ids,
            tx.now + RUN_LEASE,
            worker
        )
        .fetch_all(tx.db())
        .await?;
        let leases: Vec<RunLease> = leased
            .into_iter()
            .map(|row| RunLease {
                workspace_id: row.workspace_id.into(),
                run_id: row.run_id.into(),
                token: row.lease_token,
            })
            .collect();
        let claimed = start_leased(&mut tx, &leases).await?;
        tx.commit().await?;
        Ok((claimed, behind))
    }

    /// Renews a worker's leases in one statement. A lease that is not among the answers is lost: stop that run at once.
    pub async fn run_heartbeat(&self, leases: &[RunLease]) -> Result<Vec<HeldRun>> {
        if leases.is_empty() {
            return Ok(vec![]);
        }
        let (workspace_ids, run_ids, tokens) = columns(leases);
        let rows = sqlx::query!(
            r#"UPDATE run_queue SET lease_until = instant($4) + make_interval(secs => $5)
               FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS held (workspace_id, run_id, token)
               WHERE run_queue.workspace_id = held.workspace_id AND run_queue.run_id = held.run_id
                 AND run_queue.lease_token = held.token
               RETURNING run_queue.workspace_id, run_queue.run_id, run_queue.lease_token AS "lease_token!", stop_reason"#,
            &workspace_ids,
            &run_ids,
            &tokens,
            self.time.given(),
            RUN_LEASE.as_seconds_f64()
        )
        .fetch_all(&self.worker)
        .await?;
        rows.into_iter()
            .map(|row| {
                let stop = optional_word("run_queue", "stop_reason", row.run_id, row.stop_reason.as_deref())?;
                let (workspace_id, run_id) = (row.workspace_id.into(), row.run_id.into());
                Ok(HeldRun { lease: RunLease { workspace_id, run_id, token: row.lease_token }, stop })
            })
            .collect()
    }

    /// Whether the run is still held and may take its next step: `LeaseLost`, `RunStopped`.
    pub async fn run_check(&self, scope: &Scope, lease: &RunLease) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        hold(&mut tx, lease).await
    }

    /// Hands runs back, at once claimable by others; the attempt is not counted. Ones that are lost already are left alone.
    /// Answers how many were handed back.
    pub async fn run_release(&self, leases: &[RunLease]) -> Result<u64> {
        let (workspace_ids, run_ids, tokens) = columns(leases);
        let done = sqlx::query!(
            "WITH released AS (
                 UPDATE run_queue SET lease_token = NULL, lease_until = NULL, worker = NULL
                 FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS held (workspace_id, run_id, token)
                 WHERE run_queue.workspace_id = held.workspace_id AND run_queue.run_id = held.run_id
                   AND run_queue.lease_token = held.token
                 RETURNING run_queue.workspace_id, run_queue.run_id)
             UPDATE run SET status = 'queued', attempt = attempt - 1 FROM released
             WHERE run.workspace_id = released.workspace_id AND run.id = released.run_id",
            &workspace_ids,
            &run_ids,
            &tokens
        )
        .execute(&self.worker)
        .await?;
        Ok(done.rows_affected())
    }

    /// Takes up to `batch` runs from workers that let their lease pass, and queues them again; one that this happened to too
    /// often fails. Answers how many.
    pub async fn run_rescue(&self, batch: u32) -> Result<usize> {
        let mut tx = self.begin_across().await?;
        let expired = sqlx::query!(
            "UPDATE run_queue SET lease_token = NULL, lease_until = NULL, worker = NULL, rescues = rescues + 1
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
        for row in &expired {
            let stop: Option<RunReason> =
                optional_word("run_queue", "stop_reason", row.run_id, row.stop_reason.as_deref())?;
            if let Some(reason) = stop {
                let end = RunEnd::without_answer(RunStatus::Cancelled, reason);
                run_end::close(&mut tx, row.workspace_id, row.run_id, &end).await?;
            } else if row.rescues >= RESCUES_MAX {
                let end = RunEnd::without_answer(RunStatus::Failed, RunReason::Internal);
                run_end::close(&mut tx, row.workspace_id, row.run_id, &end).await?;
            } else {
                sqlx::query!(
                    "UPDATE run SET status = 'queued' WHERE workspace_id = $1 AND id = $2",
                    row.workspace_id,
                    row.run_id
                )
                .execute(tx.db())
                .await?;
            }
        }
        tx.commit().await?;
        Ok(expired.len())
    }

    /// Deals with up to `batch` runs that nobody holds and whose time has passed. One that waits to be tried again fails with
    /// its last error. One that was never tried, or lost its worker, may still run late within the workspace's grace period;
    /// after that it is missed, or fails. Answers how many.
    pub async fn run_overdue(&self, batch: u32) -> Result<usize> {
        let mut tx = self.begin_across().await?;
        let overdue = sqlx::query!(
            r#"SELECT run_queue.workspace_id, run_queue.run_id, run.status, run.message, run.closes_at,
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
        for row in &overdue {
            let status: RunStatus = word("run", "status", row.run_id, &row.status)?;
            let runs_late_until =
                row.closes_at.map(|closes_at| closes_at + TimeDelta::seconds(row.grace_seconds.into()));
            // One that was held for fresh data until its worker vanished has not started either.
            let may_run_late = status == RunStatus::Queued || !row.has_started;
            if let Some(until) = runs_late_until.filter(|until| may_run_late && *until > tx.now) {
                run_late(&mut tx, row.workspace_id, row.run_id, until).await?;
                continue;
            }
            let mut end = RunEnd::without_answer(RunStatus::Missed, RunReason::Downtime);
            if row.has_started {
                end = RunEnd::without_answer(RunStatus::Failed, RunReason::Deadline);
                end.message.clone_from(&row.message);
            }
            run_end::close(&mut tx, row.workspace_id, row.run_id, &end).await?;
        }
        tx.commit().await?;
        Ok(overdue.len())
    }
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
    match optional_word("run_queue", "stop_reason", lease.run_id, row.stop_reason.as_deref())? {
        None => Ok(()),
        Some(reason) => Err(Error::RunStopped(reason)),
    }
}

fn columns(leases: &[RunLease]) -> (Vec<Uuid>, Vec<Uuid>, Vec<Uuid>) {
    let workspace_ids = leases.iter().map(|lease| lease.workspace_id.as_uuid()).collect();
    let run_ids = leases.iter().map(|lease| lease.run_id.as_uuid()).collect();
    (workspace_ids, run_ids, leases.iter().map(|lease| lease.token).collect())
}

async fn run_late(tx: &mut Tx, workspace_id: Uuid, run_id: Uuid, until: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "UPDATE run_queue SET deadline_at = $3 WHERE workspace_id = $1 AND run_id = $2",
        workspace_id,
        run_id,
        until
    )
    .execute(tx.db())
    .await?;
    sqlx::query!("UPDATE run SET late = true WHERE workspace_id = $1 AND id = $2", workspace_id, run_id)
        .execute(tx.db())
        .await?;
    Ok(())
}

/// Marks leased runs as running, makes the threads of those that have none yet, and reads what their worker needs.
async fn start_leased(tx: &mut Tx, leases: &[RunLease]) -> Result<Vec<ClaimedRun>> {
    let (workspace_ids, run_ids, _) = columns(leases);
    make_threads(tx, &workspace_ids, &run_ids).await?;
    sqlx::query!(
        "UPDATE run SET status = 'running', attempt = attempt + 1, started_at = coalesce(started_at, $3)
         FROM unnest($1::uuid[], $2::uuid[]) AS leased (workspace_id, run_id)
         WHERE run.workspace_id = leased.workspace_id AND run.id = leased.run_id",
        &workspace_ids,
        &run_ids,
        tx.now
    )
    .execute(tx.db())
    .await?;
    let rows = sqlx::query!(
        r#"UPDATE turn SET status = 'running', started_at = coalesce(turn.started_at, $3)
           FROM unnest($1::uuid[], $2::uuid[]) AS leased (workspace_id, run_id)
           JOIN run ON run.workspace_id = leased.workspace_id AND run.id = leased.run_id
           JOIN thread ON thread.workspace_id = run.workspace_id AND thread.id = run.thread_id
           WHERE turn.workspace_id = run.workspace_id AND turn.thread_id = run.thread_id AND turn.turn_no = run.turn_no
           RETURNING run.id, run.workspace_id, run.task_id, run.trigger, run.creator_id, run.occurrence_date, run.opens_at,
               run.closes_at, run.late, run.attempt, turn.thread_id, turn.turn_no, thread.title, turn.prompt, turn.as_of,
               turn.timezone, ARRAY(
                   SELECT connection_id FROM thread_connection
                   WHERE thread_connection.workspace_id = run.workspace_id AND thread_connection.thread_id = run.thread_id
                   ORDER BY position, connection_id) AS "connection_ids!""#,
        &workspace_ids,
        &run_ids,
        tx.now
    )
    .fetch_all(tx.db())
    .await?;
    let mut claimed = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(lease) = leases.iter().find(|lease| lease.run_id.as_uuid() == row.id) else { continue };
        let trigger: RunTrigger = word("run", "trigger", row.id, &row.trigger)?;
        if trigger != RunTrigger::Schedule {
            event::tell_thread_changed(tx, row.thread_id.into()).await?;
        }
        claimed.push(ClaimedRun {
            scope: Scope::new(lease.workspace_id, Actor::System),
            lease: *lease,
            task_id: row.task_id.map(TaskId::from),
            trigger,
            creator_id: row.creator_id.into(),
            occurrence: window(row.occurrence_date, row.opens_at, row.closes_at),
            late: row.late,
            attempt: row.attempt.unsigned_abs(),
            thread_id: row.thread_id.into(),
            turn_no: row.turn_no.unsigned_abs(),
            title: row.title,
            prompt: row.prompt,
            as_of: row.as_of,
            timezone: row.timezone,
            connection_ids: row.connection_ids.into_iter().map(ConnectionId::from).collect(),
        });
    }
    Ok(claimed)
}

fn window(
    date: Option<NaiveDate>,
    opens_at: Option<DateTime<Utc>>,
    closes_at: Option<DateTime<Utc>>,
) -> Option<Window> {
    Some(Window { date: date?, opens_at: opens_at?, closes_at: closes_at? })
}

/// A scheduled run gets its thread when it first starts, with the task as it stands then.
async fn make_threads(tx: &mut Tx, workspace_ids: &[Uuid], run_ids: &[Uuid]) -> Result<()> {
    let rows = sqlx::query!(
        r#"SELECT run.workspace_id, run.id, run.opens_at AS "opens_at!", task.id AS task_id, task.creator_id, task.title,
               task.prompt, task.schedule
           FROM unnest($1::uuid[], $2::uuid[]) AS leased (workspace_id, run_id)
           JOIN run ON run.workspace_id = leased.workspace_id AND run.id = leased.run_id AND run.thread_id IS NULL
           JOIN task ON task.workspace_id = run.workspace_id AND task.id = run.task_id"#,
        workspace_ids,
        run_ids
    )
    .fetch_all(tx.db())
    .await?;
    if rows.is_empty() {
        return Ok(());
    }
    let workspace_ids: Vec<_> = rows.iter().map(|row| row.workspace_id).collect();
    let run_ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    let thread_ids: Vec<_> = rows.iter().map(|_| ThreadId::new(tx.now).as_uuid()).collect();
    let task_ids: Vec<_> = rows.iter().map(|row| row.task_id).collect();
    let creator_ids: Vec<_> = rows.iter().map(|row| row.creator_id).collect();
    let titles: Vec<_> = rows.iter().map(|row| row.title.clone()).collect();
    let prompts: Vec<_> = rows.iter().map(|row| row.prompt.clone()).collect();
    let opens_at: Vec<_> = rows.iter().map(|row| row.opens_at).collect();
    let mut timezones = Vec::with_capacity(rows.len());
    for row in rows {
        timezones.push(read_schedule(row.task_id, row.schedule)?.spec().timezone.clone());
    }
    sqlx::query!(
        "INSERT INTO thread (workspace_id, id, creator_id, task_id, title, source, status, last_turn_no, created_at,
             updated_at)
         SELECT workspace_id, id, creator_id, task_id, title, 'task', 'running', 1, $6, $6
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[])
           AS made (workspace_id, id, creator_id, task_id, title)",
        &workspace_ids,
        &thread_ids,
        &creator_ids,
        &task_ids,
        &titles,
        tx.now
    )
    .execute(tx.db())
    .await?;
    sqlx::query!(
        "INSERT INTO thread_connection (workspace_id, thread_id, connection_id, position)
         SELECT made.workspace_id, made.thread_id, connection_id, position
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS made (workspace_id, thread_id, task_id)
         JOIN task_connection ON task_connection.workspace_id = made.workspace_id
           AND task_connection.task_id = made.task_id",
        &workspace_ids,
        &thread_ids,
        &task_ids
    )
    .execute(tx.db())
    .await?;
    sqlx::query!(
        "INSERT INTO turn (workspace_id, thread_id, turn_no, prompt, status, as_of, timezone, created_at)
         SELECT workspace_id, thread_id, 1, prompt, 'queued', as_of, timezone, $6
         FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::text[])
           AS made (workspace_id, thread_id, prompt, as_of, timezone)",
        &workspace_ids,
        &thread_ids,
        &prompts,
        &opens_at,
        &timezones,
        tx.now
    )
    .execute(tx.db())
    .await?;
    sqlx::query!(
        "UPDATE run SET thread_id = made.thread_id, turn_no = 1
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS made (workspace_id, run_id, thread_id)
         WHERE run.workspace_id = made.workspace_id AND run.id = made.run_id",
        &workspace_ids,
        &run_ids,
        &thread_ids
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

/// The leases of `before` that `held` no longer has.
pub fn leases_lost(before: &[RunLease], held: &[HeldRun]) -> Vec<RunLease> {
    let held: HashSet<_> = held.iter().map(|held| held.lease).collect();
    before.iter().copied().filter(|lease| !held.contains(lease)).collect()
}
