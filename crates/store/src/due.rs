//! The next occurrence of each task, and its turning into a run.
//!
//! Occurrences are derived from the schedule, never from the previous run. The claim that turns one into a run names the next
//! one in the same transaction, and every occurrence leaves a `run` row with its fate. Locks are taken in one order everywhere:
//! `task_due`, `run_queue`, `run`, `thread`, `task`.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::{
    RunId, TaskId, WorkspaceId,
    delivery::DeliveryKind,
    run::{RunReason, RunStatus},
    schedule::{Schedule, ScheduleSpec, Window, start_offset},
};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    Result, Store, Tx,
    error::{Error, json},
    notice,
    occurrence::{self, Due, Fate},
};

/// What one claim of due tasks did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DueClaim {
    /// Tasks whose next occurrence was due.
    pub tasks: usize,
    /// Runs queued.
    pub queued: usize,
    /// Of those, late ones.
    pub late: usize,
    /// Occurrences skipped because the previous run was unfinished.
    pub skipped: usize,
    /// Occurrences that nobody was there for.
    pub missed: usize,
    /// Where the next claim may start looking: all that was due before is dealt with, but for late commits.
    pub watermark: Option<DateTime<Utc>>,
}

/// Rows with an earlier due time that were committed meanwhile are found again within this time, by looking back.
const LOOK_BACK: TimeDelta = TimeDelta::seconds(5);

/// A task of the batch, as read after its due row was locked.
struct DueTask {
    workspace_id: Uuid,
    task_id: Uuid,
    creator_id: Uuid,
    schedule: Schedule,
    expires_at: Option<DateTime<Utc>>,
    grace: TimeDelta,
    window: Window,
}

/// A run of a task that is not finished.
struct Unfinished {
    run_id: Uuid,
    has_started: bool,
}

impl Store {
    /// Turns up to `batch` due occurrences into runs. `from` bounds the search below (see [`DueClaim::watermark`]); `None`
    /// looks at everything. Any number of schedulers may do this at once.
    pub async fn due_claim(&self, batch: u32, from: Option<DateTime<Utc>>) -> Result<DueClaim> {
        let mut tx = self.begin_across().await?;
        let due = sqlx::query!(
            "SELECT workspace_id, task_id, due_at, occurrence_date, opens_at, closes_at FROM task_due
             WHERE due_at <= $1 AND due_at >= $2 ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED",
            tx.now,
            from.unwrap_or(DateTime::UNIX_EPOCH),
            i64::from(batch)
        )
        .fetch_all(tx.db())
        .await?;
        let is_full = due.len() >= batch as usize;
        let watermark = if is_full { due.last().map(|row| row.due_at) } else { Some(tx.now - LOOK_BACK) };
        let mut claim = DueClaim { tasks: due.len(), watermark, ..DueClaim::default() };
        if due.is_empty() {
            return Ok(claim);
        }
        tx.plan_afresh().await?;
        let windows: HashMap<_, _> = due
            .iter()
            .map(|row| {
                let window =
                    Window { date: row.occurrence_date, opens_at: row.opens_at, closes_at: row.closes_at };
                ((row.workspace_id, row.task_id), window)
            })
            .collect();
        let tasks = tasks_of(&mut tx, &windows).await?;
        let unfinished = unfinished_of(&mut tx, &windows).await?;

        let mut next_rows = NextRows::default();
        let mut fates = Vec::new();
        let mut superseded = Vec::new();
        for task in &tasks {
            let offset = start_offset(task.task_id.into(), self.spread);
            let earlier = unfinished.get(&(task.workspace_id, task.task_id)).map_or(&[][..], Vec::as_slice);
            let due = Due {
                schedule: &task.schedule,
                window: task.window,
                offset,
                expires_at: task.expires_at,
                grace: task.grace,
                is_running: earlier.iter().any(|run| run.has_started),
            };
            let (of_task, next) = occurrence::decide(&due, tx.now);
            if of_task.iter().any(|fate| fate.status == RunStatus::Queued) {
                superseded.extend(earlier.iter().map(|run| (task.workspace_id, run.run_id)));
            }
            fates.extend(of_task.into_iter().map(|fate| (task, fate)));
            next_rows.push(task.workspace_id, task.task_id, next, offset);
        }
        for (_, fate) in &fates {
            match fate.status {
                RunStatus::Queued => {
                    claim.queued += 1;
                    claim.late += usize::from(fate.late);
                }
                RunStatus::Skipped => claim.skipped += 1,
                _ => claim.missed += 1,
            }
        }
        supersede(&mut tx, &superseded).await?;
        insert_runs(&mut tx, &fates).await?;
        next_rows.write(&mut tx).await?;
        // Tasks that are gone or no longer active, should their row have been left behind.
        let known: Vec<_> = tasks.iter().map(|task| (task.workspace_id, task.task_id)).collect();
        for (workspace_id, task_id) in windows.keys().filter(|key| !known.contains(key)) {
            remove_row(&mut tx, *workspace_id, *task_id).await?;
        }
        for (task, fate) in fates.iter().filter(|(_, fate)| fate.reason == Some(RunReason::StillRunning)) {
            let mut notice =
                notice::Notice::of_task(task.workspace_id, task.task_id, DeliveryKind::StillRunning);
            notice.message = Some(fate.window.date.to_string());
            notice::send(&mut tx, &notice).await?;
        }
        tx.commit().await?;
        Ok(claim)
    }

    /// Gives a row to active tasks that lost theirs, looking at up to `batch` tasks after `cursor`. Answers how many were
    /// healed, and where to go on; `None` at the end.
    pub async fn due_heal(
        &self,
        cursor: Option<(WorkspaceId, TaskId)>,
        batch: u32,
    ) -> Result<(usize, Option<(WorkspaceId, TaskId)>)> {
        let mut tx = self.begin_across().await?;
        let (after_workspace, after_task) = cursor
            .map_or((Uuid::nil(), Uuid::nil()), |(workspace, task)| (workspace.as_uuid(), task.as_uuid()));
        let seen = sqlx::query!(
            r#"SELECT seen.workspace_id, seen.id, seen.schedule, seen.expires_at, seen.schedule_since,
                   (seen.status = 'active' AND seen.deleted_at IS NULL AND task_due.task_id IS NULL) AS "is_lost!"
               FROM (SELECT * FROM task WHERE (workspace_id, id) > ($1, $2) ORDER BY workspace_id, id LIMIT $3) AS seen
               LEFT JOIN task_due ON task_due.workspace_id = seen.workspace_id AND task_due.task_id = seen.id
               ORDER BY seen.workspace_id, seen.id"#,
            after_workspace,
            after_task,
            i64::from(batch)
        )
        .fetch_all(tx.db())
        .await?;
        let next = seen
            .last()
            .filter(|_| seen.len() >= batch as usize)
            .map(|row| (WorkspaceId::from(row.workspace_id), TaskId::from(row.id)));
        let mut healed = 0;
        for row in seen.into_iter().filter(|row| row.is_lost) {
            let schedule = read_schedule(row.id, row.schedule)?;
            let last_opened_at = sqlx::query_scalar!(
                "SELECT max(opens_at) FROM run WHERE workspace_id = $1 AND task_id = $2 AND occurrence_date IS NOT NULL",
                row.workspace_id,
                row.id
            )
            .fetch_one(tx.db())
            .await?;
            let after = last_opened_at.map_or(row.schedule_since, |opened| opened.max(row.schedule_since));
            let window =
                schedule.next_window(after).filter(|window| occurrence::exists(*window, row.expires_at));
            let Some(window) = window else { continue };
            let due_at = window.opens_at + start_offset(row.id.into(), self.spread);
            // Whoever gave it a row, or paused it, in the meantime was right.
            let done = sqlx::query!(
                "INSERT INTO task_due (workspace_id, task_id, due_at, occurrence_date, opens_at, closes_at)
                 SELECT workspace_id, id, $3, $4, $5, $6 FROM task
                 WHERE workspace_id = $1 AND id = $2 AND status = 'active' AND deleted_at IS NULL
                 ON CONFLICT DO NOTHING",
                row.workspace_id,
                row.id,
                due_at,
                window.date,
                window.opens_at,
                window.closes_at
            )
            .execute(tx.db())
            .await?;
            healed += done.rows_affected() as usize;
        }
        tx.commit().await?;
        Ok((healed, next))
    }
}

/// Makes a task's next occurrence the first one whose window opens after this moment and whose date has no run yet.
pub(crate) async fn restart(
    tx: &mut Tx,
    spread: TimeDelta,
    task_id: TaskId,
    schedule: &Schedule,
    expires_at: Option<DateTime<Utc>>,
) -> Result<()> {
    let now = tx.now;
    let taken: Vec<NaiveDate> = sqlx::query_scalar!(
        r#"SELECT occurrence_date AS "date!" FROM run
           WHERE workspace_id = $1 AND task_id = $2 AND occurrence_date > $3"#,
        tx.workspace_id(),
        task_id.as_uuid(),
        (now - TimeDelta::days(3)).date_naive()
    )
    .fetch_all(tx.db())
    .await?;
    let window = schedule
        .windows_after(now)
        .find(|window| !taken.contains(&window.date))
        .filter(|window| occurrence::exists(*window, expires_at));
    let Some(window) = window else {
        let workspace_id = tx.workspace_id();
        return remove_row(tx, workspace_id, task_id.as_uuid()).await;
    };
    sqlx::query!(
        "INSERT INTO task_due (workspace_id, task_id, due_at, occurrence_date, opens_at, closes_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT ON CONSTRAINT task_due_pk DO UPDATE
         SET due_at = $3, occurrence_date = $4, opens_at = $5, closes_at = $6",
        tx.workspace_id(),
        task_id.as_uuid(),
        window.opens_at + start_offset(task_id, spread),
        window.date,
        window.opens_at,
        window.closes_at
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

/// Removes a task's next occurrence if it opens at or after a changed expiration.
pub(crate) async fn clip(tx: &mut Tx, task_id: TaskId, expires_at: Option<DateTime<Utc>>) -> Result<()> {
    sqlx::query!(
        "DELETE FROM task_due WHERE workspace_id = $1 AND task_id = $2 AND opens_at >= $3",
        tx.workspace_id(),
        task_id.as_uuid(),
        expires_at
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

/// Stops a task from firing.
pub(crate) async fn remove_row(tx: &mut Tx, workspace_id: Uuid, task_id: Uuid) -> Result<()> {
    sqlx::query!("DELETE FROM task_due WHERE workspace_id = $1 AND task_id = $2", workspace_id, task_id)
        .execute(tx.db())
        .await?;
    Ok(())
}

pub(crate) fn read_schedule(task_id: Uuid, stored: Value) -> Result<Schedule> {
    let spec: ScheduleSpec = json("task", "schedule", task_id, stored)?;
    Schedule::parse(spec, "").map_err(|error| Error::Unreadable {
        table: "task",
        column: "schedule",
        id: task_id.to_string(),
        source: Box::new(error),
    })
}

fn keys(windows: &HashMap<(Uuid, Uuid), Window>) -> (Vec<Uuid>, Vec<Uuid>) {
    windows.keys().copied().unzip()
}

/// The active tasks of a batch. Read after their due rows were locked, so that what a pause or an edit committed is seen.
async fn tasks_of(tx: &mut Tx, windows: &HashMap<(Uuid, Uuid), Window>) -> Result<Vec<DueTask>> {
    let (workspace_ids, task_ids) = keys(windows);
    let rows = sqlx::query!(
        "SELECT task.workspace_id, task.id, task.creator_id, task.schedule, task.expires_at, workspace.grace_seconds
         FROM unnest($1::uuid[], $2::uuid[]) AS due (workspace_id, task_id)
         JOIN task ON task.workspace_id = due.workspace_id AND task.id = due.task_id
         JOIN workspace ON workspace.id = task.workspace_id
         JOIN member ON member.workspace_id = task.workspace_id AND member.user_id = task.creator_id
         WHERE task.status = 'active' AND task.deleted_at IS NULL AND member.deactivated_at IS NULL",
        &workspace_ids,
        &task_ids
    )
    .fetch_all(tx.db())
    .await?;
    let mut tasks = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(window) = windows.get(&(row.workspace_id, row.id)) else { continue };
        tasks.push(DueTask {
            workspace_id: row.workspace_id,
            task_id: row.id,
            creator_id: row.creator_id,
            schedule: read_schedule(row.id, row.schedule)?,
            expires_at: row.expires_at,
            grace: TimeDelta::seconds(row.grace_seconds.into()),
            window: *window,
        });
    }
    Ok(tasks)
}

/// The unfinished runs of a batch's tasks, tests left out: they stand in nobody's way.
async fn unfinished_of(
    tx: &mut Tx,
    windows: &HashMap<(Uuid, Uuid), Window>,
) -> Result<HashMap<(Uuid, Uuid), Vec<Unfinished>>> {
    let (workspace_ids, task_ids) = keys(windows);
    let rows = sqlx::query!(
        r#"SELECT run_queue.workspace_id, run_queue.task_id AS "task_id!", run_queue.run_id,
               (run.started_at IS NOT NULL OR run.trigger <> 'schedule') AS "has_started!"
           FROM unnest($1::uuid[], $2::uuid[]) AS due (workspace_id, task_id)
           JOIN run_queue ON run_queue.workspace_id = due.workspace_id AND run_queue.task_id = due.task_id
           JOIN run ON run.workspace_id = run_queue.workspace_id AND run.id = run_queue.run_id
           WHERE NOT run_queue.test"#,
        &workspace_ids,
        &task_ids
    )
    .fetch_all(tx.db())
    .await?;
    let mut unfinished: HashMap<_, Vec<_>> = HashMap::new();
    for row in rows {
        let run = Unfinished { run_id: row.run_id, has_started: row.has_started };
        unfinished.entry((row.workspace_id, row.task_id)).or_default().push(run);
    }
    Ok(unfinished)
}

/// Gives up older occurrences that were queued and never started, now that a newer one is due.
async fn supersede(tx: &mut Tx, runs: &[(Uuid, Uuid)]) -> Result<()> {
    if runs.is_empty() {
        return Ok(());
    }
    let (workspace_ids, run_ids): (Vec<_>, Vec<_>) = runs.iter().copied().unzip();
    sqlx::query!(
        "WITH gone AS (
             DELETE FROM run_queue USING unnest($1::uuid[], $2::uuid[]) AS old (workspace_id, run_id)
             WHERE run_queue.workspace_id = old.workspace_id AND run_queue.run_id = old.run_id
               AND run_queue.lease_token IS NULL
             RETURNING run_queue.workspace_id, run_queue.run_id)
         UPDATE run SET status = 'missed', reason = 'superseded', late = false, finished_at = $3 FROM gone
         WHERE run.workspace_id = gone.workspace_id AND run.id = gone.run_id",
        &workspace_ids,
        &run_ids,
        tx.now
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

/// Writes one run row per fate, and a queue row for each that shall run. An occurrence that has a run already keeps it.
async fn insert_runs(tx: &mut Tx, fates: &[(&DueTask, Fate)]) -> Result<()> {
    if fates.is_empty() {
        return Ok(());
    }
    // Made first and sorted, so that runs of one task sort by id as their occurrences do by date.
    let mut ids: Vec<Uuid> = fates.iter().map(|_| RunId::new(tx.now).as_uuid()).collect();
    ids.sort_unstable();
    let workspace_ids: Vec<_> = fates.iter().map(|(task, _)| task.workspace_id).collect();
    let task_ids: Vec<_> = fates.iter().map(|(task, _)| task.task_id).collect();
    let creator_ids: Vec<_> = fates.iter().map(|(task, _)| task.creator_id).collect();
    let dates: Vec<_> = fates.iter().map(|(_, fate)| fate.window.date).collect();
    let opens: Vec<_> = fates.iter().map(|(_, fate)| fate.window.opens_at).collect();
    let closes: Vec<_> = fates.iter().map(|(_, fate)| fate.window.closes_at).collect();
    let statuses: Vec<_> = fates.iter().map(|(_, fate)| fate.status.as_str().to_owned()).collect();
    let reasons: Vec<_> =
        fates.iter().map(|(_, fate)| fate.reason.map(|reason| reason.as_str().to_owned())).collect();
    let lates: Vec<_> = fates.iter().map(|(_, fate)| fate.late).collect();
    let deadlines: Vec<_> = fates.iter().map(|(_, fate)| fate.deadline_at).collect();
    sqlx::query!(
        "WITH fate AS (
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::date[], $6::timestamptz[],
                 $7::timestamptz[], $8::text[], $9::text[], $10::bool[], $11::timestamptz[])
               AS fate (workspace_id, id, task_id, creator_id, date, opens_at, closes_at, status, reason, late, deadline_at)
         ), made AS (
             INSERT INTO run (workspace_id, id, task_id, creator_id, trigger, occurrence_date, opens_at, closes_at, status,
                 reason, late, created_at, finished_at)
             SELECT workspace_id, id, task_id, creator_id, 'schedule', date, opens_at, closes_at, status, reason, late, $12,
                 CASE WHEN status <> 'queued' THEN $12::timestamptz END
             FROM fate
             ON CONFLICT ON CONSTRAINT run_occurrence_unique DO NOTHING
             RETURNING workspace_id, id
         )
         INSERT INTO run_queue (workspace_id, run_id, task_id, creator_id, urgent, test, available_at, listed_at, deadline_at)
         SELECT made.workspace_id, made.id, fate.task_id, fate.creator_id, false, false, $12, $12, fate.deadline_at
         FROM made JOIN fate ON fate.workspace_id = made.workspace_id AND fate.id = made.id
         WHERE fate.status = 'queued'",
        &workspace_ids,
        &ids,
        &task_ids,
        &creator_ids,
        &dates,
        &opens,
        &closes,
        &statuses,
        &reasons as &[Option<String>],
        &lates,
        &deadlines as &[Option<DateTime<Utc>>],
        tx.now
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

/// The next occurrence of each task of a batch.
#[derive(Default)]
struct NextRows {
    workspace_ids: Vec<Uuid>,
    task_ids: Vec<Uuid>,
    due_at: Vec<DateTime<Utc>>,
    dates: Vec<NaiveDate>,
    opens_at: Vec<DateTime<Utc>>,
    closes_at: Vec<DateTime<Utc>>,
    /// Tasks that have none.
    ended: Vec<(Uuid, Uuid)>,
}

impl NextRows {
    fn push(&mut self, workspace_id: Uuid, task_id: Uuid, window: Option<Window>, offset: TimeDelta) {
        let Some(window) = window else {
            self.ended.push((workspace_id, task_id));
            return;
        };
        self.workspace_ids.push(workspace_id);
        self.task_ids.push(task_id);
        self.due_at.push(window.opens_at + offset);
        self.dates.push(window.date);
        self.opens_at.push(window.opens_at);
        self.closes_at.push(window.closes_at);
    }

    async fn write(&self, tx: &mut Tx) -> Result<()> {
        sqlx::query!(
            "UPDATE task_due SET due_at = next.due_at, occurrence_date = next.date, opens_at = next.opens_at,
                 closes_at = next.closes_at
             FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::date[], $5::timestamptz[], $6::timestamptz[])
               AS next (workspace_id, task_id, due_at, date, opens_at, closes_at)
             WHERE task_due.workspace_id = next.workspace_id AND task_due.task_id = next.task_id",
            &self.workspace_ids,
            &self.task_ids,
            &self.due_at,
            &self.dates,
            &self.opens_at,
            &self.closes_at
        )
        .execute(tx.db())
        .await?;
        for (workspace_id, task_id) in &self.ended {
            remove_row(tx, *workspace_id, *task_id).await?;
        }
        Ok(())
    }
}
